"""`pgs-trd match`, `pgs-trd score` and `pgs-trd merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgs_trd.cli.common import Threads, parse_columns, show_progress, split_list
from pgs_trd.errors import UsageError

if TYPE_CHECKING:
    from pgs_trd.scoring import Scores

Genotypes = Annotated[
    Path,
    typer.Argument(
        help="PLINK 1 or 2 prefix, .bed, .pgen, .bgen, .vcf, .vcf.gz or .bcf; a file for each "
        "chromosome: chr{1:22,X}.bed or chr#.pgen.",
        show_default=False,
    ),
]
WeightFiles = Annotated[
    list[Path],
    typer.Option(
        "--weights",
        "-w",
        help="Weight file, or a folder of them; give it again for more.",
        show_default=False,
    ),
]
MatchOut = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="File to write (.parquet, .tsv, .txt or .csv).",
    ),
]
ScoresOut = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="File to write (.parquet, .tsv, .txt, .csv, or .sscore as plink2).",
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
Thresholds = Annotated[
    str | None,
    typer.Option(
        "--p-thresholds",
        help="One score for each, of the rows with at most that p-value: 5e-8,0.05,1.",
    ),
]
Chain = Annotated[
    Path | None,
    typer.Option("--chain", help="Chain file that lifts the weights to the genotypes' build."),
]
Keep = Annotated[Path | None, typer.Option("--keep", help="File of the people to score.")]
Remove = Annotated[Path | None, typer.Option("--remove", help="File of people to leave out.")]
Extract = Annotated[Path | None, typer.Option("--extract", help="File of the variants to use.")]
Exclude = Annotated[Path | None, typer.Option("--exclude", help="File of variants to leave out.")]
UpdateSex = Annotated[
    Path | None,
    typer.Option(
        "--update-sex", help="File of the sex of people (1, M, male; 2, F, female; 0, NA), for X."
    ),
]
Sample = Annotated[
    Path | None, typer.Option("--sample", help="The .sample of a BGEN, if not beside it.")
]
Field = Annotated[
    Literal["auto", "GT", "DS"], typer.Option("--vcf-field", help="Calls or dosages of a VCF.")
]
HalfCalls = Annotated[
    Literal["missing", "haploid", "reference", "error"],
    typer.Option("--half-calls", help="What a call such as 0/. of a VCF counts as."),
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
CheckFrequencies = Annotated[
    bool,
    typer.Option(
        "--check-frequencies/--no-check-frequencies",
        help="Compare the weight file's allele frequencies with those of the genotypes.",
    ),
]
Averages = Annotated[
    bool, typer.Option("--averages", help="Write sums divided by the number of alleles too.")
]


def match(
    genotypes: Genotypes,
    weights: WeightFiles,
    out: MatchOut,
    columns: ColumnNames = None,
    palindromes: Palindromes = "drop",
    min_overlap: MinOverlap = 0.75,
    by: By = "position",
    chain: Chain = None,
    check_frequencies: CheckFrequencies = True,
    p_thresholds: Thresholds = None,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    update_sex: UpdateSex = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    half_calls: HalfCalls = "missing",
) -> None:
    """Match weight files to genotypes, and say why each row did or did not.

    Writes every weight row with its status and reason, and beside it a summary
    with one row a score.

    Example: pgs-trd match cohort.bed --weights PGS000001.txt.gz --out match.tsv
    """
    from pgs_trd.steps.inputs import Target
    from pgs_trd.steps.scores import match_step

    with show_progress() as progress:
        summary = match_step(
            genotypes,
            weights,
            out,
            target=Target(
                keep, remove, extract, exclude, update_sex, sample, vcf_field, half_calls
            ),
            columns=parse_columns(columns),
            p_thresholds=parse_thresholds(p_thresholds),
            chain=chain,
            palindromes=palindromes,
            min_overlap=min_overlap,
            by=by,
            check_frequencies=check_frequencies,
            progress=lambda share: progress("weights", share),
        )
    for row in summary.itertuples():
        typer.echo(f"{row.score}: {row.verdict}", err=True)


def score(
    genotypes: Genotypes,
    weights: WeightFiles,
    out: ScoresOut,
    columns: ColumnNames = None,
    palindromes: Palindromes = "drop",
    missing: Annotated[
        Literal["mean", "zero"],
        typer.Option("--missing", help="A missing call: twice the allele frequency, or zero."),
    ] = "mean",
    min_overlap: MinOverlap = 0.75,
    by: By = "position",
    scale: Annotated[
        Literal["none", "center", "standardize"],
        typer.Option("--scale", help="Copies as they are, less their mean, or also over their SD."),
    ] = "none",
    male_x: Annotated[
        Literal["0..2", "0..1"],
        typer.Option(
            "--male-x", help="What a man's chromosome X counts: twice, as plink2, or once."
        ),
    ] = "0..2",
    read_freq: Annotated[
        Path | None,
        typer.Option("--read-freq", help="Allele frequencies: plink2 .afreq, or a table."),
    ] = None,
    small_sample: Annotated[
        bool,
        typer.Option("--small-sample", help="Take frequencies from fewer than 50 people."),
    ] = False,
    check_frequencies: CheckFrequencies = True,
    p_thresholds: Thresholds = None,
    chain: Chain = None,
    part: Annotated[
        bool,
        typer.Option(
            "--part", help="The genotypes are one part of a genome, for `merge`; to .parquet."
        ),
    ] = False,
    averages: Averages = False,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    update_sex: UpdateSex = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    half_calls: HalfCalls = "missing",
    threads: Threads = None,
) -> None:
    """Score everybody with every weight file, in one pass over the genotypes.

    Writes person_id and one column a score (sums), and beside it the match
    table, its summary, and a JSON file of versions, checksums and options.

    Example: pgs-trd score cohort.bed -w PGS000001.txt.gz -w PGS000002.txt.gz -o scores.tsv
    """
    from pgs_trd.steps.inputs import Target
    from pgs_trd.steps.scores import score_step

    with show_progress() as progress:
        result = score_step(
            genotypes,
            weights,
            out,
            target=Target(
                keep, remove, extract, exclude, update_sex, sample, vcf_field, half_calls
            ),
            columns=parse_columns(columns),
            p_thresholds=parse_thresholds(p_thresholds),
            chain=chain,
            palindromes=palindromes,
            missing=missing,
            min_overlap=min_overlap,
            by=by,
            scale=scale,
            male_x=male_x,
            read_freq=read_freq,
            check_frequencies=check_frequencies,
            small_sample=small_sample,
            averages=averages,
            part=part,
            threads=threads,
            progress=lambda share: progress("scores", share),
            reading_progress=lambda share: progress("weights", share),
        )
    if result.n_on_x:
        typer.echo(
            f"{result.n_on_x:,} scored variants on X: a man's allele counts "
            + ("twice, as in plink2 (--male-x 0..2)" if male_x == "0..2" else "once"),
            err=True,
        )
    _say_what_was_scored(result, out)


def merge(
    parts: Annotated[
        list[Path],
        typer.Argument(
            help="What `score`, `associate` or `progression` wrote with --part, one file a part.",
            show_default=False,
        ),
    ],
    out: ScoresOut,
    min_overlap: MinOverlap = 0.75,
    averages: Averages = False,
) -> None:
    """Put together what jobs made apart: scores of one genome, or estimates of one study.

    Scores of parts of a genome, such as its chromosomes, are added up; the result
    is that of the whole, to the last bit. Parts of other people or options are
    refused, and so is a variant in two parts. Where each chromosome was scored
    with some of the weight files after the other, give the parts of all: their
    scores stand side by side.

    Estimates of parts of a study, such as its strata, are stacked in the order
    in which they are given; --min-overlap and --averages are not for them.

    Example: pgs-trd merge chr1.parquet chr2.parquet --out scores.parquet
    """
    from pgs_trd.steps.merge import is_of_models, merge_estimates_step, merge_step

    if is_of_models(parts[0]):
        estimates = merge_estimates_step(parts, out)
        typer.echo(f"{len(estimates)} models of {len(parts)} parts: {out}", err=True)
        return
    result = merge_step(parts, out, min_overlap=min_overlap, averages=averages)
    _say_what_was_scored(result, out)


def _say_what_was_scored(result: Scores, out: Path) -> None:
    typer.echo(
        f"{result.scores.shape[1]} of {len(result.summary)} scores of "
        f"{len(result.scores):,} people: {out}",
        err=True,
    )


def parse_thresholds(text: str | None) -> list[float] | None:
    """Read ``5e-8,0.05,1`` into numbers.

    Raises
    ------
    UsageError
        If one of them is no number in (0, 1], or there is none.
    """
    if text is None:
        return None
    example = "write for example --p-thresholds 5e-8,0.05,1"
    try:
        thresholds = [float(part) for part in split_list(text)]
    except ValueError as error:
        raise UsageError(f"--p-thresholds: {text!r} is no list of numbers; {example}") from error
    if not thresholds or not all(0.0 < threshold <= 1.0 for threshold in thresholds):
        raise UsageError(f"--p-thresholds: {text!r} has to hold p-values in (0, 1]; {example}")
    return thresholds


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(match)
    app.command()(score)
    app.command()(merge)
