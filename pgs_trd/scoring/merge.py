"""Add up the scores of parts of one genome, and refuse parts that do not belong together.

Parts with the same scores are a batch, and are added up; batches stand side by side.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError, join_faults
from pgs_trd.scoring.parts import ScorePart, read_part
from pgs_trd.scoring.passes import Scores, report_failures
from pgs_trd.weights.frequencies import note_swapped
from pgs_trd.weights.reasons import REASONS, STATUSES

StatusArray = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

MATCHED = STATUSES.index("matched")
ABSENT = tuple(STATUSES.index(s) for s in ("chromosome_absent", "position_absent", "id_absent"))
OF_THE_FILE = tuple(STATUSES.index(s) for s in ("refused", "no_position", "no_id"))
"""Statuses that a row can have in every part, because the weight file alone decides."""
SHARES = ("weight_matched", "variance_matched")
MIN_OVERLAP = 0.75


def merge_scores(
    parts: Sequence[str | Path | ScorePart],
    *,
    min_overlap: float = MIN_OVERLAP,
    log: Callable[[pd.DataFrame], None] | None = None,
) -> Scores:
    """Add up the scores of parts of one genome: chromosomes, or chunks of them.

    Sums are whole numbers of steps that all parts share, so the result is that
    of scoring the whole genome at once, to the last bit, whatever the order of
    the parts. A row of a weight file counts as matched if it is in one part.
    Where each part was scored with some of the weight files after the other, the
    scores stand side by side, in the order in which the parts are given.

    Parameters
    ----------
    parts
        What ``pgs-trd score --part`` wrote, by the path of the scores.
    min_overlap
        A score of which a smaller share of rows is matched, over all parts,
        fails; the others go on.
    log
        Called with the match table of one weight file after the other; its
        column `part` is the 1-based number of the part that the row is from.

    Returns
    -------
    Scores
        People in the order of the first part. `match` is empty: see `log`.

    Raises
    ------
    DataError
        If the parts hold other people, weight files or options, if some of the
        genotypes are not there for all scores, if a row is matched in more than
        one part, or if a file of a part is damaged.
    MatchRateError
        If every score failed.
    UsageError
        If there are no parts, or no such file.
    """
    if not 0.0 <= min_overlap <= 1.0:
        raise UsageError(f"min_overlap must lie in [0, 1], got {min_overlap}")
    if not parts:
        raise UsageError("no parts to merge")
    read = [part if isinstance(part, ScorePart) else read_part(Path(part)) for part in parts]
    batches = _group(read)
    _check_fit(batches)
    n_parts = len(batches[0])
    summaries, n_files = [], 0
    for parts_of_batch in batches:
        counts = _count_rows(parts_of_batch, log, n_files)
        summaries.append(_summarise(parts_of_batch, counts, min_overlap))
        n_files += len(parts_of_batch[0].names)
    summary = pd.concat(summaries, ignore_index=True)
    report_failures(summary, min_overlap, f" in {n_parts} parts")
    names = summary.loc[summary["status"] == "ok", "score"].tolist()
    people = read[0].people
    return Scores(
        scores=_add(batches, people, names, ScorePart.read_sums),
        alleles=_add(batches, people, names, ScorePart.read_alleles).astype(np.int32),
        match=pd.DataFrame(),
        summary=summary,
    )


def _group(parts: Sequence[ScorePart]) -> list[list[ScorePart]]:
    """Put parts that have a score in common together, in the order in which they come."""
    batches: list[list[ScorePart]] = []
    for part in parts:
        for batch in batches:
            if not part.score_names.isdisjoint(batch[0].score_names):
                batch.append(part)
                break
        else:
            batches.append([part])
    return batches


def _check_fit(batches: Sequence[Sequence[ScorePart]]) -> None:
    """Refuse parts that are not of one run over one cohort; name every difference."""
    first = batches[0][0]
    faults = []
    for batch in batches:
        for part in batch[1:]:
            faults += [f"{part.name}: {text}" for text in _compare(batch[0], part)]
        if batch is batches[0]:
            continue
        faults += [f"{batch[0].name}: {text}" for text in _compare_runs(first, batch[0])]
        n_less = len({part.genotypes for part in batches[0]} ^ {part.genotypes for part in batch})
        if n_less:
            faults.append(
                f"{batch[0].name}: its scores are of {len(batch)} parts, those of {first.name} of "
                f"{len(batches[0])}, and {n_less} of the genotypes are not in both: is one missing?"
            )
    if faults:
        n_parts = sum(map(len, batches))
        raise DataError(
            join_faults(f"{n_parts} parts do not belong together with {first.name}", faults)
        )


def _compare_runs(first: ScorePart, part: ScorePart) -> list[str]:
    """Name what differs in people, version and options."""
    faults = []
    people, wanted = part.people, first.people
    n_common = int(people.isin(wanted).sum())
    if not len(people) == len(wanted) == n_common:
        faults.append(
            f"holds {len(people):,} people, not {len(wanted):,}, of whom {n_common:,} are common: "
            "score every part for the same people"
        )
    if part.version != first.version:
        faults.append(
            f"made by pgs-trd {part.version}, not {first.version}: sums of two versions "
            "need not be of one step; score it again"
        )
    for name in sorted({*part.options, *first.options}):
        mine, other = part.options.get(name), first.options.get(name)
        if mine != other:
            faults.append(f"scored with {name} {mine!r}, not {other!r}")
    return faults


def _compare(first: ScorePart, part: ScorePart) -> list[str]:
    faults = _compare_runs(first, part)
    if part.weights != first.weights:
        n_changed = len(set(part.weights) ^ set(first.weights))
        faults.append(
            f"{len(part.weights)} weight files, not {len(first.weights)}, and {n_changed} "
            "files or their contents are not in both"
            if n_changed
            else "the same weight files, in another order"
        )
    if not faults and part.summary["score"].tolist() != first.summary["score"].tolist():
        faults.append("other scores in its summary: the file is damaged")
    return faults


def _count_rows(
    parts: Sequence[ScorePart], log: Callable[[pd.DataFrame], None] | None, n_files: int
) -> dict[str, IntArray]:
    """Count, for each score, the rows of each status over all parts: (n_statuses,).

    `n_files` weight files come before those of these parts.
    """
    counts: dict[str, IntArray] = {}
    names = parts[0].names
    n_twice = n_shared = 0
    for number, scores in enumerate(names):
        statuses = np.stack([part.read_statuses(number) for part in parts])
        chosen = _choose(statuses)
        twice = (statuses == MATCHED).sum(axis=0) > 1
        n_twice += int(twice.sum())
        n_shared += int((_is_found(statuses).sum(axis=0) > 1).sum() - twice.sum())
        if n_twice:
            continue
        status = np.take_along_axis(statuses, chosen[np.newaxis], axis=0)[0]
        members = parts[0].read_members(number, len(scores))
        for k, name in enumerate(scores):
            in_score, is_refused = members[0][:, k], members[1][:, k]
            own = np.where(is_refused, STATUSES.index("refused"), status)[in_score]
            counts[name] = np.bincount(own, minlength=len(STATUSES)).astype(np.int64)
        if log is not None:
            log(_choose_rows(parts, number, chosen).assign(file=np.int64(n_files + number)))
    if n_twice:
        raise DataError(
            f"{len(parts)} parts overlap: {n_twice:,} rows of the weight files are matched in "
            "more than one of them and would count twice; give each variant in one part only"
        )
    if n_shared:
        warnings.warn(
            f"{n_shared:,} rows of the weight files are at variants that more than one part "
            "holds: each part decided without the alleles in the others",
            PgsTrdWarning,
            stacklevel=3,
        )
    return counts


def _is_found(statuses: StatusArray) -> BoolArray:
    """Tell in which parts a row has a status that the genotypes there decided."""
    of_the_file = (statuses == statuses[0]).all(axis=0) & np.isin(statuses[0], OF_THE_FILE)
    found: BoolArray = ~np.isin(statuses, ABSENT) & ~of_the_file
    return found


def _choose(statuses: StatusArray) -> IntArray:
    """Choose for each row the part that tells most: where it matched, else where it was found."""
    rank = np.full(len(STATUSES), len(STATUSES), dtype=np.int8)
    rank -= np.arange(len(STATUSES), dtype=np.int8)
    rank[list(ABSENT)] = [-3, -2, -1]  # a position that is absent says more than a chromosome
    rank[MATCHED] = 2 * len(STATUSES)
    chosen: IntArray = rank[statuses].argmax(axis=0)
    return chosen


def _choose_rows(parts: Sequence[ScorePart], number: int, chosen: IntArray) -> pd.DataFrame:
    tables = []
    for place, part in enumerate(parts):
        rows = np.flatnonzero(chosen == place)
        if len(rows) or (place == 0 and not len(chosen)):
            table = part.read_match(number).iloc[rows]
            tables.append(table.assign(part=np.int64(place + 1)).set_axis(rows))
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)


def _summarise(
    parts: Sequence[ScorePart], counts: dict[str, IntArray], min_overlap: float
) -> pd.DataFrame:
    rows = []
    n_columns = [(f"n_{text}", i) for i, text in enumerate(STATUSES) if text != "matched"]
    # Shares of one whole: those of the parts add up.
    shares = {
        share: np.sum([part.summary[share].to_numpy(dtype=np.float64) for part in parts], axis=0)
        for share in SHARES
        if all(share in part.summary.columns for part in parts)
    }
    r = _mean_r(parts)
    for place, (name, count) in enumerate(counts.items()):
        n_rows, n_matched = int(count.sum()), int(count[MATCHED])
        rate = n_matched / n_rows if n_rows else float("nan")
        is_ok = n_matched > 0 and rate >= min_overlap
        rows.append(
            {
                "score": name,
                "n_rows": n_rows,
                "n_matched": n_matched,
                "match_rate": rate,
                **{column: int(count[i]) for column, i in n_columns},
                **{share: values[place] for share, values in shares.items()},
                "frequency_r": r[place],
                "status": "ok" if is_ok else "failed",
                "verdict": "; ".join(
                    filter(None, [_verdict(count, parts, place, is_ok), note_swapped(r[place])])
                ),
            }
        )
    return pd.DataFrame(rows)


def _mean_r(parts: Sequence[ScorePart]) -> FloatArray:
    """Give the mean of the parts' frequency correlations by score, weighted by matched rows."""
    r, n = (
        np.stack([part.summary[name].to_numpy(dtype=np.float64) for part in parts])
        for name in ("frequency_r", "n_matched")
    )
    n[np.isnan(r)] = 0.0
    total = n.sum(axis=0)
    mean: FloatArray = np.divide(
        np.nansum(r * n, axis=0), total, out=np.full(len(total), np.nan), where=total > 0
    )
    return mean


