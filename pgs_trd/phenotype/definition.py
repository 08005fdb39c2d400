"""Definitions of treatment-resistant and responsive depression, as data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.phenotype import rule_types
from pgs_trd.phenotype.rule_types import STRICT, NeverResistant, Resistant, Responsive

_AT_LEAST_ONE = (
    "min_dates",
    "min_inpatient_dates",
    "n_failures",
    "n_drugs",
    "n_switches",
    "n_visits",
    "min_adequate",
    "min_scripts",
    "min_prescriptions",
    "max_ingredients",
    "min_baseline",
)


@dataclass(frozen=True)
class DepressionRule:
    """Who has depression: at least `min_dates` dates with a code of `classes`.

    Where `min_inpatient_dates` is stated, so many dates with a code given in hospital
    are enough as well.
    """

    classes: tuple[str, ...]
    min_dates: int
    min_inpatient_dates: int | None = None

    __pydantic_config__ = STRICT


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

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class TrialRule:
    """Which trials count: how long, and how many days before the first diagnosis.

    `lead_days` None: at any time, also long before a diagnosis. With
    `min_prescriptions` of 2 or more, a drug that was given less often is as if it had
    not been given: the date of a trial is its start all the same, though that it
    counts is known only later.
    """

    min_days: int
    lead_days: int | None
    min_prescriptions: int = 1

    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class MarkerRule:
    """What else counts as the next step of a chain of trials.

    Attributes
    ----------
    procedures
        Procedure classes, such as ECT.
    drugs
        Ingredients that mark resistance, such as esketamine.
    augmentation
        Classes of added drugs, such as SGA (antipsychotics of the second
        generation): begun after an antidepressant and taken beside it for
        `min_overlap_days`. Their date is the day that overlap was reached.
    min_overlap_days
        Days beside an antidepressant.
    as_failure
        Whether such a step can also be one of the failed trials.
    """

    procedures: tuple[str, ...]
    drugs: tuple[str, ...]
    augmentation: tuple[str, ...]
    min_overlap_days: int
    as_failure: bool

    __pydantic_config__ = STRICT


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
    other_exclusions
        Diagnosis classes that exclude besides, such as dementia or substance use;
        when is said in `exclusions`.
    markers
        What counts as a step besides antidepressant trials; None: nothing.
    one_drug
        Groups of ingredients that count as one drug, such as citalopram and
        escitalopram; a change within a group is no switch.
    known, unknown, not_applied
        Of a published rule: what is applied as published, what the publication
        does not say (and is chosen here), and what it says that is not applied.
    """

    id: str
    version: str
    title: str
    status: str
    source: str
    depression: DepressionRule
    exclusions: ExclusionRule
    trials: TrialRule
    resistant: Resistant
    responsive: Responsive
    other_exclusions: tuple[str, ...] = ()
    markers: MarkerRule | None = None
    one_drug: tuple[tuple[str, ...], ...] = ()
    known: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    not_applied: tuple[str, ...] = ()

    __pydantic_config__ = STRICT

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definition as canonical JSON: equal hash, equal rules and words.

        What is not stated is left out, so that a parameter that later versions of
        the package add does not change the hash of definitions without it.
        """
        content = {name: value for name, value in asdict(self).items() if value not in ((), None)}
        if self.depression.min_inpatient_dates is None:
            del content["depression"]["min_inpatient_dates"]
        if self.trials.min_prescriptions == 1:
            del content["trials"]["min_prescriptions"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def list_definitions() -> list[str]:
    """Name the definitions that come with the package, those of grids not among them."""
    return _names("definitions")


def list_grids() -> list[str]:
    """Name the grids of definitions that come with the package."""
    return _names("grids")


def load_definition(source: str | Path) -> Definition:
    """Load a definition of the package or of a grid by its id, or a user's YAML file.

    Raises
    ------
    UsageError
        If there is no such definition or file.
    DataError
        If the file is no definition; every fault is named.
    """
    name = str(source)
    if name in list_definitions():
        return parse_definition(_read(_folder("definitions") / f"{name}.yaml"), name)
    for grid in list_grids():
        if name.startswith(f"{grid}_"):
            for definition in load_grid(grid):
                if definition.id == name:
                    return definition
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


@lru_cache(maxsize=8)
def load_grid(name: str = "grid") -> tuple[Definition, ...]:
    """Load every pair of a resistant and a responsive rule of one grid.

    Returns
    -------
    tuple
        Definitions with the ids ``<grid>_<resistant>_<responsive>``, the resistant
        rules in the outer order. The responsive rule "never_resistant" of a pair
        names all resistant rules of the grid.

    Raises
    ------
    UsageError
        If there is no such grid.
    """
    if name not in list_grids():
        raise UsageError(f"no grid {name!r}; there are: {', '.join(list_grids())}")
    content = _yaml(_read(_folder("grids") / f"{name}.yaml"), name)
    base, resistant, responsive = content["base"], content["resistant"], content["responsive"]
    plain = next(iter(responsive))
    made = []
    for r_name, r_rules in resistant.items():
        for c_name, c_rules in responsive.items():
            title = f"{r_rules['title']}; {c_rules['title']}"
            rules = {key: value for key, value in r_rules.items() if key != "title"}
            pair = {**base, **rules, "title": title, "id": f"{name}_{r_name}_{c_name}"}
            pair["responsive"] = c_rules["rules"]
            made.append(_make(pair, f"{name}_{r_name}_{c_name}"))
    under = tuple(f"{name}_{r_name}_{plain}" for r_name in resistant)
    return tuple(_name_others(definition, under) for definition in made)


def _name_others(definition: Definition, under: tuple[str, ...]) -> Definition:
    if not isinstance(definition.responsive, NeverResistant):
        return definition
    return replace(definition, responsive=replace(definition.responsive, under=under))


def parse_definition(text: str, subject: str) -> Definition:
    """Make a definition of YAML text; `subject` names it in messages."""
    return _make(_yaml(text, subject), subject)


def _yaml(text: str, subject: str) -> Any:
    # Slow to import and needed here only.
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"{subject}: is no YAML: {error}") from error


def _make(content: object, subject: str) -> Definition:
    import pydantic

    chosen = _chosen_rules(content)
    try:
        definition = pydantic.TypeAdapter(Definition).validate_python(content)
    except pydantic.ValidationError as error:
        # Of a choice between rules only the faults of the one that was named.
        faults = [
            f"{'.'.join(_place(fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
            if _concerns(fault["loc"], chosen)
        ]
        raise DataError(join_faults(subject, faults)) from error
    _check_values(definition, subject)
    return definition


def _chosen_rules(content: object) -> dict[str, str]:
    """Find the class of rule that each choice of the file names."""
    chosen = {}
    for part, kinds in (
        ("resistant", rule_types.Resistant),
        ("responsive", rule_types.Responsive),
    ):
        rules = content.get(part) if isinstance(content, dict) else None
        named = rules.get("rule") if isinstance(rules, dict) else None
        by_rule = {
            get_args(get_type_hints(kind)["rule"])[0]: kind.__name__ for kind in get_args(kinds)
        }
        chosen[part] = by_rule.get(str(named), next(iter(by_rule.values())))
    return chosen


def _concerns(location: tuple[int | str, ...], chosen: dict[str, str]) -> bool:
    part = str(location[0]) if location else ""
    return part not in chosen or len(location) < 2 or location[1] == chosen[part]


def _place(location: tuple[int | str, ...]) -> list[str]:
    """Name a place without the class of the rule, which users never wrote."""
    is_choice = len(location) > 1 and location[0] in ("resistant", "responsive")
    return [str(step) for step in (location[:1] + location[2:] if is_choice else location)]


def _check_values(definition: Definition, subject: str) -> None:
    from pgs_trd.ehr.codes import DEPRESSION_CLASSES, read_codelist

    excluding = sorted(set(read_codelist("exclusions")["diagnosis_class"]))
    exclusions = (
        *definition.exclusions.bipolar,
        *definition.exclusions.psychosis,
        *definition.other_exclusions,
    )
    parts = {
        part: content for part, content in asdict(definition).items() if isinstance(content, dict)
    }
    faults = []
    for part, content in parts.items():
        for name, value in content.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            least = 1 if name in _AT_LEAST_ONE else 0
            if value < least:
                faults.append(f"{part}.{name} must be at least {least}, got {value}")
    faults += [
        f"depression.classes: no class {name!r}; there are {', '.join(DEPRESSION_CLASSES)}"
        for name in definition.depression.classes
        if name not in DEPRESSION_CLASSES
    ]
    faults += [
        f"exclusions: no class {name!r}; there are {', '.join(excluding)}"
        for name in exclusions
        if name not in excluding
    ]
    if not definition.depression.classes:
        faults.append("depression.classes is empty: nobody could have depression")
    if faults:
        raise DataError(join_faults(subject, faults))


def _names(folder: str) -> list[str]:
    names = [entry.name for entry in _folder(folder).iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _folder(name: str) -> Traversable:
    return files("pgs_trd.phenotype") / name


def _read(path: Traversable) -> str:
    return path.read_text(encoding="utf-8")
