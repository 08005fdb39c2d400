"""Open genotypes of any kind by their path."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pgs_trd.errors import UsageError
from pgs_trd.genotypes.bgen import open_bgen
from pgs_trd.genotypes.filesets import PGEN_ENDINGS, is_pattern, open_fileset
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.genotypes.plink2 import open_plink2
from pgs_trd.genotypes.source import GenotypeSource
from pgs_trd.genotypes.vcf import VcfField, open_vcf
from pgs_trd.genotypes.vcf_calls import KEPT_BYTES
from pgs_trd.genotypes.vcf_htslib import HalfCalls

GenotypeFormat = Literal["auto", "plink1", "plink2", "bgen", "vcf"]

FORMATS = ("plink1", "plink2", "bgen", "vcf")
VCF_ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")


def open_genotypes(
    path: str | Path,
    *,
    format: GenotypeFormat = "auto",
    vcf_field: VcfField = "auto",
    half_calls: HalfCalls = "missing",
    sample: str | Path | None = None,
) -> GenotypeSource:
    """Open a genotype file or fileset without reading its genotypes.

    Parameters
    ----------
    path
        Prefix of a PLINK 1 or PLINK 2 fileset, or any of its files; or a .bgen,
        .vcf, .vcf.gz or .bcf. A pattern means one file for each chromosome:
        ``chr{1:22,X}.bed`` those that it lists, ``chr#.pgen`` the 22 autosomes and
        of X, Y, XY and MT those that exist.
    format
        ``"auto"`` tells by the ending; for a prefix, by which of .bed and .pgen
        exists, PLINK 1 first.
    vcf_field
        For VCF: take calls from ``"GT"`` or dosages from ``"DS"``; ``"auto"`` takes
        GT where the header declares it, else DS.
    half_calls
        For VCF: what a call counts as of which one allele is known (``0/.``):
        ``"missing"``, ``"haploid"``, with the ``"reference"``, or an ``"error"``.
    sample
        For BGEN: the .sample, if it is not beside the .bgen under its name.

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
    if format not in ("auto", *FORMATS):
        raise UsageError(
            f"format must be 'auto', {', '.join(map(repr, FORMATS[:-1]))} or {FORMATS[-1]!r}, "
            f"got {format!r}"
        )
    open_file = partial(
        _open_file, format=format, vcf_field=vcf_field, half_calls=half_calls, sample=sample
    )
    return open_fileset(path, open_file) if is_pattern(path) else open_file(path, 1)


def _open_file(
    path: Path,
    n_together: int,
    *,
    format: GenotypeFormat,
    vcf_field: VcfField,
    half_calls: HalfCalls,
    sample: str | Path | None,
) -> GenotypeSource:
    """Open one of the files that are opened together."""
    if not path.name or (path.is_dir() and not _has_fileset(path)):
        raise UsageError(
            f"{path} is a folder: give the prefix of the genotype files in it, such as "
            f"{path / 'cohort'}, or one of them, such as {path / 'cohort.bed'}"
        )
    kind = _tell_format(path) if format == "auto" else format
    if sample is not None and kind != "bgen":
        raise UsageError(f"{path.name}: a .sample belongs to BGEN, and this is {kind}")
    if kind == "plink2":
        return open_plink2(path)
    if kind == "bgen":
        return open_bgen(path, sample=None if sample is None else Path(sample))
    if kind == "vcf":
        keep_bytes = KEPT_BYTES // n_together
        return open_vcf(path, field=vcf_field, half_calls=half_calls, keep_bytes=keep_bytes)
    return open_plink1(path)


def _tell_format(path: Path) -> str:
    name = path.name.lower()
    if name.endswith(PGEN_ENDINGS):
        return "plink2"
    if name.endswith(".bgen"):
        return "bgen"
    if name.endswith(VCF_ENDINGS):
        return "vcf"
    return "plink2" if _has(path, ".pgen") and not _has(path, ".bed") else "plink1"


def _has_fileset(path: Path) -> bool:
    """Tell whether `path`, which is a folder too, is the prefix of files beside it."""
    return _has(path, ".bed") or _has(path, ".pgen")


def _has(path: Path, ending: str) -> bool:
    return path.with_name(path.name + ending).is_file()
