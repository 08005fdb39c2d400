"""Effects found in the strata of discovery, and whether they come back in the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.models import correct_winners_curse, meta_analyse, replicate, sign_concordance
from pgs_trd.models.results import STANDING
from pgs_trd.report.cells import Cell, Maker, Row, TableView, count_of, make_view, p_of, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import ALPHA, planned_tests, with_traits
from pgs_trd.report.text import MISSING, contrast_label, format_percent, format_ratio

BY = ("contrast", "score")
ONE_SIDED = ALPHA / 2
"""Level at which the same sign and a two-sided p below 0.05 are one test."""
CONDITIONAL = ("beta", "ci_low", "ci_high")
ESTIMATES = ("beta", "se", "ci_low", "ci_high", "p_value")


def find_replication(study: DisclosedStudy) -> pd.DataFrame:
    """Test again, in other strata, what passes the Bonferroni limit in those of discovery.

    It is made from the estimates by stratum that are shown, so that it tells no more of people
    than they do. Both samples are pooled as the study pools its strata.

    Returns
    -------
    DataFrame
        Rows contrast x score x sample, the sample being "all" the strata of replication, or one
        of them: contrast, score, trait, domain, sample; the log odds ratio of discovery
        (`discovery_beta`, ...), the same corrected for the winner's curse by the
        conditional likelihood (`corrected_beta`, ...), that of the sample
        (`replication_beta`, ...), `same_sign`, `nominal` (same sign and two-sided p < 0.05) and
        `replicated` (the same at 0.05 over the number of scores tested again). Empty without
        strata of discovery, or where nothing passes.
    """
    discovery, others = _roles(study)
    if study.association.empty or not discovery or not others:
        return pd.DataFrame()
    method = str(study.conventions.get("meta_method", "fixed"))
    first = _pool(study.association, discovery, method)
    parts = []
    for contrast, tests in first.groupby("contrast", sort=False):
        limit = ALPHA / planned_tests(study, tests)
        corrected = correct_winners_curse(tests, alpha=limit)
        chosen = corrected[corrected["selected"]]
        for sample, strata in [("all", others), *((name, [name]) for name in others)]:
            if sample == "all" and len(others) == 1:
                continue
            second = _pool(study.association, strata, method)
            parts.append(_beside(chosen, second).assign(contrast=str(contrast), sample=sample))
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return with_traits(rows, study.traits) if len(rows) else pd.DataFrame()


def count_replication(study: DisclosedStudy) -> pd.DataFrame:
    """Count the effects of each contrast and sample that come back.

    Returns
    -------
    DataFrame
        contrast, sample, `n_planned`, `n_completed`, `n_same_sign`, `share_same_sign`,
        `p_value` (of that share, against a coin), `n_same_sign_expected`, `n_nominal`,
        `n_replicated`: see `models.sign_concordance`.
    """
    found = find_replication(study)
    if found.empty:
        return pd.DataFrame()
    renamed = found.rename(
        columns={"discovery_beta": "beta_discovery", "replication_se": "se_replication"}
    )
    parts = [
        sign_concordance(rows).assign(contrast=str(contrast), sample=str(sample))
        for (contrast, sample), rows in renamed.groupby(["contrast", "sample"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _roles(study: DisclosedStudy) -> tuple[list[str], list[str]]:
    """Give the strata of discovery and of replication; by default the latter are all others."""
    discovery = [str(name) for name in study.conventions.get("discovery") or []]
    named = study.conventions.get("replication")
    strata = [str(name) for name in dict.fromkeys(study.association.get("stratum", []))]
    others = [str(name) for name in named or strata]
    return discovery, [name for name in others if name not in discovery]


def _pool(association: pd.DataFrame, strata: list[str], method: str) -> pd.DataFrame:
    """Pool the estimates shown of some strata; those withheld have none."""
    columns = ["stratum", *BY, *ESTIMATES, "status"]
    rows = association.loc[association["stratum"].isin(strata), columns]
    known = rows["status"].where(rows["beta"].notna(), "withheld")
    pooled = meta_analyse(
        rows.assign(status=known, n=0, n_events=0),
        by=BY,
        method=method,  # type: ignore[arg-type]  # as the study file names it
    )
    return pooled[[*BY, *ESTIMATES, "status"]]


def _beside(chosen: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Put the chosen tests of discovery beside the same ones of another sample."""
    tested = replicate(chosen, second, by=BY, alpha=ONE_SIDED)
    shown = tested[["score", "same_sign", "nominal", "replicated"]].copy()
    again = chosen[list(BY)].merge(second, on=list(BY), how="left")
    stands = again["status"].isin(STANDING)
    for name in ESTIMATES:
        shown[f"discovery_{name}"] = chosen[name].to_numpy()
        shown[f"replication_{name}"] = again[name].where(stands).to_numpy()
    for name in CONDITIONAL:
        shown[f"corrected_{name}"] = chosen[f"{name}_conditional"].to_numpy()
    return shown


def replication_view(study: DisclosedStudy) -> TableView | None:
    """Give discovery, correction and replication of each effect side by side."""
    makers: list[tuple[str, bool, Maker]] = [
        ("Trait", False, text_of("trait")),
        ("Strata", False, text_of("sample")),
        ("OR per SD, discovery (95% CI)", True, _ratio("discovery")),
        ("The same, corrected", True, _ratio("corrected")),
        ("OR per SD, replication (95% CI)", True, _ratio("replication")),
        ("p, replication", True, p_of("replication_p_value")),
        ("Same sign", False, _yes("same_sign")),
        ("And p < 0.05", False, _yes("nominal")),
        ("And p < 0.05 / tests", False, _yes("replicated")),
        ("Contrast", False, _contrast),
    ]
    return make_view(
        "replicated", "Effects that pass the Bonferroni limit in the strata of discovery.",
        "replication.csv", find_replication(study), makers,
    )  # fmt: skip


def replication_counts_view(study: DisclosedStudy) -> TableView | None:
    """Give how many effects of each contrast come back."""
    makers: list[tuple[str, bool, Maker]] = [
        ("Contrast", False, _contrast),
        ("Strata", False, text_of("sample")),
        ("Tested again", True, count_of("n_planned")),
        ("With an estimate", True, count_of("n_completed")),
        ("Same sign", True, count_of("n_same_sign")),
        ("Share", True, lambda row: Cell(format_percent(float(str(row["share_same_sign"]))))),
        ("And p < 0.05", True, count_of("n_nominal")),
        ("And p < 0.05 / tests", True, count_of("n_replicated")),
    ]
    return make_view(
        "replication-counts", "Effects that come back, by contrast and strata of replication.",
        "replication_counts.csv", count_replication(study), makers,
    )  # fmt: skip


def _contrast(row: Row) -> Cell:
    return Cell(contrast_label(str(row["contrast"])))


def _ratio(name: str) -> Maker:
    def make(row: Row) -> Cell:
        beta, *ends = (float(str(row[f"{name}_{end}"])) for end in CONDITIONAL)
        return Cell(format_ratio(beta, *ends), "" if np.isnan(beta) else f"{beta:.6g}")

    return make


def _yes(name: str) -> Maker:
    def make(row: Row) -> Cell:
        value = row[name]
        return Cell(MISSING if value is pd.NA else "yes" if value else "no")

    return make
