"""Courses of treatment: which drug, from when to when, and every fill of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# The steps of a course: two adequate trials, each maybe after a drug that was not tolerated, the
# third drug that makes resistance visible, maybe a fourth and a fifth; and for people who were
# helped, maybe the same drug again after a relapse.
FIRST_TRY, FIRST, SECOND_TRY, SECOND, THIRD, FOURTH, FIFTH, REPEAT = range(8)
N_STEPS = 8
UNUSED, INTOLERANT, FAILED, HELPED = range(4)
INTOLERANCE = 0.10
HELPED_BY_FIRST = 0.65
UNTREATED, RELAPSE, NEXT_DRUG = 0.04, 0.20, 0.5
TRIAL_SCALE, LONGEST_TRIAL = 178.0, 900
FEWEST_FILLS = 3


@dataclass(frozen=True)
class Courses:
    """Courses of treatment; arrays (n_people, n_steps), days from the first drug's start.

    Attributes
    ----------
    kind
        UNUSED, INTOLERANT (stopped within four weeks), FAILED or HELPED.
    drug
        Number of the antidepressant.
    start, stop
        Days; `stop` is when the drug is given up or runs out.
    n_fills, first_supply, supply
        Dispensings of the step, the days' supply of the first and of the others.
    delay
        Mean days between running out and the next fill; negative is early.
    lapse_at, lapse_days
        Before which fill the person paused, and for how many days more.
    third_start : (n_people,)
        When the third drug would start, were the person resistant: drawn for
        everybody, so that how long a person is observed tells nothing about the
        class.
    """

    kind: IntArray
    drug: IntArray
    start: IntArray
    stop: IntArray
    n_fills: IntArray
    first_supply: IntArray
    supply: IntArray
    delay: FloatArray
    lapse_at: IntArray
    lapse_days: IntArray
    third_start: IntArray


def draw_courses(
    is_resistant: BoolArray, drug_shares: FloatArray, rng: np.random.Generator
) -> Courses:
    """Draw the treatment of people with MDD from their latent class.

    Every drug has a latent efficacy in a person: none for resistant people, whose
    adequate trials all fail; for the others the first or at latest the second
    drug that is tolerated helps. A resistant course has two adequate trials and a
    third drug; the others never have a third drug after two adequate ones. Trials
    that fail last about 400 days on average (at least 84), so that the third drug
    starts about 940 days after the diagnosis, as Xu et al. (2025) report.

    Parameters
    ----------
    is_resistant : (n_people,)
        Latent class.
    drug_shares : (n_drugs,)
        How often each drug is tried; a person never tries one twice in the steps
        up to the fifth drug.
    """
    n = len(is_resistant)
    kind = _resistant_kinds(n, rng)
    drug = _choose_drugs(kind != UNUSED, drug_shares, rng)
    adherence = rng.uniform(0.0, 8.0, size=(n, 1))
    days = np.minimum(75 + rng.gamma(2.0, TRIAL_SCALE, size=(n, N_STEPS)), LONGEST_TRIAL)
    fills = _draw_fills(kind, days, adherence, rng)
    start, stop = _place(kind, fills, rng)
    third_start = start[:, THIRD].copy()

    helping = np.where(rng.random(n) < HELPED_BY_FIRST, FIRST, SECOND)
    responds = ~is_resistant
    step = np.arange(N_STEPS)
    kind[responds[:, np.newaxis] & (step > helping[:, np.newaxis])] = UNUSED
    kind[responds & (rng.random(n) < UNTREATED)] = UNUSED
    treated = np.flatnonzero(responds & (kind[np.arange(n), helping] != UNUSED))
    kind[treated, helping[treated]] = HELPED
    relapsed = treated[rng.random(len(treated)) < RELAPSE]
    kind[relapsed, REPEAT] = HELPED
    drug[relapsed, REPEAT] = drug[relapsed, helping[relapsed]]

    helped = kind == HELPED
    days = 100 + rng.gamma(1.5, 300.0, size=(n, N_STEPS))
    for known, drawn in zip(fills, _draw_fills(kind, days, adherence, rng), strict=True):
        known[helped] = drawn[helped]
    stop[helped] = start[helped] + _span(fills)[helped]
    after = stop[relapsed, helping[relapsed]]
    start[relapsed, REPEAT] = after + rng.integers(200, 700, size=len(relapsed))
    stop[relapsed, REPEAT] = start[relapsed, REPEAT] + _span(fills)[relapsed, REPEAT]
    return Courses(kind, drug, start, stop, *fills, third_start=third_start)


def list_fills(courses: Courses, rng: np.random.Generator) -> pd.DataFrame:
    """List every fill: person and step (numbers), drug, day, supply (true days)."""
    person, step = np.nonzero(courses.kind != UNUSED)
    n_fills = courses.n_fills[person, step]
    row = np.repeat(np.arange(len(person)), n_fills)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_fills) - n_fills, n_fills)
    person, step = person[row], step[row]
    at = (person, step)
    later = number > 0
    elapsed = courses.first_supply[at] + (number - 1) * courses.supply[at]
    elapsed += np.rint(number * courses.delay[at]).astype(np.int64)
    elapsed += rng.integers(-3, 4, size=len(row))
    day = courses.start[at] + np.where(later, elapsed, 0)
    day += np.where(number >= courses.lapse_at[at], courses.lapse_days[at], 0)
    return pd.DataFrame(
        {
            "person": person,
            "step": step,
            "drug": courses.drug[at],
            "day": day,
            "supply": np.where(later, courses.supply[at], courses.first_supply[at]),
        }
    )


Fills = tuple[IntArray, IntArray, IntArray, FloatArray, IntArray, IntArray]


def _resistant_kinds(n: int, rng: np.random.Generator) -> IntArray:
    """Give each step its kind, as if everybody were resistant."""
    kind = np.full((n, N_STEPS), UNUSED, dtype=np.int64)
    kind[:, [FIRST, SECOND, THIRD]] = FAILED
    for tried in (FIRST_TRY, SECOND_TRY):
        kind[rng.random(n) < INTOLERANCE, tried] = INTOLERANT
    has_fourth = rng.random(n) < NEXT_DRUG
    kind[has_fourth, FOURTH] = FAILED
    kind[has_fourth & (rng.random(n) < NEXT_DRUG), FIFTH] = FAILED
    late = kind[:, [THIRD, FOURTH, FIFTH]]
    late[(late == FAILED) & (rng.random(late.shape) < INTOLERANCE)] = INTOLERANT
    kind[:, [THIRD, FOURTH, FIFTH]] = late
    return kind


def _choose_drugs(is_used: BoolArray, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Choose different drugs for the steps of a person, by Gumbel's trick."""
    keys = np.log(shares) + rng.gumbel(size=(len(is_used), len(shares)))
    ranked = np.argsort(-keys, axis=1)
    place = np.maximum(is_used.cumsum(axis=1) - 1, 0)
    return np.take_along_axis(ranked, place, axis=1)


