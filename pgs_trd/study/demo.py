"""The demonstration: a study of a simulated biobank whose answer is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from pgs_trd.simulate import Biobank
from pgs_trd.tables import read_table, write_text

ENOUGH_PEOPLE = 5000
CURVE_TRAIT = "insomnia"
MDD_TRAIT, CONTROL_DOMAIN = "major depressive disorder", "metabolic"
# Log odds per SD of the cause that MDD and resistance share: the naive effect of the MDD
# score on resistance is biased by about -0.12.
SHARED_CAUSE = 2.0
COVARIATE_COLUMNS = ["sex", "birth_year", "PC1", "PC2", "PC3", "PC4"]


def write_study_file(biobank: Biobank, path: Path, output: Path) -> None:
    """Write the study file of a simulated biobank, its paths relative to it."""

    def relative(target: Path) -> str:
        return os.path.relpath(target, path.parent)

    traits = read_table(biobank.traits, text_columns=("score", "trait", "domain"))
    curve_score = traits.loc[traits["trait"] == CURVE_TRAIT, "score"].item()
    content: dict[str, Any] = {
        "title": "TRD and polygenic scores in a simulated biobank",
        "genotypes": relative(biobank.genotypes),
        "weights": [relative(biobank.weights) + "/*.txt.gz"],
        "traits": relative(biobank.traits),
        "records": {"source": relative(biobank.records)},
        "covariates": {
            "file": relative(biobank.covariates),
            "columns": COVARIATE_COLUMNS,
            "stratum": "ancestry",
        },
        "definition": "adequate2",
        "contrasts": ["trd_vs_responsive", "trd_vs_none", "mdd_vs_none"],
        "curve_score": curve_score,
        "sensitivity": {"grid": "grid", "within": "sex"},
        "replication": {"discovery": ["EUR"]},
        "published": "xu2025",
        "bias": {
            "panel": True,
            "mdd_score": traits.loc[traits["trait"] == MDD_TRAIT, "score"].item(),
            "shared_causes": ["adversity"],
            "enrolment": "enrolment_date",
            "negative_controls": list(
                traits.loc[traits["domain"].str.startswith(CONTROL_DOMAIN), "score"]
            ),
        },
        "truth": relative(biobank.truth),
        "output": relative(output),
    }
    if len(read_table(biobank.covariates)) < ENOUGH_PEOPLE:
        # The usual rule, ten events a coefficient, would leave most of the models out.
        content["models"] = {"min_events_per_parameter": 0}
    write_text(yaml.safe_dump(content, sort_keys=False), path)
