"""One small simulated biobank and one run of a study on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgs_trd.simulate import Biobank, simulate_biobank
from pgs_trd.study import run_study
from pgs_trd.study.demo import write_study_file


@pytest.fixture(scope="session")
def biobank(tmp_path_factory: pytest.TempPathFactory) -> Biobank:
    """900 people, which tests only read."""
    folder = tmp_path_factory.mktemp("study") / "biobank"
    return simulate_biobank(folder, n_people=900, n_variants=1_500, seed=7)


@pytest.fixture(scope="session")
def finished(biobank: Biobank) -> Path:
    """Folder with study.yaml and the results of its run."""
    folder = biobank.folder.parent
    write_study_file(biobank, folder / "study.yaml", folder / "results")
    run_study(folder / "study.yaml", threads=2)
    return folder
