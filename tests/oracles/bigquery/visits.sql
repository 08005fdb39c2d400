SELECT DISTINCT
  `t0`.`person_id`,
  `t0`.`visit_start_date` AS `date`
FROM `records_0` AS `t0`
