"""A biobank with a known answer: genomes, scores, records."""

from pgs_trd.simulate.biobank import Biobank, locate_biobank, simulate_biobank
from pgs_trd.simulate.liability import draw_classes, draw_people
from pgs_trd.simulate.records import Records, simulate_records
from pgs_trd.simulate.traits import Planted, list_traits, state_truth

__all__ = [
    "Biobank",
    "Planted",
    "Records",
    "draw_classes",
    "draw_people",
    "list_traits",
    "locate_biobank",
    "simulate_biobank",
    "simulate_records",
    "state_truth",
]
