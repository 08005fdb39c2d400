"""The bias panel of a study: other models of the same people, and what cannot be done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.ehr import open_ehr
from pgs_trd.report.results import AS_MAIN
from pgs_trd.simulate import Biobank
from pgs_trd.study import load_config
from pgs_trd.study.bias import examine_bias
from pgs_trd.study.bias_inputs import BiasInputs, NotPossibleError
from pgs_trd.study.index_event import fit_index_event
from pgs_trd.study.other_ends import enter_at_enrolment
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.visits import count_visits_before
from pgs_trd.tables import read_table


@pytest.fixture
def inputs(finished: Path) -> BiasInputs:
    config = load_config(finished / "study.yaml")
    return BiasInputs.read(config, StudyFiles(config.output), threads=1, memory_mb=None)


def test_bias__has_the_main_estimates_beside_the_others(finished: Path):
    """What other models move is told from the main estimate, to the last digits."""
    results = finished / "results"
    panel = read_table(results / "sensitivity" / "bias.parquet")
    for part, name in (("index_event", "association"), ("left_truncation", "progression")):
        rows = panel[(panel["part"] == part) & (panel["approach"] == AS_MAIN)].set_index("score")
        main = read_table(results / "models" / f"{name}_meta.parquet").set_index("score")
        if "contrast" in main:
            main = main[main["contrast"] == "trd_vs_responsive"]
        assert len(rows) == 5
        for column in ("beta", "se"):
            assert_allclose(rows[column], main.loc[rows.index, column], rtol=1e-10)
        assert rows.index[0] == "SIM000039"
    told = read_table(results / "sensitivity" / "bias_parts.tsv")
    assert told["part"].tolist() == [
        "index_event", "visit_density", "left_truncation", "competing_events",
    ]  # fmt: skip
    assert told["is_done"].all()


def test_index_event__without_a_score_of_depression_says_so(inputs: BiasInputs):
    """Which score depression has the study file must say."""
    bias = inputs.config.bias.model_copy(update={"mdd_score": None})
    config = inputs.config.model_copy(update={"bias": bias})

    with pytest.raises(NotPossibleError, match="names no score of depression"):
        list(fit_index_event(dataclasses.replace(inputs, config=config)))


def test_index_event__a_shared_cause_held_fixed_takes_the_bias_away(inputs: BiasInputs):
    """Resistance by a hidden cause alone: the score of depression is tied to it among cases."""
    rng = np.random.default_rng(5)
    n = 40_000
    hidden, score = rng.standard_normal((2, n))
    is_mdd = rng.random(n) < 1 / (1 + np.exp(1.5 - 0.7 * score - 2 * hidden))
    is_trd = rng.random(n) < 1 / (1 + np.exp(1.5 - 2 * hidden))
    ids = pd.Series([f"p{number}" for number in range(n)], name="person_id")
    phenotype = np.where(is_mdd, np.where(is_trd, "trd", "responsive"), "no_mdd")
    covariates = pd.DataFrame(
        {"person_id": ids, "ancestry": "EUR", "sex": rng.integers(0, 2, n), "adversity": hidden}
    )
    config = inputs.config.model_copy(
        update={
            "covariates": inputs.config.covariates.model_copy(update={"columns": ["sex"]}),
            "bias": inputs.config.bias.model_copy(update={"shared_causes": ["adversity"]}),
        }
    )
    simulated = dataclasses.replace(
        inputs,
        config=config,
        phenotype=pd.DataFrame({"person_id": ids, "phenotype": phenotype, "is_mdd": is_mdd}),
        covariates=covariates,
        scores=pd.DataFrame({"SIM000039": score}, index=ids.to_numpy()),
    )

    parts = pd.concat(fit_index_event(simulated)).set_index("approach")

    z = parts["beta"] / parts["se"]
    assert z[AS_MAIN] < -6
    assert abs(z["Shared causes held fixed"]) < 3
    assert abs(z["Weighted, shared causes too"]) < 3
    assert z["Weighted, by the score"] < -4
    none = parts.loc[["Resistant against none", "Responsive against none"], "beta"]
    assert (none > 0.2).all()


def test_visits__are_counted_in_the_year_before_the_index_date(biobank: Biobank):
    """Days with a visit, by hand from the table; who was not observed all the year has none."""
    visits = pd.read_parquet(biobank.records / "visit_occurrence.parquet")
    periods = pd.read_parquet(biobank.records / "observation_period.parquet").set_index("person_id")
    visits["visit_start_date"] = pd.to_datetime(visits["visit_start_date"])
    for end in ("start", "end"):
        name = f"observation_period_{end}_date"
        periods[name] = pd.to_datetime(periods[name])
    people = visits["person_id"].value_counts().index[:40]
    index = periods.loc[people, "observation_period_start_date"] + pd.to_timedelta(
        np.linspace(200, 700, len(people)).astype(int), unit="D"
    )
    phenotype = pd.DataFrame({"person_id": people.astype(str), "index_date": index.to_numpy()})

    found = count_visits_before(open_ehr(biobank.records), phenotype)

    for row, person in enumerate(people):
        days = visits.loc[visits["person_id"] == person, "visit_start_date"].drop_duplicates()
        back = (index.iloc[row] - days).dt.days
        seen = (index.iloc[row] - periods.loc[person, "observation_period_start_date"]).days
        inside = index.iloc[row] <= periods.loc[person, "observation_period_end_date"]
        expected = int(((back > 0) & (back <= 365)).sum()) if seen >= 365 and inside else np.nan
        assert_allclose(found.iloc[row], expected)
    assert found.notna().sum() > 10


def test_visits__of_records_without_them_are_not_possible(biobank: Biobank):
    """Flat tables need not have visits."""
    ehr = dataclasses.replace(open_ehr(biobank.records), visits=None)

    with pytest.raises(NotPossibleError, match="no table of visits"):
        count_visits_before(ehr, pd.DataFrame({"person_id": [], "index_date": []}))


def test_enrolment__nobody_is_at_risk_before_it(inputs: BiasInputs):
    """Who was resistant before joining has no time at risk, and no event."""
    late = enter_at_enrolment(inputs)

    dates = inputs.covariates.assign(person_id=inputs.covariates["person_id"].astype(str))
    joined = pd.to_datetime(late["person_id"].astype(str).map(
        dates.set_index("person_id")["enrolment_date"]))  # fmt: skip
    days = (joined - late["origin_date"]).dt.days
    at_risk = late["entry_days"].notna()
    assert (late.loc[at_risk, "entry_days"] >= days[at_risk]).all()
    assert (late.loc[at_risk, "entry_days"] >= inputs.follow_up.loc[at_risk, "entry_days"]).all()
    gone = inputs.follow_up["exit_days"].notna() & ~at_risk
    assert gone.any()
    assert (days[gone] >= inputs.follow_up.loc[gone, "exit_days"]).all()
    assert not late.loc[gone, "event"].any()


def test_bias__says_why_a_part_is_not_there(finished: Path, tmp_path: Path):
    """Without a score of depression one part has no rows, and the others stand."""
    config = load_config(finished / "study.yaml")
    bias = config.bias.model_copy(update={"mdd_score": None, "shared_causes": None})
    files = StudyFiles(config.output)
    elsewhere = _Elsewhere(config.output, tmp_path)

    examine_bias(config.model_copy(update={"bias": bias}), elsewhere, threads=1, memory_mb=None)

    told = read_table(tmp_path / "bias_parts.tsv").set_index("part")
    assert told["is_done"].to_dict() == {
        "index_event": False, "visit_density": True, "left_truncation": True,
        "competing_events": True,
    }  # fmt: skip
    assert "bias.mdd_score" in told.loc["index_event", "reason"]
    assert set(read_table(tmp_path / "bias.parquet")["part"]) == set(told.index[1:])
    assert files.sensitivity != elsewhere.sensitivity


@dataclasses.dataclass(frozen=True)
class _Elsewhere(StudyFiles):
    """The files of a study, but for those that are written."""

    written: Path

    @property
    def sensitivity(self) -> Path:
        return self.written
