"""Into how many jobs the scoring and the models of a study are cut.

A job takes seconds to start and a queue looks at every one, so there are few: one a stage
where that is enough. No number depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.sections import Covariates, StudyConfig
from pgs_trd.tables import read_table

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
    """

    batches: tuple[tuple[Path, ...], ...]
    strata: tuple[str | None, ...]
    contrasts: tuple[str | None, ...]

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
    n_fits = n_people * len(weights) * n_scores_a_file * len(config.contrasts)
    splits = config.jobs.models == "each" or (config.jobs.models == "auto" and n_fits > MOST_FITS)
    strata: Sequence[str | None] = (None,)
    if splits and chosen.stratum is not None:
        strata = chosen.strata or list_strata(chosen)
    contrasts: Sequence[str | None] = config.contrasts if splits else (None,)
    return Scatter(_cut(weights, most), tuple(strata), tuple(contrasts))


def list_strata(covariates: Covariates) -> list[str]:
    """Give the labels that the table of covariates has, in the order of the models."""
    if covariates.stratum is None:
        return []
    labels = read_table(covariates.file)[covariates.stratum].dropna()
    return sorted({str(label) for label in labels})


def _cut(weights: Sequence[Path], most: int) -> tuple[tuple[Path, ...], ...]:
    """Cut a list into as few pieces as will do, of about the same length."""
    n_pieces = -(-len(weights) // most)
    ends = [len(weights) * number // n_pieces for number in range(n_pieces + 1)]
    return tuple(tuple(weights[a:b]) for a, b in pairwise(ends))
