"""What can be told of a study before its files are looked into: names, columns, choices."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from pgs_trd.ehr.connect import parse_url
from pgs_trd.errors import PgsTrdError
from pgs_trd.genotypes.filesets import expand_pattern, is_pattern
from pgs_trd.models import CONTRASTS
from pgs_trd.phenotype import list_grids, load_definition
from pgs_trd.study.literature import read_published
from pgs_trd.study.marks import Fault, Place
from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import read_table, require_columns

SCORING_FILES = ("read_freq", "chain", "keep", "remove", "extract", "exclude", "update_sex",
                 "sample")  # fmt: skip

MOST_VALUES = 10


def find_faults(config: StudyConfig) -> list[Fault]:
    """List everything that is wrong with a study whose keys are right.

    Parameters
    ----------
    config
        With absolute paths, and files in the place of patterns of weights.
    """
    return [
        *_missing_files(config),
        *_genotype_faults(config),
        *_choice_faults(config),
        *_definition_faults(config),
        *_published_faults(config),
        *_trait_faults(config),
        *_covariate_faults(config),
        *_output_faults(config),
    ]


def _missing_files(config: StudyConfig) -> Iterator[Fault]:
    source = config.records.source
    named: list[tuple[Place, Path | None]] = [
        (("covariates", "file"), config.covariates.file),
        (("covariates", "related"), config.covariates.related),
        (("traits",), config.traits),
        (("truth",), config.truth),
        (("records", "enrolment"), config.records.enrolment),
    ]
    codelists = config.records.codelists or []
    named += [(("records", "codelists", number), path) for number, path in enumerate(codelists)]
    if isinstance(source, str):
        try:
            parse_url(source)
        except PgsTrdError as error:
            yield Fault(("records", "source"), f"records.source: {error}")
    elif isinstance(source, Path):
        named.append((("records", "source"), source))
    else:
        named += [(("records", "source", name), path) for name, path in source.items()]
    named += [(("scoring", name), getattr(config.scoring, name)) for name in SCORING_FILES]
    for place, path in named:
        if path is not None and not path.exists():
            yield Fault(place, f"no such file: {path}")


def _genotype_faults(config: StudyConfig) -> Iterator[Fault]:
    path = config.genotypes
    if is_pattern(path):
        try:
            expand_pattern(path)
        except PgsTrdError as error:
            yield Fault(("genotypes",), f"genotypes: {error}")
        return
    if not _are_there(path):
        yield Fault(("genotypes",), f"no such genotypes: {path}")
    others = config.components.genotypes
    if others is not None and not is_pattern(others) and not _are_there(others):
        yield Fault(("components", "genotypes"), f"no such genotypes: {others}")


def _are_there(path: Path) -> bool:
    """Find the file, or files of the prefix."""
    return path.exists() or bool(glob.glob(glob.escape(str(path)) + ".*"))


def _choice_faults(config: StudyConfig) -> Iterator[Fault]:
    known = ", ".join(CONTRASTS)
    for number, name in enumerate(config.contrasts):
        if name not in CONTRASTS:
            yield Fault(("contrasts", number), f"unknown contrast {name!r}; there are {known}")
    if len(set(config.contrasts)) < len(config.contrasts):
        yield Fault(("contrasts",), "contrasts: one is named twice")
    for number, name in enumerate(config.sensitivity.contrasts or []):
        if name not in config.contrasts:
            yield Fault(
                ("sensitivity", "contrasts", number),
                f"sensitivity.contrasts: {name!r} is not among the contrasts of the study, "
                f"{', '.join(config.contrasts)}",
            )
    scoring = config.scoring
    for one, other in (("keep", "remove"), ("extract", "exclude")):
        file = getattr(scoring, one)
        if file is not None and file == getattr(scoring, other):
            yield Fault(("scoring", one), f"scoring: {one} and {other} are the same file")
    if scoring.missing == "zero" and scoring.scale != "none":
        yield Fault(
            ("scoring", "missing"),
            f"scoring.missing: 'zero' copies are no mean ones, and scale {scoring.scale!r} takes "
            "the mean off: leave missing at 'mean'",
        )


def _definition_faults(config: StudyConfig) -> Iterator[Fault]:
    further = config.sensitivity.definitions or []
    named: list[tuple[Place, str]] = [(("definition",), config.definition)]
    named += [(("sensitivity", "definitions", n), name) for n, name in enumerate(further)]
    for place, name in named:
        try:
            load_definition(name)
        except PgsTrdError as error:
            yield Fault(place, f"definition: {error}")
    if len({config.definition, *further}) < 1 + len(further):
        yield Fault(
            ("sensitivity", "definitions"),
            "sensitivity.definitions: one stands twice, or is the main definition",
        )
    grid = config.sensitivity.grid
    if grid is not None and grid not in list_grids():
        yield Fault(
            ("sensitivity", "grid"),
            f"no grid {grid!r}; there are: {', '.join(list_grids())}",
        )


def _published_faults(config: StudyConfig) -> Iterator[Fault]:
    if config.published is not None:
        try:
            read_published(config.published)
        except PgsTrdError as error:
            yield Fault(("published",), f"published: {error}")


def _trait_faults(config: StudyConfig) -> Iterator[Fault]:
    if config.traits is None or not config.traits.is_file():
        return
    columns = ("score", "trait", "domain")
    try:
        table = read_table(config.traits, text_columns=columns)
        require_columns(table, columns, config.traits.name)
    except PgsTrdError as error:
        yield Fault(("traits",), f"traits: {error}")
        return
    n_twice = int(table["score"].duplicated().sum())
    if n_twice:
        yield Fault(("traits",), f"traits: {n_twice} scores of {config.traits.name} stand twice")
    named: list[tuple[Place, str | None]] = [
        (("curve_score",), config.curve_score),
        (("bias", "mdd_score"), config.bias.mdd_score),
    ]
    controls = config.bias.negative_controls or []
    named += [(("bias", "negative_controls", n), name) for n, name in enumerate(controls)]
    for place, score in named:
        if score is not None and score not in set(table["score"]):
            key = ".".join(str(part) for part in place if isinstance(part, str))
            yield Fault(place, f"{key} {score!r} is no score of {config.traits.name}")


def _covariate_faults(config: StudyConfig) -> Iterator[Fault]:
    covariates = config.covariates
    if not covariates.file.is_file():
        return
    try:
        table = read_table(covariates.file)
    except PgsTrdError as error:
        yield Fault(("covariates", "file"), f"covariates.file: {error}")
        return
    wanted: list[tuple[Place, str]] = [(("covariates", "file"), "person_id")]
    wanted += [(("covariates", "columns", n), name) for n, name in enumerate(covariates.columns)]
    if covariates.stratum:
        wanted.append((("covariates", "stratum"), covariates.stratum))
    causes = config.bias.shared_causes or []
    wanted += [(("bias", "shared_causes", n), name) for n, name in enumerate(causes)]
    if config.bias.enrolment:
        wanted.append((("bias", "enrolment"), config.bias.enrolment))
    for place, name in wanted:
        if name not in table.columns:
            yield Fault(place, f"{covariates.file.name} has no column {name!r}")
    if "person_id" in table.columns and table["person_id"].duplicated().any():
        yield Fault(
            ("covariates", "file"),
            f"{covariates.file.name}: {int(table['person_id'].duplicated().sum()):,} rows are of "
            "people who have one already; it takes one row a person",
        )
    for number, name in enumerate(covariates.columns):
        if name in ("person_id", covariates.stratum):
            yield Fault(
                ("covariates", "columns", number),
                f"covariates.columns: {name!r} is the column of "
                f"{'people' if name == 'person_id' else 'strata'}, and no covariate",
            )
    made = config.components.names
    there = [name for name in made if name in table.columns or name in covariates.columns]
    if there:
        yield Fault(
            ("components", "number"),
            f"components: {there[0]} is to be made, and {covariates.file.name} has such a column "
            "or is to have it: adjust for those that are there, or leave them out",
        )
    for number, name in enumerate(causes):
        if name in covariates.columns:
            yield Fault(
                ("bias", "shared_causes", number),
                f"bias.shared_causes: {name!r} is adjusted for already; leave it out of "
                "covariates.columns to see the bias without it",
            )
    within = config.sensitivity.within
    if within is not None and within not in covariates.columns:
        yield Fault(
            ("sensitivity", "within"),
            f"sensitivity.within: {within!r} is not among the covariates that are adjusted for",
        )
    elif within in table.columns and table[within].nunique() > MOST_VALUES:
        yield Fault(
            ("sensitivity", "within"),
            f"sensitivity.within: {within!r} has {table[within].nunique():,} values, "
            f"{MOST_VALUES} are the most",
        )
    for name in config.models.splines or {}:
        if name not in [*covariates.columns, *made]:
            yield Fault(
                ("models", "splines", name),
                f"models.splines: {name!r} is not among the covariates that are adjusted for",
            )
    if covariates.stratum in table.columns:
        labels = sorted({str(label) for label in table[covariates.stratum].dropna()})
        for number, name in enumerate(covariates.strata or []):
            if name not in labels:
                yield Fault(
                    ("covariates", "strata", number),
                    f"strata: {name!r} is no {covariates.stratum} of {covariates.file.name}, "
                    f"which has {', '.join(labels)}",
                )
        yield from _replication_faults(config, covariates.strata or labels)


def _replication_faults(config: StudyConfig, strata: list[str]) -> Iterator[Fault]:
    roles = config.replication.model_dump(exclude_none=True)
    for role, names in roles.items():
        for number, name in enumerate(names):
            if name not in strata:
                yield Fault(
                    ("replication", role, number),
                    f"replication.{role}: {name!r} is no stratum of the study, which has "
                    f"{', '.join(strata)}",
                )
    if config.replication.discovery is None:
        if config.replication.replication:
            yield Fault(("replication",), "replication: in which strata is it discovered?")
        return
    discovery = set(config.replication.discovery)
    others = config.replication.replication or [name for name in strata if name not in discovery]
    if both := discovery & set(others):
        yield Fault(
            ("replication",),
            f"replication: {', '.join(sorted(both))} cannot be both: people who discover an "
            "effect do not replicate it",
        )
    elif not others:
        yield Fault(("replication",), "replication: no stratum is left to replicate in")


def _output_faults(config: StudyConfig) -> Iterator[Fault]:
    """Find out whether the output could be written, without making anything."""
    folder = config.output
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        yield Fault(("output",), f"output: {folder} is a file, not a folder")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Fault(("output",), f"output: cannot write into {folder}")
