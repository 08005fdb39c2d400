"""A whole simulated biobank: genotypes, weights, records, and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import threadpoolctl  # type: ignore[import-untyped]  # ships no type information

from pgs_trd.ancestry.pca import choose_variants, fit_pca
from pgs_trd.errors import UsageError
from pgs_trd.genotypes import GenotypeSource, write_plink1
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.simulate.effects import draw_scores
from pgs_trd.simulate.genomes import Genomes, share_out, simulate_genomes
from pgs_trd.simulate.liability import draw_classes, draw_people, effects_against_none
from pgs_trd.simulate.omop import write_omop
from pgs_trd.simulate.records import simulate_records
from pgs_trd.simulate.traits import Planted, list_traits, state_truth
from pgs_trd.simulate.weight_files import write_weights
from pgs_trd.tables import write_table

ANCESTRIES: Mapping[str, float] = {"EUR": 0.4, "AFR": 0.3, "EAS": 0.3}
FEWEST_PEOPLE, FEWEST_VARIANTS = 100, 1_000
N_COMPONENTS, PCA_VARIANTS, DECIMALS = 10, 2_000, 6

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Biobank:
    """Where the parts of a simulated biobank lie.

    Attributes
    ----------
    folder
        The folder of all.
    genotypes
        PLINK 1 prefix.
    weights
        Folder of weight files, ``<score>.txt.gz``.
    records
        Folder of OMOP CDM 5.4 tables, ``<table>.parquet``.
    covariates
        person_id, sex, birth_year, ancestry, PC1..PC10; `adversity`, the shared cause of
        MDD and resistance as if it had been asked for; `enrolment_date`, a day in the
        first half of the time observed.
    traits
        score, trait, domain.
    truth
        score, trait, contrast, beta: what was planted, see `state_truth`.
    latent
        One row a person: the latent class and what it came from, and the class
        that the records show. For tests; no analysis may look at it.
    """

    folder: Path
    genotypes: Path
    weights: Path
    records: Path
    covariates: Path
    traits: Path
    truth: Path
    latent: Path


def locate_biobank(folder: Path) -> Biobank:
    """Say where the parts of a biobank in `folder` lie."""
    return Biobank(
        folder=folder,
        genotypes=folder / "genotypes",
        weights=folder / "weights",
        records=folder / "omop",
        covariates=folder / "covariates.tsv",
        traits=folder / "traits.tsv",
        truth=folder / "truth.tsv",
        latent=folder / "latent.parquet",
    )


def simulate_biobank(
    out: Path,
    *,
    n_people: int = 5000,
    seed: int = 3,
    n_variants: int = 20_000,
    ancestries: Mapping[str, float] = ANCESTRIES,
    mdd_prevalence: float = 0.30,
    trd_share: float = 0.25,
    planted: Planted | None = None,
    shared_cause: float = 0.0,
    progress: Progress | None = None,
    threads: int = 1,
) -> Biobank:
    """Simulate a biobank whose answer is known, and write it to `out`.

    The same seed and options give the same bytes in every file, whatever
    `threads` is.

    Parameters
    ----------
    out
        Folder to write into; made if need be, its files replaced.
    n_people
        At least 100.
    seed
        Not negative. The default is one with which no score that has no effect looks
        as if it had one: with seed 1, one of 183 estimates has p = 2e-5 by chance.
    n_variants
        Genotyped variants, at least 1,000.
    ancestries
        Share of people by ancestry, of EUR, AFR, EAS and AMR; they need not sum
        to one. By default three, so that the smallest of 5,000 people still has
        about 100 resistant cases.
    mdd_prevalence, trd_share
        Share of people with MDD, and of those the share that is resistant.
    planted
        Effects of scores, by default those of Xu et al. (2025) on resistance.
    shared_cause
        Log odds of a hidden cause of both MDD and resistance; 0 means none. See
        `draw_classes`: it makes the naive effect of the MDD score on resistance
        differ from its true value, zero.
    progress
        Called with what is being done and the share done, in [0, 1].
    threads
        Chromosomes simulated at the same time.

    Raises
    ------
    UsageError
        If an option is out of range.
    """
    planted = planted or Planted()
    groups = _check_options(n_people, n_variants, seed, ancestries, mdd_prevalence, trd_share)
    tell = progress or (lambda _stage, _share: None)
    biobank = locate_biobank(Path(out))
    parts = np.random.SeedSequence(seed).spawn(7)
    of_genomes, of_people, of_calls, of_weights, of_classes, of_records, of_enrolment = parts

    tell("simulating genomes", 0.0)
    genomes = simulate_genomes(groups, n_variants, seed=of_genomes, threads=threads)
    rng = np.random.default_rng(of_people)
    people = draw_people(n_people, rng)
    order = rng.permutation(n_people)
    people["ancestry"] = np.repeat(list(groups), list(groups.values()))[order]
    traits = list_traits()
    # Sums in one fixed order, however many threads the linear algebra could use.
    with threadpoolctl.threadpool_limits(limits=1):
        tell("writing genotypes", 0.5)
        genotypes = _write_genotypes(
            biobank, genomes, people, order, np.random.default_rng(of_calls)
        )
        tell("drawing scores", 0.6)
        rng = np.random.default_rng(of_weights)
        scores = _write_scores(biobank, genotypes, genomes, people, traits, rng)
        tell("computing principal components", 0.8)
        covariates = _covariates(genotypes, people, rng)
    tell("simulating health records", 0.9)
    classes = draw_classes(
        people,
        scores,
        planted=planted,
        mdd_prevalence=mdd_prevalence,
        trd_share=trd_share,
        shared_cause=shared_cause,
        rng=np.random.default_rng(of_classes),
    )
    records = simulate_records(people, classes, rng=np.random.default_rng(of_records))
    covariates["adversity"] = classes["shared_cause"].round(DECIMALS)
    covariates["enrolment_date"] = _draw_enrolment(
        records.tables["observation_period"], people, np.random.default_rng(of_enrolment)
    )
    write_table(covariates, biobank.covariates)
    write_omop(records.tables, biobank.records)
    write_table(classes.merge(records.outcome, on="person_id"), biobank.latent)
    write_table(traits, biobank.traits)
    against_none = None
    if shared_cause:
        against_none = effects_against_none(
            planted,
            mdd_prevalence=mdd_prevalence,
            trd_share=trd_share,
            shared_cause=shared_cause,
        )
    truth = state_truth(traits, planted, trd_share=trd_share, against_none=against_none)
    write_table(truth, biobank.truth)
    tell("simulated", 1.0)
    return biobank


def _check_options(
    n_people: int,
    n_variants: int,
    seed: int,
    ancestries: Mapping[str, float],
    mdd_prevalence: float,
    trd_share: float,
) -> dict[str, int]:
    """Refuse options out of range; give the number of people by ancestry."""
    if n_people < FEWEST_PEOPLE:
        raise UsageError(f"n_people must be at least {FEWEST_PEOPLE}, got {n_people}")
    if n_variants < FEWEST_VARIANTS:
        raise UsageError(f"n_variants must be at least {FEWEST_VARIANTS:,}, got {n_variants:,}")
    if seed < 0:
        raise UsageError(f"seed must not be negative, got {seed}")
    for name, share in (("mdd_prevalence", mdd_prevalence), ("trd_share", trd_share)):
        if not 0 < share < 1:
            raise UsageError(f"{name} must lie between 0 and 1, got {share:g}")
    if not ancestries or min(ancestries.values()) <= 0:
        raise UsageError("ancestries must name at least one, each with a share above 0")
    shares = np.array(list(ancestries.values()), dtype=np.float64)
    counts = share_out(n_people, shares)
    return {name: int(count) for name, count in zip(ancestries, counts, strict=True) if count}


def _write_genotypes(
    biobank: Biobank,
    genomes: Genomes,
    people: pd.DataFrame,
    order: np.ndarray[tuple[int], np.dtype[np.int64]],
    rng: np.random.Generator,
) -> GenotypeSource:
    write_plink1(
        biobank.genotypes,
        genomes.typed_blocks(order, rng),
        variants=genomes.variants[genomes.variants["is_typed"]].reset_index(drop=True),
        samples=people[["person_id", "sex"]].astype({"person_id": str}),
    )
    return open_plink1(biobank.genotypes)


def _write_scores(
    biobank: Biobank,
    genotypes: GenotypeSource,
    genomes: Genomes,
    people: pd.DataFrame,
    traits: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw and write the weights; give the scores by trait, standardised by ancestry."""
    rows, scores = draw_scores(genotypes, genomes.variants, people["ancestry"], len(traits), rng)
    for number, (score, trait) in enumerate(
        traits[["score", "trait"]].itertuples(index=False, name=None)
    ):
        write_weights(
            biobank.weights, score, trait, rows=rows[number], variants=genomes.variants, rng=rng
        )
    return pd.DataFrame(scores, columns=traits["trait"].to_numpy())


def _covariates(
    genotypes: GenotypeSource, people: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Put the given covariates and principal components of thinned variants together."""
    rows = choose_variants(genotypes)
    rows = rows[:: -(-len(rows) // PCA_VARIANTS)]
    fitted = fit_pca(genotypes, rows, n_components=N_COMPONENTS, rng=rng)
    components = fitted.components.round(DECIMALS).reset_index(drop=True)
    table = people[["person_id", "sex", "birth_year", "ancestry"]].astype({"person_id": str})
    return pd.concat([table, components], axis=1)


def _draw_enrolment(
    periods: pd.DataFrame, people: pd.DataFrame, rng: np.random.Generator
) -> pd.Series:
    """Draw the day a person joined, in the first half of the time observed, as text."""
    spans = periods.groupby("person_id").agg(
        start=("observation_period_start_date", "min"), end=("observation_period_end_date", "max")
    )
    spans = spans.loc[people["person_id"]]
    share = 0.5 * rng.random(len(spans))
    days = np.floor(share * (spans["end"] - spans["start"]).dt.days.to_numpy())
    dates = spans["start"] + pd.to_timedelta(days, unit="D")
    written: pd.Series = dates.dt.strftime("%Y-%m-%d").reset_index(drop=True)
    return written
