"""Health records: sources, code lists, prescriptions, treatment trials.

The names are loaded on first use: Ibis and DuckDB take longer to import than
the rest of the package may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgs_trd.ehr.cleaning import diagnosis_flow, prescription_flow
    from pgs_trd.ehr.codes import list_codelists, read_codelist
    from pgs_trd.ehr.records import Ehr
    from pgs_trd.ehr.source import open_ehr
    from pgs_trd.ehr.trials import build_trials

__all__ = [
    "Ehr",
    "build_trials",
    "diagnosis_flow",
    "list_codelists",
    "open_ehr",
    "prescription_flow",
    "read_codelist",
]

_HOME = {
    "Ehr": "records",
    "build_trials": "trials",
    "diagnosis_flow": "cleaning",
    "list_codelists": "codes",
    "open_ehr": "source",
    "prescription_flow": "cleaning",
    "read_codelist": "codes",
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
