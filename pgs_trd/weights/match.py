"""Match weight rows with genotypes: place and both alleles, and a reason for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.api.types import union_categoricals

from pgs_trd.genotypes import GenotypeSource
from pgs_trd.weights.liftover import Chain
from pgs_trd.weights.matcher import MatchBy, Matcher, Palindromes
from pgs_trd.weights.table import Weights


@dataclass(frozen=True)
class Match:
    """What became of every row of every weight file.

    Attributes
    ----------
    table
        One row a weight row: file (0-based place among the weights), row, id,
        chromosome, position, effect_allele, other_allele, status, reason, target
        (row of the genotypes' variants, -1 if none), swapped (the effect allele is
        the target's other allele), flipped (matched on the other strand). Only rows
        whose status is ``"matched"`` have a target.
    summary
        One row a score: score, n_rows, n_matched, match_rate, one n_<status> column
        for every other status (they and n_matched add up to n_rows), weight_matched
        (share of the sum of absolute weights), variance_matched (share of the sum of
        2 p (1 - p) times the squared weight over the rows whose effect allele
        frequency p the weight file states, NaN if it states none), frequency_r
        (correlation of stated with observed frequencies, NaN unless asked for),
        status ``"ok"`` or ``"failed"``, verdict (one sentence).
    examples
        One row for each file and reason but ``"matched"``: file, status, reason,
        n_rows, and the first such row's row, id, chromosome, position, effect_allele
        and other_allele.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    examples: pd.DataFrame


def match_variants(
    genotypes: GenotypeSource,
    weights: Weights | Iterable[Weights],
    *,
    palindromes: Palindromes = "drop",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
    chain: Chain | str | Path | None = None,
    genome_build: str | None = None,
    check_frequencies: bool = True,
) -> Match:
    """Find the genotype row of every weight row, or say why there is none.

    The rules are those of `Matcher`, which matches a file at a time.

    Parameters
    ----------
    genotypes
        The target.
    weights
        One weight file or several.
    palindromes, min_overlap, by, chain, genome_build, check_frequencies
        As in `Matcher`.

    Raises
    ------
    UsageError
        If an option is none of the known.
    DataError
        If the chain file is damaged.
    """
    matcher = Matcher(
        genotypes,
        palindromes=palindromes,
        min_overlap=min_overlap,
        by=by,
        chain=chain,
        genome_build=genome_build,
        check_frequencies=check_frequencies,
    )
    files = [weights] if isinstance(weights, Weights) else weights
    tables, summaries, examples = [], [], []
    for number, file in enumerate(files):
        matched = matcher.match(file, number)
        tables.append(matched.table())
        summaries.append(matched.summary)
        examples.append(matched.examples)
    return Match(
        table=stack_tables(tables),
        summary=stack_tables(summaries),
        examples=stack_tables(examples),
    )


def stack_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables one under the other; categories stay categories."""
    if not tables:
        return pd.DataFrame()
    columns = {}
    for name in tables[0].columns:
        parts = [table[name] for table in tables]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            columns[name] = pd.Series(union_categoricals(parts))
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, copy=False)
