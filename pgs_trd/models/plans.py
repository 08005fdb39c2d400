"""What `associate`, `progression` and its further tables do alike: join, split, adjust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, IntArray
from pgs_trd.models.cells import Cell, make_cell, read_interaction
from pgs_trd.models.people import (
    JoinedPeople,
    Standardise,
    StratumPeople,
    join_people,
    person_index,
    split_people,
)
from pgs_trd.models.relatives import family_codes, read_pairs
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.splines import Splines, read_splines

# Below ten estimates are biased and intervals too narrow: Peduzzi et al. (1996) J Clin
# Epidemiol 49:1373.
MIN_EVENTS_PER_PARAMETER = 10.0


@dataclass(frozen=True)
class Plan:
    """People of a study and how their models are made.

    Attributes
    ----------
    people
        By stratum, and by the values of `within` if it was asked for.
    splines
        Number of knots by covariate.
    interaction
        What scores are multiplied with.
    pairs : (n_pairs, 2) or None
        Relatives, as rows of the table of scores.
    families : (n_rows,) or None
        Codes of families, if these are the clusters.
    cluster
        Column of clusters; "" if there is none.
    header
        What the header of the result says beside the conventions of a fit.
    """

    people: JoinedPeople
    splines: Mapping[str, int]
    interaction: tuple[str, ...]
    pairs: IntArray | None
    families: IntArray | None
    cluster: str
    header: dict[str, object]

    def cell(
        self, part: StratumPeople, included: BoolArray, first: BoolArray, **labels: str
    ) -> Cell:
        """Give one cell; of relatives those who come `first` are kept before others."""
        cell = make_cell(part, included, self.splines, **labels)
        if self.pairs is None or self.families is not None:
            return cell
        return cell.without_relatives(self.pairs, first)

    def clusters(self, part: StratumPeople) -> pd.Series | None:
        """Give the clusters of some people, if errors are clustered."""
        if self.families is not None:
            return pd.Series(self.families[part.rows], index=part.records.index)
        return part.extras[self.cluster] if self.cluster else None


def make_plan(
    records: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    subject: str,
    stratum: str | None,
    strata: Sequence[str] | None,
    covariate_columns: Sequence[str] | None,
    standardise: Standardise,
    reference: pd.DataFrame | None,
    splines: Splines | None = None,
    within: str | None = None,
    interaction: str | Sequence[str] | None = None,
    related: pd.DataFrame | None = None,
    se: str = "model",
    cluster: str | None = None,
) -> Plan:
    """Join people and check what is asked of their models; options as in `associate`.

    Raises
    ------
    UsageError
        If options are unknown or do not go together.
    DataError
        If tables lack columns, or nobody is in all of them.
    """
    _check_clusters(se, cluster, related)
    people = join_people(
        records,
        scores,
        covariates,
        subject=subject,
        stratum=stratum,
        strata=strata,
        covariate_columns=covariate_columns,
        extra_columns=[name for name in (within, cluster) if name],
        standardise=standardise,
        reference=reference,
    )
    columns = [str(name) for name in people.strata[0].covariates.columns]
    knots = read_splines(splines, columns)
    names = read_interaction(interaction, columns)
    if within:
        people = split_people(people, within)
    table = people.strata[0].table
    pairs = None if related is None else read_pairs(related, person_index(table))
    families = None
    if pairs is not None and se == "cluster":
        families = family_codes(len(table.person_ids), pairs)
    header: dict[str, object] = {
        "splines": knots,
        "within": within,
        "interaction": list(names),
        "clusters": cluster if families is None else "families of the given pairs",
        "relatives": None if pairs is None else ("left out" if families is None else "clustered"),
        "n_related_pairs": None if pairs is None else len(pairs),
    }
    return Plan(people, knots, names, pairs, families, cluster or "", header)


def _check_clusters(se: str, cluster: str | None, related: pd.DataFrame | None) -> None:
    if se != "cluster" and cluster:
        raise UsageError(f"cluster is given, but se is {se!r}: add se='cluster', or leave it out")
    if se == "cluster" and not cluster and related is None:
        raise UsageError(
            "se='cluster' needs clusters: name a column of the covariates with cluster, or "
            "give the pairs of relatives, whose families are clusters then"
        )
    if cluster and related is not None:
        raise UsageError(
            "cluster and related are both given: families of relatives are clusters of their own"
        )
