SELECT
  `t1`.`person_id`,
  MIN(`t1`.`death_date`) AS `death_date`
FROM (
  SELECT
    `t0`.`person_id`,
    `t0`.`death_date`
  FROM `records_0` AS `t0`
  WHERE
    `t0`.`death_date` IS NOT NULL
) AS `t1`
GROUP BY
  1
