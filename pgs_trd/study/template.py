"""The commented study file that `pgs-trd init` writes, and the JSON schema of all of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import read_table

TEMPLATE = """\
# A study of pgs_trd. Paths count from the folder of this file.
#   pgs-trd check {name}    finds what is wrong before any work
#   pgs-trd run {name}      does all of it
title: {title}

# PLINK 1 or 2 prefix, .bed, .pgen, .bgen, .vcf.gz, .bcf; by chromosome: chr{{1:22,X}}.bed
genotypes: {genotypes}
# Weight files; a pattern or a folder stands for many.
weights:
  - {weights}
# A table with the columns score, trait, domain names the scores in the report.
{traits}

records:
  # A folder of OMOP tables or a .duckdb file; or flat tables by name:
  # source: {{prescriptions: prescriptions.tsv, diagnoses: diagnoses.tsv}}
  source: {records}

covariates:
  # One row a person: person_id, what to adjust for, and the stratum.
  file: {covariates}
  columns: {columns}
  stratum: {stratum}          # null: one stratum
  # strata: [EUR, AFR]        # these only; without it all of them

# Who is resistant and who responsive: an id of `pgs-trd definitions list`, or a YAML file.
definition: adequate2
contrasts: [trd_vs_responsive, trd_vs_none, mdd_vs_none]
origin: first_diagnosis       # of follow-up; or first_antidepressant
trials:
  gap_days: 30                # prescriptions this near are one trial
  default_supply_days: 30     # of a prescription that says nothing

models:
  method: auto                # maximum likelihood; Firth's where that has no maximum
  se: model                   # or HC0, HC1
  min_events_per_parameter: 10
  meta_method: fixed          # strata are pooled so; or dl, reml, pm

# The first contrast again, under other definitions.
sensitivity:
  grid: grid                  # three responsive by five resistant definitions
  # definitions: [fabbri2021, kim2020]
  # within: sex              # the estimates by sex, and their interaction

scoring:
  palindromes: drop           # A/T and C/G variants: drop, keep, or by frequency
  missing: mean               # a missing call: its expectation, or zero
  min_overlap: 0.75           # a score of which fewer rows match fails
  # chain: hg19ToHg38.over.chain.gz
  # read_freq: reference.afreq
  # p_thresholds: [5.0e-8, 0.05, 1]

# The score whose fifths are drawn as curves: the name in its file, or the name of the file.
curve_score: {curve_score}

disclosure:
  suppress_counts_up_to: 20   # counts of 1 to 20 never leave the report; 0 hides none
  round_counts_to: 1          # 5 or 10 rounds those that do

output: results
"""
COMPONENT = re.compile(r"^(PC|pc)_?\d{1,2}$")
USUAL_COVARIATES = ("sex", "age", "age_years", "birth_year", "array", "batch", "site")
USUAL_STRATA = ("ancestry", "stratum", "population", "superpopulation")
MOST_COMPONENTS = 10
DEFAULT_COLUMNS = ["sex", "birth_year", *(f"PC{number}" for number in range(1, 11))]


def write_template(
    path: Path,
    *,
    genotypes: Path | None = None,
    weights: Path | None = None,
    records: Path | None = None,
    covariates: Path | None = None,
    traits: Path | None = None,
) -> str:
    """Give the text of a commented study file for `path`.

    Parameters
    ----------
    path
        Where it will stand: the files are named from its folder.
    genotypes, weights, records, covariates, traits
        The study's files, where they are known already; names to be changed stand in
        the place of the others. Of `covariates` the columns are read: sex, age and
        principal components are adjusted for, a column of ancestry tells the strata.
        The first score of `traits` has its curves drawn.
    """

    def name(given: Path | None, otherwise: str) -> str:
        if given is None:
            return otherwise
        target, folder = given.expanduser().absolute(), path.absolute().parent
        return _scalar(os.path.relpath(target, folder))

    columns, stratum = _choose_columns(covariates)
    return TEMPLATE.format(
        name=path.name,
        title=_scalar(str(StudyConfig.model_fields["title"].default)),
        genotypes=name(genotypes, "genotypes"),
        weights=name(weights, "weights/*.txt.gz"),
        traits="# traits: traits.tsv" if traits is None else f"traits: {name(traits, '')}",
        records=name(records, "omop"),
        covariates=name(covariates, "covariates.tsv"),
        columns=_flow(columns),
        stratum="null" if stratum is None else _scalar(stratum),
        curve_score=_scalar(_first_score(traits)),
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


def _first_score(traits: Path | None) -> str:
    if traits is None:
        return "PGS000001"
    table = read_table(traits, text_columns=("score", "trait", "domain"))
    return str(table["score"].iloc[0]) if "score" in table and len(table) else "PGS000001"


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
