"""From treatment trials and diagnoses to classes of people, and their follow-up."""

from pgs_trd.phenotype.classifier import Phenotype, classify
from pgs_trd.phenotype.definition import Definition, list_definitions, load_definition
from pgs_trd.phenotype.followup import follow_up

__all__ = [
    "Definition",
    "Phenotype",
    "classify",
    "follow_up",
    "list_definitions",
    "load_definition",
]
