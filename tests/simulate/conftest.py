"""One small biobank, made once."""

from __future__ import annotations

import pytest

from pgs_trd.simulate import Biobank, simulate_biobank

SMALL = {"n_people": 400, "n_variants": 1_200, "seed": 7}


@pytest.fixture(scope="session")
def biobank(tmp_path_factory: pytest.TempPathFactory) -> Biobank:
    """Make a biobank of 400 people, which tests only read."""
    return simulate_biobank(tmp_path_factory.mktemp("biobank"), **SMALL)
