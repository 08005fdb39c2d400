"""Write PLINK 1 filesets, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.genotypes.packing import pack_codes
from pgs_trd.genotypes.plink1 import MAGIC, VARIANT_MAJOR
from pgs_trd.genotypes.source import Int8Array
from pgs_trd.tables import replace_on_success

CODE_OF_SEX = {"male": "1", "female": "2", "unknown": "0"}


def write_plink1(
    prefix: Path,
    blocks: Iterable[Int8Array],
    *,
    variants: pd.DataFrame,
    samples: pd.DataFrame,
) -> tuple[Path, Path, Path]:
    """Write a .bed/.bim/.fam fileset, all three files or none.

    Parameters
    ----------
    prefix
        Path without ending.
    blocks
        Arrays (n_rows, n_people) of copies of the counted allele, -1 where missing,
        whose rows follow one another as `variants` does. An iterator is taken one
        block at a time, so a large set need not be in memory.
    variants
        chromosome, position, id, counted_allele (written as A1), other_allele (A2).
    samples
        person_id; optionally family_id (else the person id) and sex (else unknown).

    Returns
    -------
    paths
        Of the .bed, .bim and .fam.

    Raises
    ------
    UsageError
        If the blocks disagree with the tables, or hold other numbers than -1, 0, 1, 2.
    """
    bed, bim, fam = (Path(f"{prefix}{ending}") for ending in (".bed", ".bim", ".fam"))
    with ExitStack() as stack:
        # Left in the opposite order: the .bed appears when the other two are there.
        bed_part = stack.enter_context(replace_on_success(bed))
        bim_part, fam_part = (stack.enter_context(replace_on_success(part)) for part in (bim, fam))
        _write_bed(bed_part, blocks, len(variants), len(samples))
        _write_rows(_bim_table(variants), bim_part)
        _write_rows(_fam_table(samples), fam_part)
    return bed, bim, fam


def _write_bed(path: Path, blocks: Iterable[Int8Array], n_variants: int, n_people: int) -> None:
    n_written = 0
    with path.open("wb") as handle:
        handle.write(MAGIC + bytes([VARIANT_MAJOR]))
        for block in blocks:
            if block.ndim != 2 or block.shape[1] != n_people:
                raise UsageError(
                    f"a block has shape {block.shape}, but samples has {n_people} people"
                )
            n_written += len(block)
            try:
                handle.write(pack_codes(block).tobytes())
            except ValueError as error:
                raise UsageError(f"block up to row {n_written}: {error}") from error
    if n_written != n_variants:
        raise UsageError(f"the blocks have {n_written} rows, but variants has {n_variants}")


def _bim_table(variants: pd.DataFrame) -> pd.DataFrame:
    table = variants[["chromosome", "id"]].copy()
    table["centimorgan"] = "0"
    return table.join(variants[["position", "counted_allele", "other_allele"]])


def _fam_table(samples: pd.DataFrame) -> pd.DataFrame:
    person_id = samples["person_id"]
    sex = samples["sex"] if "sex" in samples.columns else np.full(len(samples), "unknown")
    return pd.DataFrame(
        {
            "family_id": samples["family_id"] if "family_id" in samples.columns else person_id,
            "person_id": person_id,
            "father": "0",
            "mother": "0",
            "sex": pd.Series(sex, index=samples.index).map(CODE_OF_SEX).fillna("0"),
            "phenotype": "-9",
        }
    )


def _write_rows(table: pd.DataFrame, path: Path) -> None:
    for column in table.columns:
        texts = pd.unique(table[column].astype(str))
        if any(not text or text.split() != [text] for text in texts):
            raise UsageError(
                f"column {column!r} holds an empty text or white space, which a PLINK 1 file cannot"
            )
    table.to_csv(path, sep="\t", header=False, index=False, lineterminator="\n")
