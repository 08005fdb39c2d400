"""Genotypes and weights to scores."""

from pgs_trd.scoring.frequencies import read_frequencies
from pgs_trd.scoring.haploid import MaleX
from pgs_trd.scoring.passes import Scores, score
from pgs_trd.scoring.plan import Missing, Scale

__all__ = ["MaleX", "Missing", "Scale", "Scores", "read_frequencies", "score"]
