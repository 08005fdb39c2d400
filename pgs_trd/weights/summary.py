"""Sum up a match score by score, in numbers and in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.weights.reasons import STATUSES, Outcome
from pgs_trd.weights.table import Weights

MATCHED, REFUSED = STATUSES.index("matched"), STATUSES.index("refused")

ADVICE = {
    "refused": "cannot be scored: see the reasons in the match table",
    "no_position": "have no position: take a harmonised weight file, or match by id",
    "no_id": "have no id: match by position",
    "chromosome_absent": "are on chromosomes that the genotypes do not have: "
    "give the genotypes of all chromosomes",
    "position_absent": "are at positions absent from the genotypes: check the genome build"
    "{build} and that the genotypes are imputed",
    "id_absent": "have ids absent from the genotypes: check that both use one kind of id",
    "duplicate_target": "are on variants that the genotypes hold twice: remove the duplicates",
    "allele_mismatch": "have other alleles in the genotypes: check the genome build{build} "
    "and that the allele columns are the right ones",
    "palindromic": "are palindromic: decide by palindromes='keep' or 'frequency'",
    "ambiguous": "fit more than one variant of the genotypes",
    "collision": "share a variant with another row of the score: remove the repeated rows",
}


def summarise(file: Weights, outcome: Outcome, min_overlap: float) -> pd.DataFrame:
    """Give one row a score of the file; see `Match.summary`."""
    rows_out = []
    for k, name in enumerate(file.names):
        effects = file.effects[:, k]
        cells = file.refused["score"].eq(name).to_numpy()
        refused_rows = file.refused["row"].to_numpy(dtype=np.int64) - 1
        # A row refused whole counts in the file's only score even without a weight.
        in_score = ~np.isnan(effects)
        if len(file.names) == 1:
            in_score[refused_rows] = True
        in_score[refused_rows[cells]] = True
        status = outcome.status.copy()
        status[refused_rows[cells]] = REFUSED
        counts = np.bincount(status[in_score], minlength=len(STATUSES))
        size = np.abs(np.nan_to_num(effects))
        total = float(size[in_score].sum())
        matched = float(size[in_score & (status == MATCHED)].sum())
        n_rows, n_matched = int(counts.sum()), int(counts[MATCHED])
        rate = n_matched / n_rows if n_rows else float("nan")
        is_ok = bool(n_matched) and rate >= min_overlap
        rows_out.append(
            {
                "score": name,
                "n_rows": n_rows,
                "n_matched": n_matched,
                "match_rate": rate,
                **{
                    f"n_{text}": int(count)
                    for text, count in zip(STATUSES, counts, strict=True)
                    if text != "matched"
                },
                "weight_matched": matched / total if total else float("nan"),
                "status": "ok" if is_ok else "failed",
                "verdict": _verdict(counts, file.genome_build, is_ok),
            }
        )
    return pd.DataFrame(rows_out)


def _verdict(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]], build: str | None, ok: bool
) -> str:
    n_rows, n_matched = int(counts.sum()), int(counts[MATCHED])
    if n_rows == 0:
        return "no row has a weight for this score"
    rate = f"{n_matched / n_rows:.1%} of rows matched"
    if ok:
        return rate
    lost = counts.copy()
    lost[MATCHED] = 0
    worst = int(lost.argmax())
    advice = ADVICE[STATUSES[worst]].format(build=f" (weights {build})" if build else "")
    return f"few rows matched ({n_matched / n_rows:.1%}): {lost[worst] / n_rows:.1%} {advice}"
