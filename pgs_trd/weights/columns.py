"""Tell which column of a weight file holds what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.weights.files import Head
from pgs_trd.weights.formats import find_names

ALL_NUMERIC = "*"

# Lower case, best first. "a1" is the effect allele in plink, PRS-CS, LDpred2 and GCTB output.
KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("rsid", "rs_id", "snp", "snpid", "snp_id", "id", "variant_id", "markername", "marker"),
    "chromosome": ("chr_name", "chromosome", "chr", "chrom", "#chrom", "#chr"),
    "position": ("chr_position", "position", "pos", "bp", "base_pair_location"),
    "effect_allele": ("effect_allele", "effectallele", "ea", "a1"),
    "other_allele": (
        "other_allele", "reference_allele", "otherallele", "oa", "nea",
        "non_effect_allele", "noneffect_allele", "a0", "a2", "omitted",
    ),
    "effect_weight": (
        "effect_weight", "weight", "beta", "effect", "a1effect", "beta_auto", "beta_inf",
        "beta_grid", "logor", "log_or", "score",
    ),
    "effect_allele_frequency": (
        "effect_allele_frequency", "allelefrequency_effect", "eaf", "a1_freq", "a1freq", "a1frq",
    ),
    "p_value": ("p_value", "p", "pval", "pvalue", "p-value", "p_val", "p_bolt_lmm"),
}  # fmt: skip
# Minus the logarithm to base 10, where there is no p-value itself.
LOG_P_NAMES = ("neg_log_10_p_value", "log10p", "mlogp", "mlog10p", "neg_log10_p")
# The PGS Catalog's harmonised columns, taken before the original ones.
HARMONISED_NAMES = {"id": "hm_rsid", "chromosome": "hm_chr", "position": "hm_pos"}
INFERRED_OTHER_ALLELE = "hm_inferotherallele"
COMPLEX_FLAGS = ("is_interaction", "is_diplotype", "is_haplotype")
MODEL_FLAGS = ("is_dominant", "is_recessive")
DOSAGE_WEIGHTS = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
LOG_P = "neg_log10_p"
EXTRA_NAMES = (
    *COMPLEX_FLAGS, *MODEL_FLAGS, *DOSAGE_WEIGHTS, "effect_type", "accession", "variant_type",
    "weight_type", INFERRED_OTHER_ALLELE,
)  # fmt: skip
RATIOS = ("or", "odds_ratio", "hazard_ratio", "hr")


@dataclass(frozen=True)
class Layout:
    """Which column (0-based) of the file holds what.

    Attributes
    ----------
    places
        Our name -> column, effect_weight excepted; also the names of `EXTRA_NAMES`,
        `LOG_P` and ``original_id``.
    weight_places
        The weight columns; None means every other numeric column.
    ratio_places
        Columns that hold odds or hazard ratios by their name.
    is_wide
        Whether the scores have the names of their columns.
    is_harmonised
        Whether chromosome and position are the PGS Catalog's harmonised ones.
    """

    places: Mapping[str, int]
    weight_places: tuple[int, ...] | None
    ratio_places: frozenset[int]
    is_wide: bool
    is_harmonised: bool


class _Header:
    """Column names of a file, and which of them are there twice."""

    def __init__(self, head: Head) -> None:
        self.names = head.columns
        self.lower: dict[str, int] = {}
        self.exact: dict[str, int] = {}
        self.repeated: dict[str, int] = {}
        for place, name in enumerate(head.columns):
            short = name.strip().lower()
            if short in self.lower:
                self.repeated[short] = self.repeated.get(short, 1) + 1
            self.lower.setdefault(short, place)
            self.exact.setdefault(name, place)
        if not head.has_names:
            # Columns of a file without names can be asked for by their numbers.
            self.exact |= {str(place + 1): place for place in range(len(head.columns))}

    def count(self, name: str) -> int:
        """Count the columns of that name."""
        return max(self.names.count(name), int(name in self.exact))

    def first(self, names: Sequence[str]) -> int | None:
        """Give the place of the first of `names` that is there."""
        return next((self.lower[name] for name in names if name in self.lower), None)


def recognise(head: Head, asked: Mapping[str, str | Sequence[str]] | None, subject: str) -> Layout:
    """Find our columns in a file.

    Parameters
    ----------
    head
        The file's column names.
    asked
        Our names -> the file's, as in `read_weights`; what is not asked for is
        recognised by its name.
    subject
        Name of the file, for messages.
    """
    asked = dict(asked or {})
    header = _Header(head)
    _check_asked(asked, header, subject)
    weight_places, is_wide = _find_weights(asked, header, subject)
    places = _find_places(asked, header, weight_places or ())
    is_harmonised = {"hm_chr", "hm_pos"} <= header.lower.keys() and not asked.keys() & {
        "chromosome",
        "position",
    }
    if is_harmonised:
        for ours in ("chromosome", "position"):
            places[ours] = header.lower[HARMONISED_NAMES[ours]]
        if "hm_rsid" in header.lower and "id" not in asked:
            if "id" in places:
                places["original_id"] = places["id"]
            places["id"] = header.lower["hm_rsid"]
    _check_found(places, weight_places, asked, header, head, subject)
    ratios = frozenset(header.lower[name] for name in RATIOS if name in header.lower)
    return Layout(places, weight_places, ratios, is_wide, is_harmonised)


def _find_places(
    asked: Mapping[str, str | Sequence[str]], header: _Header, weights: Sequence[int]
) -> dict[str, int]:
    places: dict[str, int] = {}
    by_format = find_names(header.lower.keys())
    for ours, names in KNOWN_NAMES.items():
        if ours == "effect_weight":
            continue
        wanted = asked.get(ours)
        if wanted is not None:
            places[ours] = header.exact[wanted if isinstance(wanted, str) else wanted[0]]
            continue
        found = header.first((by_format[ours],) if ours in by_format else names)
        if found is not None and found not in weights:
            places[ours] = found
    log_p = header.first(LOG_P_NAMES)
    if "p_value" not in places and log_p is not None and log_p not in weights:
        places[LOG_P] = log_p
    extra = {name: header.lower[name] for name in EXTRA_NAMES if name in header.lower}
    return places | {name: place for name, place in extra.items() if place not in weights}


def _find_weights(
    asked: Mapping[str, str | Sequence[str]], header: _Header, subject: str
) -> tuple[tuple[int, ...] | None, bool]:
    wanted = asked.get("effect_weight")
    if wanted == ALL_NUMERIC:
        return None, True
    if isinstance(wanted, str):
        return (header.exact[wanted],), False
    if wanted is not None:
        return tuple(header.exact[name] for name in wanted), True
    names = KNOWN_NAMES["effect_weight"]
    by_format = find_names(header.lower.keys()).get("effect_weight")
    candidates = [name for name in (*names, by_format or "") if name in header.lower]
    if names[0] in candidates or len(candidates) < 2:
        return tuple(header.lower[name] for name in candidates[:1]), False
    spelled = ", ".join(repr(header.names[header.lower[name]]) for name in candidates)
    raise DataError(
        f"{subject}: {len(candidates)} columns could be the weight: {spelled}"
        "\nSay which by columns={'effect_weight': ...}"
    )


def _check_asked(asked: Mapping[str, str | Sequence[str]], header: _Header, subject: str) -> None:
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
        raise DataError(join_faults(subject, faults) + _its_columns(header.names))


def _check_found(
    places: Mapping[str, int],
    weight_places: tuple[int, ...] | None,
    asked: Mapping[str, str | Sequence[str]],
    header: _Header,
    head: Head,
    subject: str,
) -> None:
    faults = []
    if weight_places == () and not any(name in places for name in DOSAGE_WEIGHTS):
        faults.append(f"no weight column ({', '.join(KNOWN_NAMES['effect_weight'])})")
        ratio = header.first(RATIOS)
        if ratio is not None:
            faults.append(
                f"{header.names[ratio]!r} is a ratio: ask for it as effect_weight, and its "
                "logarithm is taken"
            )
    if "effect_allele" not in places:
        faults.append(f"no effect allele column ({', '.join(KNOWN_NAMES['effect_allele'])})")
        if {"allele1", "allele2"} <= header.lower.keys():
            faults.append("which of Allele1 and Allele2 has the effect differs between programs")
    faults += _used_twice(places, weight_places or (), asked, header)
    if faults and not head.has_names:
        faults.append("its first line is data: it has no header line, name columns by number")
    if faults:
        raise DataError(
            join_faults(subject, faults)
            + _its_columns(header.names)
            + "\nSay which is which by columns="
        )


def _used_twice(
    places: Mapping[str, int],
    weights: Sequence[int],
    asked: Mapping[str, str | Sequence[str]],
    header: _Header,
) -> list[str]:
    """Give the columns that two of our names would take, and names that two columns have."""
    users: dict[int, list[str]] = {}
    for ours in KNOWN_NAMES:
        if ours in places and ours != "effect_weight":
            users.setdefault(places[ours], []).append(ours)
    for place in weights:
        users.setdefault(place, []).append("effect_weight")
    faults = [
        f"column {header.names[place]!r} would be {' and '.join(ours)}: name both"
        for place, ours in users.items()
        if len(ours) > 1
    ]
    named = {
        name for names in asked.values() for name in ([names] if isinstance(names, str) else names)
    }
    for place in users:
        short = header.names[place].strip().lower()
        if short in header.repeated and header.names[place] not in named:
            faults.append(f"{header.repeated[short]} columns {header.names[place]!r}")
    return faults


def _its_columns(header: Sequence[str]) -> str:
    return "\nIts columns are: " + ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
