SELECT
  `t0`.`person_id`,
  CASE
    WHEN `t0`.`gender_concept_id` = 8507
    THEN 'male'
    WHEN `t0`.`gender_concept_id` = 8532
    THEN 'female'
    ELSE 'unknown'
  END AS `sex`,
  `t0`.`year_of_birth` AS `birth_year`
FROM `records_0` AS `t0`
