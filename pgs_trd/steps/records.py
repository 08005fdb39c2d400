"""Health records to treatment trials, classes, follow-up, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pgs_trd.ehr import (
    Ehr,
    build_trials,
    diagnosis_flow,
    open_codelists,
    open_ehr,
    prescription_flow,
)
from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists
from pgs_trd.ehr.connect import is_url, parse_url
from pgs_trd.errors import UsageError
from pgs_trd.phenotype import (
    Definition,
    Phenotype,
    at_landmark,
    classify_grid,
    compare_definitions,
    count_overlaps,
    draw_overlaps,
    find_perinatal,
    follow_up,
    plink2_table,
    regenie_table,
    survival_table,
)
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.steps.outputs import stage_outputs
from pgs_trd.steps.phenotype_options import (
    Extras,
    FollowUp,
    Gates,
    Origin,
    plain_options,
    read_families,
)
from pgs_trd.tables import make_folder, replace_on_success, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPORT_FILES: Mapping[str, str] = {
    "regenie": "regenie.txt",
    "plink2": "plink2.txt",
    "survival": "survival.tsv",
}
_OPTIONAL = (
    *EXPORT_FILES.values(),
    "definitions.tsv",
    "concordance.tsv",
    "overlaps.tsv",
    "overlaps.svg",
    "landmark.parquet",
    "perinatal.parquet",
    "perinatal_attrition.tsv",
    "phenotype.*.parquet",
    "follow_up.*.parquet",
    "attrition.*.tsv",
)
_MAIN = (
    "trials.parquet",
    "phenotype.parquet",
    "phenotype.parquet.json",
    "follow_up.parquet",
    "attrition.tsv",
)


def phenotype_step(
    source: Path | str | Mapping[str, Path],
    out: Path,
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    codelists: Sequence[Path] | None = None,
    definition: str = "adequate2",
    origin: Origin = "first_diagnosis",
    gap_days: int = 30,
    default_supply_days: int = 30,
    stockpile: bool = False,
    gates: Gates | None = None,
    followed: FollowUp | None = None,
    extras: Extras | None = None,
    threads: int | None = None,
    memory_mb: int | None = None,
) -> dict[str, Any]:
    """Build trials, classes and follow-up; write them into the folder `out`.

    The sidecar of the classes counts the rows that cleaning left out, by reason.
    Nothing is written before all is computed; what an earlier run left in the folder
    of what is not asked for now is deleted.

    Parameters
    ----------
    source
        As `open_ehr` takes it.
    codelists
        As `open_codelists` takes them. Where they differ from the package's, the classes of
        the main definition are found by those, too (it takes twice the time): a note counts
        whose class is another.

    Returns
    -------
    description
        What the sidecar of the classes holds.
    """
    gates, followed, extras = gates or Gates(), followed or FollowUp(), extras or Extras()
    definitions = extras.definitions(definition)
    lists = open_codelists(codelists)
    inputs = [*_inputs(source, followed.enrolment, extras.fam), *lists.files]
    _check(out, inputs, extras)
    enrolment, data_end = followed.read_enrolment(), followed.read_data_end()

    def read(by: CodeLists) -> tuple[Ehr, pd.DataFrame]:
        ehr = open_ehr(source, columns=columns, codelists=by, threads=threads, memory_mb=memory_mb)
        trials = build_trials(
            ehr, gap_days=gap_days, default_supply_days=default_supply_days, stockpile=stockpile
        )
        return ehr, gates.apply(ehr, trials)

    usual = _classes_by_package(read, definitions[0]) if lists.differ else None
    ehr, trials = read(lists)
    phenotypes = classify_grid(ehr, trials, definitions)
    main = next(iter(phenotypes.values()))
    options = {
        "definition": main.definition.id,
        "definition_version": main.definition.version,
        "definition_hash": main.definition.hash,
        "other_definitions": {each.id: each.hash for each in definitions[1:]},
        "codelists": lists.hashes,
        "origin": origin,
        "gap_days": gap_days,
        "default_supply_days": default_supply_days,
        "stockpile": stockpile,
        **plain_options(gates),
        **plain_options(followed),
        **{name: value for name, value in plain_options(extras).items() if name != "compare"},
    }
    with stage_outputs(out / "phenotype.parquet") as staged:
        tables = _Tables(staged.parent, ehr, trials, phenotypes)
        main_followed = tables.write_classes(
            origin=origin,
            washout_days=followed.washout_days,
            enrolment=enrolment,
            data_end=data_end,
        )
        tables.write_extras(extras, main_followed)
        facts = {
            "source": parse_url(str(source)).name if is_url(source) else None,
            "n_people": len(main.table),
            "n_trials": len(trials),
            "notes": [*ehr.notes, *_compare_classes(usual, main.table["phenotype"])],
            "prescription_rows": prescription_flow(ehr).to_dict("records"),
            "diagnosis_rows": diagnosis_flow(ehr).to_dict("records"),
        }
        description = describe_run("phenotype", options, inputs, **facts)
        write_sidecar(description, staged)
        for pattern in _OPTIONAL:
            for path in out.glob(pattern):
                path.unlink()
    return description


def _classes_by_package(
    read: Callable[[CodeLists], tuple[Ehr, pd.DataFrame]], definition: Definition
) -> pd.Series:
    """Give everybody's class by the package's code lists, and keep nothing else."""
    (phenotype,) = classify_grid(*read(PACKAGE_LISTS), [definition]).values()
    return phenotype.table["phenotype"].astype("category")


def _compare_classes(usual: pd.Series | None, found: pd.Series) -> list[str]:
    """Count whose class is another by the user's code lists than by the package's."""
    if usual is None:
        return []
    before = usual.to_numpy(dtype=object)
    n = int((before != found).sum())
    if not n:
        return [f"your code lists change the class of none of {len(found):,} people"]
    gained = int(((found == "trd") & (before != "trd")).sum())
    lost = int(((found != "trd") & (before == "trd")).sum())
    return [
        f"your code lists change the class of {n:,} of {len(found):,} people: {gained:,} are "
        f"resistant and would not be by the package's, {lost:,} are not and would be"
    ]


@dataclass(frozen=True)
class _Tables:
    """What is known of the people, and the folder it is written into."""

    folder: Path
    ehr: Ehr
    trials: pd.DataFrame
    phenotypes: Mapping[str, Phenotype]

    def write_classes(self, **options: Any) -> pd.DataFrame:
        """Write trials, and of each definition its classes, follow-up and attrition.

        Gives the follow-up of the main definition, which is the first; `options` are
        those of `follow_up`.
        """
        write_table(self.trials, self.folder / "trials.parquet")
        main: pd.DataFrame | None = None
        for name, phenotype in self.phenotypes.items():
            own = "" if main is None else f".{name}"
            found = follow_up(self.ehr, phenotype, **options)
            write_table(phenotype.table, self.folder / f"phenotype{own}.parquet")
            write_table(found, self.folder / f"follow_up{own}.parquet")
            write_table(phenotype.attrition, self.folder / f"attrition{own}.tsv")
            main = found if main is None else main
        assert main is not None
        return main

    def write_extras(self, extras: Extras, followed: pd.DataFrame) -> None:
        """Write what was asked for besides."""
        if len(self.phenotypes) > 1:
            self._write_comparison()
        if extras.landmark_days is not None:
            kept = at_landmark(followed, extras.landmark_days)
            write_table(kept, self.folder / "landmark.parquet")
        if extras.perinatal:
            perinatal = find_perinatal(self.ehr, self.trials)
            write_table(perinatal.table, self.folder / "perinatal.parquet")
            write_table(perinatal.attrition, self.folder / "perinatal_attrition.tsv")
        people = next(iter(self.phenotypes.values())).table["person_id"]
        families = None if extras.fam is None else read_families(extras.fam, people)
        makers = {"regenie": regenie_table, "plink2": plink2_table}
        for name in extras.exports:
            if name == "survival":
                table = survival_table(followed)
            else:
                maker = makers[name]
                table = maker(self.phenotypes, contrast=extras.contrast, families=families)
            write_table(table, self.folder / EXPORT_FILES[name])

    def _write_comparison(self) -> None:
        counts = [_count(phenotype) for phenotype in self.phenotypes.values()]
        write_table(pd.DataFrame(counts), self.folder / "definitions.tsv")
        write_table(compare_definitions(self.phenotypes), self.folder / "concordance.tsv")
        overlaps = count_overlaps(self.phenotypes)
        write_table(overlaps, self.folder / "overlaps.tsv")
        if len(overlaps):
            _write_figure(draw_overlaps(overlaps), self.folder / "overlaps.svg")


def _write_figure(figure: Figure, path: Path) -> None:
    """Write an SVG; the same figure gives the same bytes."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "pgs_trd"}), replace_on_success(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def _count(phenotype: Phenotype) -> dict[str, object]:
    classes = phenotype.table["phenotype"].value_counts()
    return {
        "definition": phenotype.definition.id,
        "version": phenotype.definition.version,
        "title": phenotype.definition.title,
        **{
            f"n_{name}": int(classes.get(name, 0))
            for name in ("trd", "responsive", "neither", "no_mdd")
        },
        "hash": phenotype.definition.hash,
    }


