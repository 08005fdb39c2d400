SELECT
  `t0`.`person_id`,
  `t0`.`observation_period_start_date` AS `start_date`,
  `t0`.`observation_period_end_date` AS `end_date`
FROM `records_0` AS `t0`
