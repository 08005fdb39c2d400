"""Polygenic scores: many at once, in one pass over the genotypes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.resources import freed_at_once, thread_count
from pgs_trd.scoring.frequencies import align_frequencies
from pgs_trd.scoring.haploid import AlleleRule, MaleX
from pgs_trd.scoring.kernel import IntArray, Kernel
from pgs_trd.scoring.plan import (
    FilePlan,
    FloatArray,
    Missing,
    Scale,
    choose_shifts,
    find_fault,
    plan_file,
)
from pgs_trd.scoring.sums import Options, Sums
from pgs_trd.weights import FileMatch, MatchBy, Matcher, Palindromes, Weights
from pgs_trd.weights.match import stack_tables

# A block of hard calls: as many rows as the kernel indexes at once, bytes few enough for the
# cache; more of them where many sums are added after each block.
LARGEST_BLOCK = 1032
BLOCK_BYTES, BLOCK_BYTES_OF_MANY = 1 << 23, 1 << 24
# Fewer people tell too little about a frequency to fill in missing calls by it.
ENOUGH_PEOPLE = 50

RESERVED_NAMES = {"person_id", "family_id", "fid", "iid"}

T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """Scores of every person, and how they came about.

    Attributes
    ----------
    scores : (n_people, n_scores)
        Sum over variants of what the effect alleles count as, times weight; index
        `person_id`. Parts of a genome add without rounding.
    alleles : (n_people, n_scores)
        Number of alleles that each sum is over: two a variant; one where a call counts
        as one (Y and mitochondria, X of men with ``male_x="0..1"``); none for women
        on Y, and for a missing call with ``missing="zero"``.
    match
        One row a weight row, with `status` and `reason`; empty if `score` was given a
        `log`.
    summary
        One row a score, failed ones included: counts, match rate, verdict.
    n_on_x
        How many variants on X, outside the pseudo-autosomal regions, are in a score.
    """

    scores: pd.DataFrame
    alleles: pd.DataFrame
    match: pd.DataFrame
    summary: pd.DataFrame
    n_on_x: int = 0

    @property
    def averages(self) -> pd.DataFrame:
        """Sums divided by `alleles`, as in plink2's ``_AVG``; NaN over no allele."""
        return self.scores / self.alleles.where(self.alleles > 0)


