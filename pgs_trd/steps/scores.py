"""Genotypes and weight files to scores and match tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pgs_trd.genotypes import open_genotypes
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.scoring import Missing, Scores, score
from pgs_trd.tables import check_output, write_table
from pgs_trd.weights import Match, MatchBy, Palindromes, Weights, match_variants, read_weights

Columns = Mapping[str, str | Sequence[str]]


def read_weight_files(paths: Sequence[Path], columns: Columns | None) -> list[Weights]:
    """Read weight files one after the other."""
    return [read_weights(path, columns=columns) for path in paths]


def beside(out: Path, name: str) -> Path:
    """Give the path of a companion of `out`: scores.tsv -> scores.match.tsv."""
    return out.with_name(f"{out.stem}.{name}{out.suffix}")


def match_step(
    genotypes: Path,
    weights: Sequence[Path],
    out: Path,
    *,
    columns: Columns | None = None,
    palindromes: Palindromes = "drop",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
) -> Match:
    """Match weight files to genotypes; write the match table and its summary."""
    check_output(out)
    source = open_genotypes(genotypes)
    files = read_weight_files(weights, columns)
    match = match_variants(source, files, palindromes=palindromes, min_overlap=min_overlap, by=by)
    options = {"columns": columns, "palindromes": palindromes, "min_overlap": min_overlap, "by": by}
    write_table(match.table, out)
    write_table(match.summary, beside(out, "summary"))
    write_sidecar(
        describe_run("match", options, [*source.paths, *weights], n_scores=len(match.summary)), out
    )
    return match


def score_step(
    genotypes: Path,
    weights: Sequence[Path],
    out: Path,
    *,
    columns: Columns | None = None,
    palindromes: Palindromes = "drop",
    missing: Missing = "mean",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
    threads: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Scores:
    """Score everybody; write the sums, and beside them the match table and its summary."""
    check_output(out)
    source = open_genotypes(genotypes)
    files = read_weight_files(weights, columns)
    options: dict[str, Any] = {
        "palindromes": palindromes,
        "missing": missing,
        "min_overlap": min_overlap,
        "by": by,
    }
    result = score(source, files, threads=threads, progress=progress, **options)
    write_table(result.scores.reset_index(), out)
    write_table(result.match, beside(out, "match"))
    write_table(result.summary, beside(out, "summary"))
    facts = {"n_people": len(result.scores), "n_scores": result.scores.shape[1]}
    options["columns"] = columns
    write_sidecar(describe_run("score", options, [*source.paths, *weights], **facts), out)
    return result
