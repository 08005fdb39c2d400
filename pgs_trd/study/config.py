"""The study file: what a whole study needs, checked before any work."""

from __future__ import annotations

import difflib
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pgs_trd.errors import UsageError, join_faults
from pgs_trd.study.checks import SCORING_FILES, find_faults
from pgs_trd.study.inspection import inspect_inputs
from pgs_trd.study.literature import TABLE_ENDINGS
from pgs_trd.study.marks import Fault, MarkedYaml, Place, read_marked
from pgs_trd.study.sections import Scoring, StudyConfig

__all__ = ["StudyConfig", "check_study", "load_config"]

_Found = tuple[StudyConfig | None, MarkedYaml, list[Fault]]


def load_config(path: Path) -> StudyConfig:
    """Read and check a study file; its relative paths count from its folder.

    Raises
    ------
    UsageError
        With the lines of all faults: of unknown keys (with the nearest known one),
        missing keys and values of the wrong kind; where there are none, of files that are
        not there, columns and names that they do not have.
    """
    config, marked, faults = _read(path)
    if config is None or faults:
        raise UsageError(join_faults(path.name, marked.in_order(faults)))
    return config


def check_study(path: Path) -> StudyConfig:
    """Check a study file as `load_config` does, and look into its files.

    The people of the genotypes are compared with those of the covariates, the header
    of every weight file and the tables of the health records are read. No genotype
    is, so that it takes seconds.

    Returns
    -------
    StudyConfig
        The study, its paths absolute.

    Raises
    ------
    UsageError
        With every fault at once.
    """
    config, marked, faults = _read(path)
    if config is not None:
        known = {fault.place for fault in faults}
        faults += [fault for fault in inspect_inputs(config) if fault.place not in known]
    if config is None or faults:
        raise UsageError(join_faults(path.name, marked.in_order(faults)))
    return config


def _read(path: Path) -> _Found:
    """Read a study file; give it, unless its keys are wrong, with all faults found."""
    if not path.is_file():
        raise UsageError(f"no such study file: {path}")
    try:
        marked = read_marked(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path.name} cannot be read as UTF-8 text: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(marked.content, dict):
        raise UsageError(
            f"{path.name}: a study file is a mapping of keys, such as 'genotypes: ...'"
        )
    faults = list(marked.faults)
    try:
        config = StudyConfig.model_validate(marked.content)
    except ValidationError as error:
        return None, marked, faults + list(_schema_faults(error, marked))
    config = _resolve(config, path.resolve().parent)
    config, unmatched = _expand_weights(config)
    return config, marked, faults + unmatched + find_faults(config)


def _schema_faults(error: ValidationError, marked: MarkedYaml) -> Iterator[Fault]:
    for fault in error.errors():
        place = tuple(fault["loc"])
        if fault["type"] == "extra_forbidden":
            yield Fault(place, f"unknown key {_dotted(place)!r}{_suggestion(place)}")
        elif fault["type"] == "missing":
            yield Fault(place, f"{_dotted(place)}: {fault['msg']}")
        else:
            # A choice between kinds ends in the name of the kind, which users never wrote.
            known = marked.known(place) or place
            yield Fault(place, f"{_dotted(known)}: {fault['msg'].removeprefix('Value error, ')}")


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _suggestion(place: Place) -> str:
    """Name the nearest key of the same section, else of any."""
    wrong, section = str(place[-1]), tuple(map(str, place[:-1]))
    keys = known_keys()
    here = {key[-1]: key for key in keys if key[:-1] == section}
    elsewhere = {key[-1]: key for key in reversed(keys)}
    for names in (here, elsewhere):
        near = difflib.get_close_matches(wrong, list(names), n=1)
        if near:
            return f"; did you mean {_dotted(names[near[0]])!r}?"
    return ""


def known_keys(
    section: type[BaseModel] = StudyConfig, before: tuple[str, ...] = ()
) -> list[tuple[str, ...]]:
    """Give every key of a study file by the keys that lead there, sections included."""
    keys: list[tuple[str, ...]] = []
    for name, field in section.model_fields.items():
        keys.append((*before, name))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += known_keys(field.annotation, (*before, name))
    return keys


def _resolve(config: StudyConfig, folder: Path) -> StudyConfig:
    """Make every path absolute."""

    def absolute(path: Path) -> Path:
        return path if path.is_absolute() else folder / path

    def optional(path: Path | None) -> Path | None:
        return None if path is None else absolute(path)

    def named(name: str, endings: tuple[str, ...] = (".yaml", ".yml")) -> str:
        """Make the name of a file absolute; one of the package's stays as it is."""
        return str(absolute(Path(name))) if name.endswith(endings) else name

    def place(source: str | Path | dict[str, Path]) -> str | Path | dict[str, Path]:
        """Make paths absolute; the URL of a database is none."""
        if isinstance(source, dict):
            return {name: absolute(path) for name, path in source.items()}
        return source if isinstance(source, str) else absolute(source)

    source, further = config.records.source, config.sensitivity.definitions
    codelists, published = config.records.codelists, config.published
    scoring: Scoring = config.scoring.model_copy(
        update={name: optional(getattr(config.scoring, name)) for name in SCORING_FILES}
    )
    changes: dict[str, Any] = {
        "genotypes": absolute(config.genotypes),
        "weights": [absolute(path) for path in config.weights],
        "traits": optional(config.traits),
        "components": config.components.model_copy(
            update={"genotypes": optional(config.components.genotypes)}
        ),
        "truth": optional(config.truth),
        "output": absolute(config.output),
        "definition": named(config.definition),
        "scoring": scoring,
        "published": None if published is None else named(published, TABLE_ENDINGS),
        "records": config.records.model_copy(
            update={
                "codelists": None if codelists is None else [absolute(one) for one in codelists],
                "enrolment": optional(config.records.enrolment),
                "source": place(source),
            }
        ),
        "covariates": config.covariates.model_copy(
            update={
                "file": absolute(config.covariates.file),
                "related": optional(config.covariates.related),
            }
        ),
        "sensitivity": config.sensitivity.model_copy(
            update={"definitions": None if further is None else [named(one) for one in further]}
        ),
    }
    return config.model_copy(update=changes)


def _expand_weights(config: StudyConfig) -> tuple[StudyConfig, list[Fault]]:
    """Put the files in the place of patterns; a pattern without any is a fault."""
    files: list[Path] = []
    faults = []
    for number, pattern in enumerate(config.weights):
        found = _expand(pattern)
        if not found:
            faults.append(Fault(("weights", number), f"no weight file is named like {pattern}"))
        for file in found:
            if not file.exists():
                faults.append(Fault(("weights", number), f"no such file: {file}"))
        files += found
    return config.model_copy(update={"weights": files}), faults


def _expand(pattern: Path) -> list[Path]:
    """Give the files a pattern stands for, in order; a name without ``*`` is itself."""
    if not any(sign in pattern.name for sign in "*?[") or pattern.exists():
        return [pattern]
    return sorted(Path(file) for file in glob.glob(str(pattern)))
