"""`pgs-trd ancestry`: quality, components, projection and kinship from genotypes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgs_trd.cli.common import Threads, show_progress
from pgs_trd.cli.scores import (
    Chain,
    Exclude,
    Extract,
    Field,
    Genotypes,
    Keep,
    Palindromes,
    Remove,
    Sample,
)

if TYPE_CHECKING:
    from pgs_trd.steps.inputs import Target

group = typer.Typer(
    name="ancestry",
    help="Components, groups, kinship, and scores that compare across ancestry.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Table to write (.parquet, .tsv, .txt or .csv).")
]
Variants = Annotated[
    Path | None,
    typer.Option(
        "--variants", help="Table of `ancestry qc` or `prune`: those that are ok are used."
    ),
]
Build = Annotated[
    str | None,
    typer.Option("--genome-build", help="Of the genotypes: GRCh37, GRCh38 or NCBI36."),
]
NComponents = Annotated[
    int | None, typer.Option("--n-components", min=1, help="How many leading ones; default: all.")
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", help="Table of the groups of the reference's people."),
]
LabelColumn = Annotated[
    str | None, typer.Option("--label-column", help="Column of the groups in that table.")
]


@group.command()
def qc(
    genotypes: Genotypes,
    out: Out,
    min_frequency: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Smallest frequency of the rarer allele.")
    ] = 0.05,
    max_missing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest share of missing calls of a variant.")
    ] = 0.02,
    min_hardy_p: Annotated[
        float | None,
        typer.Option(help="Smallest p-value of Hardy-Weinberg equilibrium; default: no limit."),
    ] = None,
    flag_palindromes: Annotated[
        bool, typer.Option("--flag-palindromes", help="Flag A/T and C/G variants.")
    ] = False,
    max_person_missing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest share of missing calls of a person.")
    ] = 0.05,
    max_heterozygosity_sd: Annotated[
        float | None,
        typer.Option(help="Largest distance from the mean heterozygosity, in SD; default: none."),
    ] = None,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    threads: Threads = None,
) -> None:
    """Flag variants and people whose genotypes are unfit for components and kinship.

    Writes every variant with its counts, status and reason, and beside it the people, and a
    list of those who are ok for --keep.

    Example: pgs-trd ancestry qc cohort.bed --out qc.parquet
    """
    from pgs_trd.steps.ancestry import quality_step

    variants, people = quality_step(
        genotypes,
        out,
        target=_target(keep, remove, extract, exclude, sample, vcf_field),
        min_frequency=min_frequency,
        max_missing=max_missing,
        min_hardy_p=min_hardy_p,
        flag_palindromes=flag_palindromes,
        max_person_missing=max_person_missing,
        max_heterozygosity_sd=max_heterozygosity_sd,
        threads=threads,
    )
    for table, name in ((variants, "variants"), (people, "people")):
        n_ok = int((table["status"] == "ok").sum())
        typer.echo(f"{n_ok:,} of {len(table):,} {name} are ok: {out}", err=True)


@group.command()
def prune(
    genotypes: Genotypes,
    out: Out,
    variants: Variants = None,
    window_kb: Annotated[
        float, typer.Option(min=0.001, help="Variants further apart are not compared.")
    ] = 1000.0,
    max_r2: Annotated[
        float, typer.Option(min=0.0, max=0.999, help="Largest squared correlation of two.")
    ] = 0.1,
    genome_build: Build = None,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    threads: Threads = None,
) -> None:
    """Flag variants in linkage disequilibrium with others, and in long-range regions.

    Writes every variant with status and reason, for --variants of `pca` and `kinship`.

    Example: pgs-trd ancestry prune cohort.bed --variants qc.parquet --genome-build GRCh38
    --out pruned.parquet
    """
    from pgs_trd.steps.ancestry import prune_step

    table = prune_step(
        genotypes,
        out,
        target=_target(keep, remove, extract, exclude, sample, vcf_field),
        variants=variants,
        window_kb=window_kb,
        max_r2=max_r2,
        genome_build=genome_build,
        threads=threads,
    )
    n_ok = int((table["status"] == "ok").sum())
    typer.echo(f"{n_ok:,} of {len(table):,} variants are left: {out}", err=True)


@group.command()
def pca(
    genotypes: Genotypes,
    out: Out,
    variants: Variants = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Write, too, what others are projected with: one .npz file."),
    ] = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    n_components: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Where the iteration starts.")] = 1,
    genome_build: Build = None,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    threads: Threads = None,
) -> None:
    """Compute principal components of people, and a reference to project others on.

    The reference holds loadings, frequencies, and the people's components and groups, but no
    genotypes. Take unrelated people (--keep), and project their relatives.

    Example: pgs-trd ancestry pca panel.bed --variants pruned.parquet --labels panel.tsv
    --label-column population --reference panel.npz --out panel_pcs.tsv
    """
    from pgs_trd.steps.ancestry import pca_step

    fitted = pca_step(
        genotypes,
        out,
        target=_target(keep, remove, extract, exclude, sample, vcf_field),
        variants=variants,
        reference=reference,
        labels=labels,
        label_column=label_column,
        n_components=n_components,
        seed=seed,
        genome_build=genome_build,
        threads=threads,
    )
    typer.echo(
        f"{n_components} components of {fitted.n_people:,} people on {fitted.n_variants:,} "
        f"variants: {out}",
        err=True,
    )


@group.command()
def project(
    genotypes: Genotypes,
    reference: Annotated[Path, typer.Option(help="From `ancestry pca --reference`.")],
    out: Out,
    n_components: NComponents = None,
    palindromes: Palindromes = "drop",
    by: Annotated[
        Literal["position", "id"], typer.Option(help="Find variants by position or by id.")
    ] = "position",
    min_overlap: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Smallest share of the reference's variants.")
    ] = 0.75,
    min_call_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Smallest share of a person's calls.")
    ] = 0.5,
    genome_build: Build = None,
    chain: Chain = None,
    keep: Keep = None,
    remove: Remove = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    threads: Threads = None,
) -> None:
    """Place people on the components of a reference, the shrinkage of projection undone.

    Writes person_id, the components, call_rate, residual and status; beside it the reference's
    variants with what became of each.

    Example: pgs-trd ancestry project cohort.bed --reference panel.npz --out pcs.tsv
    """
    from pgs_trd.steps.ancestry import project_step

    with show_progress() as progress:
        result = project_step(
            genotypes,
            reference,
            out,
            target=_target(keep, remove, None, None, sample, vcf_field),
            n_components=n_components,
            palindromes=palindromes,
            by=by,
            min_overlap=min_overlap,
            min_call_rate=min_call_rate,
            genome_build=genome_build,
            chain=chain,
            threads=threads,
            progress=lambda share: progress("projection", share),
        )
    typer.echo(
        f"{len(result.components):,} people on {result.n_matched:,} of {len(result.match):,} "
        f"variants: {out}",
        err=True,
    )


@group.command()
def kinship(
    genotypes: Genotypes,
    out: Out,
    variants: Variants = None,
    min_kinship: Annotated[
        float, typer.Option(min=-1.0, max=0.5, help="Smallest kinship that is written.")
    ] = 0.0442,
    keep: Keep = None,
    remove: Remove = None,
    extract: Extract = None,
    exclude: Exclude = None,
    sample: Sample = None,
    vcf_field: Field = "auto",
    threads: Threads = None,
) -> None:
    """Find related pairs by KING-robust kinship, which holds across ancestries.

    Example: pgs-trd ancestry kinship cohort.bed --variants qc.parquet --out pairs.tsv
    """
    from pgs_trd.steps.ancestry import kinship_step

    pairs = kinship_step(
        genotypes,
        out,
        target=_target(keep, remove, extract, exclude, sample, vcf_field),
        variants=variants,
        min_kinship=min_kinship,
        threads=threads,
    )
    typer.echo(f"{len(pairs):,} pairs: {out}", err=True)


def _target(
    keep: Path | None,
    remove: Path | None,
    extract: Path | None,
    exclude: Path | None,
    sample: Path | None,
    vcf_field: Literal["auto", "GT", "DS"],
) -> Target:
    from pgs_trd.steps.inputs import Target

    return Target(keep, remove, extract, exclude, sample=sample, vcf_field=vcf_field)
