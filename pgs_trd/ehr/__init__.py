"""Health records: sources, code lists, prescriptions, treatment trials.

The names are loaded on first use: Ibis and DuckDB take longer to import than
the rest of the package may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgs_trd.ehr.adjuncts import build_adjuncts
    from pgs_trd.ehr.cleaning import diagnosis_flow, prescription_flow
    from pgs_trd.ehr.codes import list_codelists, read_codelist
    from pgs_trd.ehr.doses import gate_trials, trial_doses
    from pgs_trd.ehr.records import Ehr
    from pgs_trd.ehr.scales import sum_items
    from pgs_trd.ehr.source import open_ehr
    from pgs_trd.ehr.trials import build_trials, prescription_supply
    from pgs_trd.ehr.user_lists import open_codelists
    from pgs_trd.ehr.verify import verify_codes

__all__ = [
    "Ehr",
    "build_adjuncts",
    "build_trials",
    "diagnosis_flow",
    "gate_trials",
    "list_codelists",
    "open_codelists",
    "open_ehr",
    "prescription_flow",
    "prescription_supply",
    "read_codelist",
    "sum_items",
    "trial_doses",
    "verify_codes",
]

_HOME = {
    "Ehr": "records",
    "build_adjuncts": "adjuncts",
    "build_trials": "trials",
    "diagnosis_flow": "cleaning",
    "gate_trials": "doses",
    "list_codelists": "codes",
    "open_codelists": "user_lists",
    "open_ehr": "source",
    "prescription_flow": "cleaning",
    "prescription_supply": "trials",
    "read_codelist": "codes",
    "sum_items": "scales",
    "trial_doses": "doses",
    "verify_codes": "verify",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
