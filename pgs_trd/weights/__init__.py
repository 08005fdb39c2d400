"""Weight files of every kind, and their match with genotypes."""

from pgs_trd.weights.match import Match, MatchBy, Palindromes, match_variants
from pgs_trd.weights.read import read_weights
from pgs_trd.weights.table import Weights

__all__ = ["Match", "MatchBy", "Palindromes", "Weights", "match_variants", "read_weights"]