def _check(out: Path, inputs: Sequence[Path], extras: Extras) -> None:
    """Refuse, before any work, what could not be written or would be written over."""
    unknown = [name for name in extras.exports if name not in EXPORT_FILES]
    if unknown:
        raise UsageError(f"no export {unknown[0]!r}; there are: {', '.join(EXPORT_FILES)}")
    if extras.landmark_days is not None and extras.landmark_days < 0:
        raise UsageError(f"landmark_days must be at least 0, got {extras.landmark_days}")
    make_folder(out)
    for path in inputs:
        is_own = any(path.match(pattern) for pattern in (*_MAIN, *_OPTIONAL))
        if is_own and path.resolve().parent == out.resolve():
            raise UsageError(
                f"{path.name} is read, and would be written onto in {out.name}: "
                "give --out another folder"
            )


def _inputs(source: Path | str | Mapping[str, Path], *others: Path | None) -> list[Path]:
    """Give the files that are read."""
    if is_url(source):
        roots: list[Path] = []
    elif isinstance(source, Mapping):
        roots = list(source.values())
    else:
        roots = [Path(source)]
    files = [file for path in roots for file in _table_files(path)]
    return [*files, *(path for path in others if path is not None and path.is_file())]


def _table_files(path: Path) -> list[Path]:
    """Give the files of a folder of tables, or the file itself."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
