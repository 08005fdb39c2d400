"""Small genotype files, written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pgs_trd.genotypes import write_plink1
from pgs_trd.genotypes.variants import make_variants

Copies = npt.NDArray[np.int8]


def variants_for(n_variants: int) -> pd.DataFrame:
    return make_variants(
        ["1"] * n_variants,
        100 * np.arange(1, n_variants + 1),
        [f"rs{k}" for k in range(n_variants)],
        ["A"] * n_variants,
        ["C"] * n_variants,
    )


def samples_for(n_people: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "person_id": [f"p{k}" for k in range(n_people)],
            "family_id": [f"f{k}" for k in range(n_people)],
            "sex": np.resize(["female", "male", "unknown"], n_people),
        }
    )


@pytest.fixture
def plink1_files(tmp_path: Path) -> Callable[[Copies], Path]:
    """Write a fileset of the given copies and give its prefix."""

    def write(copies: Copies) -> Path:
        prefix = tmp_path / "small.set"
        n_variants, n_people = copies.shape
        write_plink1(
            prefix, [copies], variants=variants_for(n_variants), samples=samples_for(n_people)
        )
        return prefix

    return write


VCF_HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=1>\n##contig=<ID=chrX>\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">\n'
)


@pytest.fixture
def vcf_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a VCF: records are (chromosome, position, ref, alt, format, *calls)."""

    def write(*records: tuple[str, ...], header: str = VCF_HEADER, n_people: int = 4) -> Path:
        path = tmp_path / "small.vcf"
        people = "\t".join(f"p{k}" for k in range(n_people))
        lines = [f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{people}"]
        for k, (chromosome, position, ref, alt, keys, *calls) in enumerate(records):
            fixed = (chromosome, position, f"rs{k}", ref, alt, ".", ".", ".", keys, *calls)
            lines.append("\t".join(fixed))
        path.write_text(header + "\n".join(lines) + "\n")
        return path

    return write
