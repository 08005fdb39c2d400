"""`pgs-trd match` and `pgs-trd score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pgs_trd.cli.common import Out, Threads, parse_columns, show_progress

Genotypes = Annotated[
    Path,
    typer.Argument(
        help="PLINK 1 or 2 prefix, .bed, .pgen, .bgen, .vcf, .vcf.gz or .bcf; chr{1:22,X}.bed.",
        show_default=False,
    ),
]
WeightFiles = Annotated[
    list[Path],
    typer.Option(
        "--weights", "-w", help="Weight file; give it again for more.", show_default=False
    ),
]
ColumnNames = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Our names to the file's: id=ID,effect_allele=A1,other_allele=A2,chromosome=chr,"
        "position=pos,effect_weight=BETA; effect_weight=* takes every other numeric column.",
    ),
]
Palindromes = Annotated[
    Literal["drop", "keep", "frequency"],
    typer.Option("--palindromes", help="A/T and C/G variants."),
]
MinOverlap = Annotated[
    float,
    typer.Option("--min-overlap", min=0.0, max=1.0, help="Smallest share of matched rows."),
]
By = Annotated[
    Literal["position", "id"], typer.Option("--by", help="Find variants by position or by id.")
]


def match(
    genotypes: Genotypes,
    weights: WeightFiles,
    out: Out,
    columns: ColumnNames = None,
    palindromes: Palindromes = "drop",
    min_overlap: MinOverlap = 0.75,
    by: By = "position",
) -> None:
    """Match weight files to genotypes, and say why each row did or did not.

    Writes every weight row with its status and reason, and beside it a summary
    with one row a score.

    Example: pgs-trd match cohort.bed --weights PGS000001.txt.gz --out match.tsv
    """
    from pgs_trd.steps.scores import match_step

    result = match_step(
        genotypes,
        weights,
        out,
        columns=parse_columns(columns),
        palindromes=palindromes,
        min_overlap=min_overlap,
        by=by,
    )
    for row in result.summary.itertuples():
        typer.echo(f"{row.score}: {row.verdict}", err=True)


def score(
    genotypes: Genotypes,
    weights: WeightFiles,
    out: Out,
    columns: ColumnNames = None,
    palindromes: Palindromes = "drop",
    missing: Annotated[
        Literal["mean", "zero"],
        typer.Option("--missing", help="A missing call: twice the allele frequency, or zero."),
    ] = "mean",
    min_overlap: MinOverlap = 0.75,
    by: By = "position",
    threads: Threads = None,
) -> None:
    """Score everybody with every weight file, in one pass over the genotypes.

    Writes person_id and one column a score (sums), and beside it the match
    table, its summary, and a JSON file of versions, checksums and options.

    Example: pgs-trd score cohort.bed -w PGS000001.txt.gz -w PGS000002.txt.gz -o scores.tsv
    """
    from pgs_trd.steps.scores import score_step

    with show_progress() as progress:
        result = score_step(
            genotypes,
            weights,
            out,
            columns=parse_columns(columns),
            palindromes=palindromes,
            missing=missing,
            min_overlap=min_overlap,
            by=by,
            threads=threads,
            progress=lambda share: progress("scores", share),
        )
    typer.echo(
        f"{result.scores.shape[1]} of {len(result.summary)} scores of "
        f"{len(result.scores):,} people: {out}",
        err=True,
    )


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(match)
    app.command()(score)
