"""The papers behind the methods of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pgs_trd.report.disclosure import DisclosedStudy

Test = Callable[[DisclosedStudy, Mapping[str, Any]], bool]


def _is(option: str, *values: object) -> Test:
    return lambda _, choices: choices.get(option) in values


def _has(table: str) -> Test:
    return lambda study, _: len(getattr(study, table)) > 0


def _has_status(status: str) -> Test:
    return lambda study, _: any(
        len(table) > 0 and (table["status"] == status).any()
        for table in (study.association, study.progression)
    )


def _shows(name: str) -> Test:
    return lambda study, _: any(one.name == name and len(one.table) for one in study.further)


CITATIONS: tuple[tuple[str, Test], ...] = (
    ("Chang et al. (2015) GigaScience 4:7, how scores are summed and missing calls counted.",
     _is("missing", "mean")),
    ("Lambert et al. (2021) Nature Genetics 53:420, the Polygenic Score Catalog.",
     _has("match_summary")),
    ("Firth (1993) Biometrika 80:27, estimates where groups are separated.",
     _has_status("firth")),
    ("White (1980) Econometrica 48:817, robust standard errors.", _is("se", "HC0", "HC1", "HC3")),
    ("Cox (1972) J R Stat Soc B 34:187, proportional hazards.", _has("progression")),
    ("Efron (1977) J Am Stat Assoc 72:557, tied event times.", _is("ties", "efron")),
    ("Breslow (1974) Biometrics 30:89, tied event times.", _is("ties", "breslow")),
    ("Kaplan and Meier (1958) J Am Stat Assoc 53:457, survival curves.",
     lambda study, _: len(study.curves.points) > 0),
    ("DerSimonian and Laird (1986) Controlled Clinical Trials 7:177, random effects.",
     _is("meta_method", "dl")),
    ("Higgins and Thompson (2002) Stat Med 21:1539, heterogeneity.",
     lambda study, _: "i2" in study.meta and bool(study.meta["i2"].notna().any())),
    ("Benjamini and Hochberg (1995) J R Stat Soc B 57:289, the false discovery rate.",
     _has("meta")),
    ("Zhong and Prentice (2008) Biostatistics 9:621, the winner's curse.",
     lambda study, _: bool(study.conventions.get("discovery"))),
    ("Simonsohn, Simmons and Nelson (2020) Nature Human Behaviour 4:1208, specification curves.",
     _has("sensitivity")),
    ("Xu et al. (2025) JAMA Psychiatry 82:505, the design that inspired the grid of definitions; "
     "its own parameters are not public, and this is no replication.",
     lambda study, _: len(study.sensitivity) > 0 or len(study.published) > 0),
    ("Hernan, Hernandez-Diaz and Robins (2004) Epidemiology 15:615, selection and its weights.",
     _shows("index_event")),
    ("Dudbridge et al. (2019) Nature Communications 10:1561, index-event bias.",
     _shows("index_event")),
    ("Neuhaus (1999) Biometrika 86:843, misclassified outcomes.", _has("meta")),
    ("Fine and Gray (1999) J Am Stat Assoc 94:496, incidence among competing events.",
     _shows("competing_events")),
    ("Aalen and Johansen (1978) Scandinavian Journal of Statistics 5:141, cumulative incidence.",
     _has("incidence")),
    ("Schuemie et al. (2014) Statistics in Medicine 33:209, negative controls.",
     lambda study, _: bool(study.conventions.get("negative_controls"))),
    ("Cox (1995) J Am Stat Assoc 90:1453, suppression of cells in tables.",
     lambda study, _: study.threshold > 0),
    ("Wand et al. (2021) Nature 591:211, the PRS reporting standards.", lambda *_: True),
    ("von Elm et al. (2007) PLoS Medicine 4:e296, STROBE.", lambda *_: True),
    ("Little et al. (2009) PLoS Medicine 6:e22, STREGA.", lambda *_: True),
)  # fmt: skip
"""What each method rests on, and when a run has used it."""


def cite(study: DisclosedStudy) -> list[str]:
    """Give the papers of the methods that this run used, in the order of the methods."""
    choices: dict[str, Any] = {}
    _flatten(study.conventions, choices)
    return [text for text, is_used in CITATIONS if is_used(study, choices)]


def _flatten(mapping: Mapping[str, Any], into: dict[str, Any]) -> None:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            _flatten(value, into)
        elif not isinstance(value, list | tuple):
            into[str(key)] = value
