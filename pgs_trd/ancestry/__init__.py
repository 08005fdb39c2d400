"""Ancestry: components of genotypes, groups, kinship, and scores that compare across them."""

from pgs_trd.ancestry.adjustment import (
    Adjustment,
    AdjustmentMethod,
    adjust_scores,
    find_beyond,
    fit_adjustment,
)
from pgs_trd.ancestry.assignment import UNASSIGNED, Assignment, assign_ancestry
from pgs_trd.ancestry.distance import genetic_distance
from pgs_trd.ancestry.kinship import king_kinship
from pgs_trd.ancestry.pca import choose_variants, fit_pca
from pgs_trd.ancestry.projection import Projection, project
from pgs_trd.ancestry.pruning import prune_variants
from pgs_trd.ancestry.qc import check_sex, person_quality, variant_quality
from pgs_trd.ancestry.reference import PrincipalComponents, read_reference, write_reference
from pgs_trd.ancestry.regions import is_in_long_range_ld, read_long_range_ld
from pgs_trd.ancestry.unrelated import read_pairs, unrelated_set
from pgs_trd.ancestry.within_groups import adjust_within_groups

__all__ = [
    "UNASSIGNED",
    "Adjustment",
    "AdjustmentMethod",
    "Assignment",
    "PrincipalComponents",
    "Projection",
    "adjust_scores",
    "adjust_within_groups",
    "assign_ancestry",
    "check_sex",
    "choose_variants",
    "find_beyond",
    "fit_adjustment",
    "fit_pca",
    "genetic_distance",
    "is_in_long_range_ld",
    "king_kinship",
    "person_quality",
    "project",
    "prune_variants",
    "read_long_range_ld",
    "read_pairs",
    "read_reference",
    "unrelated_set",
    "variant_quality",
    "write_reference",
]
