-- `adequate2` as one would write it by hand for DuckDB: nothing but what this one
-- definition needs, from tables that are known to be clean. ${cdm} is the folder of the
-- tables, ${lists} that of the code lists.
CREATE TEMP TABLE drug AS
  WITH listed AS (
    SELECT concept_id, ingredient FROM read_csv('${lists}/antidepressants.csv', header = true)
    WHERE concept_id IS NOT NULL
      AND counts_as_trial IN ('yes', 'dose-dependent', 'indication-dependent'))
  SELECT concept_id, ingredient FROM listed
  UNION
  SELECT descendant_concept_id, ingredient
  FROM '${cdm}/concept_ancestor.parquet' JOIN listed ON ancestor_concept_id = concept_id;

CREATE TEMP TABLE diagnosis AS
  WITH listed AS (
    SELECT DISTINCT concept_id, diagnosis_class
    FROM read_csv('${lists}/depression.csv', header = true) WHERE concept_id IS NOT NULL
    UNION
    SELECT DISTINCT concept_id, 'exclusion'
    FROM read_csv('${lists}/exclusions.csv', header = true)
    WHERE concept_id IS NOT NULL
      AND diagnosis_class IN ('bipolar', 'schizophrenia_spectrum', 'other_psychosis')),
  found AS (
    SELECT concept_id, diagnosis_class FROM listed
    UNION
    SELECT descendant_concept_id, diagnosis_class
    FROM '${cdm}/concept_ancestor.parquet' JOIN listed ON ancestor_concept_id = concept_id
    WHERE descendant_concept_id NOT IN (SELECT concept_id FROM listed))
  SELECT concept_id,
    bool_or(diagnosis_class IN ('mdd_core', 'trd_code')) AS is_mdd,
    bool_or(diagnosis_class = 'exclusion') AS is_exclusion,
    bool_or(diagnosis_class <> 'exclusion') AS is_depression
  FROM found GROUP BY concept_id;

CREATE TEMP TABLE life AS
  SELECT person_id, year_of_birth, observation_period_start_date AS first_day,
    observation_period_end_date AS last_day,
    least(last_day, coalesce(death_date, last_day)) AS until
  FROM '${cdm}/person.parquet'
  JOIN '${cdm}/observation_period.parquet' USING (person_id)
  LEFT JOIN '${cdm}/death.parquet' USING (person_id);

CREATE TEMP TABLE coded AS
  SELECT c.person_id, c.condition_start_date AS day, d.is_mdd, d.is_exclusion, d.is_depression,
    c.condition_start_date BETWEEN l.first_day AND l.until
      AND year(c.condition_start_date) >= l.year_of_birth AS is_usable
  FROM '${cdm}/condition_occurrence.parquet' c
  JOIN diagnosis d ON c.condition_concept_id = d.concept_id
  JOIN life l USING (person_id);

CREATE TEMP TABLE depressed AS
  SELECT person_id, min(day) AS mdd_day FROM coded WHERE is_usable AND is_mdd
  GROUP BY person_id HAVING count(DISTINCT day) >= 2;

