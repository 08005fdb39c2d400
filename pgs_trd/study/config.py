"""The study file: what a whole study needs, checked before any work."""

from __future__ import annotations

import difflib
import glob
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pgs_trd.errors import PgsTrdError, UsageError, join_faults
from pgs_trd.models import CONTRASTS
from pgs_trd.phenotype import load_definition
from pgs_trd.tables import read_table, require_columns


class Section(BaseModel):
    """Part of a study file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Scoring(Section):
    """How weight files are matched and missing calls counted; see `score`."""

    palindromes: Literal["drop", "keep", "frequency"] = "drop"
    missing: Literal["mean", "zero"] = "mean"
    min_overlap: float = Field(default=0.75, ge=0, le=1)
    columns: dict[str, str | list[str]] | None = None


class Trials(Section):
    """How prescriptions become treatment trials; see `build_trials`."""

    gap_days: int = Field(default=30, ge=0)
    default_supply_days: int = Field(default=30, ge=1)


class Records(Section):
    """Where the health records lie; see `open_ehr`.

    Attributes
    ----------
    source
        A folder or .duckdb file in the OMOP common data model, or the flat
        tables by name (prescriptions, diagnoses, persons, ...).
    columns
        For each table, our column names to the file's.
    """

    source: Path | dict[str, Path]
    columns: dict[str, dict[str, str]] | None = None


class Covariates(Section):
    """Covariates of every person, with the stratum each belongs to."""

    file: Path
    columns: list[str] = Field(min_length=1)
    stratum: str | None = "ancestry"
    strata: list[str] | None = None


class StudyConfig(Section):
    """A whole study.

    Attributes
    ----------
    genotypes
        A genotype file or prefix; see `open_genotypes`.
    weights
        Weight files; patterns such as ``weights/*.txt.gz`` stand for many.
    traits
        A table with columns score, trait, domain that names the scores.
    curve_score
        The score whose fifths are drawn as Kaplan-Meier curves.
    suppress_counts_up_to
        Counts from 1 to this number never leave the report.
    truth
        Of a simulated biobank: a table with columns score, contrast, beta.
    output
        The folder for everything that the study writes.
    """

    title: str = "Polygenic scores and treatment-resistant depression"
    genotypes: Path
    weights: list[Path] = Field(min_length=1)
    traits: Path | None = None
    records: Records
    covariates: Covariates
    definition: str = "adequate2"
    contrasts: list[str] = Field(
        default=["trd_vs_responsive", "trd_vs_none", "mdd_vs_none"], min_length=1
    )
    origin: Literal["first_diagnosis", "first_antidepressant"] = "first_diagnosis"
    curve_score: str
    scoring: Scoring = Scoring()
    trials: Trials = Trials()
    suppress_counts_up_to: int = Field(default=20, ge=0)
    truth: Path | None = None
    output: Path = Path("results")

    @field_validator("suppress_counts_up_to")
    @classmethod
    def _hides_more_than_one_count(cls, limit: int) -> int:
        if limit == 1:
            raise ValueError("1 would hide the number 1 behind the mark ≤1: give 0, or 2 or more")
        return limit


def load_config(path: Path) -> StudyConfig:
    """Read and check a study file; its relative paths count from its folder.

    Raises
    ------
    UsageError
        With every fault of the file at once: unknown keys (with the nearest
        known one), missing keys, values of the wrong kind, files that are not there.
    """
    if not path.is_file():
        raise UsageError(f"no such study file: {path}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path.name} cannot be read as UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(
            f"{path.name}: a study file is a mapping of keys, such as 'genotypes: ...'"
        )
    try:
        config = StudyConfig.model_validate(content)
    except ValidationError as error:
        raise UsageError(join_faults(path.name, _faults(error))) from error
    config = _resolve(config, path.resolve().parent)
    faults = [f"no such file: {file}" for file in _files(config) if not file.exists()]
    faults = faults or _wrong_names(config)
    if faults:
        raise UsageError(join_faults(path.name, faults))
    return config


def _wrong_names(config: StudyConfig) -> list[str]:
    """Give the faults of names that would otherwise be found after hours of scoring."""
    faults = [
        f"unknown contrast {name!r}; there are {', '.join(CONTRASTS)}"
        for name in config.contrasts
        if name not in CONTRASTS
    ]
    if config.traits is not None:
        table = read_table(config.traits, text_columns=("score", "trait", "domain"))
        require_columns(table, ("score", "trait", "domain"), config.traits.name)
        if config.curve_score not in set(table["score"]):
            faults.append(f"curve_score {config.curve_score!r} is no score of {config.traits.name}")
    header = read_table(config.covariates.file)
    wanted = ["person_id", *config.covariates.columns]
    wanted += [config.covariates.stratum] if config.covariates.stratum else []
    faults += [
        f"{config.covariates.file.name} has no column {name!r}"
        for name in wanted
        if name not in header.columns
    ]
    stratum, strata = config.covariates.stratum, config.covariates.strata
    if stratum in header.columns and strata is not None:
        labels = sorted({str(label) for label in header[stratum].dropna()})
        faults += [
            f"strata: {name!r} is no {stratum} of {config.covariates.file.name}, which has "
            f"{', '.join(labels)}"
            for name in strata
            if name not in labels
        ]
    is_pattern = any(sign in config.genotypes.name for sign in "{#")
    prefix = glob.escape(config.genotypes.name)
    if not is_pattern and not list(config.genotypes.parent.glob(prefix + "*")):
        faults.append(f"no such genotypes: {config.genotypes}")
    try:
        load_definition(config.definition)
    except PgsTrdError as error:
        faults.append(f"definition: {error}")
    return faults


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors():
        place = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(fault["loc"][-1]), _known_keys(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(f"unknown key {place!r}{hint}")
        else:
            faults.append(f"{place}: {fault['msg']}")
    return faults


def _known_keys() -> list[str]:
    sections: list[type[Section]] = [StudyConfig, Scoring, Trials, Records, Covariates]
    return sorted({key for section in sections for key in section.model_fields})


def _resolve(config: StudyConfig, folder: Path) -> StudyConfig:
    """Make every path absolute and every pattern of weight files a list."""

    def absolute(path: Path) -> Path:
        return path if path.is_absolute() else folder / path

    weights = [file for pattern in config.weights for file in _expand(absolute(pattern))]
    source = config.records.source
    changes: dict[str, Any] = {
        "genotypes": absolute(config.genotypes),
        "weights": weights,
        "traits": absolute(config.traits) if config.traits else None,
        "truth": absolute(config.truth) if config.truth else None,
        "output": absolute(config.output),
        "definition": str(absolute(Path(config.definition)))
        if config.definition.endswith((".yaml", ".yml"))
        else config.definition,
        "records": config.records.model_copy(
            update={
                "source": absolute(source)
                if isinstance(source, Path)
                else {name: absolute(path) for name, path in source.items()}
            }
        ),
        "covariates": config.covariates.model_copy(
            update={"file": absolute(config.covariates.file)}
        ),
    }
    return config.model_copy(update=changes)


def _expand(pattern: Path) -> list[Path]:
    """Give the files a pattern stands for, in order; a name without ``*`` is itself."""
    if not any(sign in pattern.name for sign in "*?["):
        return [pattern]
    files = sorted(pattern.parent.glob(pattern.name))
    if not files:
        raise UsageError(f"no weight file is named like {pattern}")
    return files


def _files(config: StudyConfig) -> list[Path]:
    """Give the files that must exist; a genotype prefix is told by its reader."""
    source = config.records.source
    files = [*config.weights, config.covariates.file]
    files += [source] if isinstance(source, Path) else list(source.values())
    files += [path for path in (config.traits, config.truth) if path is not None]
    return files
