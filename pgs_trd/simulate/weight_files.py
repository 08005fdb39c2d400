"""Weight files in the scoring-file format of the PGS Catalog."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.simulate.effects import SIGNIFICANT_DIGITS, ScoreRows
from pgs_trd.tables import replace_on_success

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
HEADER = """\
###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/#dl_ftp_scoring for additional information
#format_version=2.0
##POLYGENIC SCORE (PGS) INFORMATION
#pgs_id={score}
#pgs_name={name}
#trait_reported={trait}
#genome_build=GRCh38
#variants_number={n_rows}
#weight_type=beta
##SOURCE INFORMATION
#citation=simulated by pgs_trd, no real person or study
"""  # noqa: E501 - the first line is the format's own
COLUMNS = (
    "chr_name",
    "chr_position",
    "effect_allele",
    "other_allele",
    "effect_weight",
    "allelefrequency_effect",
)


def write_weights(
    folder: Path,
    score: str,
    trait: str,
    *,
    rows: ScoreRows,
    variants: pd.DataFrame,
    rng: np.random.Generator,
) -> Path:
    """Write one weight file, ``<score>.txt.gz``, format version 2.0 [1]_.

    Either allele is the effect allele at random, with the sign of the weight and
    the frequency to suit. The same rows give the same bytes.

    Parameters
    ----------
    folder
        Where to.
    score, trait
        The id and the name of the score.
    rows
        From `draw_scores`.
    variants
        The table that ``rows.variants`` counts in.
    rng
        Draws which allele is the effect allele.

    References
    ----------
    .. [1] Lambert et al. (2021) Nature Genetics 53:420.
    """
    table = _weight_table(rows, variants, rng)
    text = io.StringIO()
    text.write(
        HEADER.format(score=score, name=trait.replace(" ", "_"), trait=trait, n_rows=len(table))
    )
    table.to_csv(text, sep="\t", index=False, lineterminator="\n")
    path = folder / f"{score}.txt.gz"
    with replace_on_success(path) as temporary:
        # Neither a time nor a name in the header: the same rows give the same bytes.
        temporary.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
    return path


def _weight_table(
    rows: ScoreRows, variants: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    chosen = variants.iloc[rows.variants]
    counted, other = (
        np.where(rows.is_flipped, chosen[column].map(COMPLEMENT), chosen[column])
        for column in ("counted_allele", "other_allele")
    )
    is_counted = rng.random(len(chosen)) < 0.5
    effects = np.where(is_counted, rows.effects, -rows.effects)
    frequency = chosen["frequency"].to_numpy()
    values = (
        chosen["chromosome"].to_numpy(),
        chosen["position"].to_numpy(),
        np.where(is_counted, counted, other),
        np.where(is_counted, other, counted),
        [f"{effect:.{SIGNIFICANT_DIGITS}g}" for effect in effects],
        [f"{value:.4f}" for value in np.where(is_counted, frequency, 1 - frequency)],
    )
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
