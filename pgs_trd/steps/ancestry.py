"""Genotypes to components: variants chosen, components fitted, new people projected."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry import (
    PrincipalComponents,
    Projection,
    choose_variants,
    fit_pca,
    is_in_long_range_ld,
    king_kinship,
    person_quality,
    project,
    prune_variants,
    read_reference,
    variant_quality,
    write_reference,
)
from pgs_trd.errors import PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring.files import beside
from pgs_trd.steps.ancestry_tables import (
    VARIANT_COLUMNS,
    IntArray,
    check_reference_path,
    keep_path,
    label_reference,
    read_variants,
    rows_of,
    write_keep,
)
from pgs_trd.steps.inputs import Target, open_target
from pgs_trd.steps.outputs import check_outputs, describe_inputs, stage_outputs
from pgs_trd.tables import write_table
from pgs_trd.weights import MatchBy, Palindromes, read_chain

Progress = Callable[[float], None]


def quality_step(
    genotypes: Path,
    out: Path,
    *,
    target: Target | None = None,
    min_frequency: float = 0.05,
    max_missing: float = 0.02,
    min_hardy_p: float | None = None,
    flag_palindromes: bool = False,
    max_person_missing: float = 0.05,
    max_heterozygosity_sd: float | None = None,
    threads: int | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flag variants and, by those that are ok, people; write a table of each.

    Beside them stands a list of the people who are ok, for --keep.
    """
    target = target or Target()
    check_outputs(out, _read_paths(genotypes, target), companions=("people",))
    keep = keep_path(out, _read_paths(genotypes, target))
    source = open_target(genotypes, target)
    options: dict[str, Any] = {
        "min_frequency": min_frequency,
        "max_missing": max_missing,
        "min_hardy_p": min_hardy_p,
        "flag_palindromes": flag_palindromes,
    }
    of_people: dict[str, Any] = {
        "max_missing": max_person_missing,
        "max_heterozygosity_sd": max_heterozygosity_sd,
    }
    variants = variant_quality(source, threads=threads, **options)
    people = person_quality(source, rows_of(variants), threads=threads, **of_people)
    options |= {"max_person_missing": max_person_missing}
    options |= {"max_heterozygosity_sd": max_heterozygosity_sd} | target.options
    with stage_outputs(out) as staged:
        write_table(variants, staged)
        write_table(people, beside(staged, "people"))
        write_keep(people, staged.with_name(keep.name))
        _describe(
            "ancestry qc", staged, options, {"genotypes": source.paths, **target.inputs},
            variants=_count(variants), people=_count(people),
        )  # fmt: skip
    return variants, people


