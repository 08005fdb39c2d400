"""Weight files of every kind, and their match with genotypes."""

from pgs_trd.weights.liftover import Chain, lift_over, read_chain
from pgs_trd.weights.match import Match, match_variants
from pgs_trd.weights.matcher import FileMatch, MatchBy, Matcher, Palindromes
from pgs_trd.weights.read import read_weights
from pgs_trd.weights.table import Weights

__all__ = [
    "Chain",
    "FileMatch",
    "Match",
    "MatchBy",
    "Matcher",
    "Palindromes",
    "Weights",
    "lift_over",
    "match_variants",
    "read_chain",
    "read_weights",
]
