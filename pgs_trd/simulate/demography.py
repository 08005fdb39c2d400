"""Where the simulated people come from: a published model of human demography."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgs_trd.errors import UsageError

if TYPE_CHECKING:
    import msprime

GROUPS = ("EUR", "AFR", "EAS", "AMR")

EUR_GROWTH, EAS_GROWTH, AMR_GROWTH = 0.0038, 0.0048, 0.05
SPLIT_OF_EUR_AND_EAS, OUT_OF_AFRICA, AFRICAN_EXPANSION, AMERICAN_ADMIXTURE = 920, 2040, 5920, 12


def build_demography(groups: Mapping[str, int]) -> msprime.Demography:
    """Build the out-of-Africa model of Gravel et al. [1]_, with admixture on demand.

    AFR, EUR and EAS with the sizes, growth, split times and migration rates of
    [1]_ (times in generations); AMR, if asked for, is the admixed American
    population of Browning et al. [2]_: 1/6 AFR, 1/3 EUR and 1/2 EAS, 12
    generations ago, growing by 5 % a generation since.

    Parameters
    ----------
    groups
        Number of people by group, names from `GROUPS`.

    Raises
    ------
    UsageError
        If a group has another name.

    References
    ----------
    .. [1] Gravel et al. (2011) PNAS 108:11983.
    .. [2] Browning et al. (2018) PLoS Genetics 14:e1007385.
    """
    import msprime

    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise UsageError(
            f"unknown ancestry {', '.join(map(repr, unknown))}; there are {', '.join(GROUPS)}"
        )
    model = msprime.Demography()
    model.add_population(name="AFR", initial_size=14_474)
    model.add_population(name="EUR", initial_size=_grown(1_032, EUR_GROWTH), growth_rate=EUR_GROWTH)
    model.add_population(name="EAS", initial_size=_grown(554, EAS_GROWTH), growth_rate=EAS_GROWTH)
    model.add_population(name="OOA", initial_size=1_861)
    if "AMR" in groups:
        size = 30_000 * (1 + AMR_GROWTH) ** AMERICAN_ADMIXTURE
        model.add_population(name="AMR", initial_size=size, growth_rate=AMR_GROWTH)
        model.add_admixture(
            AMERICAN_ADMIXTURE,
            derived="AMR",
            ancestral=["AFR", "EUR", "EAS"],
            proportions=[1 / 6, 1 / 3, 1 / 2],
        )
    model.set_symmetric_migration_rate(["AFR", "EUR"], 2.5e-5)
    model.set_symmetric_migration_rate(["AFR", "EAS"], 0.78e-5)
    model.set_symmetric_migration_rate(["EUR", "EAS"], 3.11e-5)
    model.add_population_split(SPLIT_OF_EUR_AND_EAS, derived=["EUR", "EAS"], ancestral="OOA")
    model.add_symmetric_migration_rate_change(SPLIT_OF_EUR_AND_EAS, ["AFR", "OOA"], 15e-5)
    model.add_mass_migration(time=OUT_OF_AFRICA, source="OOA", dest="AFR", proportion=1.0)
    model.add_migration_rate_change(time=OUT_OF_AFRICA, rate=0)
    model.add_population_parameters_change(
        time=AFRICAN_EXPANSION, population="AFR", initial_size=7_310
    )
    model.sort_events()
    return model


def _grown(founders: int, rate: float) -> float:
    """Give today's size of a population that grew since EUR and EAS parted."""
    return founders * math.exp(rate * SPLIT_OF_EUR_AND_EAS)
