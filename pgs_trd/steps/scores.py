"""Genotypes and weight files to scores and match tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring import MaleX, Missing, Scale, Scores, read_frequencies, score
from pgs_trd.scoring.files import beside
from pgs_trd.scoring.parts import describe_part, member_columns
from pgs_trd.steps.inputs import Columns, Target, WeightFiles, list_weight_files, open_target
from pgs_trd.steps.outputs import (
    OPTIONAL_COMPANIONS,
    check_outputs,
    describe_inputs,
    log_matches,
    stage_outputs,
    write_result,
)
from pgs_trd.steps.streams import Append, stream_table
from pgs_trd.tables import write_table
from pgs_trd.weights import MatchBy, Matcher, Palindromes, Weights

Progress = Callable[[float], None]

__all__ = ["beside", "match_step", "score_step"]


def match_step(
    genotypes: Path,
    weights: Sequence[Path],
    out: Path,
    *,
    target: Target | None = None,
    columns: Columns | None = None,
    p_thresholds: Sequence[float] | None = None,
    chain: Path | None = None,
    palindromes: Palindromes = "drop",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
    check_frequencies: bool = True,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Match weight files to genotypes; write the match table and its summary.

    Returns
    -------
    summary
        One row a score.
    """
    target = target or Target()
    files = WeightFiles(list_weight_files(weights), columns, p_thresholds, chain)
    read = [*files.paths, *_other_inputs(genotypes, target), chain]
    check_outputs(out, read, weights=weights, companions=("summary",))
    source = open_target(genotypes, target)
    options: dict[str, Any] = {
        "palindromes": palindromes,
        "min_overlap": min_overlap,
        "by": by,
        "check_frequencies": check_frequencies,
    }
    matcher = Matcher(source, **options)
    summaries = []
    options |= target.options | files.options
    inputs = {"genotypes": source.paths, **target.inputs, **files.inputs}
    with stage_outputs(out) as staged:
        with stream_table(staged) as append:
            for number, file in enumerate(files.read(progress)):
                match = matcher.match(file, number)
                append(match.table())
                summaries.append(match.summary)
        summary = pd.concat(summaries, ignore_index=True)
        write_table(summary, beside(staged, "summary"))
        write_sidecar(describe_inputs("match", options, inputs, n_scores=len(summary)), staged)
    return summary


def score_step(
    genotypes: Path,
    weights: Sequence[Path],
    out: Path,
    *,
    target: Target | None = None,
    columns: Columns | None = None,
    p_thresholds: Sequence[float] | None = None,
    chain: Path | None = None,
    palindromes: Palindromes = "drop",
    missing: Missing = "mean",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
    scale: Scale = "none",
    male_x: MaleX = "0..2",
    read_freq: Path | None = None,
    check_frequencies: bool = True,
    small_sample: bool = False,
    averages: bool = False,
    part: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    reading_progress: Progress | None = None,
) -> Scores:
    """Score everybody; write the sums, and beside them the match table and its summary.

    A part is one of several of a genome, for `merge_step`: no score is judged by
    the share of its rows that match, and what merging needs is written too.
    `reading_progress` is of the weight files, `progress` of the genotypes.
    """
    target = target or Target()
    files = WeightFiles(list_weight_files(weights), columns, p_thresholds, chain)
    read = [*files.paths, *_other_inputs(genotypes, target), chain, read_freq]
    check_outputs(out, read, weights=weights, is_part=part)
    reading = _Reading(files.read(reading_progress))
    source = open_target(genotypes, target)
    options: dict[str, Any] = {
        "palindromes": palindromes,
        "missing": missing,
        "min_overlap": None if part else min_overlap,
        "by": by,
        "scale": scale,
        "male_x": male_x,
        "check_frequencies": check_frequencies,
        "small_sample": small_sample,
    }

    def compute(append: Append) -> Scores:
        return score(
            source,
            iter(reading),
            frequencies=None if read_freq is None else read_frequencies(read_freq),
            log=reading.log_members(append) if part else append,
            threads=threads,
            progress=progress,
            **options,
        )

    described = options | target.options | files.options
    described |= {"read_freq": read_freq and read_freq.name, "averages": averages, "part": part}
    inputs = {"genotypes": source.paths, **target.inputs, **files.inputs}
    inputs["frequencies"] = [read_freq] if read_freq else []
    with stage_outputs(out, OPTIONAL_COMPANIONS) as staged:
        result = log_matches(staged, compute)
        is_zero = missing == "zero"
        written = write_result(
            result, staged, source.samples, alleles=is_zero, averages=averages, part=part
        )
        facts: dict[str, Any] = {
            "n_people": len(result.scores),
            "n_scores": result.scores.shape[1],
        }
        if part:
            facts |= describe_part(reading.names, [staged, beside(staged, "match"), *written])
        write_sidecar(describe_inputs("score", described, inputs, **facts), staged)
    return result


def _other_inputs(genotypes: Path, target: Target) -> list[Path | None]:
    """Give the files read besides the weights, as far as their names are given."""
    return [genotypes, target.sample, *(path for paths in target.inputs.values() for path in paths)]


@dataclass
class _Reading:
    """Weight files as they are read, and which of them is being scored."""

    weights: Iterable[Weights]
    names: list[tuple[str, ...]] = field(default_factory=list)
    _current: Weights | None = None

    def __iter__(self) -> Iterator[Weights]:
        for file in self.weights:
            self._current = file
            self.names.append(file.names)
            yield file
            self._current = None
            del file

    def log_members(self, append: Append) -> Callable[[pd.DataFrame], None]:
        """Give a function that appends a file's match table, with the scores of each row."""

        def log(table: pd.DataFrame) -> None:
            assert self._current is not None
            append(table, **member_columns(self._current))

        return log
