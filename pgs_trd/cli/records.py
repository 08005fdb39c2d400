"""`pgs-trd phenotype`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pgs_trd.cli.common import MemoryMb, Threads
from pgs_trd.errors import UsageError


def phenotype(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")],
    omop: Annotated[
        Path | None,
        typer.Option(help="OMOP CDM: a folder of Parquet or CSV tables, or a .duckdb file."),
    ] = None,
    prescriptions: Annotated[
        Path | None, typer.Option(help="Flat table: person_id, date, drug, ...")
    ] = None,
    diagnoses: Annotated[
        Path | None, typer.Option(help="Flat table: person_id, date, code, ...")
    ] = None,
    persons: Annotated[Path | None, typer.Option(help="Flat table: person_id, sex, ...")] = None,
    observation: Annotated[
        Path | None, typer.Option(help="Flat table: person_id, start_date, end_date.")
    ] = None,
    deaths: Annotated[Path | None, typer.Option(help="Flat table: person_id, death_date.")] = None,
    definition: Annotated[
        str, typer.Option(help="A definition's id, or a YAML file of your own.")
    ] = "adequate2",
    origin: Annotated[
        Literal["first_diagnosis", "first_antidepressant"],
        typer.Option(help="Where time to TRD starts."),
    ] = "first_diagnosis",
    gap_days: Annotated[
        int, typer.Option(min=0, help="Days without supply that a trial survives.")
    ] = 30,
    default_supply_days: Annotated[
        int, typer.Option(min=1, help="Supply of a prescription that does not say.")
    ] = 30,
    threads: Threads = None,
    mem_mb: MemoryMb = None,
) -> None:
    """Turn health records into treatment trials, classes and follow-up.

    Writes trials.parquet, phenotype.parquet, follow_up.parquet and attrition.tsv.

    Example: pgs-trd phenotype --omop cdm/ --out phenotype/
    """
    from pgs_trd.steps.records import phenotype_step

    flat = {
        name: path
        for name, path in {
            "prescriptions": prescriptions,
            "diagnoses": diagnoses,
            "persons": persons,
            "observation": observation,
            "deaths": deaths,
        }.items()
        if path is not None
    }
    if (omop is None) == (not flat):
        raise UsageError("give either --omop, or flat tables with --prescriptions and --diagnoses")
    description = phenotype_step(
        flat if omop is None else omop,
        out,
        definition=definition,
        origin=origin,
        gap_days=gap_days,
        default_supply_days=default_supply_days,
        threads=threads,
        memory_mb=mem_mb,
    )
    for note in description["notes"]:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"trials, classes, follow-up and attrition: {out}", err=True)


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(phenotype)
