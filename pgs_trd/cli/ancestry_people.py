"""`pgs-trd ancestry`: groups of people, scores across ancestry, an unrelated set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pgs_trd.cli.ancestry import LabelColumn, Labels, NComponents, Out, group
from pgs_trd.cli.common import Threads


@group.command()
def assign(
    components: Annotated[
        Path, typer.Argument(help="Table with person_id, PC1, PC2, ...", show_default=False)
    ],
    reference: Annotated[
        Path,
        typer.Option(help="Reference (.npz), or a table with person_id, PC1, ... and groups."),
    ],
    out: Out,
    labels: Labels = None,
    label_column: LabelColumn = None,
    distance_from: Annotated[
        str | None,
        typer.Option(help="Write the distance from this group, such as that of the GWAS."),
    ] = None,
    n_components: NComponents = None,
    neighbours: Annotated[int, typer.Option(min=1, help="Nearest people that vote.")] = 20,
    min_probability: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Below it a person stays unassigned.")
    ] = 0.9,
    min_distance_p: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Rarer than that a member is too far out.")
    ] = 1e-6,
    threads: Threads = None,
) -> None:
    """Assign people to the groups of a reference by the people nearest on components.

    Writes the group or "unassigned", probability, distance and reason; beside it how often
    the reference's own people, each left out, were assigned rightly.

    Example: pgs-trd ancestry assign pcs.tsv --reference panel.npz --n-components 6
    --out ancestry.tsv
    """
    from pgs_trd.steps.ancestry_people import assign_step

    result = assign_step(
        components,
        reference,
        out,
        labels=labels,
        label_column=label_column,
        distance_from=distance_from,
        n_components=n_components,
        n_neighbours=neighbours,
        min_probability=min_probability,
        min_distance_p=min_distance_p,
        threads=threads,
    )
    n_assigned = int((result.people["reason"] == "assigned").sum())
    right = result.accuracy["accuracy"].iloc[-1]
    typer.echo(
        f"{n_assigned:,} of {len(result.people):,} people assigned; of the reference's own, left "
        f"out, {right:.1%} rightly: {out}",
        err=True,
    )


@group.command()
def adjust(
    scores: Annotated[
        Path, typer.Argument(help="Scores, as `pgs-trd score` writes.", show_default=False)
    ],
    out: Out,
    components: Annotated[
        Path | None,
        typer.Option(help="Table with person_id, PC1, PC2, ... of the people scored."),
    ] = None,
    method: Annotated[
        Literal["z_norm1", "z_norm2", "most_similar"],
        typer.Option(help="Equal means; equal means and variances; or by the nearest group."),
    ] = "z_norm2",
    fit_on: Annotated[
        Path | None, typer.Option(help="Fit in these people, who are controls: a list.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Fit in its people: components (.npz or a table).")
    ] = None,
    reference_scores: Annotated[
        Path | None, typer.Option(help="Scores of the reference's people.")
    ] = None,
    labels: Labels = None,
    label_column: LabelColumn = None,
    groups: Annotated[
        Path | None, typer.Option(help="Of most_similar: what `ancestry assign` wrote.")
    ] = None,
    group_column: Annotated[str, typer.Option(help="Column of the groups in it.")] = "most_similar",
    n_components: NComponents = None,
) -> None:
    """Adjust scores for ancestry, in the way of a reference panel or of controls.

    Writes a table of scores like the one read, for `associate` and `progression`; beside it
    the fits, or the percentiles, and what is known of the people.

    Example: pgs-trd ancestry adjust scores.tsv --components pcs.tsv --fit-on controls.txt
    --n-components 10 --out adjusted.tsv
    """
    from pgs_trd.steps.ancestry_people import adjust_step

    adjusted = adjust_step(
        scores,
        components,
        out,
        method=method,
        fit_on=fit_on,
        reference=reference,
        reference_scores=reference_scores,
        labels=labels,
        label_column=label_column,
        groups=groups,
        group_column=group_column,
        n_components=n_components,
    )
    n_with = int(adjusted.notna().any(axis=1).sum())
    typer.echo(f"{n_with:,} of {len(adjusted):,} people adjusted: {out}", err=True)


@group.command()
def unrelated(
    people: Annotated[
        Path,
        typer.Argument(help="Table with person_id (those ok), or a list.", show_default=False),
    ],
    pairs: Annotated[
        Path, typer.Option(help="Of `ancestry kinship`, plink2, KING, or the biobank.")
    ],
    out: Out,
    first: Annotated[
        Path | None, typer.Option(help="People to keep rather than others: cases.")
    ] = None,
    max_kinship: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Pairs above it are related.")
    ] = 0.0884,
) -> None:
    """Choose people of whom no two are related and to whom none could be added, cases first.

    Writes everybody with status and reason, and beside it a list for --keep.

    Example: pgs-trd ancestry unrelated pcs.tsv --pairs pairs.tsv --first cases.txt
    --out unrelated.tsv
    """
    from pgs_trd.steps.ancestry_people import unrelated_step

    table = unrelated_step(people, pairs, out, first=first, max_kinship=max_kinship)
    n_kept = int((table["status"] == "ok").sum())
    typer.echo(f"{n_kept:,} of {len(table):,} people are unrelated: {out}", err=True)


def add_commands(app: typer.Typer) -> None:
    """Add the group `ancestry`, with this module's commands, to `app`."""
    app.add_typer(group)
