"""`pgs-trd associate`, `progression` and `meta`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pgs_trd.cli.common import Out, split_list

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


def associate(
    phenotype: Annotated[Path, typer.Option(help="phenotype.parquet of `pgs-trd phenotype`.")],
    scores: ScoreTable,
    covariates: CovariateTable,
    covariate_columns: CovariateColumns,
    out: Out,
    contrasts: Annotated[
        str, typer.Option(help="Which classes to compare.")
    ] = "trd_vs_responsive,trd_vs_none,mdd_vs_none",
    stratum: Stratum = "ancestry",
    strata: Strata = "",
) -> None:
    """Fit one logistic model a score, stratum and contrast.

    Example: pgs-trd associate --phenotype phenotype/phenotype.parquet --scores scores.tsv
    --covariates covariates.tsv --covariate-columns sex,birth_year,PC1,PC2 --out association.tsv
    """
    from pgs_trd.steps.models import associate_step

    result = associate_step(
        phenotype,
        scores,
        covariates,
        out,
        covariate_columns=split_list(covariate_columns),
        contrasts=split_list(contrasts),
        stratum=stratum or None,
        strata=split_list(strata) or None,
    )
    typer.echo(f"{len(result)} models, {(result['status'] == 'ok').sum()} fitted: {out}", err=True)


def progression(
    follow_up: Annotated[Path, typer.Option(help="follow_up.parquet of `pgs-trd phenotype`.")],
    scores: ScoreTable,
    covariates: CovariateTable,
    covariate_columns: CovariateColumns,
    out: Out,
    stratum: Stratum = "ancestry",
    strata: Strata = "",
) -> None:
    """Fit one Cox model of time to TRD a score and stratum.

    Example: pgs-trd progression --follow-up phenotype/follow_up.parquet --scores scores.tsv
    --covariates covariates.tsv --covariate-columns sex,birth_year,PC1,PC2 --out progression.tsv
    """
    from pgs_trd.steps.models import progression_step

    result = progression_step(
        follow_up,
        scores,
        covariates,
        out,
        covariate_columns=split_list(covariate_columns),
        stratum=stratum or None,
        strata=split_list(strata) or None,
    )
    typer.echo(f"{len(result)} models, {(result['status'] == 'ok').sum()} fitted: {out}", err=True)


def meta(
    estimates: Annotated[Path, typer.Argument(help="Table of `associate` or `progression`.")],
    out: Out,
    by: Annotated[
        str, typer.Option(help="Pool within these columns; default: contrast, if any, and score.")
    ] = "",
    method: Annotated[
        Literal["fixed", "dl"],
        typer.Option(help="Inverse variance, or DerSimonian-Laird random effects."),
    ] = "fixed",
) -> None:
    """Pool estimates over strata.

    Example: pgs-trd meta association.tsv --out meta.tsv
    """
    from pgs_trd.steps.models import meta_step

    result = meta_step(estimates, out, by=split_list(by) or None, method=method)
    typer.echo(f"{len(result)} pooled estimates: {out}", err=True)


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(associate)
    app.command()(progression)
    app.command()(meta)
