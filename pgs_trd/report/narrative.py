"""Sentences of the report, written from the disclosed tables and the choices in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import Findings, compare_planted, find, find_progression
from pgs_trd.report.results import AS_MAIN, HELD_FIXED
from pgs_trd.report.specifications import find_specifications
from pgs_trd.report.text import (
    contrast_label,
    format_count,
    format_p,
    format_percent,
    format_ratio,
    phenotype_label,
    plain_label,
)

MOST_NAMED = 5

SENTENCES: dict[str, Mapping[str, str] | str] = {
    "definition": "Treatment resistance was defined by the definition “{}”.",
    "definition_hash": "The hash of that definition is {}.",
    "gap_days": "Prescriptions no more than {} days apart were joined to one treatment trial.",
    "default_supply_days": "A prescription without days' supply was taken to last {} days.",
    "max_supply_days": "No prescription was taken to last more than {} days.",
    "palindromes": {
        "drop": "Palindromic variants (A/T, C/G) were left out of the scores.",
        "keep": "Palindromic variants (A/T, C/G) were kept and taken to be on the forward strand.",
        "frequency": "Palindromic variants (A/T, C/G) were resolved by allele frequency.",
    },
    "missing": {
        "mean": "A missing call counted as twice the frequency of the effect allele.",
        "zero": "A missing call counted as no effect allele.",
    },
    "by": {
        "position": "Variants were found by chromosome, position and both alleles.",
        "id": "Variants were found by id and both alleles.",
    },
    "scale": {
        "center": "Copies were counted less their mean.",
        "standardize": "Copies were counted less their mean, over their standard deviation.",
    },
    "p_thresholds": "Scores are of the variants with p-values up to {}.",
    "min_overlap": "A score was left out if fewer than {:.0%} of its variants were found.",
    "standardise": {
        "stratum": "Scores were standardised to mean 0 and SD 1 within each stratum.",
        "sample": "Scores were standardised to mean 0 and SD 1 over the whole sample.",
        "none": "Scores were used as they are, not standardised.",
    },
    "covariates": "All models were adjusted for {}.",
    "covariate_columns": "All models were adjusted for {}.",
    "related": "Of each pair of relatives of third degree or closer one was left out of all "
    "models, resistant people last.",
    "components_made": "{} principal components were made within each stratum.",
    "stratum": "Models were fitted within each stratum of “{}” and pooled over strata.",
    "meta_method": {
        "fixed": "Strata were pooled by inverse-variance weights (fixed effect).",
        "dl": "Strata were pooled by the random effects of DerSimonian and Laird.",
    },
    "discovery": "Effects were discovered in the strata {}, and tested again in others.",
    "planned_scores": "Limits and false discovery rates allow for {} planned scores.",
    "method": {
        "auto": "Where cases and controls are separated, Firth's penalised likelihood was used.",
        "firth": "Firth's penalised likelihood was used throughout.",
    },
    "se": {
        "model": "Standard errors are model-based.",
        "HC0": "Standard errors are robust (HC0).",
        "HC1": "Standard errors are robust (HC1).",
        "HC3": "Standard errors are robust (HC3).",
    },
    "repeated_under": "The estimates of the first contrast were repeated under {} other "
    "definitions.",
    "origin": {
        "first_diagnosis": "Time to treatment resistance runs from the first diagnosis of "
        "depression.",
        "first_antidepressant": "Time to treatment resistance runs from the first antidepressant.",
    },
    "ties": {
        "efron": "Ties were handled as Efron does.",
        "breslow": "Ties were handled as Breslow does.",
    },
}
"""What each option says in the methods paragraph, in the order of the paragraph."""


def summarise(study: DisclosedStudy) -> list[str]:
    """Write the key findings, one sentence a point, from what may be shown."""
    points = [*_cohort_points(study)]
    main = find(study)
    if main is not None:
        points += _finding_points(main, "odds", f"{contrast_label(main.contrast)}: ")
    course = find_progression(study)
    if course is not None:
        points += _finding_points(course, "hazard", "Time to treatment resistance: ")
    points += _definition_points(study)
    points += _selection_points(study)
    points += _lost_points(study)
    if not study.match_summary.empty:
        rates = study.match_summary["match_rate"]
        n_ok = int((study.match_summary["status"] == "ok").sum())
        points.append(
            f"{n_ok} of {len(rates)} scores had enough of their variants in the genotypes; the "
            f"median share found is {format_percent(rates.median())}, the lowest "
            f"{format_percent(rates.min())}."
        )
    planted = compare_planted(study)
    if len(planted):
        known = planted[planted["is_covered"].notna()]
        points.append(
            f"Simulated data: {int(known['is_covered'].sum())} of {len(known)} intervals hold "
            "the effect that was planted; 95% of them should."
        )
    n_hidden = int(study.log["n_hidden"].sum()) if len(study.log) else 0
    rule = f"counts of 1 to {study.threshold}" if study.threshold else "no counts"
    points.append(f"Disclosure control hides {rule}; it changed {n_hidden:,} entries.")
    return points


def _cohort_points(study: DisclosedStudy) -> Iterator[str]:
    if study.class_counts.empty:
        return
    total = study.class_counts.iloc[-1]
    n_strata = len(study.class_counts) - 1 if len(study.class_counts) > 1 else 1
    names = [str(c) for c in study.class_counts.columns if c not in ("stratum", "all")]
    parts = [f"{phenotype_label(name).lower()} {format_count(total[name])}" for name in names]
    strata = "1 stratum" if n_strata == 1 else f"{n_strata} strata"
    yield f"{format_count(total['all'])} people in {strata}: {', '.join(parts)}."


def _finding_points(findings: Findings, ratio: str, subject: str) -> Iterator[str]:
    hits = findings.significant
    limit = f"p < {format_p(findings.alpha)}"
    if hits.empty:
        yield f"{subject}none of {findings.n_tests} scores passes the Bonferroni limit ({limit})."
        return
    named = "; ".join(
        f"{row['trait']} {format_ratio(row['beta'], row['ci_low'], row['ci_high'])}"
        for row in hits.head(MOST_NAMED).to_dict("records")
    )
    more = f" and {len(hits) - MOST_NAMED} more" if len(hits) > MOST_NAMED else ""
    verb = "passes" if len(hits) == 1 else "pass"
    yield (
        f"{subject}{len(hits)} of {findings.n_tests} scores {verb} the Bonferroni limit "
        f"({limit}); {ratio} ratios per SD (95% CI): {named}{more}."
    )


def _selection_points(study: DisclosedStudy) -> Iterator[str]:
    """Say what holding shared causes fixed does to the score of depression."""
    score = study.conventions.get("mdd_score")
    tables = [one.table for one in study.further if one.name == "index_event"]
    if score is None or not tables:
        return
    own = tables[0][tables[0]["score"] == score].set_index("approach")
    ways = [AS_MAIN, HELD_FIXED]
    if not set(ways) <= set(own.index) or own.loc[ways, "beta"].isna().any():
        return
    ratios = [
        format_ratio(*own.loc[way, ["beta", "ci_low", "ci_high"]].to_numpy(dtype=float))
        for way in ways
    ]
    yield (
        f"The score of depression, resistant against responsive: {ratios[0]} as it is, "
        f"{ratios[1]} with the causes held fixed that depression and resistance share."
    )


def _lost_points(study: DisclosedStudy) -> Iterator[str]:
    """Say how many models by stratum have no numbers, and why."""
    names = {"association": "logistic models", "progression": "Cox models"}
    for table, name in names.items():
        rows = getattr(study, table)
        if rows.empty or rows["beta"].notna().all():
            continue
        reasons = rows.loc[rows["beta"].isna(), "status"].value_counts()
        why = ", ".join(f"{count:,} {plain_label(str(key)).lower()}"
                        for key, count in reasons.items())  # fmt: skip
        yield f"{reasons.sum():,} of {len(rows):,} {name} are without a number: {why}."


def _definition_points(study: DisclosedStudy) -> Iterator[str]:
    found = find_specifications(study)
    if found is None:
        return
    holds = found.holds()
    n_others = len(found.definitions) - 1
    if holds.empty:
        return
    n_sign = int((holds["n_same_sign"] == n_others).sum())
    n_limit = int((holds["n_significant"] == n_others).sum())
    yield (
        f"Scores that pass the limit: {len(holds)}. Under all {n_others} other definitions the "
        f"sign is the same for {n_sign} of them, and the limit is passed by {n_limit}."
    )


def write_methods(study: DisclosedStudy) -> tuple[list[str], list[tuple[str, str]]]:
    """Write the methods from the choices in force.

    Returns
    -------
    sentences
        Of the choices that there is a sentence for.
    others
        Name and value of every other choice, so that none is lost.
    """
    choices = dict(_flatten(study.conventions))
    written: list[str] = []
    used = set()
    for option, wording in SENTENCES.items():
        if option not in choices or choices[option] is None:
            continue
        value = choices[option]
        if isinstance(wording, str):
            written.append(wording.format(_in_words(value)))
        elif str(value) in wording:
            written.append(wording[str(value)])
        else:
            continue
        used.add(option)
    others = [(k, str(_in_words(v))) for k, v in choices.items() if k not in used and v is not None]
    return written, others


def _flatten(mapping: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flatten(value)
        else:
            yield str(key), value


def _in_words(value: Any) -> Any:
    """Write a list as people do; leave anything else as it is."""
    if isinstance(value, list | tuple):
        words = _collapse([str(item) for item in value])
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
    return value


def _collapse(words: list[str]) -> list[str]:
    """Write PC1, PC2, ..., PC10 as PC1 to PC10."""
    numbered = [word for word in words if word.startswith("PC") and word[2:].isdigit()]
    if len(numbered) < 3 or [int(w[2:]) for w in numbered] != list(range(1, len(numbered) + 1)):
        return words or ["nothing"]
    first = words.index(numbered[0])
    rest = [word for word in words if word not in numbered]
    return [*rest[:first], f"{numbered[0]} to {numbered[-1]}", *rest[first:]]


def list_provenance(study: DisclosedStudy) -> dict[str, pd.DataFrame]:
    """Give versions, options and inputs of the run as two- and three-column tables."""
    provenance = dict(study.provenance)
    versions = provenance.pop("versions", {})
    inputs = provenance.pop("inputs", [])
    options = [(name, _plain(value)) for name, value in _paths(provenance)]
    files = [
        (str(one.get("name", "")), format_count(one.get("bytes")), str(one.get("checksum", "")))
        for one in inputs
        if isinstance(one, Mapping)
    ]
    return {
        "versions": pd.DataFrame(list(versions.items()), columns=["Software", "Version"]),
        "inputs": pd.DataFrame(files, columns=["File", "Bytes", "Checksum"]),
        "options": pd.DataFrame(options, columns=["Option", "Value"]),
    }


def _paths(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give nested options by their dotted names."""
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plain(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(str(item) for item in value[:12])
        return shown + (f", and {len(value) - 12} more" if len(value) > 12 else "")
    return str(value)
