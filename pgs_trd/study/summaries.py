"""Tables of the cohort for the report: class counts and Table 1."""

from __future__ import annotations

import pandas as pd

CLASSES = ("trd", "responsive", "neither", "no_mdd")


def merge_covariates(
    phenotype: pd.DataFrame, covariates: pd.DataFrame, stratum: str | None
) -> pd.DataFrame:
    """Put each person's stratum beside the phenotype; ``all`` where there is none.

    People without a covariate row belong to the stratum ``(no covariates)``.
    """
    if stratum is None:
        return phenotype.assign(stratum="all")
    labels = covariates.set_index("person_id")[stratum]
    joined = phenotype["person_id"].map(labels)
    return phenotype.assign(stratum=joined.astype(object).fillna("(no covariates)"))


def count_classes(people: pd.DataFrame) -> pd.DataFrame:
    """Count people by stratum and phenotype class, zeros included."""
    counts = (
        people.groupby(["stratum", "phenotype"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=list(CLASSES), fill_value=0)
    )
    return counts.reset_index().melt(id_vars="stratum", var_name="phenotype", value_name="n_people")


def describe_cohort(people: pd.DataFrame) -> pd.DataFrame:
    """Make Table 1: counts of people by sex, stratum and birth decade in each class.

    Returns
    -------
    table
        Columns variable, level, and one a phenotype class with counts.
    """
    decade = (people["birth_year"] // 10 * 10).astype("Int64").astype("string") + "s"
    variables = {
        "all": pd.Series("people", index=people.index),
        "sex": people["sex"].astype("string").fillna("unknown"),
        "stratum": people["stratum"].astype("string"),
        "born in the": decade.fillna("unknown"),
    }
    parts = []
    for variable, levels in variables.items():
        counts = pd.crosstab(levels, people["phenotype"]).reindex(
            columns=list(CLASSES), fill_value=0
        )
        counts.insert(0, "level", counts.index.astype(str))
        counts.insert(0, "variable", variable)
        parts.append(counts)
    return pd.concat(parts, ignore_index=True).rename_axis(columns=None)
