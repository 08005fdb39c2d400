"""Genotypes that several tests of ancestry share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.genotypes import GenotypeSource, open_genotypes, write_plink1

Write = Callable[..., GenotypeSource]


@pytest.fixture
def write_genotypes(tmp_path: Path) -> Write:
    """Write copies (n_variants, n_people) as a PLINK 1 fileset and open it.

    Keywords replace columns of its variants (chromosome 1, positions 1, 2, ..., alleles
    A and G) and, as `sex`, the sex of its people p0, p1, ...
    """

    def write(copies: np.ndarray, name: str = "set", sex: object = "unknown", **columns: object):
        n_variants, n_people = copies.shape
        variants = pd.DataFrame(
            {
                "chromosome": "1",
                "position": np.arange(1, n_variants + 1),
                "id": [f"v{k}" for k in range(n_variants)],
                "counted_allele": "A",
                "other_allele": "G",
            }
        ).assign(**columns)
        samples = pd.DataFrame(
            {"person_id": [f"p{k}" for k in range(n_people)], "family_id": "0", "sex": sex}
        )
        prefix = tmp_path / name
        write_plink1(prefix, [copies.astype(np.int8)], variants=variants, samples=samples)
        return open_genotypes(prefix)

    return write