CREATE TEMP TABLE era AS
  WITH fill AS (
    SELECT e.person_id, d.ingredient, e.drug_exposure_start_date AS start_day,
      max(CASE WHEN e.days_supply > 0 THEN least(e.days_supply, 365)
               WHEN e.drug_exposure_end_date > e.drug_exposure_start_date
               THEN least(e.drug_exposure_end_date - e.drug_exposure_start_date + 1, 365)
          END) AS supply,
      any_value(l.until) AS until
    FROM '${cdm}/drug_exposure.parquet' e
    JOIN drug d ON e.drug_concept_id = d.concept_id
    JOIN depressed USING (person_id)
    JOIN life l USING (person_id)
    WHERE e.drug_exposure_start_date BETWEEN l.first_day AND l.until
      AND (e.days_supply IS NULL OR e.days_supply >= 0)
    GROUP BY ALL),
  supplied AS (
    SELECT *, start_day + coalesce(supply, 30)::INTEGER AS end_day FROM fill),
  opened AS (
    SELECT *, start_day > 30 + max(end_day) OVER (
      PARTITION BY person_id, ingredient ORDER BY start_day
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS opens FROM supplied),
  numbered AS (
    SELECT *, sum(CASE WHEN opens THEN 1 ELSE 0 END) OVER (
      PARTITION BY person_id, ingredient ORDER BY start_day ROWS UNBOUNDED PRECEDING) AS number
    FROM opened)
  SELECT person_id, ingredient, min(start_day) AS start_day,
    least(max(end_day), max(until) + 1) AS end_day
  FROM numbered GROUP BY person_id, ingredient, number;

CREATE TEMP TABLE trial AS
  WITH counted AS (
    SELECT era.*, max(end_day) OVER (
      PARTITION BY person_id ORDER BY start_day, ingredient
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach
    FROM era JOIN depressed USING (person_id) WHERE start_day >= mdd_day),
  lined AS (
    SELECT *, sum(CASE WHEN start_day > reach + 180 THEN 1 ELSE 0 END) OVER (
      PARTITION BY person_id ORDER BY start_day, ingredient ROWS UNBOUNDED PRECEDING) AS line
    FROM counted),
  switched AS (
    SELECT a.person_id, a.ingredient, a.start_day, min(b.start_day) AS switch_day
    FROM lined a JOIN lined b ON a.person_id = b.person_id AND a.ingredient <> b.ingredient
      AND b.start_day > a.start_day AND b.start_day >= a.end_day - 30
    GROUP BY ALL)
  SELECT lined.*, switch_day
  FROM lined LEFT JOIN switched USING (person_id, ingredient, start_day);

CREATE TEMP TABLE resistant AS
  SELECT a.person_id, min(c.start_day) AS trd_day
  FROM trial a
  JOIN trial b ON a.person_id = b.person_id AND a.line = b.line AND a.ingredient <> b.ingredient
    AND b.start_day > a.start_day AND least(a.end_day, b.start_day) - a.start_day >= 42
  JOIN trial c ON a.person_id = c.person_id AND a.line = c.line
    AND c.ingredient NOT IN (a.ingredient, b.ingredient)
    AND c.start_day > b.start_day AND least(b.end_day, c.start_day) - b.start_day >= 42
  GROUP BY a.person_id;

CREATE TEMP TABLE counts AS
  SELECT person_id, min(start_day) AS first_start, count(DISTINCT ingredient) AS n_drugs,
    count(*) FILTER (least(end_day, coalesce(switch_day, end_day)) - start_day >= 42)
      AS n_adequate,
    count(*) FILTER (least(end_day, coalesce(switch_day, end_day)) - start_day >= 42
      AND switch_day - end_day <= 180) AS n_failed
  FROM trial GROUP BY person_id;

CREATE TEMP TABLE result AS
  WITH excluded AS (
    SELECT person_id, min(day) AS exclusion_day FROM coded
    WHERE is_usable AND is_exclusion GROUP BY person_id),
  any_code AS (SELECT DISTINCT person_id FROM coded WHERE is_depression),
  people AS (
    SELECT life.*, mdd_day, trd_day, first_start, n_drugs, n_adequate, n_failed, exclusion_day,
      any_code.person_id IS NOT NULL AS has_code, coalesce(first_start, mdd_day) AS index_day
    FROM life
    LEFT JOIN depressed USING (person_id) LEFT JOIN resistant USING (person_id)
    LEFT JOIN counts USING (person_id) LEFT JOIN excluded USING (person_id)
    LEFT JOIN any_code USING (person_id))
  SELECT person_id,
    CASE
      WHEN mdd_day IS NULL AND NOT has_code THEN 'no_mdd'
      WHEN mdd_day IS NULL THEN 'neither'
      WHEN exclusion_day <= coalesce(trd_day, index_day + 365) THEN 'neither'
      WHEN trd_day IS NOT NULL THEN 'trd'
      WHEN n_adequate >= 1 AND n_drugs <= 2 AND n_failed <= 1
        AND last_day - index_day >= 365 THEN 'responsive'
      ELSE 'neither' END AS phenotype,
    CASE WHEN phenotype = 'trd' THEN trd_day END AS trd_date
  FROM people;