def score(
    genotypes: GenotypeSource,
    weights: Weights | Iterable[Weights],
    *,
    palindromes: Palindromes = "drop",
    missing: Missing = "mean",
    min_overlap: float | None = 0.75,
    by: MatchBy = "position",
    scale: Scale = "none",
    frequencies: pd.DataFrame | None = None,
    male_x: MaleX = "0..2",
    small_sample: bool = False,
    check_frequencies: bool = True,
    threads: int | None = None,
    block_size: int | None = None,
    progress: Callable[[float], None] | None = None,
    log: Callable[[pd.DataFrame], None] | None = None,
) -> Scores:
    """Score every person with every weight file, in one pass over the genotypes.

    Sums are exact integers inside: the result is the same to the last bit for
    any number of threads, any block size and any split by chromosome. It equals
    plink2's ``--score`` within its six printed digits [1]_.

    Parameters
    ----------
    genotypes
        From `open_genotypes`.
    weights
        From `read_weights`; a file may hold many scores. An iterator is taken one
        file at a time, and of each file only what matched is kept.
    palindromes
        What to do with A/T and C/G variants, whose strand the alleles do not
        tell: ``drop`` them, ``keep`` them as they are written, or decide by
        ``frequency``; see `match_variants`.
    missing
        A missing call counts as twice the frequency of the effect allele
        (``mean``), or as no copy (``zero``).
    min_overlap
        A score of which a smaller share of rows is matched fails; the others go on.
        None for part of a genome: no score fails.
    by
        Match by chromosome and position or by variant id; both alleles always count.
    scale
        Count copies as they are (``none``), less twice the frequency (``center``), or
        that divided by sqrt(2 p (1 - p)) as well (``standardize``). A missing call
        counts as 0 after both.
    frequencies
        From `read_frequencies`, in place of those among these people. Variants that
        it does not state take these people's, with a warning.
    male_x
        A man's one allele on X counts twice, as in plink2 (``0..2``), or once
        (``0..1``). PLINK files write it as two alike; VCF and BGEN say how many alleles
        a call has, and what they write as diploid counts as diploid. Y and mitochondria
        always count once.
    small_sample
        Allow frequencies taken from fewer than 50 people.
    check_frequencies
        Compare the effect-allele frequencies that weight files state with those of
        the genotypes; see `match_variants`.
    threads
        Default: what the scheduler allotted, else the processors allowed.
    block_size
        Variants read at once; changes memory and speed only. Default: 1,032, or fewer
        for more than 32,768 people.
    progress
        Called with the share of the work done, in [0, 1].
    log
        Called with the match table of each file in turn; the tables are not kept.

    Returns
    -------
    Scores
        Failed scores have a row in `summary` and no column in `scores`.

    Raises
    ------
    MatchRateError
        If every score failed.
    UsageError
        If two scores have one name, an option is none of the known, or frequencies of
        fewer than 50 people are needed without `small_sample`.

    References
    ----------
    .. [1] Chang et al. (2015) GigaScience 4:7.
    """
    files = [weights] if isinstance(weights, Weights) else weights
    if not isinstance(genotypes, GenotypeSource):
        raise UsageError("score takes what open_genotypes gives, not the name of a file")
    n_people = len(genotypes.samples)
    _check_options(missing, scale, male_x, min_overlap, block_size)
    is_small = n_people < ENOUGH_PEOPLE and not small_sample
    if is_small and scale != "none" and frequencies is None:
        raise UsageError(_say_small(n_people, f"scale={scale!r}"))
    with freed_at_once() as give_back:
        matcher = Matcher(
            genotypes,
            palindromes=palindromes,
            min_overlap=min_overlap or 0.0,
            by=by,
            check_frequencies=check_frequencies,
        )
        give_back()
        names, plans, tables, summary = _match_all(
            matcher, files, scale, log, give_back, is_part=min_overlap is None
        )
        del matcher
    report_failures(summary, min_overlap)
    rows = _scored_rows(plans)
    options = Options(missing, scale, _given(frequencies, genotypes, rows))
    sums = Sums(n_people, plans, options)
    rule = AlleleRule.of(genotypes, male_x, rows)
    if block_size is None:
        n_bytes = BLOCK_BYTES if sums.width == 1 else BLOCK_BYTES_OF_MANY
        block_size = max(1, min(LARGEST_BLOCK, n_bytes // max(1, packed_width(n_people))))
    _add_up(
        genotypes, rows, sums, rule, thread_count(threads), block_size, progress, is_small=is_small
    )
    index = pd.Index(genotypes.samples["person_id"].to_numpy(), name="person_id")
    steps = np.concatenate([plan.scales for plan in plans]) if plans else np.ones(0)
    return Scores(
        scores=pd.DataFrame(sums.totals() / steps, index=index, columns=names),
        alleles=pd.DataFrame(sums.alleles(), index=index, columns=names),
        match=stack_tables(tables) if tables else pd.DataFrame(),
        summary=summary,
        n_on_x=int(rule.on_x[rows].sum()),
    )


def _check_options(
    missing: str, scale: str, male_x: str, min_overlap: float | None, block_size: int | None
) -> None:
    for name, value, known in (
        ("missing", missing, ("mean", "zero")),
        ("scale", scale, ("none", "center", "standardize")),
        ("male_x", male_x, ("0..2", "0..1")),
    ):
        if value not in known:
            raise UsageError(f"{name} must be {' or '.join(map(repr, known))}, got {value!r}")
    if min_overlap is not None and not 0.0 <= min_overlap <= 1.0:
        raise UsageError(f"min_overlap must lie in [0, 1], got {min_overlap}")
    if block_size is not None and block_size < 1:
        raise UsageError(f"block_size must be at least 1, got {block_size}")


def _match_all(
    matcher: Matcher,
    files: Iterable[Weights],
    scale: Scale,
    log: Callable[[pd.DataFrame], None] | None,
    give_back: Callable[[], object],
    *,
    is_part: bool,
) -> tuple[list[str], list[FilePlan], list[pd.DataFrame], pd.DataFrame]:
    """Match file by file; give names and plans of scores that did not fail, tables, summary."""
    names: list[str] = []
    seen: set[str] = set()
    plans: list[FilePlan] = []
    tables: list[pd.DataFrame] = []
    summaries: list[pd.DataFrame] = []
    for number, file in enumerate(files):
        if not isinstance(file, Weights):
            raise UsageError("score takes what read_weights gives, not the names of files")
        twice = sorted(seen & set(file.names))
        if twice:
            raise UsageError(
                f"{len(twice)} score names occur more than once, the first is {twice[0]!r}: "
                "give the files or their columns different names"
            )
        reserved = [name for name in file.names if name.lower().lstrip("#") in RESERVED_NAMES]
        if reserved:
            raise UsageError(
                f"a score is named {reserved[0]!r}, which is the name of a column of people: "
                "rename the file or its column"
            )
        seen |= set(file.names)
        give_back()
        match = matcher.match(file, number)
        summary = match.summary.assign(status="ok") if is_part else match.summary
        shifts = choose_shifts(file.effects, scale)
        faults = [find_fault(file, shift, scale) for shift in shifts]
        if any(faults):
            summary = _fail(summary, faults, is_part=is_part)
        summaries.append(summary)
        _log(match, log, tables)
        give_back()
        chosen = np.flatnonzero((summary["status"] == "ok").to_numpy()).tolist()
        if chosen:
            plans.append(plan_file(file, match, chosen, len(names), shifts))
            names += [file.names[k] for k in chosen]
        del match, file
    if not summaries:
        raise UsageError("no weight file given")
    return names, plans, tables, pd.concat(summaries, ignore_index=True)


def _fail(summary: pd.DataFrame, faults: list[str | None], *, is_part: bool) -> pd.DataFrame:
    """Fail the scores that cannot be added up as asked; the others go on.

    Of a part, whose scores are judged by `merge`, that is an error.
    """
    if is_part:
        raise DataError(next(filter(None, faults)))
    is_bad = np.array([fault is not None for fault in faults])
    return summary.assign(
        status=summary["status"].mask(is_bad, "failed"),
        verdict=[fault or said for fault, said in zip(faults, summary["verdict"], strict=True)],
    )


def _log(
    match: FileMatch, log: Callable[[pd.DataFrame], None] | None, tables: list[pd.DataFrame]
) -> None:
    (tables.append if log is None else log)(match.table())


def report_failures(summary: pd.DataFrame, min_overlap: float | None, where: str = "") -> None:
    """Warn of scores that failed; raise if all did."""
    failed = summary[summary["status"] != "ok"]
    if failed.empty:
        return
    first = failed.iloc[0]
    message = f"{first['score']}: {first['verdict']}"
    if not first["match_rate"] >= (min_overlap or 0.0) and first["n_rows"]:
        message = (
            f"{first['score']}: matched {first['n_matched']:,} of {first['n_rows']:,} rows "
            f"({first['match_rate']:.1%}){where}, min_overlap is {min_overlap:.0%}. "
            f"{first['verdict']}"
        )
    if len(failed) > 1:
        message = f"{len(failed)} of {len(summary)} scores failed. The first: {message}"
    if len(failed) == len(summary):
        raise MatchRateError(message, summary=summary)
    warnings.warn(message, PgsTrdWarning, stacklevel=3)


def _given(
    frequencies: pd.DataFrame | None, genotypes: GenotypeSource, rows: IntArray
) -> FloatArray | None:
    """Give the frequencies that the user gave, by variant; warn of those not stated."""
    if frequencies is None:
        return None
    given = align_frequencies(frequencies, genotypes.variants)
    n_absent = int(np.isnan(given[rows]).sum())
    if n_absent:
        warnings.warn(
            f"the frequencies given do not state {n_absent:,} of {len(rows):,} scored variants: "
            "these take the frequency among the people scored",
            PgsTrdWarning,
            stacklevel=3,
        )
    return given


def _scored_rows(plans: list[FilePlan]) -> IntArray:
    """Give the rows of the genotypes that any score needs, ascending."""
    if len(plans) == 1:
        return np.unique(plans[0].targets).astype(np.int64)
    is_scored = np.zeros(1 + max((int(p.targets.max(initial=-1)) for p in plans), default=-1), bool)
    for plan in plans:
        is_scored[plan.targets] = True
    return np.flatnonzero(is_scored)


def _add_up(
    genotypes: GenotypeSource,
    rows: IntArray,
    sums: Sums,
    rule: AlleleRule,
    threads: int,
    block_size: int,
    progress: Callable[[float], None] | None,
    *,
    is_small: bool,
) -> None:
    """Add all blocks; with two threads or more the next are read and made ready meanwhile."""
    n_people = len(genotypes.samples)
    done = n_uncalled = 0
    with Kernel(n_people, 1) as single, Kernel(n_people, threads) as kernel:
        blocks = genotypes.blocks(rows, block_size=block_size)
        if threads > 1:
            blocks = ahead(blocks)
        ready_blocks = (sums.prepare(single, block, rule) for block in blocks)
        for ready in ahead(ready_blocks) if threads > 1 else ready_blocks:
            if is_small and ready.n_missing:
                raise UsageError(_say_small(n_people, f"{ready.n_missing:,} missing calls or more"))
            sums.add(kernel, ready)
            n_uncalled += ready.n_uncalled
            done += len(ready.block.rows)
            if progress is not None:
                progress(done / len(rows))
        kernel.wait()
    if n_uncalled and (sums.options.missing == "mean" or sums.options.scale != "none"):
        warnings.warn(
            f"nobody has a call of {n_uncalled:,} of {len(rows):,} scored variants, and no "
            "frequency is known: they count as no copy of the effect allele; leave them out "
            "(--exclude) or give frequencies (--read-freq)",
            PgsTrdWarning,
            stacklevel=3,
        )


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Give `items`, the next one made in another thread meanwhile."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]  # the end is not one of the items


def _say_small(n_people: int, need: str) -> str:
    return (
        f"{n_people} people are too few to take allele frequencies from ({ENOUGH_PEOPLE} are "
        f"enough), and {need} need them: give frequencies of a larger sample (--read-freq), "
        "count missing calls as zero, or allow it by small_sample=True (--small-sample)"
    )
