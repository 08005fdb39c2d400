"""Which scores hold under every definition, from the disclosed tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import (
    Findings,
    find,
    important_scores,
    log10_p_column,
    with_traits,
)

MOST_SCORES = 4
PAIR = re.compile(r"^(?P<grid>.+)_(?P<resistant>[a-z]+\d+)_(?P<responsive>[a-z]+\d+)$")


@dataclass(frozen=True)
class Specifications:
    """Estimates of one contrast under every definition.

    Attributes
    ----------
    table
        Rows definition x score, the main definition's among them, with trait, domain,
        `log10_p` and `is_significant` by the Bonferroni limit of the main findings.
    main
        The main definition.
    titles
        Of every definition.
    scores
        Those worth a curve.
    findings
        Of the main definition.
    """

    table: pd.DataFrame
    main: str
    titles: dict[str, str]
    scores: list[str]
    findings: Findings

    @property
    def definitions(self) -> list[str]:
        """Definitions with estimates, the main one first."""
        return list(dict.fromkeys(self.table["definition"]))

    def rules_of(self, definition: str) -> tuple[str, ...]:
        """Give the rules of a definition of a grid, or its own name."""
        pair = PAIR.match(definition)
        return (pair["resistant"], pair["responsive"]) if pair else (definition,)

    @property
    def choices(self) -> list[tuple[str, int]]:
        """Every rule with the number of definitions that have it: single ones, then pairs."""
        names = [rule for one in self.definitions for rule in self.rules_of(one)]
        kinds = dict.fromkeys(sorted(names, key=lambda name: (self._kind(name), name)))
        return [(name, names.count(name)) for name in kinds]

    def _kind(self, rule: str) -> int:
        pairs = [pair for one in self.definitions if (pair := PAIR.match(one))]
        if rule in {pair["resistant"] for pair in pairs}:
            return 1
        return 2 if rule in {pair["responsive"] for pair in pairs} else 0

    def holds(self) -> pd.DataFrame:
        """Tell of each hit of the main definition under how many others it holds.

        Returns
        -------
        DataFrame
            score, trait, `n_definitions` with an estimate besides the main one,
            `n_same_sign`, `n_significant`: of the same sign and below the limit.
        """
        others = self.table[(self.table["definition"] != self.main) & self.table["beta"].notna()]
        rows = []
        for hit in self.findings.significant.to_dict("records"):
            own = others[others["score"] == hit["score"]]
            same = np.sign(own["beta"]) == np.sign(hit["beta"])
            rows.append(
                {
                    "score": hit["score"],
                    "trait": hit["trait"],
                    "n_definitions": len(own),
                    "n_same_sign": int(same.sum()),
                    "n_significant": int((same & own["is_significant"]).sum()),
                }
            )
        columns = ["score", "trait", "n_definitions", "n_same_sign", "n_significant"]
        return pd.DataFrame(rows, columns=columns)


def find_specifications(study: DisclosedStudy) -> Specifications | None:
    """Put the estimates under other definitions beside the main ones; None without any."""
    if study.sensitivity.empty or study.definitions.empty:
        return None
    findings = find(study, str(study.sensitivity["contrast"].iloc[0]))
    if findings is None:
        return None
    main = str(study.definitions["definition"].iloc[0])
    rows = study.sensitivity[study.sensitivity["contrast"] == findings.contrast]
    others = with_traits(rows[rows["definition"] != main].reset_index(drop=True), study.traits)
    others["log10_p"] = log10_p_column(others)
    others["is_significant"] = others["log10_p"] < np.log10(findings.alpha)
    own = findings.table.assign(definition=main)
    shared = [column for column in own.columns if column in others.columns]
    table = pd.concat([own[shared], others[shared]], ignore_index=True)
    titles = dict(zip(study.definitions["definition"], study.definitions["title"], strict=True))
    scores = important_scores(study, findings)[:MOST_SCORES]
    return Specifications(table, main, titles, scores, findings)