def _draw_fills(
    kind: IntArray, days: FloatArray, adherence: FloatArray, rng: np.random.Generator
) -> Fills:
    """Draw number, size and timing of the fills of steps that last about `days`."""
    shape = kind.shape
    first_supply = rng.choice([28, 30], size=shape, p=[0.25, 0.75])
    supply = rng.choice([28, 30, 90], size=shape, p=[0.2, 0.55, 0.25])
    delay = np.maximum(adherence + rng.uniform(-2.0, 2.0, size=shape), -1.0)
    n_later = np.ceil((days - first_supply) / (supply + delay)).astype(np.int64)
    n_fills = np.maximum(1 + n_later, FEWEST_FILLS)
    is_intolerant = kind == INTOLERANT
    n_fills[is_intolerant] = 1
    starter = is_intolerant & (rng.random(shape) < 0.3)
    first_supply[starter] = 14
    lapses = (n_fills > FEWEST_FILLS + 1) & (supply < 90) & (rng.random(shape) < 0.1)
    lapse_at = np.where(lapses, rng.integers(FEWEST_FILLS, np.maximum(n_fills, 4)), 10**6)
    lapse_days = np.where(lapses, rng.integers(35, 75, size=shape), 0)
    return n_fills, first_supply, supply, delay, lapse_at, lapse_days


def _span(fills: Fills) -> IntArray:
    """Give the days from the first fill to the end of the last one's supply."""
    n_fills, first_supply, supply, delay, _, lapse_days = fills
    later = n_fills - 1
    delays = np.rint(later * delay).astype(np.int64)
    span: IntArray = first_supply + later * supply + delays + lapse_days
    return span


def _place(kind: IntArray, fills: Fills, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Put the steps one after another; the first one used starts at day 0."""
    shape = kind.shape
    is_intolerant = kind == INTOLERANT
    span = np.where(is_intolerant, rng.integers(7, 28, size=shape), _span(fills))
    gap = np.minimum(rng.exponential(25.0, size=shape), 90.0) - rng.integers(0, 8, size=shape)
    soon = np.minimum(rng.exponential(7.0, size=shape), 30.0)
    gap = np.rint(np.where(is_intolerant, soon, gap)).astype(np.int64)
    start = np.zeros(shape, dtype=np.int64)
    now = np.zeros(shape[0], dtype=np.int64)
    for step in range(N_STEPS):
        start[:, step] = now
        now = np.where(kind[:, step] == UNUSED, now, now + span[:, step] + gap[:, step])
    return start, start + span
