"""Definitions of treatment-resistant and responsive depression, as data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pgs_trd.errors import DataError, UsageError, join_faults

# Read by pydantic: an unknown key is a misspelt parameter, never one to ignore.
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class DepressionRule:
    """Who has depression: at least `min_dates` dates with a code of `classes`."""

    classes: tuple[str, ...]
    min_dates: int

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class ExclusionRule:
    """Which diagnoses exclude, and when.

    Attributes
    ----------
    bipolar, psychosis
        Diagnosis classes of the code lists.
    when
        "before_decision": up to the day a person's class is known, which is the
        date of resistance, or the end of the follow-up that the responsive rule
        asks for; later codes end follow-up, they do not reach back. "ever": any
        date, which conditions on the future. "never": no exclusion.
    """

    bipolar: tuple[str, ...]
    psychosis: tuple[str, ...]
    when: Literal["before_decision", "ever", "never"]

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class TrialRule:
    """Which trials count: how long, and how many days before the first diagnosis."""

    min_days: int
    lead_days: int

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class ResistantRule:
    """Resistance: `n_failures` adequate trials in one line, then one drug more.

    A line is a chain of trials with at most `link_days` without any drug between.
    """

    rule: Literal["adequate_then_next"]
    n_failures: int
    link_days: int

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class ResponsiveRule:
    """Response: adequately treated, never resistant, few drugs, long enough observed."""

    rule: Literal["adequate_without_resistance"]
    min_adequate: int
    max_ingredients: int
    max_failures: int
    min_followup_days: int

    __pydantic_config__ = _STRICT


@dataclass(frozen=True)
class Definition:
    """One pair of a resistant and a responsive definition.

    Attributes
    ----------
    id, version, title
        Its names; a change of any rule is a new version.
    status, source
        What is known of where it comes from.
    depression, exclusions, trials, resistant, responsive
        The rules.
    """

    id: str
    version: str
    title: str
    status: str
    source: str
    depression: DepressionRule
    exclusions: ExclusionRule
    trials: TrialRule
    resistant: ResistantRule
    responsive: ResponsiveRule

    __pydantic_config__ = _STRICT

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definition as canonical JSON: equal hash, equal rules and words."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def list_definitions() -> list[str]:
    """Name the definitions that come with the package."""
    folder = files("pgs_trd.phenotype") / "definitions"
    names = [entry.name for entry in folder.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_definition(source: str | Path) -> Definition:
    """Load a definition of the package by its id, or a user's YAML file.

    Raises
    ------
    UsageError
        If there is no such definition or file.
    DataError
        If the file is no definition; every fault is named.
    """
    name = str(source)
    if name in list_definitions():
        path = files("pgs_trd.phenotype") / "definitions" / f"{name}.yaml"
        return parse_definition(path.read_text(encoding="utf-8"), name)
    file = Path(source)
    if not file.is_file():
        raise UsageError(
            f"no definition {name!r} and no such file; there are: {', '.join(list_definitions())}"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file.name}: cannot be read as UTF-8 text: {error}") from error
    return parse_definition(text, file.name)


def parse_definition(text: str, subject: str) -> Definition:
    """Make a definition of YAML text; `subject` names it in messages."""
    # Both are slow to import and needed here only.
    import pydantic
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{subject}: is no YAML: {error}") from error
    try:
        definition = pydantic.TypeAdapter(Definition).validate_python(content)
    except pydantic.ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise DataError(join_faults(subject, faults)) from error
    _check_values(definition, subject)
    return definition


def _check_values(definition: Definition, subject: str) -> None:
    from pgs_trd.ehr.codes import DEPRESSION_CLASSES, EXCLUSION_CLASSES

    exclusions = (*definition.exclusions.bipolar, *definition.exclusions.psychosis)
    least_one = {
        "depression.min_dates": definition.depression.min_dates,
        "resistant.n_failures": definition.resistant.n_failures,
        "responsive.min_adequate": definition.responsive.min_adequate,
        "responsive.max_ingredients": definition.responsive.max_ingredients,
    }
    not_negative = {
        "trials.min_days": definition.trials.min_days,
        "trials.lead_days": definition.trials.lead_days,
        "resistant.link_days": definition.resistant.link_days,
        "responsive.max_failures": definition.responsive.max_failures,
        "responsive.min_followup_days": definition.responsive.min_followup_days,
    }
    faults = [f"{name} must be at least 1, got {n}" for name, n in least_one.items() if n < 1]
    faults += [f"{name} must be at least 0, got {n}" for name, n in not_negative.items() if n < 0]
    faults += [
        f"depression.classes: no class {name!r}; there are {', '.join(DEPRESSION_CLASSES)}"
        for name in definition.depression.classes
        if name not in DEPRESSION_CLASSES
    ]
    faults += [
        f"exclusions: no class {name!r}; there are {', '.join(EXCLUSION_CLASSES)}"
        for name in exclusions
        if name not in EXCLUSION_CLASSES
    ]
    if not definition.depression.classes:
        faults.append("depression.classes is empty: nobody could have depression")
    if faults:
        raise DataError(join_faults(subject, faults))
