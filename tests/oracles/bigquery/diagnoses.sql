SELECT
  `t4`.`person_id`,
  `t4`.`date`,
  `t2`.`diagnosis_class`,
  `t4`.`visit_id`
FROM (
  SELECT
    `t0`.`person_id`,
    `t0`.`condition_start_date` AS `date`,
    `t0`.`condition_concept_id` AS `concept_id`,
    COALESCE(`t0`.`condition_source_concept_id`, 0) AS `source_concept_id`,
    COALESCE(NULLIF(TRIM(`t0`.`condition_source_value`, ' \t\n\r\v\f'), ''), '') AS `code`,
    `t0`.`visit_occurrence_id` AS `visit_id`
  FROM `records_0` AS `t0`
) AS `t4`
INNER JOIN `codes_1` AS `t2`
  ON `t4`.`concept_id` = `t2`.`concept_id`
