"""Polygenic scores: many at once, in one pass over the genotypes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pgs_trd.errors import MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeBlock, GenotypeSource
from pgs_trd.resources import thread_count
from pgs_trd.scoring.contributions import (
    FilePlan,
    FloatArray,
    choose_shift,
    fill_code_table,
    fill_dosage_table,
    missing_copies,
    plan_file,
)
from pgs_trd.scoring.kernel import DOSAGE_UNIT, MISSING_DOSAGE, DosageArray, IntArray, Kernel
from pgs_trd.weights import Match, Palindromes, Weights, match_variants

Missing = Literal["mean", "zero"]
BLOCK_SIZE = 1024


@dataclass(frozen=True)
class Scores:
    """Scores of every person, and how they came about.

    Attributes
    ----------
    scores : (n_people, n_scores)
        Sum over variants of effect-allele copies times weight; index `person_id`.
    averages : (n_people, n_scores)
        The sums divided by the number of alleles they are sums over: two for
        every variant with ``missing="mean"``, two for every variant that the
        person has a call of with ``missing="zero"`` (NaN where there is none).
    match
        One row a weight row, with `status` and `reason`.
    summary
        One row a score, failed ones included: counts, match rate, verdict.
    """

    scores: pd.DataFrame
    averages: pd.DataFrame
    match: pd.DataFrame
    summary: pd.DataFrame


def score(
    genotypes: GenotypeSource,
    weights: Weights | Sequence[Weights],
    *,
    palindromes: Palindromes = "drop",
    missing: Missing = "mean",
    min_overlap: float = 0.75,
    by: Literal["position", "id"] = "position",
    threads: int | None = None,
    block_size: int = BLOCK_SIZE,
    progress: Callable[[float], None] | None = None,
) -> Scores:
    """Score every person with every weight file, in one pass over the genotypes.

    Sums are exact integers inside: the result is the same to the last bit for
    any number of threads and any block size. It equals plink2's ``--score``
    within its six printed digits [1]_.

    Parameters
    ----------
    genotypes
        From `open_genotypes`.
    weights
        From `read_weights`; a file may hold many scores.
    palindromes
        What to do with A/T and C/G variants, whose strand the alleles do not
        tell: ``drop`` them, ``keep`` them as they are written, or decide by
        ``frequency``; see `match_variants`.
    missing
        A missing call counts as twice the frequency of the effect allele in
        these genotypes (``mean``), or as no copy (``zero``).
    min_overlap
        A score of which a smaller share of rows is matched fails; the others go on.
    by
        Match by chromosome and position or by variant id; both alleles always count.
    threads
        Default: what the scheduler allotted, else the processors allowed.
    block_size
        Variants read at once; changes memory and speed only.
    progress
        Called with the share of the work done, in [0, 1].

    Returns
    -------
    Scores
        Failed scores have a row in `summary` and no column in `scores`.

    Raises
    ------
    MatchRateError
        If every score failed.
    UsageError
        If two scores have one name, or an option is none of the known.

    References
    ----------
    .. [1] Chang et al. (2015) GigaScience 4:7.
    """
    files = [weights] if isinstance(weights, Weights) else list(weights)
    if not isinstance(genotypes, GenotypeSource) or not all(isinstance(f, Weights) for f in files):
        raise UsageError(
            "score takes what open_genotypes and read_weights give, not the names of files"
        )
    _check_options(files, missing, min_overlap, block_size)
    match = match_variants(
        genotypes, files, palindromes=palindromes, min_overlap=min_overlap, by=by
    )
    names, plans, shifts = _plan(files, match)
    _report_failures(match.summary, min_overlap)
    sums, missing_calls = _add_up(
        genotypes, plans, len(names), missing, thread_count(threads), block_size, progress
    )
    index = pd.Index(genotypes.samples["person_id"].to_numpy(), name="person_id")
    totals = np.ldexp(sums.astype(np.float64), -np.asarray(shifts, dtype=np.int64))
    alleles = _allele_counts(plans, len(names), missing_calls)
    averages = np.divide(
        totals, alleles, out=np.full_like(totals, np.nan), where=np.asarray(alleles) > 0
    )
    return Scores(
        scores=pd.DataFrame(totals, index=index, columns=names),
        averages=pd.DataFrame(averages, index=index, columns=names),
        match=match.table,
        summary=match.summary,
    )


def _check_options(
    files: Sequence[Weights], missing: str, min_overlap: float, block_size: int
) -> None:
    if not files:
        raise UsageError("no weight file given")
    if missing not in ("mean", "zero"):
        raise UsageError(f"missing must be 'mean' or 'zero', got {missing!r}")
    if not 0.0 <= min_overlap <= 1.0:
        raise UsageError(f"min_overlap must lie in [0, 1], got {min_overlap}")
    if block_size < 1:
        raise UsageError(f"block_size must be at least 1, got {block_size}")
    names = pd.Series([name for file in files for name in file.names])
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        raise UsageError(
            f"{len(twice)} score names occur more than once, the first is {twice[0]!r}: "
            "give the files or their columns different names"
        )


def _plan(files: Sequence[Weights], match: Match) -> tuple[list[str], list[FilePlan], list[int]]:
    """Give names, files' plans and shifts of the scores that did not fail."""
    ok = set(match.summary.loc[match.summary["status"] == "ok", "score"])
    names: list[str] = []
    plans: list[FilePlan] = []
    shifts: list[int] = []
    matched = match.table.loc[
        match.table["status"] == "matched", ["file", "row", "target", "swapped"]
    ]
    by_file = dict(list(matched.groupby("file", sort=False)))
    for number, file in enumerate(files):
        wanted = [k for k, name in enumerate(file.names) if name in ok]
        if not wanted:
            continue
        file_shifts = [choose_shift(file.effects[:, k]) for k in wanted]
        rows = by_file.get(number, matched.iloc[:0])
        plans.append(plan_file(file, rows, wanted, file_shifts, len(names)))
        names += [file.names[k] for k in wanted]
        shifts += file_shifts
    return names, plans, shifts


