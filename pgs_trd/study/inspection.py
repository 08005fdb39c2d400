"""A look into the files of a study, as far as seconds go."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from pgs_trd.ehr import open_ehr
from pgs_trd.errors import PgsTrdError
from pgs_trd.genotypes.filesets import expand_pattern, find_plink_files, is_pattern
from pgs_trd.genotypes.plink1 import read_fam
from pgs_trd.genotypes.plink2_tables import read_psam
from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.marks import Fault, Place
from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import read_table
from pgs_trd.weights.columns import recognise
from pgs_trd.weights.effects import check_thresholds
from pgs_trd.weights.files import read_head
from pgs_trd.weights.read import ENDINGS, NAME_KEYS

MOST_NAMED = 5


def inspect_inputs(config: StudyConfig) -> list[Fault]:
    """List what is wrong with the content of a study's files.

    Only what is quick to read is: people of PLINK files, covariates, headers of the
    weights, tables and columns of the health records.
    """
    return [*_weight_faults(config), *_people_faults(config), *_record_faults(config)]


def _weight_faults(config: StudyConfig) -> Iterator[Fault]:
    try:
        files = list_weight_files(config.weights)
    except PgsTrdError as error:
        yield Fault(("weights",), f"weights: {error}")
        return
    wrong = []
    names: list[str] = []
    is_named = True
    for file in files:
        try:
            head = read_head(file)
            layout = recognise(head, config.scoring.columns, file.name)
        except PgsTrdError as error:
            wrong.append(str(error))
            continue
        # The names of the others are told by their columns or rows.
        is_named = is_named and not layout.is_wide and "accession" not in layout.places
        names.append(_score_name(file, head.metadata))
    if names and is_named and not wrong:
        yield from _name_faults(config, names)
        yield from _trait_faults(config, names)
    for text in wrong[:MOST_NAMED]:
        yield Fault(("weights",), f"weights: {text}")
    if len(wrong) > MOST_NAMED:
        yield Fault(("weights",), f"weights: {len(wrong) - MOST_NAMED} more files are wrong")


def _score_name(file: Path, metadata: Mapping[str, str]) -> str:
    stated = [metadata[key] for key in NAME_KEYS if metadata.get(key)]
    stem = file.name
    while stem.lower().endswith(ENDINGS):
        stem = stem[: stem.rindex(".")]
    return stated[0] if stated else stem


def _name_faults(config: StudyConfig, names: list[str]) -> Iterator[Fault]:
    """Find scores of one name, and names of scores that will not be there."""
    n_twice = len(names) - len(set(names))
    if n_twice:
        yield Fault(("weights",), f"weights: {n_twice} files have the score name of another")
    thresholds = config.scoring.p_thresholds
    if thresholds is not None:
        names = [one for name in names for one in check_thresholds(thresholds, name)]
    wanted: list[tuple[Place, str | None]] = [
        (("curve_score",), config.curve_score),
        (("bias", "mdd_score"), config.bias.mdd_score),
    ]
    controls = config.bias.negative_controls or []
    wanted += [(("bias", "negative_controls", n), name) for n, name in enumerate(controls)]
    for place, score in wanted:
        if score is not None and score not in names:
            key = ".".join(part for part in place if isinstance(part, str))
            near = difflib.get_close_matches(score, names, n=1) or names[:1]
            yield Fault(
                place,
                f"{key}: no weight file makes a score named {score!r}; "
                f"one of the {len(names):,} is {near[0]!r}",
            )


def _trait_faults(config: StudyConfig, names: list[str]) -> Iterator[Fault]:
    """Find a table of traits that names none of the scores."""
    if config.traits is None or config.scoring.p_thresholds is not None:
        return
    try:
        table = read_table(config.traits, text_columns=("score", "trait", "domain"))
    except PgsTrdError:
        return  # told already
    if "score" in table.columns and len(table) and not set(table["score"]) & set(names):
        yield Fault(
            ("traits",),
            f"traits: none of the {len(table):,} scores of {config.traits.name} is made by a "
            f"weight file; in the column score stands what those are named, such as {names[0]!r}",
        )


def _people_faults(config: StudyConfig) -> Iterator[Fault]:
    """Compare the people of PLINK files with those of the covariates."""
    path = config.genotypes
    try:
        samples = _read_people(expand_pattern(path)[0] if is_pattern(path) else path)
    except PgsTrdError as error:
        yield Fault(("genotypes",), f"genotypes: {error}")
        return
    if samples is None or not config.covariates.file.is_file():
        return
    try:
        covariates = read_table(config.covariates.file)
    except PgsTrdError:
        return  # told already
    if "person_id" not in covariates.columns:
        return
    shared = set(samples["person_id"].astype(str)) & set(covariates["person_id"].astype(str))
    if not shared:
        yield Fault(
            ("covariates", "file"),
            f"none of the {len(samples):,} people of {path.name} is among the "
            f"{len(covariates):,} of {config.covariates.file.name}: are the ids of one kind?",
        )
        return
    stratum = config.covariates.stratum
    for number, label in enumerate(config.covariates.strata or []):
        if stratum not in covariates.columns:
            return
        of_stratum = covariates.loc[covariates[stratum].astype(str) == label, "person_id"]
        if len(of_stratum) and not shared & set(of_stratum.astype(str)):
            yield Fault(
                ("covariates", "strata", number),
                f"strata: nobody of {label!r} is among the people of {path.name}",
            )


def _read_people(path: Path) -> pd.DataFrame | None:
    """Read the people of a PLINK fileset; None for formats whose people take longer."""
    files = find_plink_files(path)
    for table, genotypes, read in ((".fam", ".bed", read_fam), (".psam", ".pgen", read_psam)):
        if genotypes in files and table in files:
            return read(files[table])
    return None


def _record_faults(config: StudyConfig) -> Iterator[Fault]:
    source = config.records.source
    given = source.values() if isinstance(source, dict) else [source]
    if not all(path.exists() for path in given if isinstance(path, Path)):
        return
    try:
        open_ehr(source, columns=config.records.columns)
    except PgsTrdError as error:
        yield Fault(("records", "source"), f"records: {error}")