def prune_step(
    genotypes: Path,
    out: Path,
    *,
    target: Target | None = None,
    variants: Path | None = None,
    window_kb: float | None = 1000.0,
    window_variants: int | None = None,
    max_r2: float = 0.1,
    genome_build: str | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Flag variants in long-range linkage disequilibrium and those correlated with others."""
    target = target or Target()
    check_outputs(out, [*_read_paths(genotypes, target), variants], companions=())
    source = open_target(genotypes, target)
    table = _variant_table(source, variants, threads)
    if genome_build is None:
        warnings.warn(
            "without --genome-build the regions of long-range linkage disequilibrium stay in: a "
            "component may show one of them",
            PgsTrdWarning,
            stacklevel=2,
        )
    else:
        _flag(
            table,
            rows_of(table),
            is_in_long_range_ld(source.variants, genome_build),
            "long_range_ld",
        )
    rows = rows_of(table)
    kept = prune_variants(
        source,
        rows,
        window_kb=window_kb,
        window_variants=window_variants,
        max_r2=max_r2,
        threads=threads,
    )
    _flag(table, rows, ~np.isin(np.arange(len(table)), kept), "correlated")
    options = {
        "window_kb": window_kb,
        "window_variants": window_variants,
        "max_r2": max_r2,
        "genome_build": genome_build,
        **target.options,
    }
    inputs = {"genotypes": source.paths, **target.inputs, "variants": _some(variants)}
    with stage_outputs(out) as staged:
        write_table(table, staged)
        _describe("ancestry prune", staged, options, inputs, variants=_count(table))
    return table


def pca_step(
    genotypes: Path,
    out: Path,
    *,
    target: Target | None = None,
    variants: Path | None = None,
    reference: Path | None = None,
    labels: Path | None = None,
    label_column: str | None = None,
    n_components: int = 20,
    seed: int = 1,
    genome_build: str | None = None,
    threads: int | None = None,
) -> PrincipalComponents:
    """Fit principal components; write those of the people, and perhaps the reference.

    The components are on the scale of projected people, ``PrincipalComponents.scores``.
    """
    target = target or Target()
    read = [*_read_paths(genotypes, target), variants, labels]
    check_outputs(out, [*read, reference], companions=())
    if reference is not None:
        check_reference_path(reference)
    if (labels is None) != (label_column is None):
        raise UsageError("--labels and --label-column, the column of the groups in it, go together")
    source = open_target(genotypes, target)
    if variants is None:
        warnings.warn(
            "without --variants all common variants are taken: components of variants that are not "
            "pruned may show single regions; see `pgs-trd ancestry prune`",
            PgsTrdWarning,
            stacklevel=2,
        )
    pca = fit_pca(
        source,
        _rows(source, variants),
        n_components=n_components,
        rng=np.random.default_rng(seed),
        threads=threads,
        build=genome_build,
    )
    if labels is not None and label_column is not None:
        pca = replace(pca, labels=label_reference(pca, labels, label_column))
    options = {
        "n_components": n_components,
        "seed": seed,
        "genome_build": genome_build,
        "label_column": label_column,
        **target.options,
    }
    inputs = {"genotypes": source.paths, **target.inputs, "variants": _some(variants)}
    inputs["labels"] = _some(labels)
    facts: dict[str, Any] = {"n_people": pca.n_people, "n_variants": pca.n_variants}
    facts["eigenvalues"] = [float(value) for value in pca.eigenvalues]
    if reference is not None:
        write_reference(pca, reference)
        _describe("ancestry pca", reference, options, inputs, **facts)
    with stage_outputs(out) as staged:
        write_table(pca.scores.reset_index(), staged)
        _describe("ancestry pca", staged, options, inputs, **facts)
    return pca


def project_step(
    genotypes: Path,
    reference: Path,
    out: Path,
    *,
    target: Target | None = None,
    n_components: int | None = None,
    palindromes: Palindromes = "drop",
    by: MatchBy = "position",
    min_overlap: float = 0.75,
    min_call_rate: float = 0.5,
    genome_build: str | None = None,
    chain: Path | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Projection:
    """Project people on a reference; write their components and what became of its variants."""
    target = target or Target()
    read = [*_read_paths(genotypes, target), reference, chain]
    check_outputs(out, read, companions=("variants",))
    options: dict[str, Any] = {
        "n_components": n_components,
        "palindromes": palindromes,
        "by": by,
        "min_overlap": min_overlap,
        "min_call_rate": min_call_rate,
        "genome_build": genome_build,
    }
    fitted = read_reference(reference)
    source = open_target(genotypes, target)
    result = project(
        source,
        fitted,
        chain=None if chain is None else read_chain(chain),
        threads=threads,
        progress=progress,
        **options,
    )
    inputs = {"genotypes": source.paths, **target.inputs}
    inputs |= {"reference": [reference], "chain": _some(chain)}
    n_few = int((result.quality["status"] != "ok").sum())
    if n_few:
        warnings.warn(
            f"{n_few:,} of {len(result.quality):,} people have too few calls and get no components",
            PgsTrdWarning,
            stacklevel=2,
        )
    with stage_outputs(out) as staged:
        write_table(result.components.join(result.quality).reset_index(), staged)
        write_table(result.match.drop(columns="file"), beside(staged, "variants"))
        _describe(
            "ancestry project", staged, options | target.options, inputs,
            n_people=len(result.components), n_matched=result.n_matched,
            n_few_calls=n_few, shrinkage=result.shrinkage.dropna().to_dict(),
        )  # fmt: skip
    return result


def kinship_step(
    genotypes: Path,
    out: Path,
    *,
    target: Target | None = None,
    variants: Path | None = None,
    min_kinship: float = 2.0**-4.5,
    threads: int | None = None,
) -> pd.DataFrame:
    """Estimate the kinship of all pairs; write those that are related."""
    target = target or Target()
    check_outputs(out, [*_read_paths(genotypes, target), variants], companions=())
    source = open_target(genotypes, target)
    rows = _rows(source, variants)
    pairs = king_kinship(source, rows, min_kinship=min_kinship, threads=threads)
    options = {"min_kinship": min_kinship, **target.options}
    inputs = {"genotypes": source.paths, **target.inputs, "variants": _some(variants)}
    with stage_outputs(out) as staged:
        write_table(pairs, staged)
        _describe(
            "ancestry kinship", staged, options, inputs, n_people=len(source.samples),
            n_variants=len(rows), n_pairs=pairs["degree"].value_counts().to_dict(),
        )  # fmt: skip
    return pairs


def _variant_table(
    source: GenotypeSource, variants: Path | None, threads: int | None
) -> pd.DataFrame:
    """Give the table of `--variants`, or one of the usual limits."""
    if variants is None:
        table = variant_quality(source, threads=threads)
    else:
        table = read_variants(variants, source)
    if "reason" not in table:
        table["reason"] = ""
    return table[[*VARIANT_COLUMNS, "status", "reason"]].assign(
        reason=table["reason"].fillna("").astype(object)
    )


def _rows(source: GenotypeSource, variants: Path | None) -> IntArray:
    """Give the variants to use."""
    return choose_variants(source) if variants is None else rows_of(read_variants(variants, source))


def _flag(table: pd.DataFrame, rows: IntArray, fails: npt.NDArray[np.bool_], reason: str) -> None:
    """Flag those of `rows` that fail, in place."""
    failed = rows[fails[rows]]
    table.loc[failed, ["status", "reason"]] = ["flagged", reason]


def _count(table: pd.DataFrame) -> dict[str, int]:
    """Count rows by reason; ok has none."""
    reasons = table["reason"].where(table["status"] != "ok", "ok")
    return {str(reason): int(n) for reason, n in reasons.value_counts().items()}


def _some(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _read_paths(genotypes: Path, target: Target) -> list[Path | None]:
    """Give the files read, as far as their names are given."""
    return [genotypes, target.sample, *(path for paths in target.inputs.values() for path in paths)]


def _describe(
    step: str,
    artefact: Path,
    options: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Path]],
    **facts: Any,
) -> None:
    """Write the sidecar of an artefact."""
    write_sidecar(describe_inputs(step, options, inputs, **facts), artefact)
