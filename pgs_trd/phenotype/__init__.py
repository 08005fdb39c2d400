"""From treatment trials and diagnoses to classes of people, and their follow-up."""

from pgs_trd.phenotype.classifier import Phenotype, classify, classify_grid
from pgs_trd.phenotype.concordance import compare_definitions, count_overlaps, draw_overlaps
from pgs_trd.phenotype.definition import (
    Definition,
    list_definitions,
    list_grids,
    load_definition,
    load_grid,
)
from pgs_trd.phenotype.explain import explain
from pgs_trd.phenotype.exports import at_landmark, plink2_table, regenie_table, survival_table
from pgs_trd.phenotype.followup import follow_up
from pgs_trd.phenotype.labels import label_trials
from pgs_trd.phenotype.perinatal import Perinatal, find_perinatal
from pgs_trd.phenotype.scale_rules import consensus_class, improvement
from pgs_trd.phenotype.staging import stage

__all__ = [
    "Definition",
    "Perinatal",
    "Phenotype",
    "at_landmark",
    "classify",
    "classify_grid",
    "compare_definitions",
    "consensus_class",
    "count_overlaps",
    "draw_overlaps",
    "explain",
    "find_perinatal",
    "follow_up",
    "improvement",
    "label_trials",
    "list_definitions",
    "list_grids",
    "load_definition",
    "load_grid",
    "plink2_table",
    "regenie_table",
    "stage",
    "survival_table",
]
