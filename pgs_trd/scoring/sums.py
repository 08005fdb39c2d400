"""The sums of a run, and how blocks of genotypes are added to them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pgs_trd.genotypes import GenotypeBlock
from pgs_trd.scoring.haploid import (
    AlleleRule,
    Int8Array,
    count_block,
    group_rows,
    write_alike,
)
from pgs_trd.scoring.kernel import Effects, IntArray, Kernel, aligned_zeros
from pgs_trd.scoring.plan import FilePlan, FloatArray, Missing, Scale, count_as

# Up to so many columns are added one by one, by the kernel for a single score.
FEW_COLUMNS = 3
PRESENT = np.array([[2.0, 0.0, 2.0, 2.0]])
FIRST, ONE = np.zeros(1, dtype=np.int64), np.ones(1)


@dataclass(frozen=True)
class Options:
    """How calls are counted; see `score`."""

    missing: Missing
    scale: Scale
    given: FloatArray | None


@dataclass(frozen=True)
class ReadyBlock:
    """A block of genotypes with what its calls add.

    Attributes
    ----------
    block
        The genotypes, haploid calls written as two alike.
    tables : (n_slabs, n_rows, 4, width)
        What each code adds; rows of `groups` are zero here.
    groups
        For rows in which not every call counts as two alleles: their places, the
        alleles of each person's call, what the codes add where it is two, and where
        it is one.
    n_missing
        Missing calls whose value was taken from this sample's frequencies.
    n_uncalled
        Rows of which no frequency is known, since nobody is called.
    """

    block: GenotypeBlock
    tables: IntArray
    groups: list[tuple[IntArray, Int8Array, IntArray, IntArray]]
    n_missing: int
    n_uncalled: int


@dataclass(frozen=True)
class Pattern:
    """A set of variants that some scores of one file are over.

    Attributes
    ----------
    counter
        Number of the set among those of all files.
    columns
        The scores.
    n_rows
        Size of the set.
    included : (n_plan_rows,) or None
        Which rows of the file's plan; None means all.
    """

    counter: int
    columns: IntArray
    n_rows: int
    included: npt.NDArray[np.bool_] | None


class Sums:
    """Sums of people over variants: the scores, then the alleles that they are over.

    Alleles are counted in columns of their own where they differ between people.
    """

    def __init__(self, n_people: int, plans: Sequence[FilePlan], options: Options) -> None:
        self.plans = plans
        self.options = options
        self.n_scores = sum(len(plan.columns) for plan in plans)
        self.patterns = _patterns(plans)
        n_counters = sum(len(patterns) for patterns in self.patterns)
        n_columns = self.n_scores + (n_counters if options.missing == "zero" else 0)
        if n_columns <= FEW_COLUMNS:
            self.n_slabs, self.width = n_columns, 1
        else:
            self.n_slabs, self.width = 1, -(-n_columns // 8) * 8
        self.n_columns = n_columns
        self.slabs = aligned_zeros((self.n_slabs, n_people, self.width))
        # What is taken from the alleles of rows that are not diploid for all.
        self._too_many: dict[int, IntArray] = {}

    def prepare(self, kernel: Kernel, block: GenotypeBlock, rule: AlleleRule) -> ReadyBlock:
        """Count a block and work out what its calls add."""
        special = rule.ploidies(block)
        if special is not None:
            block = write_alike(block, special[0])
        frequency, n_missing = count_block(kernel, block, special)
        taken = n_missing if self.options.missing == "mean" else 0 * n_missing
        if self.options.given is not None:
            stated = self.options.given[block.rows]
            is_stated = ~np.isnan(stated)
            taken = np.where(is_stated, 0, taken)
            frequency = np.where(is_stated, stated, frequency)
        rows = np.arange(len(block.rows))
        tables = self._fill(kernel, block, rows, frequency, is_haploid=False)
        groups = []
        if special is not None:
            places, ploidy = special
            alleles = rule.count_x_twice(block, places, ploidy)
            odd = (alleles != 2).any(axis=1)
            places, alleles = places[odd], alleles[odd]
            for group, kind in group_rows(alleles) if len(places) else ():
                here = places[group]
                once = self._fill(kernel, block, here, frequency, is_haploid=True)
                groups.append((here, kind, tables[:, here].copy(), once))
            tables[:, places] = 0
        n_uncalled = int(np.isnan(frequency).sum())
        return ReadyBlock(block, tables, groups, int(taken.sum()), n_uncalled)

    def add(self, kernel: Kernel, ready: ReadyBlock) -> None:
        """Add a prepared block; the kernel may still be at it, see `Kernel.wait`."""
        self._run(kernel, ready.block, slice(None), ready.tables, self.slabs)
        if ready.groups:
            kernel.wait()
        for rows, alleles, twice, once in ready.groups:
            for kind, tables in ((2, twice), (1, once)):
                people = alleles == kind
                if people.any():
                    some = aligned_zeros(self.slabs.shape)
                    self._run(kernel, ready.block, rows, tables, some)
                    kernel.wait()
                    self.slabs[:, people] += some[:, people]
            if self.options.missing == "mean":
                self._lower_alleles(ready.block.rows[rows], 2 - alleles.astype(np.int64))

    def totals(self) -> IntArray:
        """Give the sums of the scores, in steps: (n_people, n_scores)."""
        return self._columns(slice(0, self.n_scores))

    def alleles(self) -> npt.NDArray[np.int32]:
        """Give the number of alleles that each sum is over: (n_people, n_scores)."""
        n_people = self.slabs.shape[1]
        alleles = np.empty((n_people, self.n_scores), dtype=np.int32)
        for pattern in itertools.chain.from_iterable(self.patterns):
            if self.options.missing == "zero":
                place = self.n_scores + pattern.counter
                counted = self._columns(slice(place, place + 1))
            else:
                too_many = self._too_many.get(pattern.counter, np.zeros(n_people, dtype=np.int64))
                counted = (2 * pattern.n_rows - too_many)[:, np.newaxis]
            alleles[:, pattern.columns] = counted
        return alleles

    def _columns(self, which: slice) -> IntArray:
        if self.width == 1:
            return np.ascontiguousarray(self.slabs[which, :, 0].T)
        return self.slabs[0, :, which]

    def _run(
        self,
        kernel: Kernel,
        block: GenotypeBlock,
        rows: IntArray | slice,
        tables: IntArray,
        slabs: IntArray,
    ) -> None:
        # With few sums the blocks that would be in use are what takes the memory.
        wait = self.width == 1
        for table, sums in zip(tables, slabs, strict=True):
            if block.codes is not None:
                codes = np.ascontiguousarray(block.codes[rows])
                kernel.score_codes(codes, table, sums, wait=wait)
            else:
                assert block.units is not None
                units = np.ascontiguousarray(block.units[rows])
                kernel.score_dosages(units, table, sums, wait=wait)

    def _fill(
        self,
        kernel: Kernel,
        block: GenotypeBlock,
        rows: IntArray,
        frequency: FloatArray,
        *,
        is_haploid: bool,
    ) -> IntArray:
        """Give what the codes of some rows of a block add: (n_slabs, n_rows, 4, width)."""
        tables = aligned_zeros((self.n_slabs, len(rows), 4, self.width))
        wanted = block.rows[rows]
        for plan, patterns in zip(self.plans, self.patterns, strict=True):
            part: slice | IntArray = plan.within(int(wanted[0]), int(wanted[-1]))
            if len(wanted) == wanted[-1] - wanted[0] + 1:
                local = np.subtract(plan.targets[part], wanted[0], dtype=np.int64)
            else:
                local = np.searchsorted(wanted, plan.targets[part])
                is_here = wanted[local] == plan.targets[part]
                if not is_here.all():
                    part = np.flatnonzero(is_here) + plan.within(*wanted[[0, -1]].tolist()).start
                    local = local[is_here]
            if not len(local):
                continue
            counts = count_as(
                plan.doses_of(part),
                plan.swapped[part],
                frequency[rows[local]],
                missing=self.options.missing,
                scale=self.options.scale,
                is_haploid=is_haploid,
            )
            effects = plan.effects_of(part)
            self._enter(kernel, tables, local, counts, effects, plan.columns)
            if self.options.missing == "zero":
                present = np.tile(PRESENT / (2.0 if is_haploid else 1.0), (len(local), 1))
                for pattern in patterns:
                    score = plan.chosen[pattern.columns[0] - plan.columns[0]]
                    is_in = ~np.isnan(plan.effects[effects.rows, score])
                    ones = Effects(np.ones((1, 1)), np.zeros(is_in.sum(), np.int32), FIRST, ONE)
                    place = np.array([self.n_scores + pattern.counter])
                    self._enter(kernel, tables, local[is_in], present[is_in], ones, place)
        return tables

    def _enter(
        self,
        kernel: Kernel,
        tables: IntArray,
        rows: IntArray,
        counts: FloatArray,
        effects: Effects,
        columns: IntArray,
    ) -> None:
        if self.width > 1:
            kernel.fill_codes(tables[0], rows, counts, effects, columns)
            return
        for k, column in enumerate(columns.tolist()):
            one = replace(
                effects, chosen=effects.chosen[k : k + 1], scales=effects.scales[k : k + 1]
            )
            kernel.fill_codes(tables[column], rows, counts, one, FIRST)

    def _lower_alleles(self, targets: IntArray, too_many: IntArray) -> None:
        """Take alleles that were not there off everybody's count, for some rows."""
        for plan, patterns in zip(self.plans, self.patterns, strict=True):
            here = np.isin(plan.targets, targets)
            for pattern in patterns if here.any() else ():
                included = here if pattern.included is None else here & pattern.included
                so_far = self._too_many.get(pattern.counter, 0)
                self._too_many[pattern.counter] = so_far + int(included.sum()) * too_many


def _patterns(plans: Sequence[FilePlan]) -> list[list[Pattern]]:
    """Find the sets of variants that scores are over, file by file.

    Scores of one file with weights on the same rows share one.
    """
    found: list[list[Pattern]] = []
    n_counters = 0
    for plan in plans:
        number = np.zeros(len(plan.columns), dtype=np.int64)
        included = None
        # A sum is NaN if one of its terms is: there are no infinite effects.
        if np.isnan(plan.effects.sum()):
            included = ~np.isnan(plan.effects[plan.rows][:, plan.chosen])
            number = np.unique(included, axis=1, return_inverse=True)[1].ravel()
        patterns = []
        for counter in np.unique(number):
            columns = np.flatnonzero(number == counter)
            rows = None if included is None else included[:, columns[0]]
            patterns.append(
                Pattern(
                    counter=n_counters + int(counter),
                    columns=plan.columns[columns],
                    n_rows=len(plan.targets) if rows is None else int(rows.sum()),
                    included=rows,
                )
            )
        n_counters += len(patterns)
        found.append(patterns)
    return found
