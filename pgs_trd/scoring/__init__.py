"""Genotypes and weights to scores."""

from pgs_trd.scoring.passes import Missing, Scores, score

__all__ = ["Missing", "Scores", "score"]
