"""The rules a definition can be made of, each a frozen set of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Read by pydantic: an unknown key is a misspelt parameter, never one to ignore.
STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class AdequateThenNext:
    """Resistance: `n_failures` adequate trials in one line, then one drug more.

    A line is a chain of trials with at most `link_days` without any drug between.
    """

    rule: Literal["adequate_then_next"]
    n_failures: int
    link_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"resistant ({self.n_failures} failures, then another drug)"


@dataclass(frozen=True)
class AdequateInWindow:
    """As `AdequateThenNext`, and all of it within `window_days` of the first trial's start."""

    rule: Literal["adequate_in_window"]
    n_failures: int
    link_days: int
    window_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return (
            f"resistant ({self.n_failures} failures, then another drug, "
            f"all within {self.window_days} days)"
        )


@dataclass(frozen=True)
class DistinctInPeriod:
    """Resistance: `n_drugs` different drugs in one period; no dose, no duration.

    Prescriptions of one drug are a new instance when more than
    `instance_break_days` lie between two starts. Instances in the order of their
    starts open a new period when more than `period_days` have passed since the
    period's first start, or when the drug is that of the instance before.
    """

    rule: Literal["distinct_in_period"]
    n_drugs: int
    instance_break_days: int
    period_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"resistant ({self.n_drugs} drugs in a period of {self.period_days} days)"


@dataclass(frozen=True)
class QualifyingSwitches:
    """Resistance: `n_switches` switches from two different drugs, and `n_drugs` drugs ever.

    An episode of a drug breaks at more than `episode_break_days` between two of its
    prescriptions and lasts from the first to the last of them; one that is a single
    prescription lasts to the next prescription, if that comes within `max_gap_days`.
    A switch qualifies when the episode before lasted `min_days` and another drug
    follows its last prescription by 1 to `max_gap_days` days.
    """

    rule: Literal["qualifying_switches"]
    n_switches: int
    n_drugs: int
    min_days: int
    episode_break_days: int
    max_gap_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"resistant ({self.n_switches} switches after {self.min_days} days or more)"


@dataclass(frozen=True)
class SwitchInEpisode:
    """Resistance: a drug given for `min_days` ends while its treatment episode goes on.

    Episodes are of all antidepressants together and break at more than
    `episode_break_days` between prescriptions. A drug of the episode counts when
    its first and last prescription lie `min_days` apart (`antipsychotic_min_days`
    for antipsychotics). The first episode with such a drug decides.
    """

    rule: Literal["switch_in_episode"]
    episode_break_days: int
    min_days: int
    antipsychotic_min_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"not responding (a drug of {self.min_days} days or more, then only others)"


@dataclass(frozen=True)
class DistinctInWindow:
    """Resistance: `n_drugs` different drugs within `window_days`, or what alone suffices.

    Attributes
    ----------
    origin
        Where the window begins: start of the first counted trial, or the diagnosis.
    steps
        Procedure classes that count as a drug.
    immediate
        Procedure classes and classes of augmentation drugs that make resistant by
        themselves, in the window and after an antidepressant was begun.
    """

    rule: Literal["distinct_in_window"]
    n_drugs: int
    window_days: int
    origin: Literal["first_antidepressant", "diagnosis"]
    steps: tuple[str, ...]
    immediate: tuple[str, ...]

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        more = f", or {', '.join(self.immediate)}" if self.immediate else ""
        return f"resistant ({self.n_drugs} drugs within {self.window_days} days{more})"


@dataclass(frozen=True)
class OverlappingEras:
    """Resistance: eras of `n_drugs` drugs within `lookback_days`, or an added drug.

    The day is the start of an antidepressant era by which `n_drugs` different drugs
    have eras that end no more than `lookback_days` before, all but one of them begun
    earlier; or the start of an era of `augmentation` with one such antidepressant; or
    of a drug of `markers` with all but one of `n_drugs`. A depression code must lie
    in the same look-back.
    """

    rule: Literal["overlapping_eras"]
    n_drugs: int
    lookback_days: int
    augmentation: tuple[str, ...]
    markers: tuple[str, ...]

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"resistant ({self.n_drugs} drugs in {self.lookback_days} days, or a drug added)"


