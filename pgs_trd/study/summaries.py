"""Tables of the cohort for the report: class counts and Table 1."""

from __future__ import annotations

import pandas as pd

CLASSES = ("trd", "responsive", "neither", "no_mdd")


def merge_covariates(
    phenotype: pd.DataFrame,
    covariates: pd.DataFrame,
    scored: pd.Index,
    stratum: str | None,
    strata: list[str] | None,
) -> pd.DataFrame:
    """Give the phenotypes of the people whom the models can use, with their stratum.

    Parameters
    ----------
    phenotype, covariates
        One row a person, with `person_id`.
    scored
        Ids of the people with scores.
    stratum, strata
        Column of the stratum, None for one stratum ``all``; the labels to use.
    """
    if stratum is None:
        labels = pd.Series("all", index=covariates["person_id"])
    else:
        labels = covariates.set_index("person_id")[stratum]
    people = phenotype.assign(stratum=phenotype["person_id"].map(labels).astype(object))
    is_used = people["stratum"].notna() & people["person_id"].isin(scored)
    if strata is not None:
        is_used &= people["stratum"].isin(strata)
    return people[is_used].reset_index(drop=True)


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
