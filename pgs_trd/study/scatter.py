"""Into how many jobs the scoring and the models of a study are cut.

A job takes seconds to start and a queue looks at every one, so there are few: one a stage
where that is enough. No number depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.sections import Covariates, StudyConfig
from pgs_trd.study.sensitivity import choose_definitions, repeated_contrasts
from pgs_trd.tables import read_table

T = TypeVar("T")

MOST_SUMS = 2**27
"""People times scores of one scoring job: some 3 GB."""
MOST_FILES = 500
"""Weight files on one command line."""
MOST_FITS = 10**10
"""People times models of one job: an hour where each takes ten times what is usual."""


@dataclass(frozen=True)
class Scatter:
    """How a study is cut.

    Attributes
    ----------
    batches
        Weight files that are scored together.
    strata, contrasts
        What has models in a job of its own; one None each where all are in one job.
    definitions
        Ids of the definitions whose models are fitted together; none where the sensitivity
        analyses are one job, or have no definitions.
    """

    batches: tuple[tuple[Path, ...], ...]
    strata: tuple[str | None, ...]
    contrasts: tuple[str | None, ...]
    definitions: tuple[tuple[str, ...], ...] = ()

    @property
    def splits_models(self) -> bool:
        """Whether there is more than one job of models."""
        return len(self.strata) * len(self.contrasts) > 1


def scatter_study(config: StudyConfig) -> Scatter:
    """Decide by the size of the study, or as the study file says.

    The people are counted in the table of covariates, the scores as weight files and
    thresholds.
    """
    chosen, weights = config.covariates, list_weight_files(config.weights)
    n_people = max(len(read_table(chosen.file)), 1)
    n_scores_a_file = len(config.scoring.p_thresholds or [1])
    most = config.jobs.weight_files
    if most is None:
        most = min(MOST_FILES, max(1, MOST_SUMS // (n_people * n_scores_a_file)))
    n_a_model = n_people * len(weights) * n_scores_a_file
    splits = _splits(config, n_a_model * len(config.contrasts))
    strata: Sequence[str | None] = (None,)
    if splits and chosen.stratum is not None:
        strata = chosen.strata or list_strata(chosen)
    contrasts: Sequence[str | None] = config.contrasts if splits else (None,)
    definitions = _cut_definitions(config, n_a_model * len(repeated_contrasts(config)))
    return Scatter(_cut(weights, most), tuple(strata), tuple(contrasts), definitions)


def _splits(config: StudyConfig, n_fits: int) -> bool:
    asked = config.jobs.models
    return asked == "each" or (asked == "auto" and n_fits > MOST_FITS)


def _cut_definitions(config: StudyConfig, n_fits: int) -> tuple[tuple[str, ...], ...]:
    """Cut the definitions of the sensitivity analyses, each of so many fits, if they are many."""
    if not config.sensitivity.has_definitions:
        return ()
    names = list(dict.fromkeys(one.id for one in choose_definitions(config)))
    if not _splits(config, n_fits * len(names)):
        return ()
    return _cut(names, 1 if config.jobs.models == "each" else max(1, MOST_FITS // n_fits))


def list_strata(covariates: Covariates) -> list[str]:
    """Give the labels that the table of covariates has, in the order of the models."""
    if covariates.stratum is None:
        return []
    labels = read_table(covariates.file)[covariates.stratum].dropna()
    return sorted({str(label) for label in labels})


def _cut(items: Sequence[T], most: int) -> tuple[tuple[T, ...], ...]:
    """Cut a list into as few pieces as will do, of about the same length."""
    n_pieces = -(-len(items) // most)
    ends = [len(items) * number // n_pieces for number in range(n_pieces + 1)]
    return tuple(tuple(items[a:b]) for a, b in pairwise(ends))
