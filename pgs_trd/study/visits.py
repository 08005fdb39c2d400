"""Visit density: who is seen often is more easily found resistant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pgs_trd.ehr import open_ehr
from pgs_trd.ehr.arrays import sort_key, to_days
from pgs_trd.ehr.cleaning import read_rows, unique_days
from pgs_trd.ehr.records import Ehr
from pgs_trd.phenotype.people import observed_until
from pgs_trd.report.results import AS_MAIN
from pgs_trd.study.bias_inputs import BiasInputs, NotPossibleError

DAYS_BEFORE = 365
THIRDS = ("Fewest visits, a third", "Middle third", "Most visits, a third")


def fit_visit_density(inputs: BiasInputs) -> Iterator[pd.DataFrame]:
    """Fit resistant against responsive with the visits of the year before the first drug."""
    ehr = open_ehr(
        inputs.config.records.source,
        columns=inputs.config.records.columns,
        threads=inputs.threads,
        memory_mb=inputs.memory_mb,
    )
    visits = count_visits_before(ehr, inputs.phenotype)
    known = visits.notna()
    if not known.any():
        raise NotPossibleError("nobody is observed for a year before the first antidepressant")
    yield inputs.associate(AS_MAIN)
    observed = inputs.phenotype[known]
    yield inputs.associate("Observed for a year before", phenotype=observed)
    column = "log of visits"
    more = pd.DataFrame({"person_id": inputs.phenotype["person_id"], column: np.log1p(visits)})
    yield inputs.with_covariates(more).associate(
        "Adjusted for visits",
        phenotype=observed,
        covariate_columns=[*inputs.config.covariates.columns, column],
    )
    yield inputs.associate("One visit or more", phenotype=inputs.phenotype[visits >= 1])
    is_mdd = inputs.phenotype["is_mdd"].fillna(False).astype(bool)
    third = _thirds(visits[known & is_mdd])
    for number, approach in enumerate(THIRDS):
        yield inputs.associate(
            approach, phenotype=inputs.phenotype.loc[third.index[third == number]]
        )


def count_visits_before(ehr: Ehr, phenotype: pd.DataFrame) -> pd.Series:
    """Count the days with a visit in the year before the index date of each person.

    Parameters
    ----------
    phenotype
        `person_id`, `index_date`.

    Returns
    -------
    visits
        In the order of `phenotype`; NaN for people without an index date, or not observed
        for the whole of that year.

    Raises
    ------
    NotPossibleError
        If the records have no visits.
    """
    if ehr.visits is None:
        raise NotPossibleError("the records have no table of visits")
    rows = read_rows(ehr, ehr.visits)
    usable = rows.is_usable
    person, day, _ = unique_days(rows.person[usable], rows.day[usable], np.zeros(usable.sum(), int))
    keys = sort_key(person, day)
    index = phenotype["index_date"]
    start = observed_until(ehr, phenotype["person_id"], index)["period_start"]
    observed = ((index - start).dt.days >= DAYS_BEFORE).to_numpy()
    visits = np.full(len(phenotype), np.nan)
    who = ehr.people.find(phenotype["person_id"])[observed]
    until = to_days(index)[observed]
    low, high = (np.searchsorted(keys, sort_key(who, until - back)) for back in (DAYS_BEFORE, 0))
    visits[observed] = high - low
    return pd.Series(visits, index=phenotype.index)


def _thirds(visits: pd.Series) -> pd.Series:
    """Give the third by number of visits, from 0; ties are broken by the order of people."""
    rank = visits.rank(method="first")
    return (3 * (rank - 1) / len(visits)).astype(int)
