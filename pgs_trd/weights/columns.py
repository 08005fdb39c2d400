"""Tell which column of a weight file holds what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgs_trd.errors import DataError, UsageError, join_faults

ALL_NUMERIC = "*"

# Lower case, best first. "a1" is the effect allele in plink, PRS-CS and GCTB output.
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("rsid", "rs_id", "snp", "snpid", "snp_id", "id", "variant_id", "markername", "marker"),
    "chromosome": ("chr_name", "chromosome", "chr", "chrom", "#chrom", "#chr"),
    "position": ("chr_position", "position", "pos", "bp", "base_pair_location"),
    "effect_allele": ("effect_allele", "effectallele", "ea", "a1"),
    "other_allele": (
        "other_allele", "reference_allele", "otherallele", "oa", "nea",
        "non_effect_allele", "noneffect_allele", "a2",
    ),
    "effect_weight": ("effect_weight", "weight", "beta", "effect"),
    "effect_allele_frequency": (
        "effect_allele_frequency", "allelefrequency_effect", "eaf", "a1_freq", "a1freq",
    ),
}  # fmt: skip
# The PGS Catalog's harmonised columns, taken before the original ones.
HARMONISED_NAMES = {"id": "hm_rsid", "chromosome": "hm_chr", "position": "hm_pos"}
INFERRED_OTHER_ALLELE = "hm_inferotherallele"
COMPLEX_FLAGS = ("is_haplotype", "is_diplotype", "is_interaction")
MODEL_FLAGS = ("is_dominant", "is_recessive")
DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
EXTRA_NAMES = (
    *COMPLEX_FLAGS, *MODEL_FLAGS, *DOSAGE_WEIGHTS, "effect_type", "accession",
    INFERRED_OTHER_ALLELE,
)  # fmt: skip
LOOKS_LIKE_ODDS = {"or", "odds_ratio", "hazard_ratio", "hr"}


@dataclass(frozen=True)
class Layout:
    """Which column (0-based) of the file holds what.

    Attributes
    ----------
    places
        Our name -> column, effect_weight excepted; also the names of `EXTRA_NAMES`
        and ``original_id``.
    weight_places
        The weight columns; None means every other numeric column.
    is_wide
        Whether the scores have the names of their columns.
    is_harmonised
        Whether chromosome and position are the PGS Catalog's harmonised ones.
    """

    places: Mapping[str, int]
    weight_places: tuple[int, ...] | None
    is_wide: bool
    is_harmonised: bool


def recognise(
    header: Sequence[str], asked: Mapping[str, str | Sequence[str]] | None, subject: str
) -> Layout:
    """Find our columns in a file's header.

    Parameters
    ----------
    header
        The file's column names.
    asked
        Our names -> the file's, as in `read_weights`; what is not asked for is
        recognised by its name.
    subject
        Name of the file, for messages.
    """
    asked = dict(asked or {})
    _check_asked(asked, header, subject)
    lower = {name.strip().lower(): place for place, name in reversed(list(enumerate(header)))}
    exact = {name: place for place, name in reversed(list(enumerate(header)))}
    places: dict[str, int] = {}
    for ours, names in KNOWN_NAMES.items():
        if ours == "effect_weight":
            continue
        wanted = asked.get(ours)
        if wanted is not None:
            places[ours] = exact[wanted if isinstance(wanted, str) else wanted[0]]
        else:
            found = next((lower[name] for name in names if name in lower), None)
            if found is not None:
                places[ours] = found
    is_harmonised = {"hm_chr", "hm_pos"} <= lower.keys() and not asked.keys() & {
        "chromosome",
        "position",
    }
    if is_harmonised:
        places |= {ours: lower[HARMONISED_NAMES[ours]] for ours in ("chromosome", "position")}
        if "hm_rsid" in lower and "id" not in asked:
            if "id" in places:
                places["original_id"] = places["id"]
            places["id"] = lower["hm_rsid"]
    places |= {name: lower[name] for name in EXTRA_NAMES if name in lower}
    weight_places, is_wide = _find_weights(asked.get("effect_weight"), exact, lower)
    _check_found(places, weight_places, header, subject)
    return Layout(places, weight_places, is_wide, is_harmonised)


def _find_weights(
    wanted: str | Sequence[str] | None, exact: Mapping[str, int], lower: Mapping[str, int]
) -> tuple[tuple[int, ...] | None, bool]:
    if wanted == ALL_NUMERIC:
        return None, True
    if isinstance(wanted, str):
        return (exact[wanted],), False
    if wanted is not None:
        return tuple(exact[name] for name in wanted), True
    found = next((lower[name] for name in KNOWN_NAMES["effect_weight"] if name in lower), None)
    return (() if found is None else (found,)), False


def _check_asked(
    asked: Mapping[str, str | Sequence[str]], header: Sequence[str], subject: str
) -> None:
    unknown = sorted(asked.keys() - KNOWN_NAMES.keys())
    if unknown:
        raise UsageError(
            f"columns: {len(unknown)} names are not ours, the first is {unknown[0]!r}; "
            f"ours are {', '.join(KNOWN_NAMES)}"
        )
    faults = []
    for ours, theirs in asked.items():
        names = [theirs] if isinstance(theirs, str) else list(theirs)
        if not names or (len(names) > 1 and ours != "effect_weight"):
            raise UsageError(f"columns: {ours} needs one column of the file, got {len(names)}")
        if len(set(names)) < len(names):
            raise UsageError(f"columns: {ours} names a column twice among {len(names)}")
        for name in names:
            if name == ALL_NUMERIC and ours == "effect_weight":
                continue
            if header.count(name) != 1:
                faults.append(f"{header.count(name)} columns {name!r}, asked for as {ours}")
    if faults:
        raise DataError(join_faults(subject, faults) + _its_columns(header))


def _check_found(
    places: Mapping[str, int],
    weight_places: tuple[int, ...] | None,
    header: Sequence[str],
    subject: str,
) -> None:
    faults = []
    if weight_places == () and not any(name in places for name in DOSAGE_WEIGHTS):
        faults.append(f"no weight column ({', '.join(KNOWN_NAMES['effect_weight'])})")
        odds = [name for name in header if name.strip().lower() in LOOKS_LIKE_ODDS]
        if odds:
            faults.append(f"{odds[0]!r} is a ratio: give its logarithm as effect_weight")
    if "effect_allele" not in places:
        faults.append(f"no effect allele column ({', '.join(KNOWN_NAMES['effect_allele'])})")
    if faults and all(_is_number(name) for name in header if name not in {"A", "C", "G", "T"}):
        faults.append("its first line is numbers: it has no header line")
    if faults:
        raise DataError(
            join_faults(subject, faults) + _its_columns(header) + "\nSay which is which by columns="
        )


def _its_columns(header: Sequence[str]) -> str:
    return "\nIts columns are: " + ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