@dataclass(frozen=True)
class QuickSwitch:
    """Case: the first drug of `from_class` is left after few prescriptions for another.

    From the first prescription of the run to the first of the next drug it takes
    `min_days` to `max_days`; the left drug has at most `max_before` prescriptions
    before, `max_after` after and `max_ever` in all. A contrast to resistance: leaving
    so early is intolerance more often than failure.
    """

    rule: Literal["quick_switch"]
    from_class: str
    min_days: int
    max_days: int
    max_before: int
    max_after: int
    max_ever: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"switched ({self.min_days} to {self.max_days} days after the start)"


@dataclass(frozen=True)
class ScaleFailures:
    """Resistance by symptom scales: `n_failures` adequate trials with too little change.

    A trial is judged by the last score on or before its end or switch, not before
    `min_days`, against the last score up to its start (at most `baseline_days` before).
    Improvement below `resistant_below` percent is a failure, from `response_from` on
    a response; in between it is partial.
    """

    rule: Literal["scale_failures"]
    n_failures: int
    min_days: int
    baseline_days: int
    min_baseline: int
    resistant_below: float
    response_from: float

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"resistant ({self.n_failures} trials with less than {self.resistant_below:g} %)"


Resistant = (
    AdequateThenNext
    | AdequateInWindow
    | DistinctInPeriod
    | QualifyingSwitches
    | SwitchInEpisode
    | DistinctInWindow
    | OverlappingEras
    | QuickSwitch
    | ScaleFailures
)


@dataclass(frozen=True)
class AdequateWithoutResistance:
    """Response: adequately treated, never resistant, few drugs, long enough observed."""

    rule: Literal["adequate_without_resistance"]
    min_adequate: int
    max_ingredients: int
    max_failures: int
    min_followup_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"at most {self.max_ingredients} drugs and failures up to {self.max_failures}"


@dataclass(frozen=True)
class AdequateWithVisits:
    """As `AdequateWithoutResistance`, and visits `span_days` apart after the first trial.

    A visit is a date with a record of care (`Cohort.contacts`): the rule keeps people
    who left unseen from counting as well.
    """

    rule: Literal["adequate_with_visits"]
    min_adequate: int
    max_ingredients: int
    max_failures: int
    min_followup_days: int
    n_visits: int
    span_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return (
            f"at most {self.max_ingredients} drugs and failures up to {self.max_failures}, "
            f"{self.n_visits} visits or more over {self.span_days} days"
        )


@dataclass(frozen=True)
class NeverResistant:
    """Response: adequately treated, few drugs, and resistant by none of other definitions."""

    rule: Literal["never_resistant"]
    min_adequate: int
    max_ingredients: int
    min_followup_days: int
    under: tuple[str, ...]

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return (
            f"at most {self.max_ingredients} drugs, resistant by none of "
            f"{len(self.under)} definitions"
        )


@dataclass(frozen=True)
class TreatedWithoutResistance:
    """Response: everybody else with at least `min_trials` trials, observed long enough."""

    rule: Literal["treated_without_resistance"]
    min_trials: int
    min_followup_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"{self.min_trials} trials or more"


@dataclass(frozen=True)
class StableEpisode:
    """Comparator: an episode of one drug of `from_class` with `min_scripts` prescriptions.

    The episode breaks at more than `episode_break_days`; two of its prescriptions lie
    less than `max_interval_days` apart.
    """

    rule: Literal["stable_episode"]
    from_class: str
    min_scripts: int
    max_interval_days: int
    episode_break_days: int
    min_followup_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return f"an episode of {self.min_scripts} prescriptions or more of one {self.from_class}"


@dataclass(frozen=True)
class RuleResponders:
    """Response as the resistant rule itself tells it: its own class of responders."""

    rule: Literal["responders_of_rule"]
    min_followup_days: int

    __pydantic_config__ = STRICT

    @property
    def text(self) -> str:
        """Say the rule in a few words."""
        return "a responder by the same rule"


Responsive = (
    AdequateWithoutResistance
    | AdequateWithVisits
    | NeverResistant
    | TreatedWithoutResistance
    | StableEpisode
    | RuleResponders
)
