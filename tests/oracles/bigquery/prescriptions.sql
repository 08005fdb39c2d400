SELECT
  `t4`.`person_id`,
  `t4`.`drug_exposure_start_date` AS `date`,
  `t4`.`drug_exposure_end_date` AS `end_date`,
  IF(
    (
      `t4`.`days_supply` = 1
    ) AND `t4`.`drug_type_concept_id` IN (38000177, 32838),
    CAST(NULL AS INT64),
    `t4`.`days_supply`
  ) AS `days_supply`,
  IF(
    `t4`.`drug_type_concept_id` IN (38000177, 32838),
    `t4`.`refills`,
    CAST(NULL AS INT64)
  ) AS `refills`,
  IF(
    CAST(ROUND(
      IF(
        ABS(
          ieee_divide(
            `t2`.`strength_ug` * SAFE_CAST(`t4`.`quantity` AS FLOAT64),
            NULLIF(`t4`.`days_supply`, 0)
          )
        ) < 9007199254740992.0,
        ieee_divide(
          `t2`.`strength_ug` * SAFE_CAST(`t4`.`quantity` AS FLOAT64),
          NULLIF(`t4`.`days_supply`, 0)
        ),
        CAST(NULL AS FLOAT64)
      ),
      0
    ) AS INT64) > 0,
    CAST(ROUND(
      IF(
        ABS(
          ieee_divide(
            `t2`.`strength_ug` * SAFE_CAST(`t4`.`quantity` AS FLOAT64),
            NULLIF(`t4`.`days_supply`, 0)
          )
        ) < 9007199254740992.0,
        ieee_divide(
          `t2`.`strength_ug` * SAFE_CAST(`t4`.`quantity` AS FLOAT64),
          NULLIF(`t4`.`days_supply`, 0)
        ),
        CAST(NULL AS FLOAT64)
      ),
      0
    ) AS INT64),
    CAST(NULL AS INT64)
  ) AS `dose_ug`,
  `t2`.`ingredient`,
  `t2`.`drug_class`,
  `t2`.`counts_as_trial`,
  `t2`.`drug_number`
FROM (
  SELECT
    `t0`.`person_id`,
    `t0`.`drug_concept_id`,
    `t0`.`drug_exposure_start_date`,
    `t0`.`drug_exposure_end_date`,
    `t0`.`drug_type_concept_id`,
    `t0`.`days_supply`,
    `t0`.`refills`,
    IF(
      `t0`.`quantity` = CAST(CAST(ROUND(
        IF(ABS(`t0`.`quantity`) < 9007199254740992.0, `t0`.`quantity`, CAST(NULL AS FLOAT64)),
        0
      ) AS INT64) AS FLOAT64),
      CAST(CAST(ROUND(
        IF(ABS(`t0`.`quantity`) < 9007199254740992.0, `t0`.`quantity`, CAST(NULL AS FLOAT64)),
        0
      ) AS INT64) AS STRING),
      CAST(`t0`.`quantity` AS STRING)
    ) AS `quantity`
  FROM `records_0` AS `t0`
) AS `t4`
INNER JOIN `codes_1` AS `t2`
  ON `t4`.`drug_concept_id` = `t2`.`concept_id`
