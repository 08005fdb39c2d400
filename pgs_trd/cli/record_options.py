"""Options of the commands that read health records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pgs_trd.errors import DataError, UsageError

Omop = Annotated[
    str | None,
    typer.Option(
        "--omop",
        help="OMOP CDM: a folder of Parquet or CSV tables, a .duckdb file, or a URL: "
        "postgresql://user@host/database/schema, bigquery://project/dataset, pyspark://database.",
        rich_help_panel="Records",
    ),
]
Prescriptions = Annotated[
    Path | None,
    typer.Option(
        "--prescriptions", help="Flat table: person_id, date, drug, ...", rich_help_panel="Records"
    ),
]
Diagnoses = Annotated[
    Path | None,
    typer.Option(
        "--diagnoses", help="Flat table: person_id, date, code, ...", rich_help_panel="Records"
    ),
]
Persons = Annotated[
    Path | None,
    typer.Option(
        "--persons", help="Flat table: person_id, sex, birth_year.", rich_help_panel="Records"
    ),
]
Observation = Annotated[
    Path | None,
    typer.Option(
        "--observation",
        help="Flat table: person_id, start_date, end_date.",
        rich_help_panel="Records",
    ),
]
Deaths = Annotated[
    Path | None,
    typer.Option("--deaths", help="Flat table: person_id, death_date.", rich_help_panel="Records"),
]
Procedures = Annotated[
    Path | None,
    typer.Option(
        "--procedures", help="Flat table: person_id, date, procedure.", rich_help_panel="Records"
    ),
]
Visits = Annotated[
    Path | None,
    typer.Option("--visits", help="Flat table: person_id, date.", rich_help_panel="Records"),
]
Scales = Annotated[
    Path | None,
    typer.Option(
        "--scales", help="Flat table: person_id, date, scale, score.", rich_help_panel="Records"
    ),
]
Deliveries = Annotated[
    Path | None,
    typer.Option(
        "--deliveries",
        help="Flat table of childbirths: person_id, date.",
        rich_help_panel="Records",
    ),
]
Columns = Annotated[
    Path | None,
    typer.Option(
        "--columns",
        help="YAML file: for each table, our column name: yours.",
        rich_help_panel="Records",
    ),
]
CodeLists = Annotated[
    list[Path] | None,
    typer.Option(
        "--codelists",
        help="Your own code lists (`codes show` has their form): a folder or a file. Each stands "
        "instead of the package's of that name; give it again for more.",
        rich_help_panel="Records",
    ),
]
GapDays = Annotated[
    int,
    typer.Option(
        "--gap-days",
        min=0,
        help="Days without supply that a trial survives.",
        rich_help_panel="Treatment trials",
    ),
]
SupplyDays = Annotated[
    int,
    typer.Option(
        "--default-supply-days",
        min=1,
        help="Supply of a prescription that does not say.",
        rich_help_panel="Treatment trials",
    ),
]
Stockpile = Annotated[
    bool,
    typer.Option(
        "--stockpile",
        help="Take what is left of a fill after the next one is begun.",
        rich_help_panel="Treatment trials",
    ),
]
GateLowDose = Annotated[
    bool,
    typer.Option(
        "--gate-low-dose",
        help="Leave out trials that never exceeded a dose for sleep or pain.",
        rich_help_panel="Treatment trials",
    ),
]
GateIndication = Annotated[
    int | None,
    typer.Option(
        "--gate-indication-days",
        min=0,
        help="Leave out trials of drugs with other uses that have no depression code within so "
        "many days of their start.",
        rich_help_panel="Treatment trials",
    ),
]
DoseFloor = Annotated[
    bool,
    typer.Option(
        "--dose-floor",
        help="A trial known to stay below the lowest adequate dose is no failure.",
        rich_help_panel="Treatment trials",
    ),
]


def choose_source(omop: str | None, **tables: Path | None) -> str | dict[str, Path]:
    """Give the source that was named, one of the two kinds."""
    flat = {name: path for name, path in tables.items() if path is not None}
    if (omop is None) == (not flat):
        raise UsageError("give either --omop, or flat tables with --prescriptions and --diagnoses")
    return flat if omop is None else omop


def read_columns(path: Path | None) -> dict[str, dict[str, str]] | None:
    """Read ``table: {our name: theirs}`` from a YAML file."""
    if path is None:
        return None
    import yaml

    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: is no YAML: {error}") from error
    is_mapping = isinstance(content, dict) and all(
        isinstance(names, dict) and all(isinstance(name, str) for name in names.values())
        for names in content.values()
    )
    if not is_mapping:
        raise DataError(
            f"{path.name}: want for each table our column name and yours, "
            "such as 'prescriptions: {date: dispensed}'"
        )
    return {str(table): dict(names) for table, names in content.items()}
