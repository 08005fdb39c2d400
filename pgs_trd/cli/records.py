"""`pgs-trd phenotype` and `pgs-trd explain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pgs_trd.cli.common import MemoryMb, Threads, split_list
from pgs_trd.cli.record_options import (
    CodeLists,
    Columns,
    Deaths,
    Deliveries,
    Diagnoses,
    DoseFloor,
    GapDays,
    GateIndication,
    GateLowDose,
    Observation,
    Omop,
    Persons,
    Prescriptions,
    Procedures,
    Scales,
    Stockpile,
    SupplyDays,
    Visits,
    choose_source,
    read_columns,
)
from pgs_trd.errors import UsageError


def phenotype(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")],
    omop: Omop = None,
    prescriptions: Prescriptions = None,
    diagnoses: Diagnoses = None,
    persons: Persons = None,
    observation: Observation = None,
    deaths: Deaths = None,
    procedures: Procedures = None,
    visits: Visits = None,
    scales: Scales = None,
    deliveries: Deliveries = None,
    columns: Columns = None,
    codelists: CodeLists = None,
    definition: Annotated[
        list[str] | None,
        typer.Option(
            "--definition",
            help="A definition's id, or a YAML file of your own; without, adequate2. The first is "
            "the main one; give it again for more.",
            rich_help_panel="Definitions",
        ),
    ] = None,
    grid: Annotated[
        bool,
        typer.Option(
            "--grid",
            help="Add the fifteen pairs of the grid of definitions.",
            rich_help_panel="Definitions",
        ),
    ] = False,
    origin: Annotated[
        Literal["first_diagnosis", "first_antidepressant"],
        typer.Option(help="Where time to TRD starts.", rich_help_panel="Follow-up"),
    ] = "first_diagnosis",
    washout_days: Annotated[
        int,
        typer.Option(
            min=0,
            help="Observation before day 0 that makes a case new.",
            rich_help_panel="Follow-up",
        ),
    ] = 365,
    enrolment: Annotated[
        Path | None,
        typer.Option(
            help="Table of person_id and date: nobody is at risk before.",
            rich_help_panel="Follow-up",
        ),
    ] = None,
    data_end: Annotated[
        str | None, typer.Option(help="Last day of data, YYYY-MM-DD.", rich_help_panel="Follow-up")
    ] = None,
    landmark_days: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Write who is at risk so many days after the origin, too.",
            rich_help_panel="Follow-up",
        ),
    ] = None,
    gap_days: GapDays = 30,
    default_supply_days: SupplyDays = 30,
    stockpile: Stockpile = False,
    gate_low_dose: GateLowDose = False,
    gate_indication_days: GateIndication = None,
    dose_floor: DoseFloor = False,
    perinatal: Annotated[
        bool,
        typer.Option(
            "--perinatal", help="Find postpartum depression, too.", rich_help_panel="More tables"
        ),
    ] = False,
    exports: Annotated[
        str | None,
        typer.Option(
            help="Tables for other programs: regenie,plink2,survival.",
            rich_help_panel="More tables",
        ),
    ] = None,
    contrast: Annotated[
        Literal["trd_vs_responsive", "trd_vs_control", "responsive_vs_control", "trd_vs_other_mdd"],
        typer.Option(
            help="Cases and controls of the REGENIE and PLINK 2 tables.",
            rich_help_panel="More tables",
        ),
    ] = "trd_vs_responsive",
    fam: Annotated[
        Path | None,
        typer.Option(
            help=".fam or .psam of the genotypes, for the family ids of those tables.",
            rich_help_panel="More tables",
        ),
    ] = None,
    threads: Threads = None,
    mem_mb: MemoryMb = None,
) -> None:
    """Turn health records into treatment trials, classes and follow-up.

    Writes trials.parquet, phenotype.parquet, follow_up.parquet and
    attrition.tsv. Of each further definition it writes phenotype.ID.parquet,
    follow_up.ID.parquet and attrition.ID.tsv, and of all of them
    definitions.tsv (people by class), concordance.tsv (kappa and overlap of
    each pair), overlaps.tsv and overlaps.svg (who is resistant under which).
    Counts are not suppressed: they are for you, not for publication.

    Example: pgs-trd phenotype --omop cdm/ --out phenotype/ --grid --exports regenie
    """
    from pgs_trd.steps.phenotype_options import Extras, FollowUp, Gates
    from pgs_trd.steps.records import phenotype_step

    first, *others = definition or ["adequate2"]
    description = phenotype_step(
        choose_source(
            omop,
            prescriptions=prescriptions,
            diagnoses=diagnoses,
            persons=persons,
            observation=observation,
            deaths=deaths,
            procedures=procedures,
            visits=visits,
            scales=scales,
            deliveries=deliveries,
        ),
        out,
        columns=read_columns(columns),
        codelists=codelists,
        definition=first,
        origin=origin,
        gap_days=gap_days,
        default_supply_days=default_supply_days,
        stockpile=stockpile,
        gates=Gates(gate_low_dose, gate_indication_days, "floor" if dose_floor else "off"),
        followed=FollowUp(washout_days, enrolment, data_end),
        extras=Extras(
            compare=others,
            grid=grid,
            perinatal=perinatal,
            exports=split_list(exports or ""),
            contrast=contrast,
            fam=fam,
            landmark_days=landmark_days,
        ),
        threads=threads,
        memory_mb=mem_mb,
    )
    for note in description["notes"]:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"trials, classes, follow-up and attrition: {out}", err=True)


def explain(
    omop: Omop = None,
    person: Annotated[
        str | None, typer.Option(help="Person id; without, it is asked for, and in no history.")
    ] = None,
    prescriptions: Prescriptions = None,
    diagnoses: Diagnoses = None,
    persons: Persons = None,
    observation: Observation = None,
    deaths: Deaths = None,
    procedures: Procedures = None,
    visits: Visits = None,
    scales: Scales = None,
    deliveries: Deliveries = None,
    columns: Columns = None,
    codelists: CodeLists = None,
    definition: Annotated[
        str, typer.Option(help="A definition's id, or a YAML file of your own.")
    ] = "adequate2",
    gap_days: GapDays = 30,
    default_supply_days: SupplyDays = 30,
    stockpile: Stockpile = False,
    gate_low_dose: GateLowDose = False,
    gate_indication_days: GateIndication = None,
    dose_floor: DoseFloor = False,
    to_pipe: Annotated[
        bool,
        typer.Option("--to-pipe", help="Print also where the output is no terminal, as for less."),
    ] = False,
    threads: Threads = None,
    mem_mb: MemoryMb = None,
) -> None:
    """Show why one person has their class: what was recorded, what counted, what it led to.

    It shows one person's record, on your screen only: it writes no file, and
    refuses to print into one by mistake. Give the options that `phenotype` was
    run with.

    Example: pgs-trd explain --omop cdm/ --definition fabbri2021
    """
    from pgs_trd.steps.explain import explain_step
    from pgs_trd.steps.phenotype_options import Gates

    if not to_pipe and not sys.stdout.isatty():
        raise UsageError(
            "explain shows one person's record, and the output is no terminal but a file or a "
            "pipe: add --to-pipe if only you can read it"
        )
    source = choose_source(
        omop,
        prescriptions=prescriptions,
        diagnoses=diagnoses,
        persons=persons,
        observation=observation,
        deaths=deaths,
        procedures=procedures,
        visits=visits,
        scales=scales,
        deliveries=deliveries,
    )
    asked = person if person is not None else typer.prompt("person", err=True)
    timeline = explain_step(
        source,
        asked,
        columns=read_columns(columns),
        codelists=codelists,
        definition=definition,
        gap_days=gap_days,
        default_supply_days=default_supply_days,
        stockpile=stockpile,
        gates=Gates(gate_low_dose, gate_indication_days, "floor" if dose_floor else "off"),
        threads=threads,
        memory_mb=mem_mb,
    )
    shown = timeline.assign(counts=timeline["counts"].map({True: "yes", False: "no"}))
    for column in ("date", "end_date"):
        shown[column] = shown[column].dt.strftime("%Y-%m-%d").fillna("")
    for line in shown.to_string(index=False).splitlines():
        typer.echo(line.rstrip())


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(phenotype)
    app.command()(explain)
