"""`pgs-trd definitions` and `pgs-trd codes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgs_trd.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from pgs_trd.phenotype import Definition


def definitions(
    action: Annotated[Literal["list", "show", "check"], typer.Argument(help="What to do.")],
    name: Annotated[
        str | None, typer.Argument(help="Of show and check: an id, or a YAML file of your own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Of show: write it to this file instead.")
    ] = None,
) -> None:
    """List the definitions of depression and resistance, show one, or check your own.

    "list" has those of the package and of its grid, each with the first
    digits of its hash. "show" prints one as YAML: write it to a file, give it
    another id, and change its rules. "check" reads one and names every fault;
    the exit code is then 3.

    Example: pgs-trd definitions show adequate2 --out mine.yaml
    """
    from pgs_trd.phenotype import list_definitions, load_definition, load_grid

    if action == "list":
        every = [*map(load_definition, list_definitions()), *load_grid()]
        width = max(len(each.id) for each in every)
        for each in every:
            typer.echo(f"{each.id:<{width}}  {each.version}  {each.hash[:8]}  {each.title}")
        return
    if name is None:
        raise UsageError(f"definitions {action}: give an id or a file")
    found = load_definition(name)
    if action == "show":
        if out is None:
            typer.echo(_as_yaml(found), nl=False)
        else:
            from pgs_trd.tables import write_text

            write_text(_as_yaml(found), out)
    else:
        typer.echo(f"{found.id}, version {found.version}: {found.title}\nhash {found.hash}")


def _as_yaml(definition: Definition) -> str:
    import yaml

    return yaml.safe_dump(_stated(definition), sort_keys=False, allow_unicode=True, width=92)


def _stated(rules: DataclassInstance) -> dict[str, object]:
    """Give the fields as YAML has them, without those that are left at "not stated"."""
    from dataclasses import fields, is_dataclass

    content: dict[str, object] = {}
    for field in fields(rules):
        value = getattr(rules, field.name)
        if value in ((), None) and field.default in ((), None):
            continue
        if is_dataclass(value) and not isinstance(value, type):
            value = _stated(value)
        elif isinstance(value, tuple):
            value = [list(each) if isinstance(each, tuple) else each for each in value]
        content[field.name] = value
    return content


def codes(
    action: Annotated[Literal["list", "show", "verify"], typer.Argument(help="What to do.")],
    name: Annotated[
        str | None, typer.Argument(help="A code list; of verify: only this one.")
    ] = None,
    omop: Annotated[
        str | None,
        typer.Option(
            help="Of verify: OMOP tables with a concept table, as `phenotype` takes them."
        ),
    ] = None,
    codelists: Annotated[
        list[Path] | None,
        typer.Option(help="Your own lists, as `phenotype` takes them; give it again for more."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the table (.tsv, .csv or .parquet), too."),
    ] = None,
) -> None:
    """List the code lists of the package, show one, or verify them against your vocabulary.

    "verify" looks up every listed concept in your concept table: the id must
    be there, with the code and a word of the name that the list has, valid,
    and standard where it should be. It prints what differs, and counts what is
    as listed ("ok") and what your vocabulary does not have ("absent"); --out
    has every line.

    Example: pgs-trd codes show depression
    """
    from pgs_trd.ehr import list_codelists, open_codelists

    lists = open_codelists(codelists)
    if action == "list":
        for listed in list_codelists():
            typer.echo(f"{listed}: {len(lists.read(listed)):,} lines")
        return
    if action == "show":
        if name is None:
            raise UsageError(f"codes show: name a list; there are: {', '.join(list_codelists())}")
        table = lists.read(name)
        typer.echo(table.to_csv(sep="\t", index=False, lineterminator="\n"), nl=False)
    else:
        if omop is None:
            raise UsageError("codes verify: give --omop, where the concept table is")
        from pgs_trd.ehr.verify import verify_codes

        table = verify_codes(omop, None if name is None else [name], codelists=lists)
        differs = table[~table["status"].isin(["ok", "absent"])]
        counts = table.groupby(["codelist", "status"]).size().unstack(fill_value=0)
        if len(differs):
            typer.echo(differs.fillna("").to_string(index=False) + "\n")
        typer.echo(counts.rename_axis(columns=None).reset_index().to_string(index=False))
    if out is not None:
        from pgs_trd.tables import write_table

        write_table(table, out)


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(definitions)
    app.command()(codes)
