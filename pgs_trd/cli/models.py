"""`pgs-trd associate`, `progression` and `meta`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgs_trd.cli.common import Out, Threads, split_list
from pgs_trd.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

ScoreTable = Annotated[Path, typer.Option("--scores", help="Scores, as `pgs-trd score` writes.")]
CovariateTable = Annotated[
    Path, typer.Option("--covariates", help="person_id, stratum and covariates.")
]
CovariateColumns = Annotated[
    str, typer.Option("--covariate-columns", help="Columns to adjust for: sex,birth_year,PC1,PC2")
]
Stratum = Annotated[str, typer.Option("--stratum", help="Column of strata; '' for one stratum.")]
Strata = Annotated[
    str, typer.Option("--strata", help="Strata to use, such as EUR,AFR; default: all.")
]
Reference = Annotated[
    Path | None,
    typer.Option("--reference", help="score, score_mean, score_sd and, if they differ, stratum."),
]
SplineColumns = Annotated[
    str,
    typer.Option(
        "--splines",
        help="Covariates as restricted cubic splines, with 3 to 7 knots: birth_year,bmi:5",
    ),
]
Within = Annotated[
    str, typer.Option("--within", help="Column by whose values people are split: sex")
]
Interaction = Annotated[
    str, typer.Option("--interaction", help="Covariates that the score is multiplied with: sex")
]
Related = Annotated[
    Path | None,
    typer.Option(
        "--related",
        help="Pairs of relatives with their kinship, as UK Biobank, KING and plink2 give them: "
        "of third degree and closer one is left out, or with --se cluster families are clusters.",
    ),
]
Cluster = Annotated[str, typer.Option("--cluster", help="Column of clusters, for --se cluster.")]
Confidence = Annotated[
    float, typer.Option("--confidence", min=0.5, max=0.9999, help="Coverage of intervals.")
]
MinEvents = Annotated[
    float,
    typer.Option(
        "--min-events-per-parameter",
        min=0.0,
        help="A model with fewer events per coefficient has a status and no numbers; 0: any.",
    ),
]
Part = Annotated[
    bool,
    typer.Option(
        "--part", help="Some strata, contrasts or definitions of a study, for `merge`; to .parquet."
    ),
]
Method = Annotated[
    Literal["auto", "ml", "firth"],
    typer.Option(
        "--method", help="Maximum likelihood, Firth, or Firth where the likelihood has no maximum."
    ),
]


def associate(
    phenotype: Annotated[
        list[Path],
        typer.Option(
            help="phenotype.parquet of `pgs-trd phenotype`; give it again as NAME=FILE for "
            "several definitions."
        ),
    ],
    scores: ScoreTable,
    covariates: CovariateTable,
    covariate_columns: CovariateColumns,
    out: Out,
    contrasts: Annotated[
        str, typer.Option(help="Which classes to compare.")
    ] = "trd_vs_responsive,trd_vs_none,mdd_vs_none",
    stratum: Stratum = "ancestry",
    strata: Strata = "",
    method: Method = "auto",
    se: Annotated[
        Literal["model", "HC0", "HC1", "HC3", "cluster"],
        typer.Option(help="Kind of standard error."),
    ] = "model",
    cluster: Cluster = "",
    interval: Annotated[
        Literal["wald", "lr", "profile"], typer.Option(help="Kind of interval and test.")
    ] = "wald",
    standardise: Annotated[
        Literal["stratum", "controls", "reference", "none"],
        typer.Option(help="Whose deviation is the unit of a score."),
    ] = "stratum",
    reference: Reference = None,
    splines: SplineColumns = "",
    within: Within = "",
    interaction: Interaction = "",
    related: Related = None,
    confidence: Confidence = 0.95,
    min_events_per_parameter: MinEvents = 10.0,
    part: Part = False,
    threads: Threads = None,
) -> None:
    """Fit one logistic model a score, stratum and contrast.

    Example: pgs-trd associate --phenotype phenotype/phenotype.parquet --scores scores.tsv
    --covariates covariates.tsv --covariate-columns sex,birth_year,PC1,PC2 --out association.tsv
    """
    from pgs_trd.steps.models import AssociationOptions, associate_step

    result = associate_step(
        _definitions(phenotype),
        scores,
        covariates,
        out,
        covariate_columns=split_list(covariate_columns),
        contrasts=split_list(contrasts),
        stratum=stratum or None,
        strata=split_list(strata) or None,
        options=AssociationOptions(
            standardise=standardise,
            reference=reference,
            splines=_splines(splines),
            within=within or None,
            interaction=split_list(interaction),
            related=related,
            cluster=cluster or None,
            confidence=confidence,
            min_events_per_parameter=min_events_per_parameter,
            threads=threads,
            part=part,
            method=method,
            se=se,
            interval=interval,
        ),
    )
    _say(result, out)


def progression(
    follow_up: Annotated[Path, typer.Option(help="follow_up.parquet of `pgs-trd phenotype`.")],
    scores: ScoreTable,
    covariates: CovariateTable,
    covariate_columns: CovariateColumns,
    out: Out,
    stratum: Stratum = "ancestry",
    strata: Strata = "",
    ties: Annotated[Literal["efron", "breslow"], typer.Option(help="Rule for ties.")] = "efron",
    method: Method = "auto",
    se: Annotated[
        Literal["model", "robust", "cluster"], typer.Option(help="Kind of standard error.")
    ] = "model",
    cluster: Cluster = "",
    interval: Annotated[
        Literal["wald", "profile"], typer.Option(help="Kind of interval and test.")
    ] = "wald",
    standardise: Annotated[
        Literal["stratum", "reference", "none"],
        typer.Option(help="Whose deviation is the unit of a score."),
    ] = "stratum",
    reference: Reference = None,
    splines: SplineColumns = "",
    within: Within = "",
    interaction: Interaction = "",
    related: Related = None,
    confidence: Confidence = 0.95,
    min_events_per_parameter: MinEvents = 10.0,
    tables: Annotated[
        str,
        typer.Option(
            help="Further tables beside --out: ph_tests,percentiles,fine_gray,restricted_means"
        ),
    ] = "",
    days: Annotated[
        str, typer.Option(help="Days since the origin of percentiles and restricted means.")
    ] = "365,1825",
    percentiles: Annotated[
        str, typer.Option(help="Low and high percentile of a score to compare.")
    ] = "20,80",
    competing: Annotated[
        str, typer.Option(help="Ends of follow-up that compete, for fine_gray; others censor.")
    ] = "death",
    transform: Annotated[
        Literal["km", "rank", "identity", "log"], typer.Option(help="Of time, for ph_tests.")
    ] = "km",
    part: Part = False,
    threads: Threads = None,
) -> None:
    """Fit one Cox model of time to TRD a score and stratum.

    Example: pgs-trd progression --follow-up phenotype/follow_up.parquet --scores scores.tsv
    --covariates covariates.tsv --covariate-columns sex,birth_year,PC1,PC2 --out progression.tsv
    """
    from pgs_trd.steps.models import FurtherTables, ProgressionOptions, progression_step

    low, high = _numbers("--percentiles", percentiles, 2)
    result = progression_step(
        follow_up,
        scores,
        covariates,
        out,
        covariate_columns=split_list(covariate_columns),
        stratum=stratum or None,
        strata=split_list(strata) or None,
        options=ProgressionOptions(
            standardise=standardise,
            reference=reference,
            splines=_splines(splines),
            within=within or None,
            interaction=split_list(interaction),
            related=related,
            cluster=cluster or None,
            confidence=confidence,
            min_events_per_parameter=min_events_per_parameter,
            threads=threads,
            part=part,
            ties=ties,
            method=method,
            se=se,
            interval=interval,
        ),
        further=FurtherTables(
            tables=split_list(tables),  # type: ignore[arg-type]  # checked by the step
            days=_numbers("--days", days),
            percentiles=(low, high),
            competing=split_list(competing),
            transform=transform,
        ),
    )
    _say(result, out)


def meta(
    estimates: Annotated[Path, typer.Argument(help="Table of `associate` or `progression`.")],
    out: Out,
    by: Annotated[
        str,
        typer.Option(
            help="Pool within these columns; default: those of definition, within, contrast, "
            "score and term that there are."
        ),
    ] = "",
    method: Annotated[
        Literal["fixed", "dl", "reml", "pm"],
        typer.Option(
            help="One common effect, or random effects by DerSimonian-Laird, restricted maximum "
            "likelihood or Paule-Mandel."
        ),
    ] = "fixed",
    interval: Annotated[
        Literal["wald", "hartung_knapp", "hartung_knapp_floor"],
        typer.Option(help="Kind of interval; Hartung-Knapp goes with random effects."),
    ] = "wald",
    confidence: Confidence = 0.95,
) -> None:
    """Pool estimates over strata.

    Example: pgs-trd meta association.tsv --out meta.tsv
    """
    from pgs_trd.steps.models import meta_step

    result = meta_step(
        estimates,
        out,
        by=split_list(by) or None,
        method=method,
        interval=interval,
        confidence=confidence,
    )
    typer.echo(f"{len(result)} pooled estimates: {out}", err=True)


def portability(
    phenotype: Annotated[Path, typer.Option(help="phenotype.parquet of `pgs-trd phenotype`.")],
    scores: ScoreTable,
    covariates: CovariateTable,
    covariate_columns: CovariateColumns,
    out: Out,
    contrast: Annotated[str, typer.Option(help="Which classes to tell apart.")] = "mdd_vs_none",
    stratum: Annotated[
        str, typer.Option("--stratum", help="Column of strata; '' for distance alone.")
    ] = "ancestry",
    distance: Annotated[
        Path | None,
        typer.Option(help="person_id, genetic_distance, of `ancestry assign --distance-from`."),
    ] = None,
    bins: Annotated[int, typer.Option(min=2, help="Groups of equal size by distance.")] = 5,
    prevalence: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Of cases among people, for the liability scale."),
    ] = None,
    confidence: Confidence = 0.95,
) -> None:
    """Tell how much of a contrast each score explains, by stratum and by genetic distance.

    Example: pgs-trd portability --phenotype phenotype/phenotype.parquet --scores scores.tsv
    --covariates covariates.tsv --covariate-columns sex,birth_year,PC1,PC2
    --distance ancestry.tsv --prevalence 0.15 --out portability.tsv
    """
    from pgs_trd.steps.portability import portability_step

    result = portability_step(
        phenotype,
        scores,
        covariates,
        out,
        covariate_columns=split_list(covariate_columns),
        contrast=contrast,
        stratum=stratum or None,
        distance=distance,
        n_bins=bins,
        prevalence=prevalence,
        confidence=confidence,
    )
    n_ok = int((result["status"] == "ok").sum())
    typer.echo(f"{len(result)} rows, {n_ok} with numbers: {out}", err=True)


def _say(result: pd.DataFrame, out: Path) -> None:
    n_fitted = result["status"].isin(["ok", "firth"]).sum()
    typer.echo(f"{len(result)} models, {n_fitted} fitted: {out}", err=True)


def _definitions(given: list[Path]) -> Path | dict[str, Path]:
    """Read NAME=FILE, or one file without a name."""
    pairs = [str(path).partition("=") for path in given]
    if len(given) == 1 and not pairs[0][1]:
        return given[0]
    if not all(name and sign and file for name, sign, file in pairs):
        raise UsageError(
            "--phenotype: with several tables each needs a name, such as "
            "--phenotype broad=broad/phenotype.parquet"
        )
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise UsageError(f"--phenotype: {len(names) - len(set(names))} names are given twice")
    return {name: Path(file) for name, _, file in pairs}


def _splines(text: str) -> dict[str, int] | None:
    """Read `birth_year,bmi:5`."""
    from pgs_trd.models.splines import DEFAULT_KNOTS

    splines = {}
    for part in split_list(text):
        name, sign, knots = part.partition(":")
        if sign and not knots.isdecimal():
            raise UsageError(f"--splines: {part!r} is not name:knots, such as birth_year:5")
        splines[name] = int(knots) if sign else DEFAULT_KNOTS
    return splines or None


def _numbers(option: str, text: str, count: int | None = None) -> list[float]:
    """Read numbers separated by commas."""
    try:
        numbers = [float(part) for part in split_list(text)]
    except ValueError:
        numbers = []
    if not numbers or (count is not None and len(numbers) != count):
        wanted = "numbers" if count is None else f"{count} numbers"
        raise UsageError(f"{option} is {text!r}: {wanted} separated by commas are needed")
    return numbers


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(associate)
    app.command()(progression)
    app.command()(meta)
    app.command()(portability)