def _verdict(count: IntArray, parts: Sequence[ScorePart], place: int, is_ok: bool) -> str:
    n_rows = int(count.sum())
    if n_rows == 0:
        return str(parts[0].summary["verdict"].iloc[place])
    rate = f"{count[MATCHED] / n_rows:.1%} of rows matched in {len(parts)} parts"
    if is_ok:
        return rate
    lost = count.copy()
    lost[MATCHED] = 0
    worst = int(lost.argmax())
    advice = ": is a part missing?" if worst in ABSENT else ""
    return f"{rate}; {lost[worst] / n_rows:.1%}: {REASONS[STATUSES[worst]]}{advice}"


def _add(
    batches: Sequence[Sequence[ScorePart]],
    people: pd.Index,
    names: Sequence[str],
    read: Callable[[ScorePart, Sequence[str]], pd.DataFrame],
) -> pd.DataFrame:
    """Add up tables of one cohort, rows aligned by person, without rounding.

    One table of one part stands in memory at a time.
    """
    total = np.zeros((len(people), len(names)))
    place = 0
    for batch in batches:
        own = [name for name in names if name in batch[0].score_names]
        columns = slice(place, place + len(own))
        for part in batch if own else ():
            total[:, columns] += read(part, own).loc[people].to_numpy(dtype=np.float64)
        place = columns.stop
    return pd.DataFrame(total, index=people, columns=list(names))
