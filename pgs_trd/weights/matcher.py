"""Match one weight file after the other with genotypes that were indexed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.genotypes.alleles import is_placed
from pgs_trd.weights.alleles import choose_targets, refuse_shared_alleles
from pgs_trd.weights.builds import (
    BeyondEnd,
    build_of_lengths,
    canonical_build,
    count_beyond_end,
)
from pgs_trd.weights.codes import BoolArray, Codes, IntArray, to_codes
from pgs_trd.weights.evidence import Evidence, gather_evidence
from pgs_trd.weights.frequencies import (
    ObservedFrequencies,
    correlate_frequencies,
    note_swapped,
    settle_by_frequency,
)
from pgs_trd.weights.ids import NO_ID
from pgs_trd.weights.index import (
    NO_PLACE,
    TargetIndex,
    index_by_id,
    index_by_position,
    places_of_positions,
)
from pgs_trd.weights.liftover import Chain, read_chain
from pgs_trd.weights.reasons import STATUSES, Int32Array, Outcome
from pgs_trd.weights.summary import MATCHED, find_collisions, summarise, tally
from pgs_trd.weights.table import Weights
from pgs_trd.weights.verdict import Situation, give_verdict, note_strand

Palindromes: TypeAlias = Literal["drop", "keep", "frequency"]
MatchBy: TypeAlias = Literal["position", "id"]

COPIED_COLUMNS = ("row", "id", "chromosome", "position", "effect_allele", "other_allele")
# Below this share of positions found, the genome build is looked into.
ODD_SHARE = 0.5


@dataclass(frozen=True)
class FileMatch:
    """What became of every row of one weight file.

    Attributes
    ----------
    target : (n_rows,)
        Row of the genotypes' variants, -1 if none.
    swapped : (n_rows,)
        Whether the effect allele is the target's other allele.
    flipped : (n_rows,)
        Whether the row matched on the other strand.
    is_matched : (n_rows,)
        Whether the row has a target.
    frequency_correlation
        Of stated with observed frequencies of the effect allele; NaN if not known, or
        not asked for.
    evidence
        About the genome build, where positions are absent in the main.
    summary, examples
        As in `Match`.
    """

    target: Int32Array
    swapped: BoolArray
    flipped: BoolArray
    is_matched: BoolArray
    frequency_correlation: float
    evidence: Evidence | None
    summary: pd.DataFrame
    examples: pd.DataFrame
    _file: Weights
    _number: int
    _outcome: Outcome

    def table(self) -> pd.DataFrame:
        """Make the match table of the file; see `Match.table`. Texts are categories."""
        columns = {name: self._file.variants[name] for name in COPIED_COLUMNS}
        outcome = self._outcome
        return pd.DataFrame(
            {
                "file": np.broadcast_to(np.int64(self._number), len(self.target)),
                **columns,
                "status": pd.Categorical.from_codes(outcome.status, categories=pd.Index(STATUSES)),
                "reason": pd.Categorical.from_codes(
                    outcome.reason, categories=pd.Index(outcome.texts, dtype=object)
                ),
                "target": self.target,
                "swapped": self.swapped,
                "flipped": self.flipped,
            },
            copy=False,
        )


class Matcher:
    """Genotypes made ready to match weight files with, one after the other.

    A row matches a genotype row of the same place whose two alleles are its own: as
    they stand, swapped, on the other strand, or both. A row without other allele
    matches by its effect allele alone, if that fits one genotype row.

    - ``palindromic``: both strands fit one genotype row (A/T, C/G).
    - ``ambiguous``: the two strands, or one allele, fit different genotype rows.
    - ``collision``: two rows of one score fit one genotype row; both are out.
    - ``duplicate_target``: the genotypes hold that variant more than once.
    - ``refused``: not scorable, from `Weights.refused`; or the effect allele is the
      reference of a multi-allelic site, whose copies one genotype row does not tell.

    A score fails if too few of its rows match, or if the evidence says that the weight
    file's positions are of another genome build than the genotypes', or one base off.

    Parameters
    ----------
    genotypes
        The target.
    palindromes
        ``"drop"`` leaves palindromic rows out; ``"keep"`` takes them to be on the
        genotypes' strand; ``"frequency"`` takes the strand on which the effect allele
        is the rarer one both in the weight file and in the genotypes, or in neither.
        Both frequencies must be 0.1 or more away from 0.5, else the row is dropped.
    min_overlap
        Share of a score's rows that must match for its summary to be ``"ok"``.
    by
        ``"position"`` (chromosome and position) or ``"id"``; alleles count in both.
    chain
        A chain file, to test whether absent positions are there after lifting. Nothing
        is lifted for the match: see `lift_over`.
    genome_build
        Of the genotypes, if known: NCBI36, GRCh37 or GRCh38. Else by the lengths of
        contigs, where the genotype file states them.
    check_frequencies
        Compare the effect allele frequencies that the weight file states with those of
        the genotypes. Reads some 1,000 variants.

    Raises
    ------
    UsageError
        If an option is none of the known.
    DataError
        If the chain file is damaged.
    """

    def __init__(
        self,
        genotypes: GenotypeSource,
        *,
        palindromes: Palindromes = "drop",
        min_overlap: float = 0.75,
        by: MatchBy = "position",
        chain: Chain | str | Path | None = None,
        genome_build: str | None = None,
        check_frequencies: bool = True,
    ) -> None:
        _check_options(palindromes, min_overlap, by)
        self._genotypes = genotypes
        self._palindromes = palindromes
        self._min_overlap = min_overlap
        self._check_frequencies = check_frequencies
        self._chain = chain if chain is None or isinstance(chain, Chain) else read_chain(chain)
        self._build = _genotype_build(genotypes, genome_build)
        make_index = index_by_position if by == "position" else index_by_id
        self._index: TargetIndex = make_index(genotypes.variants)
        self._observed = ObservedFrequencies(genotypes)

    def match(self, file: Weights, number: int = 0) -> FileMatch:
        """Match one weight file.

        Parameters
        ----------
        file
            From `read_weights`.
        number
            What the column ``file`` of the table is to say.
        """
        outcome = Outcome.start(len(file.variants))
        whole = file.refused[file.refused["score"].isna()]
        outcome.refuse(whole["row"].to_numpy(dtype=np.int64) - 1, whole["reason"])
        place, evidence = self._find_places(file, outcome)
        choose_targets(self._index, file.variants, place, outcome)
        self._settle_palindromes(file, outcome)
        crowded = find_collisions(outcome.target, outcome.is_matched, file.effects)
        outcome.set_status(crowded, "collision")
        outcome.forget_unmatched()
        r = float("nan")
        if self._check_frequencies:
            r = correlate_frequencies(self._observed, file.variants, outcome)
        return FileMatch(
            target=outcome.target,
            swapped=outcome.swapped,
            flipped=outcome.flipped,
            is_matched=outcome.is_matched,
            frequency_correlation=r,
            evidence=evidence,
            summary=self._summarise(file, outcome, place, evidence, r),
            examples=_examples(number, file, outcome),
            _file=file,
            _number=number,
            _outcome=outcome,
        )

    def _find_places(self, file: Weights, outcome: Outcome) -> tuple[Codes, Evidence | None]:
        """Give each row's place among the genotypes', or write why it has none."""
        variants, index = file.variants, self._index
        if index.ids is not None:
            place: Codes = index.ids.find(variants["id"])
            outcome.set_status(outcome.is_open & (place == NO_ID), "no_id")
            place[place == NO_ID] = NO_PLACE
            outcome.set_status(outcome.is_open & (place == NO_PLACE), "id_absent")
            return place, None
        codes, names = to_codes(variants["chromosome"])
        position = variants["position"].to_numpy(dtype=np.int64, na_value=0)
        place, known = places_of_positions(index, codes, names, position)
        # Only what was not found can be without a place, or on no known chromosome.
        lost = np.flatnonzero(outcome.is_open & (place == NO_PLACE))
        has_place = (codes[lost] >= 0) & is_placed(position[lost])
        outcome.set_status(lost[~has_place], "no_position")
        outcome.set_status(lost[has_place & ~known[lost]], "chromosome_absent")
        asked = outcome.is_open
        is_absent = asked & (place == NO_PLACE)
        evidence = None
        if np.count_nonzero(is_absent) > (1 - ODD_SHARE) * np.count_nonzero(asked):
            evidence = self._gather_evidence(file, position, np.flatnonzero(asked))
        outcome.set_status(is_absent, "position_absent")
        return place, evidence

    def _gather_evidence(self, file: Weights, position: IntArray, asked: IntArray) -> Evidence:
        return gather_evidence(
            self._index,
            self._genotypes.variants,
            file.variants,
            asked,
            builds=(file.genome_build, self._build),
            beyond=(count_beyond_end(file.variants["chromosome"], position), self._beyond),
            chain=self._chain,
        )

    @cached_property
    def _beyond(self) -> BeyondEnd:
        variants = self._genotypes.variants
        return count_beyond_end(
            variants["chromosome"], variants["position"].to_numpy(dtype=np.int64)
        )

    def _settle_palindromes(self, file: Weights, outcome: Outcome) -> None:
        rows = np.flatnonzero(outcome.is_matched & outcome.is_palindromic)
        if not len(rows):
            return
        if self._palindromes == "drop":
            outcome.set_status(rows, "palindromic")
        elif self._palindromes == "frequency":
            stated = file.variants["effect_allele_frequency"].to_numpy(dtype=np.float64)
            settle_by_frequency(self._observed, stated, outcome, rows)
        refuse_shared_alleles(self._index, outcome, rows)

    def _summarise(
        self,
        file: Weights,
        outcome: Outcome,
        place: Codes,
        evidence: Evidence | None,
        r: float,
    ) -> pd.DataFrame:
        totals = tally(file, outcome)
        is_ok = (totals.counts[MATCHED] > 0) & (totals.match_rate >= self._min_overlap)
        if evidence is not None and evidence.fault():
            is_ok[:] = False
        situation = Situation(
            index=self._index,
            genotype_variants=self._genotypes.variants,
            variants=file.variants,
            place=place,
            outcome=outcome,
            evidence=evidence,
            build=file.genome_build,
            fault=file.fault,
            notes=self._notes(outcome, r),
        )
        return summarise(file.names, totals).assign(
            frequency_r=r,
            status=np.where(is_ok, "ok", "failed").astype(object),
            verdict=np.array(
                [
                    give_verdict(situation, counts, bool(ok))
                    for counts, ok in zip(totals.counts.T, is_ok, strict=True)
                ],
                dtype=object,
            ),
        )

    def _notes(self, outcome: Outcome, r: float) -> list[str]:
        swapped = note_swapped(r)
        notes = [] if swapped is None else [swapped]
        if self._palindromes == "frequency":
            unknown = outcome.count_reason("palindromic_no_frequency")
            if unknown:
                notes.append(
                    f"{unknown:,} palindromic rows have no effect allele frequency to decide by"
                )
        elif self._palindromes == "keep" and (note := note_strand(outcome)):
            notes.append(note)
        return notes


def _check_options(palindromes: str, min_overlap: float, by: str) -> None:
    if palindromes not in ("drop", "keep", "frequency"):
        raise UsageError(f"palindromes must be 'drop', 'keep' or 'frequency', got {palindromes!r}")
    if by not in ("position", "id"):
        raise UsageError(f"by must be 'position' or 'id', got {by!r}")
    if not 0 <= min_overlap <= 1:
        raise UsageError(f"min_overlap must lie in [0, 1], got {min_overlap}")


def _genotype_build(genotypes: GenotypeSource, stated: str | None) -> str | None:
    if stated is not None:
        return canonical_build(stated)
    # Only formats whose header lists contigs have their lengths.
    return build_of_lengths(getattr(genotypes, "contig_lengths", None) or {})


def _examples(number: int, file: Weights, outcome: Outcome) -> pd.DataFrame:
    """Give the first row of each reason, and how many there are."""
    lost = np.flatnonzero(~outcome.is_matched)
    kind = outcome.status[lost].astype(np.int64) * max(len(outcome.texts), 1) + outcome.reason[lost]
    counts = np.bincount(kind)
    first = np.zeros(len(counts), dtype=np.int64)
    # Of several values for one place numpy keeps the last.
    first[kind[::-1]] = lost[::-1]
    rows, counts = first[counts > 0], counts[counts > 0]
    examples = pd.DataFrame(
        {
            "file": np.full(len(rows), number, dtype=np.int64),
            "status": np.array(STATUSES, dtype=object)[outcome.status[rows]],
            "reason": np.array(outcome.texts or [""], dtype=object)[outcome.reason[rows]],
            "n_rows": counts.astype(np.int64),
        }
    )
    # Cell by cell, as rows are few: to take rows, pandas would first copy whole columns.
    for name in COPIED_COLUMNS:
        column = file.variants[name].array
        examples[name] = pd.array([column[row] for row in rows], dtype=column.dtype)
    return examples
