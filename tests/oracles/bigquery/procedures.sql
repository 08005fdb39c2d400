SELECT DISTINCT
  *
FROM (
  SELECT
    `t4`.`person_id`,
    `t4`.`procedure_date` AS `date`,
    `t2`.`procedure_class`
  FROM (
    SELECT
      `t0`.`person_id`,
      `t0`.`procedure_concept_id`,
      `t0`.`procedure_date`
    FROM `records_0` AS `t0`
  ) AS `t4`
  INNER JOIN `codes_1` AS `t2`
    ON `t4`.`procedure_concept_id` = `t2`.`concept_id`
) AS `t5`
