"""Polygenic scores and treatment-resistant depression, from raw files to a paper.

The public names, in the order of the work: genotypes and weights become scores,
health records become treatment trials and classes, models join the two, and a
study does all of it. Each name is loaded when it is first used, so that
importing the package takes a fraction of a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgs_trd.ancestry import adjust_scores, assign_ancestry, fit_pca, project
    from pgs_trd.ehr import build_trials, open_ehr
    from pgs_trd.genotypes import open_genotypes, subset_genotypes
    from pgs_trd.models import (
        associate,
        fit_cox,
        fit_logistic,
        meta_analyse,
        progression,
        survival_curves,
    )
    from pgs_trd.phenotype import classify, follow_up, list_definitions, load_definition
    from pgs_trd.report import render_report
    from pgs_trd.scoring import read_frequencies, score
    from pgs_trd.scoring.merge import merge_scores
    from pgs_trd.simulate import simulate_biobank
    from pgs_trd.study import run_study
    from pgs_trd.weights import lift_over, match_variants, read_weights

__version__ = "0.1.0"

_PACKAGES = {
    "ancestry", "ehr", "genotypes", "models", "phenotype", "report", "scoring", "simulate",
    "study", "weights",
}  # fmt: skip
_HOME = {
    "open_genotypes": "pgs_trd.genotypes",
    "subset_genotypes": "pgs_trd.genotypes",
    "read_weights": "pgs_trd.weights",
    "lift_over": "pgs_trd.weights",
    "match_variants": "pgs_trd.weights",
    "read_frequencies": "pgs_trd.scoring",
    "score": "pgs_trd.scoring",
    "merge_scores": "pgs_trd.scoring.merge",
    "fit_pca": "pgs_trd.ancestry",
    "project": "pgs_trd.ancestry",
    "assign_ancestry": "pgs_trd.ancestry",
    "adjust_scores": "pgs_trd.ancestry",
    "open_ehr": "pgs_trd.ehr",
    "build_trials": "pgs_trd.ehr",
    "classify": "pgs_trd.phenotype",
    "follow_up": "pgs_trd.phenotype",
    "load_definition": "pgs_trd.phenotype",
    "list_definitions": "pgs_trd.phenotype",
    "fit_logistic": "pgs_trd.models",
    "fit_cox": "pgs_trd.models",
    "meta_analyse": "pgs_trd.models",
    "associate": "pgs_trd.models",
    "progression": "pgs_trd.models",
    "survival_curves": "pgs_trd.models",
    "render_report": "pgs_trd.report",
    "simulate_biobank": "pgs_trd.simulate",
    "run_study": "pgs_trd.study",
}

__all__ = [
    "__version__",
    "adjust_scores",
    "assign_ancestry",
    "associate",
    "build_trials",
    "classify",
    "fit_cox",
    "fit_logistic",
    "fit_pca",
    "follow_up",
    "lift_over",
    "list_definitions",
    "load_definition",
    "match_variants",
    "merge_scores",
    "meta_analyse",
    "open_ehr",
    "open_genotypes",
    "progression",
    "project",
    "read_frequencies",
    "read_weights",
    "render_report",
    "run_study",
    "score",
    "simulate_biobank",
    "subset_genotypes",
    "survival_curves",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"pgs_trd.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'pgs_trd' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
