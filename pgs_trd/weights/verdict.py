"""One sentence on the match of a score: what was lost, and the likely cause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.weights.alleles import number_alleles
from pgs_trd.weights.codes import BoolArray, Codes, IntArray, take_evenly, to_codes
from pgs_trd.weights.evidence import Evidence
from pgs_trd.weights.index import Pairs, TargetIndex, pair_up
from pgs_trd.weights.reasons import STATUSES, Outcome
from pgs_trd.weights.summary import MATCHED

ADVICE = {
    "refused": "cannot be scored: see the reasons in the match table",
    "no_position": "have no position: take a harmonised weight file, or match by id",
    "no_id": "have no id: match by position",
    "chromosome_absent": "are on chromosomes that the genotypes do not have{where}: "
    "give the genotypes of all chromosomes",
    "position_absent": "are at positions absent from the genotypes{where}",
    "id_absent": "have ids absent from the genotypes: {kinds}",
    "duplicate_target": "are on variants that the genotypes hold twice: remove the duplicates",
    "allele_mismatch": "have other alleles in the genotypes: {alleles}",
    "palindromic": "are palindromic: decide by palindromes='keep' or 'frequency'",
    "ambiguous": "fit more than one variant of the genotypes",
    "collision": "share a variant with another row of the score: remove the repeated rows",
}
ID_KINDS = (
    ("rs numbers", re.compile(r"rs\d+", re.IGNORECASE)),
    ("chromosome and position", re.compile(r"(chr)?[0-9XYMT]{1,2}[:_-]\d+.*", re.IGNORECASE)),
)
MOST_IDS_LOOKED_AT = 1_000
MOST_ROWS_LOOKED_AT = 20_000
STRAND_SHARE = 0.1
FEWEST_POSITIONS = 20
LEAST_SHARE = 0.1
LEAST_AGREEMENT = 0.9


@dataclass(frozen=True)
class Situation:
    """What a verdict is drawn from, the same for all scores of a file.

    Attributes
    ----------
    variants
        `Weights.variants`.
    place
        Place of each row among those of the genotypes.
    outcome
        What became of each row.
    evidence
        About the genome build; None if nothing is odd about the positions.
    build
        Stated by the weights.
    fault
        `Weights.fault`.
    notes
        What is to be said of every score of the file, matched or not.
    """

    index: TargetIndex
    genotype_variants: pd.DataFrame
    variants: pd.DataFrame
    place: Codes
    outcome: Outcome
    evidence: Evidence | None
    build: str | None
    fault: str | None
    notes: Sequence[str]


def give_verdict(situation: Situation, counts: IntArray, is_ok: bool) -> str:
    """Say how a score matched and, if it failed, why.

    Parameters
    ----------
    situation
        Of the file.
    counts : (n_statuses,)
        Rows of the score by status.
    is_ok
        Whether the score counts as matched.
    """
    n_rows, n_matched = int(counts.sum()), int(counts[MATCHED])
    if n_rows == 0:
        return situation.fault or "no row has a weight for this score"
    notes = "".join(f"; {note}" for note in situation.notes)
    if is_ok:
        return f"{n_matched / n_rows:.1%} of rows matched{notes}"
    few = f"few rows matched ({n_matched / n_rows:.1%})"
    fault = situation.evidence.fault() if situation.evidence else None
    if fault:
        return f"{few}: {fault}{notes}"
    lost = counts.copy()
    lost[MATCHED] = 0
    worst = int(lost.argmax())
    return f"{few}: {lost[worst] / n_rows:.1%} {_advise(situation, STATUSES[worst])}{notes}"


def _advise(situation: Situation, status: str) -> str:
    rows = np.flatnonzero(situation.outcome.has(status))
    if status == "chromosome_absent":
        names = _chromosomes(situation.variants, rows)
        return ADVICE[status].format(where=f" ({list_chromosomes(names)})" if names else "")
    if status == "position_absent":
        return _advise_on_absence(situation, rows)
    if status == "id_absent":
        return ADVICE[status].format(kinds=_compare_id_kinds(situation, rows))
    if status == "allele_mismatch":
        return ADVICE[status].format(alleles=_compare_alleles(situation, rows))
    return ADVICE[status]


def _advise_on_absence(situation: Situation, absent: IntArray) -> str:
    """Tell a missing chromosome from an array that was not imputed."""
    variants = situation.variants
    codes, names = to_codes(variants["chromosome"])
    there = np.flatnonzero(situation.place >= 0)
    n_absent = np.bincount(codes[absent], minlength=len(names))
    n_there = np.bincount(codes[there[codes[there] >= 0]], minlength=len(names))
    n_rows = n_absent + n_there
    is_lost = (n_rows > 0) & (n_absent >= 0.95 * n_rows)
    build = f" (weights {situation.build})" if situation.build else ""
    n_left = n_rows[~is_lost].sum()
    if is_lost.any() and n_left and n_there[~is_lost].sum() >= 0.75 * n_left:
        lost = list_chromosomes([str(name) for name in names[is_lost]])
        advice = ADVICE["position_absent"].format(where=f", nearly all on chromosome {lost}")
        return f"{advice}: check that the genotypes of this chromosome are complete"
    n_hit = int(((n_absent > 0) & (n_rows > 0)).sum())
    where = f", over {n_hit} chromosomes" if n_hit > 1 else ""
    n_variants = len(situation.genotype_variants)
    advice = ADVICE["position_absent"].format(where=where)
    proof = _prove_build(situation, there)
    if proof:
        return (
            f"{advice}, and the genome build is right ({proof}): the genotypes "
            f"({n_variants:,} variants) are filtered or not imputed"
        )
    return f"{advice}: check the genome build{build} and that the genotypes are imputed"


def _prove_build(situation: Situation, there: IntArray) -> str | None:
    """Say how ids or alleles show that positions are of one build, if they do."""
    evidence = situation.evidence
    if evidence is not None and evidence.ids_agree:
        share = evidence.n_same_position / evidence.n_shared_ids
        return f"of {evidence.n_shared_ids:,} ids in both files {share:.1%} have the same position"
    # Some stretches have the same positions in two builds, so a few rows prove nothing.
    n_most = min(len(situation.place), len(situation.genotype_variants))
    if len(there) < max(FEWEST_POSITIONS, LEAST_SHARE * n_most):
        return None
    misfits = situation.outcome.has("allele_mismatch")[there].mean()
    if misfits > 1 - LEAST_AGREEMENT:
        return None
    return f"alleles agree at {1 - misfits:.1%} of the {len(there):,} positions that are there"


def _chromosomes(variants: pd.DataFrame, rows: IntArray) -> list[str]:
    codes, names = to_codes(variants["chromosome"])
    present = np.unique(codes[rows])
    return [str(name) for name in names[present[present >= 0]]]


def list_chromosomes(names: Sequence[str]) -> str:
    """Write chromosomes in short.

    Examples
    --------
    >>> list_chromosomes(["X", "3", "1", "2", "10"])
    '1-3, 10, X'
    """
    numbers = sorted(int(name) for name in names if name.isdecimal())
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(texts + sorted(name for name in names if not name.isdecimal()))


def _compare_id_kinds(situation: Situation, rows: IntArray) -> str:
    theirs = situation.genotype_variants["id"]
    here = _id_kind(situation.variants["id"].iloc[take_evenly(rows, MOST_IDS_LOOKED_AT)])
    there = _id_kind(theirs.iloc[take_evenly(np.arange(len(theirs)), MOST_IDS_LOOKED_AT)])
    if here == there:
        return "check that both use one kind of id"
    return f"those are {here}, the genotypes' {there}: match by position"


def _id_kind(ids: pd.Series) -> str:
    texts = [str(text) for text in ids if isinstance(text, str)]
    for kind, pattern in ID_KINDS:
        if 2 * sum(pattern.fullmatch(text) is not None for text in texts) > len(texts):
            return kind
    return "of another kind" if any(text not in ("", ".") for text in texts) else "missing"


def _compare_alleles(situation: Situation, rows: IntArray) -> str:
    """Say which of the two allele columns does not fit."""
    build = f" (weights {situation.build})" if situation.build else ""
    rows = take_evenly(rows, MOST_ROWS_LOOKED_AT)
    asked = situation.variants.iloc[rows]
    pairs = pair_up(situation.index, situation.place[rows])
    fits = []
    for name in ("effect_allele", "other_allele"):
        column = number_alleles(situation.index, asked[name])
        alleles = [numbers[column.codes] for numbers in (column.spelled, column.flipped)]
        fits.append(_fits_any(situation.index, pairs, alleles))
    shares = [fit.mean() for fit in fits]
    for (name, share), (wrong, missed) in (
        (("effect", shares[0]), ("other", shares[1])),
        (("other", shares[1]), ("effect", shares[0])),
    ):
        if share >= 0.75 and missed < 0.5:
            return (
                f"the {name} allele is there in {share:.1%} of them, the {wrong} allele in "
                f"{missed:.1%}: check the column of the {wrong} allele"
            )
    return f"check the genome build{build} and that the allele columns are the right ones"


def _fits_any(index: TargetIndex, pairs: Pairs, alleles: Sequence[Codes]) -> BoolArray:
    """Tell which rows have one of `alleles` in a variant at their place."""
    counted, uncounted = index.counted[pairs.target], index.other[pairs.target]
    fits = np.zeros(len(pairs.target), dtype=bool)
    for allele in alleles:
        fits |= (pairs.spread(allele) == counted) | (pairs.spread(allele) == uncounted)
    return pairs.count(fits) > 0


def note_strand(outcome: Outcome) -> str | None:
    """Warn that palindromes kept as written are on a strand that others are not on."""
    judged = outcome.is_matched & ~outcome.is_palindromic
    n_judged = int(judged.sum())
    n_flipped = int((judged & outcome.flipped).sum())
    if not (outcome.is_matched & outcome.is_palindromic).any() or not n_judged:
        return None
    if n_flipped < STRAND_SHARE * n_judged:
        return None
    return (
        f"{n_flipped / n_judged:.1%} of the other matched rows are on the other strand, so "
        "palindromic rows kept as written may be too: drop them or decide by frequency"
    )