def _report_failures(summary: pd.DataFrame, min_overlap: float) -> None:
    """Warn of scores that failed; raise if all did."""
    failed = summary[summary["status"] != "ok"]
    if failed.empty:
        return
    first = failed.iloc[0]
    message = (
        f"{first['score']}: matched {first['n_matched']:,} of {first['n_rows']:,} rows "
        f"({first['match_rate']:.1%}), min_overlap is {min_overlap:.0%}. {first['verdict']}"
    )
    if len(failed) > 1:
        message = f"{len(failed)} of {len(summary)} scores failed. The first: {message}"
    if len(failed) == len(summary):
        raise MatchRateError(message)
    warnings.warn(message, PgsTrdWarning, stacklevel=3)


def _add_up(
    genotypes: GenotypeSource,
    plans: Sequence[FilePlan],
    n_scores: int,
    missing: Missing,
    threads: int,
    block_size: int,
    progress: Callable[[float], None] | None,
) -> tuple[IntArray, IntArray | None]:
    """Give the sums in steps, and with ``missing="zero"`` the missing calls of each score."""
    n_people = len(genotypes.samples)
    n_counted = n_scores if missing == "zero" else 0
    n_columns = n_scores + n_counted
    if n_columns > 1:
        n_columns = -(-n_columns // 8) * 8
    sums = np.zeros((n_people, n_columns), dtype=np.int64)
    rows = np.unique(np.concatenate([plan.targets for plan in plans]))
    done = 0
    with Kernel(n_people, threads) as kernel:
        for block in genotypes.blocks(rows, block_size=block_size):
            _add_block(kernel, block, plans, n_scores, missing, sums)
            done += len(block.rows)
            if progress is not None:
                progress(done / len(rows))
    counted = sums[:, n_scores : n_scores + n_counted] if n_counted else None
    return sums[:, :n_scores], counted


def _add_block(
    kernel: Kernel,
    block: GenotypeBlock,
    plans: Sequence[FilePlan],
    n_scores: int,
    missing: Missing,
    sums: IntArray,
) -> None:
    dosages: DosageArray | None = None
    if block.codes is not None:
        codes = np.ascontiguousarray(block.codes)
        counts = kernel.count_codes(codes)
        copies, called = 2 * counts[:, 0] + counts[:, 2], counts.sum(axis=1) - counts[:, 1]
    else:
        assert block.dosages is not None
        codes = None
        dosages = to_dosage_units(block.dosages)
        is_called = dosages != MISSING_DOSAGE
        called = is_called.sum(axis=1)
        copies = np.where(is_called, dosages, 0).sum(axis=1, dtype=np.int64) / DOSAGE_UNIT
    alleles = 2 * called if block.ploidy is None else block.ploidy.sum(axis=1, dtype=np.int64)
    frequency = np.divide(copies, alleles, out=np.full(len(called), np.nan), where=alleles > 0)
    table = np.zeros((len(block.rows), 3 if codes is None else 4, sums.shape[1]), dtype=np.int64)
    fill = fill_dosage_table if codes is None else fill_code_table
    missing_place = 2 if codes is None else 1
    for plan in plans:
        part = slice(*np.searchsorted(plan.targets, [block.rows[0], block.rows[-1] + 1]))
        local = np.searchsorted(block.rows, plan.targets[part])
        absent = missing_copies(frequency[local], plan.swapped[part], missing)
        fill(table, plan, part, local, absent)
        if missing == "zero":
            columns = n_scores + plan.columns[np.newaxis, :]
            table[local[:, np.newaxis], missing_place, columns] = plan.included[part]
    if codes is not None:
        kernel.score_codes(codes, table, sums)
    elif dosages is not None:
        kernel.score_dosages(dosages, table, sums)
    if block.ploidy is not None:
        _take_back_second_allele(block, plans, sums)


def _take_back_second_allele(
    block: GenotypeBlock, plans: Sequence[FilePlan], sums: IntArray
) -> None:
    """Correct haploid calls where the effect allele is the one not counted.

    The tables hold two minus the counted copies there; a haploid call has only
    one allele, so one effect too many was added.
    """
    assert block.ploidy is not None
    haploid = block.ploidy == 1
    for plan in plans:
        part = slice(*np.searchsorted(plan.targets, [block.rows[0], block.rows[-1] + 1]))
        local = np.searchsorted(block.rows, plan.targets[part])
        concerned = plan.swapped[part] & haploid[local].any(axis=1)
        if concerned.any():
            people = haploid[local[concerned]].astype(np.int64)
            sums[:, plan.columns] -= people.T @ plan.effects[part][concerned]


def to_dosage_units(dosages: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> DosageArray:
    """Round dosages in [0, 2] to 1/16384 copy; NaN becomes 65535."""
    is_missing = np.isnan(dosages)
    units = np.rint(np.where(is_missing, 0, dosages) * DOSAGE_UNIT).astype(np.uint16)
    units[is_missing] = MISSING_DOSAGE
    return np.ascontiguousarray(units)


def _allele_counts(
    plans: Sequence[FilePlan], n_scores: int, missing_calls: IntArray | None
) -> FloatArray:
    """Give the number of alleles each sum is over: (1 or n_people, n_scores)."""
    n_rows = np.zeros(n_scores, dtype=np.int64)
    for plan in plans:
        n_rows[plan.columns] = plan.included.sum(axis=0)
    called = n_rows[np.newaxis, :] - (0 if missing_calls is None else missing_calls)
    return np.asarray(2.0 * called)
