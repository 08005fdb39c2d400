"""Open genotypes of any kind by their path."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pgs_trd.errors import UsageError
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.genotypes.source import GenotypeSource
from pgs_trd.genotypes.vcf import VcfField, open_vcf

GenotypeFormat = Literal["auto", "plink1", "vcf"]

VCF_ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
NOT_YET = (".pgen", ".pvar", ".psam", ".pvar.zst", ".bgen")


def open_genotypes(
    path: str | Path, *, format: GenotypeFormat = "auto", vcf_field: VcfField = "auto"
) -> GenotypeSource:
    """Open a genotype file or fileset without reading its genotypes.

    Parameters
    ----------
    path
        Prefix of a PLINK 1 fileset, or any of its .bed, .bim, .fam; or a .vcf,
        .vcf.gz or .bcf.
    format
        ``"auto"`` tells by the ending.
    vcf_field
        For VCF: take calls from ``"GT"`` or dosages from ``"DS"``; ``"auto"`` takes
        GT where the header declares it, else DS.

    Returns
    -------
    source
        Tables of people and variants, and blocks of genotypes when asked.

    Raises
    ------
    UsageError
        If there is no such file, or the format is none of the known.
    DataError
        If a file is damaged or files of a set disagree.
    """
    path = Path(path)
    name = path.name.lower()
    if format == "auto":
        if name.endswith(NOT_YET):
            raise UsageError(
                f"{path.name}: this version reads PLINK 1 (.bed) and VCF/BCF, not this format; "
                "convert it with plink2 --make-bed or --export vcf"
            )
        format = "vcf" if name.endswith(VCF_ENDINGS) else "plink1"
    if format == "plink1":
        return open_plink1(path)
    if format == "vcf":
        return open_vcf(path, field=vcf_field)
    raise UsageError(f"format must be 'auto', 'plink1' or 'vcf', got {format!r}")
