"""Apply the rules of definitions to one cohort, each part of a rule once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.arrays import (
    NEVER,
    BoolArray,
    IntArray,
    first_of,
    pair_rows,
    sort_key,
    to_dates,
)
from pgs_trd.phenotype import rules, script_rules
from pgs_trd.phenotype.arrays import Events, Trials, join_kinds, nth_date
from pgs_trd.phenotype.cohort import Cohort, first_dates
from pgs_trd.phenotype.definition import Definition, DepressionRule, MarkerRule, load_definition
from pgs_trd.phenotype.rule_types import (
    AdequateInWindow,
    AdequateThenNext,
    AdequateWithoutResistance,
    AdequateWithVisits,
    DistinctInPeriod,
    DistinctInWindow,
    NeverResistant,
    OverlappingEras,
    QualifyingSwitches,
    QuickSwitch,
    ScaleFailures,
    StableEpisode,
    SwitchInEpisode,
    TreatedWithoutResistance,
)
from pgs_trd.phenotype.scale_rules import judge_by_scales

FAILURE_LINK_DAYS = 180
"""Longest wait for the next drug of a failed trial where the rule itself names none."""

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """The parts of rules that were worked out for a cohort, kept by what they depend on."""

    cohort: Cohort
    _known: dict[Hashable, object] = field(default_factory=dict, repr=False)

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = make()
        return cast(T, self._known[key])

    def depression(self, rule: DepressionRule) -> tuple[IntArray, IntArray]:
        """Give first diagnosis and the day the diagnoses were enough (`NEVER`: never)."""

        def make() -> tuple[IntArray, IntArray]:
            n = self.cohort.n_people
            events = self.cohort.diagnoses.of(rule.classes)
            known = nth_date(events, rule.min_dates, n)
            if rule.min_inpatient_dates is not None:
                inpatient = self.cohort.inpatient_diagnoses.of(rule.classes)
                known = np.minimum(known, nth_date(inpatient, rule.min_inpatient_dates, n))
            first = first_of(events.person, events.day, n)
            return np.where(known < NEVER, first, NEVER), known

        return self._once(rule, make)

    def exclusion(self, classes: tuple[str, ...]) -> IntArray:
        """Give the first diagnosis of some classes."""
        return self._once(("exclusion", classes), lambda: first_dates(self.cohort, classes))

    def counted(self, definition: Definition) -> Trials:
        """Give the trials of people with depression that start late enough."""
        lead, least = definition.trials.lead_days, definition.trials.min_prescriptions

        def make() -> Trials:
            trials = self.cohort.trials
            if least > 1:
                given = self.cohort.trial_table["n_prescriptions"].to_numpy()
                trials = rules.find_switches_anew(trials.take(given >= least))
            trials = rules.join_drugs(trials, definition.one_drug)
            return trials.take(self._since(definition, trials.person, trials.start))

        key = ("counted", definition.depression, lead, least, definition.one_drug)
        return self._once(key, make)

    def _since(self, definition: Definition, person: IntArray, day: IntArray) -> BoolArray:
        first = self.depression(definition.depression)[0][person]
        lead = definition.trials.lead_days
        late: BoolArray = (first < NEVER) & ((day >= first - lead) if lead is not None else True)
        return late

    def scripts(self, definition: Definition) -> Events:
        """Give the prescription days of people with depression that are late enough."""
        lead = definition.trials.lead_days

        def make() -> Events:
            scripts = join_kinds(self.cohort.scripts, definition.one_drug)
            return scripts.take(self._since(definition, scripts.person, scripts.day))

        key = ("scripts", definition.depression, lead, definition.one_drug)
        return self._once(key, make)

    def counts(self, definition: Definition) -> dict[str, IntArray]:
        """Count trials a person (`count_trials`), and give the ``index`` day.

        That is the start of the first counted trial, or the first diagnosis without one.
        """
        link = getattr(definition.resistant, "link_days", FAILURE_LINK_DAYS)
        trials = definition.trials

        def make() -> dict[str, IntArray]:
            found = rules.count_trials(
                self.counted(definition),
                self.cohort.n_people,
                min_days=trials.min_days,
                link_days=link,
            )
            start, first = found["first_start"], self.depression(definition.depression)[0]
            found["index"] = np.where(start < NEVER, start, first)
            for array in found.values():
                array.flags.writeable = False  # the tables of several definitions share them
            return found

        return self._once(
            ("counts", definition.depression, trials, link, definition.one_drug), make
        )

    def first_exclusion(self, definition: Definition) -> IntArray:
        """Give the first diagnosis of any class that the definition excludes."""
        exclusions, other = definition.exclusions, definition.other_exclusions
        classes = (exclusions.bipolar, exclusions.psychosis, other)
        return self._once(
            ("first exclusion", *classes),
            lambda: np.minimum.reduce([self.exclusion(each) for each in classes]),
        )

    def dates(self, days: IntArray) -> npt.NDArray[np.datetime64]:
        """Give the dates of days, one array for all definitions of which the days are equal."""

        def make() -> npt.NDArray[np.datetime64]:
            dates = to_dates(days)
            dates.flags.writeable = False  # the tables of several definitions share them
            return dates

        return self._once(("dates", sha256(days.tobytes()).digest()), make)

    def resistance(self, definition: Definition) -> tuple[IntArray, BoolArray]:
        """Give the day of resistance, and who responds if the rule itself tells it."""
        key = (
            "resistance",
            definition.depression,
            definition.trials,
            definition.resistant,
            definition.markers,
            definition.one_drug,
        )
        return self._once(key, lambda: self._resistance(definition))

    def _resistance(self, definition: Definition) -> tuple[IntArray, BoolArray]:
        rule, n = definition.resistant, self.cohort.n_people
        nobody = np.zeros(n, dtype=bool)
        if isinstance(rule, SwitchInEpisode):
            return script_rules.switch_in_episode(
                self.scripts(definition), self.cohort.antipsychotic_scripts, rule, n
            )
        if isinstance(rule, ScaleFailures):
            return judge_by_scales(self.counted(definition), self.cohort.scores, rule, n)
        if isinstance(rule, DistinctInPeriod):
            return script_rules.distinct_in_period(self.scripts(definition), rule, n), nobody
        if isinstance(rule, QualifyingSwitches):
            return script_rules.qualifying_switches(self.scripts(definition), rule, n), nobody
        if isinstance(rule, QuickSwitch):
            scripts = self.scripts(definition)
            classes = self.cohort.classes_of(scripts.kinds)
            return script_rules.quick_switch(scripts, classes, rule, n), nobody
        if isinstance(rule, DistinctInWindow):
            return self._distinct_in_window(definition, rule), nobody
        if isinstance(rule, OverlappingEras):
            return self._overlapping_eras(definition, rule), nobody
        return self._adequate_then_next(definition, rule), nobody

    def _adequate_then_next(
        self, definition: Definition, rule: AdequateThenNext | AdequateInWindow
    ) -> IntArray:
        trials = self.counted(definition)
        if definition.markers is not None:
            trials = rules.add_steps(trials, [self._marker_steps(definition, definition.markers)])
        return rules.resistance_days(
            trials,
            self.cohort.n_people,
            n_failures=rule.n_failures,
            link_days=rule.link_days,
            min_days=definition.trials.min_days,
            window_days=rule.window_days if isinstance(rule, AdequateInWindow) else NEVER,
        )

    def _marker_steps(self, definition: Definition, markers: MarkerRule) -> Trials:
        """Give procedures, marking drugs and added drugs as steps of a chain."""
        table, trials = self.cohort.adjuncts, self.counted(definition)
        is_added = (table["kind"] == "augmentation") & table["drug_class"].isin(
            markers.augmentation
        )
        is_marker = table["name"].isin([*markers.procedures, *markers.drugs])
        is_marker &= table["kind"].isin(["procedure", "marker"])
        added = self._established(table[is_added], trials, markers.min_overlap_days)
        chosen = pd.concat([table[is_marker], added], ignore_index=True)
        return self._as_steps(definition, chosen, trials, as_failure=markers.as_failure)

    def _established(self, added: pd.DataFrame, trials: Trials, min_overlap: int) -> pd.DataFrame:
        """Keep drugs begun beside an antidepressant, dated by when they were long enough."""
        person = added["row"].to_numpy(dtype=np.int64)
        start, end = added["start"].to_numpy(), added["end"].to_numpy()
        low = np.searchsorted(trials.person, person, side="left")
        high = np.searchsorted(trials.person, person, side="right")
        left, other = pair_rows(low, high)
        together = np.minimum(trials.end[other], end[left]) - start[left]
        beside = (trials.start[other] <= start[left]) & (together >= max(min_overlap, 1))
        kept = np.zeros(len(added), dtype=bool)
        kept[left[beside]] = True
        found = added[kept]
        begins = found["start"] + min_overlap
        return found.assign(start=begins, end=np.maximum(found["end"], begins + 1))

    def _as_steps(
        self, definition: Definition, table: pd.DataFrame, trials: Trials, *, as_failure: bool
    ) -> Trials:
        person = table["row"].to_numpy(dtype=np.int64)
        start = table["start"].to_numpy(dtype=np.int64)
        late = (person >= 0) & self._since(definition, person, start)
        names = sorted(set(table["name"]))
        number = table["name"].map({name: i for i, name in enumerate(names)})
        drug = number.to_numpy(dtype=np.int64) + len(trials.drugs)
        n = int(late.sum())
        return Trials(
            person=person[late],
            start=start[late],
            end=table["end"].to_numpy(dtype=np.int64)[late],
            drug=drug[late],
            switch=np.full(n, NEVER, dtype=np.int64),
            fails_anyway=np.full(n, as_failure),
            is_last_step=np.full(n, not as_failure),
            drugs=trials.drugs,
        )

    def _distinct_in_window(self, definition: Definition, rule: DistinctInWindow) -> IntArray:
        trials, n = self.counted(definition), self.cohort.n_people
        begun = first_of(trials.person, trials.start, n)
        diagnosed = self.depression(definition.depression)[0]
        origin = begun if rule.origin == "first_antidepressant" else diagnosed
        table = self.cohort.adjuncts if rule.steps or rule.immediate else None
        steps = trials
        if table is not None and rule.steps:
            counted = table[table["name"].isin(rule.steps)]
            steps = rules.add_steps(
                trials, [self._as_steps(definition, counted, trials, as_failure=True)]
            )
        day = rules.distinct_in_window(
            steps, origin, n_drugs=rule.n_drugs, window_days=rule.window_days
        )
        if table is None or not rule.immediate:
            return day
        alone = table[table["name"].isin(rule.immediate) | table["drug_class"].isin(rule.immediate)]
        person, start = alone["row"].to_numpy(dtype=np.int64), alone["start"].to_numpy()
        since = start - np.maximum(origin, begun)[person]
        inside = (since >= 0) & (start - origin[person] <= rule.window_days)
        return np.minimum(day, first_of(person[inside], start[inside], n))

    def _overlapping_eras(self, definition: Definition, rule: OverlappingEras) -> IntArray:
        trials, n = self.counted(definition), self.cohort.n_people
        person, day = rules.overlapping_eras(
            trials, n_drugs=rule.n_drugs, lookback_days=rule.lookback_days
        )
        table = self.cohort.adjuncts
        for names, n_drugs, lead in (
            (rule.augmentation, 1, 0),
            (rule.markers, rule.n_drugs - 1, 1),
        ):
            added = table[table["name"].isin(names) & (table["kind"] != "procedure")]
            rows, start = added["row"].to_numpy(dtype=np.int64), added["start"].to_numpy()
            after = rules.added_to(
                trials,
                rows,
                start,
                n_drugs=n_drugs,
                lookback_days=rule.lookback_days,
                min_lead_days=lead,
            )
            person = np.concatenate([person, rows[after]])
            day = np.concatenate([day, start[after]])
        coded = self.cohort.diagnoses.of(definition.depression.classes)
        key = sort_key(coded.person, coded.day)
        low = np.searchsorted(key, sort_key(person, day - rule.lookback_days), side="left")
        high = np.searchsorted(key, sort_key(person, day), side="right")
        return first_of(person[high > low], day[high > low], n)

    def is_responsive(self, definition: Definition) -> BoolArray:
        """Say who is as the responsive rule asks, follow-up and resistance apart."""
        rule, counts = definition.responsive, self.counts(definition)
        if isinstance(rule, AdequateWithoutResistance | AdequateWithVisits):
            simple: BoolArray = (
                (counts["n_adequate"] >= rule.min_adequate)
                & (counts["n_ingredients"] <= rule.max_ingredients)
                & (counts["n_failed"] <= rule.max_failures)
            )
            return simple
        if isinstance(rule, NeverResistant):
            fits = counts["n_adequate"] >= rule.min_adequate
            fits &= counts["n_ingredients"] <= rule.max_ingredients
            for other in rule.under:
                fits &= self.resistance(load_definition(other))[0] == NEVER
            return fits
        if isinstance(rule, TreatedWithoutResistance):
            treated: BoolArray = counts["n_trials"] >= rule.min_trials
            return treated
        if isinstance(rule, StableEpisode):
            scripts = self.scripts(definition)
            classes = self.cohort.classes_of(scripts.kinds)
            return script_rules.stable_episode(scripts, classes, rule, self.cohort.n_people)
        return self.resistance(definition)[1]

    def has_visits(self, definition: Definition, index: IntArray) -> BoolArray:
        """Say who was seen often enough over long enough after the index day."""
        rule = definition.responsive
        n = self.cohort.n_people
        if not isinstance(rule, AdequateWithVisits):
            return np.ones(n, dtype=bool)
        contacts = self.cohort.contacts
        after = contacts.take(contacts.day > index[contacts.person])
        n_days = np.bincount(after.person, minlength=n)
        last = np.full(n, -NEVER, dtype=np.int64)
        np.maximum.at(last, after.person, after.day)
        span = last - first_of(after.person, after.day, n)
        enough: BoolArray = (n_days >= rule.n_visits) & (span >= rule.span_days)
        return enough
