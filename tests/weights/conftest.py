"""Small weight files and genotypes, written for one test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.genotypes import GenotypeSource, open_genotypes, write_plink1
from pgs_trd.weights import Weights, read_weights

HEADER = "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"


@pytest.fixture
def weight_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a weight file of lines and give its path."""

    def write(*lines: str, header: str = HEADER, name: str = "PGS9.txt") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *lines]) + "\n" if header else "\n".join(lines))
        return path

    return write


@pytest.fixture
def weights_of(tmp_path: Path) -> Callable[..., Weights]:
    """Make weights of (chromosome, position, effect allele, other allele, *effects)."""

    def make(*rows: Sequence[object], names: Sequence[str] = ("score",)) -> Weights:
        path = tmp_path / "rows.tsv"
        columns = ["chr", "pos", "ea", "oa", *names]
        table = pd.DataFrame(rows, columns=columns)
        table.insert(0, "id", [f"rs{k}" for k in range(len(table))])
        table.to_csv(path, sep="\t", index=False)
        weight = names[0] if len(names) == 1 else list(names)
        return read_weights(
            path, columns={"effect_weight": weight}, name="score" if len(names) == 1 else None
        )

    return make


@pytest.fixture
def genotypes_of(tmp_path: Path) -> Callable[..., GenotypeSource]:
    """Make genotypes of (chromosome, position, counted allele, other allele)."""

    def make(*rows: tuple[str, int, str, str], copies: np.ndarray | None = None) -> GenotypeSource:
        columns = ["chromosome", "position", "counted_allele", "other_allele"]
        variants = pd.DataFrame(list(rows), columns=columns)
        variants["id"] = [f"rs{k}" for k in range(len(rows))]
        if copies is None:
            copies = np.ones((len(rows), 4), dtype=np.int8)
        samples = pd.DataFrame({"person_id": [f"p{k}" for k in range(copies.shape[1])]})
        write_plink1(tmp_path / "target", [copies], variants=variants, samples=samples)
        return open_genotypes(tmp_path / "target")

    return make
