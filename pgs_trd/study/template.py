"""The commented study file that `pgs-trd init` writes, and the JSON schema of all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from pgs_trd.simulate.traits import list_traits
from pgs_trd.study.sections import TITLE, StudyConfig
from pgs_trd.tables import read_table

Design = Literal["plain", "xu2025"]
COMPONENT = re.compile(r"^(PC|pc)_?\d{1,2}$")
USUAL_COVARIATES = ("sex", "age", "age_years", "birth_year", "array", "batch", "site")
USUAL_STRATA = ("ancestry", "stratum", "population", "superpopulation")
MOST_COMPONENTS = 10
DEFAULT_COLUMNS = ["sex", "birth_year", *(f"PC{number}" for number in range(1, 11))]
CURVE_TRAIT, MDD_TRAIT = "insomnia", "major depressive disorder"
PUBLISHED_TRAITS = ("educational attainment", "intelligence", "neuroticism", CURVE_TRAIT)
"""Traits of Xu et al. (2025) whose names were in a text that could be read."""
TITLES = {
    "plain": TITLE,
    "xu2025": "Polygenic scores and treatment-resistant depression, a study inspired by Xu et al. "
    "(2025)",
}


@dataclass(frozen=True)
class StudyParts:
    """The files of a study that are known already.

    Attributes
    ----------
    genotypes, weights, records, covariates, traits
        As in a study file; None where a name to be changed is to stand.
    """

    genotypes: Path | None = None
    weights: Path | None = None
    records: Path | None = None
    covariates: Path | None = None
    traits: Path | None = None


def write_template(path: Path, parts: StudyParts | None = None, *, design: Design = "plain") -> str:
    """Give the text of a commented study file for `path`.

    Parameters
    ----------
    path
        Where it will stand: the files are named from its folder.
    parts
        The study's files, as far as they are known. Of the covariates the columns are read: sex,
        age and principal components are adjusted for, a column of ancestry tells the strata,
        and the largest of them is that of discovery, where the design has one. The
        score for insomnia, else the first, of the traits has its curves drawn.
    design
        "plain", or "xu2025": what Xu et al. (2025) did, as far as that is known.
    """
    parts = parts or StudyParts()

    def name(given: Path | None, otherwise: str) -> str:
        if given is None:
            return otherwise
        target, folder = given.expanduser().absolute(), path.absolute().parent
        return _scalar(os.path.relpath(target, folder))

    columns, stratum = _choose_columns(parts.covariates)
    no_traits = "traits.tsv" if design == "xu2025" else "# traits: traits.tsv"
    traits = name(parts.traits, no_traits)
    text = (resources.files("pgs_trd.study") / "designs" / f"{design}.yaml").read_text("utf-8")
    return text.format(
        name=path.name,
        title=_scalar(TITLES[design]),
        genotypes=name(parts.genotypes, "genotypes"),
        weights=name(parts.weights, "weights/*.txt.gz"),
        traits=traits if design == "xu2025" or parts.traits is None else f"traits: {traits}",
        records=name(parts.records, "omop"),
        covariates=name(parts.covariates, "covariates.tsv"),
        columns=_flow(columns),
        stratum="null" if stratum is None else _scalar(stratum),
        replication=_choose_discovery(parts.covariates, stratum),
        mdd_score=_choose_mdd_score(parts.traits),
        curve_score=_scalar(_choose_score(parts.traits, design)),
    )


def design_traits() -> pd.DataFrame:
    """Give the table of 61 traits that goes with the design "xu2025".

    Returns
    -------
    DataFrame
        score (a name to be changed), trait, domain, and `basis`: whether the trait was named in
        a text of the paper that could be read, or by us.
    """
    traits = list_traits()
    known = traits["trait"].isin(PUBLISHED_TRAITS)
    return traits.assign(
        score=traits["trait"].str.lower().str.replace(r"[^a-z0-9]+", "_", regex=True),
        basis=known.map({True: "named in the paper", False: "ours: their list is not public"}),
    )


def _choose_columns(covariates: Path | None) -> tuple[list[str], str | None]:
    if covariates is None:
        return DEFAULT_COLUMNS, "ancestry"
    names = [str(column) for column in read_table(covariates).columns]
    components = [column for column in names if COMPONENT.match(column)][:MOST_COMPONENTS]
    usual = [column for column in names if column.lower() in USUAL_COVARIATES]
    chosen = [*usual, *components]
    strata = [column for column in names if column.lower() in USUAL_STRATA]
    others = [column for column in names if column not in ("person_id", *strata[:1])]
    return chosen or others[:1] or ["sex"], strata[0] if strata else None


def _choose_discovery(covariates: Path | None, stratum: str | None) -> str:
    """Give the lines of the strata's roles; as a comment where there is one stratum only."""
    lines = ["replication:", "  discovery: [{}]", "  # replication: [...]  # without it all others"]
    if covariates is None:
        return "\n".join(lines).format("EUR")
    labels = read_table(covariates)[stratum].value_counts() if stratum else pd.Series()
    if len(labels) < 2:
        return "\n".join(f"# {line}" for line in lines).format("EUR")
    return "\n".join(lines).format(_scalar(str(labels.index[0])))


def _choose_score(traits: Path | None, design: Design) -> str:
    """Give the score for insomnia, else the first; a name to be changed without a table."""
    if traits is None:
        return CURVE_TRAIT if design == "xu2025" else "PGS000001"
    table = read_table(traits, text_columns=("score", "trait", "domain"))
    if "score" not in table or not len(table):
        return "PGS000001"
    return _score_of(CURVE_TRAIT, table) or str(table["score"].iloc[0])


def _choose_mdd_score(traits: Path | None) -> str:
    """Give the line of the score of depression; as a comment where the table has none."""
    if traits is None:
        return f"mdd_score: {MDD_TRAIT.replace(' ', '_')}"
    found = _score_of(MDD_TRAIT, read_table(traits, text_columns=("score", "trait", "domain")))
    return f"mdd_score: {_scalar(found)}" if found else "# mdd_score: its name"


def _score_of(trait: str, table: pd.DataFrame) -> str | None:
    if not {"score", "trait"} <= set(table.columns):
        return None
    rows = zip(table["score"], table["trait"], strict=True)
    return next((str(score) for score, name in rows if str(name).lower() == trait), None)


def _scalar(text: str) -> str:
    """Write one value as YAML does, in quotes where it needs them."""
    return yaml.safe_dump(text, width=10_000).removesuffix("\n").removesuffix("\n...")


def _flow(values: Sequence[str]) -> str:
    return yaml.safe_dump(list(values), default_flow_style=True, width=10_000).strip()


def study_schema() -> dict[str, Any]:
    """Give the JSON schema of study files, for editors that complete and check them."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **StudyConfig.model_json_schema(),
    }
