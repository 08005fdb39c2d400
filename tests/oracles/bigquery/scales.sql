SELECT
  *
FROM (
  SELECT
    `t1`.`person_id`,
    `t1`.`measurement_date` AS `date`,
    IF(
      TRIM(`t1`.`measurement_source_value`, ' \t\n\r\v\f') IN ('44261-6', '44249-1'),
      'PHQ-9',
      TRIM(`t1`.`measurement_source_value`, ' \t\n\r\v\f')
    ) AS `scale`,
    CAST(ROUND(
      IF(
        ABS(SAFE_CAST(`t1`.`value_as_number` AS FLOAT64)) < 9007199254740992.0,
        SAFE_CAST(`t1`.`value_as_number` AS FLOAT64),
        CAST(NULL AS FLOAT64)
      ),
      0
    ) AS INT64) AS `score`
  FROM (
    SELECT
      `t0`.`person_id`,
      `t0`.`measurement_concept_id`,
      `t0`.`measurement_date`,
      NULLIF(TRIM(`t0`.`measurement_source_value`, ' \t\n\r\v\f'), '') AS `measurement_source_value`,
      IF(
        `t0`.`value_as_number` = CAST(CAST(ROUND(
          IF(
            ABS(`t0`.`value_as_number`) < 9007199254740992.0,
            `t0`.`value_as_number`,
            CAST(NULL AS FLOAT64)
          ),
          0
        ) AS INT64) AS FLOAT64),
        CAST(CAST(ROUND(
          IF(
            ABS(`t0`.`value_as_number`) < 9007199254740992.0,
            `t0`.`value_as_number`,
            CAST(NULL AS FLOAT64)
          ),
          0
        ) AS INT64) AS STRING),
        CAST(`t0`.`value_as_number` AS STRING)
      ) AS `value_as_number`
    FROM `records_0` AS `t0`
  ) AS `t1`
) AS `t2`
WHERE
  `t2`.`scale` IS NOT NULL AND `t2`.`score` IS NOT NULL
