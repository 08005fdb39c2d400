"""What programs write whose column names, taken one by one, would mislead."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pgs_trd.genotypes.alleles import is_sequence

PRS_CS_NAMES = ("CHR", "SNP", "BP", "A1", "A2", "BETA")
PLINK_NAMES = ("ID", "A1", "BETA")
_CHROMOSOME = re.compile(r"(chr)?(\d{1,2}|X|Y|XY|MT?)", re.IGNORECASE)


@dataclass(frozen=True)
class Format:
    """A format told by column names that only it has.

    Attributes
    ----------
    needs
        Column names, lower case, all of which it has.
    names
        Our name -> its column, before what the name alone would say.
    """

    needs: frozenset[str]
    names: dict[str, str]


FORMATS = (
    # GCTB and SBayesRC, .snpRes: Id is a running number, Name the id.
    Format(frozenset({"name", "a1effect"}), {"id": "name"}),
    # GCTA, .ma: freq and b belong to A1.
    Format(
        frozenset({"freq", "b", "a1"}),
        {"effect_weight": "b", "effect_allele_frequency": "freq"},
    ),
    # regenie and BOLT-LMM: ALLELE1 is the effect allele where there is an ALLELE0; where
    # there is an ALLELE2 programs differ (METAL: the first, SAIGE: the second).
    Format(
        frozenset({"allele0", "allele1"}),
        {"effect_allele": "allele1", "other_allele": "allele0"},
    ),
    # regenie's GENPOS is in bases; BOLT-LMM's is in Morgans, beside BP.
    Format(frozenset({"genpos", "allele0", "log10p"}), {"position": "genpos"}),
)


def find_names(header: Collection[str]) -> dict[str, str]:
    """Give our names -> column names (lower case) that the file's format settles.

    Parameters
    ----------
    header
        Column names of the file, lower case.

    Examples
    --------
    >>> find_names({"id", "name", "chrom", "position", "a1", "a2", "a1effect", "pip"})
    {'id': 'name'}
    """
    found: dict[str, str] = {}
    for candidate in FORMATS:
        if candidate.needs <= set(header):
            found |= candidate.names
    return found


def headerless_names(cells: Sequence[str]) -> tuple[str, ...] | None:
    """Give the column names of a file whose first line is data; None if it has names.

    Recognised by their shape are PRS-CS and PRS-CSx (chromosome, id, position, A1, A2,
    weight) and plink --score (id, allele, weight). Columns of others have numbers from
    1 for names.

    Examples
    --------
    >>> headerless_names(["1", "rs1", "817341", "A", "G", "-1.2e-05"])
    ('CHR', 'SNP', 'BP', 'A1', 'A2', 'BETA')
    >>> headerless_names(["rs1", "A", "0.1"])
    ('ID', 'A1', 'BETA')
    >>> headerless_names(["rs1", "A", "0.1", "0.2"])
    ('1', '2', '3', '4')
    >>> headerless_names(["SNP", "A1", "0.05"]) is None
    True
    """
    is_allele = [is_sequence(cell.upper()) for cell in cells]
    numeric = [is_number(cell) for cell in cells]
    if not any(numeric) or not (any(is_allele) or all(numeric)):
        return None
    n_columns = len(cells)
    if n_columns == len(PRS_CS_NAMES) and _is_prs_cs_row(cells, is_allele):
        return PRS_CS_NAMES
    if n_columns == len(PLINK_NAMES) and is_allele[1] and numeric[2] and not numeric[0]:
        return PLINK_NAMES
    return tuple(str(number) for number in range(1, n_columns + 1))


def _is_prs_cs_row(cells: Sequence[str], is_allele: Sequence[bool]) -> bool:
    return (
        _CHROMOSOME.fullmatch(cells[0]) is not None
        and cells[2].isdecimal()
        and is_allele[3]
        and is_allele[4]
        and is_number(cells[5])
    )


def is_number(text: str) -> bool:
    """Tell whether `text` spells a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
