"""What `associate` and `progression` can be asked for beside the plain model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import associate, fit_cox, fit_cox_model, fit_logistic, progression
from pgs_trd.models.splines import spline_columns, spline_knots

NUMBERS = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p"]
ONE = {"contrasts": ["mdd_vs_none"], "strata": ["EUR"]}


@pytest.fixture
def europeans(study):
    """By hand: outcome, standardised scores and adjusted columns of one stratum."""
    phenotype, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    own = scores[here]
    columns = covariates[here].assign(sex_male=lambda x: (x["sex"] == "male").astype(float))
    columns = columns[["sex_male", "birth_year", "PC1"]].set_axis(own.index)
    outcome = phenotype["is_mdd"][here].astype(float).set_axis(own.index)
    return outcome, (own - own.mean()) / own.std(), columns


def test_associate__separation_gives_firth_by_default_and_says_so(study):
    """A score that tells all cases apart has no finite estimate by maximum likelihood."""
    phenotype, scores, covariates = study
    split = np.where(phenotype["is_mdd"], 1.0, -1.0) + scores["a"].to_numpy() / 100
    separated = scores.assign(a=split)

    table = associate(phenotype, separated, covariates, **ONE).set_index("score")
    plain = associate(phenotype, separated, covariates, **ONE, method="ml").set_index("score")

    assert table["status"].to_dict() == {"a": "firth", "b": "ok"}
    assert "separated" in table.loc["a", "reason"]
    assert np.isfinite(table.loc["a", NUMBERS].astype(float)).all()
    assert plain.loc["a", "status"] == "separation"
    assert plain.loc["a", NUMBERS].isna().all()
    assert "Jeffreys" in table.attrs["conventions"]["log_likelihood"]


def test_associate__fewer_than_ten_events_a_coefficient_have_no_numbers(study):
    """45 cases over 5 coefficients are nine each; a switch asks for the numbers anyway."""
    phenotype, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    cases = np.flatnonzero(here & phenotype["is_mdd"].to_numpy())
    few = phenotype.drop(index=cases[45:])

    table = associate(few, scores, covariates, **ONE)
    asked = associate(few, scores, covariates, **ONE, min_events_per_parameter=0)

    assert (table["status"] == "too_few_events").all()
    assert (table["reason"] == "45 of the rarer outcome, 5 coefficients").all()
    assert table[NUMBERS].isna().all(axis=None)
    assert table.attrs["conventions"]["min_events_per_parameter"] == 10
    assert (asked["status"] == "ok").all()
    events = progression(
        pd.DataFrame({"person_id": phenotype["person_id"], "entry_days": 0.0,
                      "exit_days": np.arange(1.0, 2001), "event": np.arange(2000) % 60 == 0}),
        scores, covariates, strata=["EUR"],
    )  # fmt: skip
    assert (events["status"] == "too_few_events").all()


@pytest.mark.parametrize(
    "options",
    [
        {"se": "HC0"},
        {"se": "HC1"},
        {"interval": "profile"},
        {"interval": "lr", "confidence": 0.9},
        {"method": "firth"},
    ],
)
def test_associate__options_are_those_of_fit_logistic(study, europeans, options):
    """Each number of each row, from the call by hand."""
    table = associate(*study, **ONE, **options)

    expected = fit_logistic(*europeans, **options)
    assert_allclose(table[NUMBERS], expected[NUMBERS], rtol=1e-7)
    assert table.attrs["conventions"]["se"] == options.get("se", "model")


def test_associate__the_score_is_multiplied_with_sex(study, europeans):
    """Two rows a score, each with the scale of its own score."""
    table = associate(*study, **ONE, interaction="sex")

    expected = fit_logistic(*europeans, interaction="sex_male")
    assert table["term"].tolist() == ["a", "a:sex_male", "b", "b:sex_male"]
    assert_allclose(table[NUMBERS], expected[NUMBERS], rtol=1e-7)
    assert table["score_sd"].tolist()[0] == table["score_sd"].tolist()[1]
    assert table["score_sd"].nunique() == 2
    with pytest.raises(UsageError, match="interaction 'height' is no covariate"):
        associate(*study, **ONE, interaction="height")


def test_associate__a_stratum_where_the_modifier_does_not_vary_says_so(study):
    """All women: there is no product to fit, and the other stratum keeps its rows."""
    phenotype, scores, covariates = study
    women = covariates["sex"].mask(covariates["ancestry"] == "AFR", "female")

    table = associate(
        phenotype, scores, covariates.assign(sex=women), contrasts=["mdd_vs_none"],
        interaction="sex",
    ).set_index("stratum")  # fmt: skip

    assert table.loc["AFR", "status"].tolist() == ["collinear"] * 2
    assert "'sex' does not vary" in table.loc["AFR", "reason"].iloc[0]
    assert table.loc["EUR", "status"].tolist() == ["ok"] * 4


def test_associate__within_sex_fits_women_and_men_in_one_unit(study, europeans):
    """A unit of its own for each sex would make the two estimates no longer comparable."""
    outcome, standard, columns = europeans

    table = associate(*study, **ONE, within="sex")

    assert table["within"].tolist() == ["sex=female"] * 2 + ["sex=male"] * 2
    men = columns["sex_male"] == 1
    expected = fit_logistic(outcome[men], standard[men], columns.loc[men, ["birth_year", "PC1"]])
    cell = table[table["within"] == "sex=male"]
    assert_allclose(cell["beta"], expected["beta"], rtol=1e-8)
    assert table.groupby("score")["score_sd"].nunique().tolist() == [1, 1]
    assert table.groupby("score")["n"].sum().tolist() == [len(outcome)] * 2


def test_associate__the_unit_can_be_that_of_controls_or_of_a_reference(study, europeans):
    """The estimate per unit changes by the ratio of deviations and nothing else does."""
    outcome, standard, _ = europeans
    plain = associate(*study, **ONE)
    reference = pd.DataFrame({"score": ["b", "a"], "score_mean": [1.0, 2.0], "score_sd": [4, 0.5]})

    controls = associate(*study, **ONE, standardise="controls")
    given = associate(*study, **ONE, standardise="reference", reference=reference)

    ratio = standard[outcome == 0].std().to_numpy()
    assert_allclose(controls["score_sd"], plain["score_sd"] * ratio, rtol=1e-10)
    assert_allclose(controls["beta"], plain["beta"] * ratio, rtol=1e-8)
    assert given["score_sd"].tolist() == [0.5, 4.0]
    assert_allclose(given["beta"] / given["score_sd"], plain["beta"] / plain["score_sd"], rtol=1e-8)
    assert_allclose(given["p_value"], plain["p_value"], rtol=1e-6)
    assert "controls" in controls.attrs["conventions"]["score_unit"]
    with pytest.raises(DataError, match="reference: no row for 1 scores in stratum 'EUR'"):
        associate(*study, **ONE, standardise="reference", reference=reference.iloc[1:])
    with pytest.raises(UsageError, match="standardise is 'stratum', and a reference is given"):
        associate(*study, **ONE, reference=reference)


def test_associate__age_can_be_a_spline(study, europeans):
    """The same as columns made by hand, with knots at the people of the contrast."""
    outcome, standard, columns = europeans
    years = columns["birth_year"].to_numpy(float)
    bent = spline_columns(years, spline_knots(years, 5))

    table = associate(*study, **ONE, splines={"birth_year": 5})

    adjusted = columns.assign(**{f"c{i}": bent[:, i] for i in range(3)})
    expected = fit_logistic(outcome, standard, adjusted)
    assert_allclose(table[NUMBERS], expected[NUMBERS], rtol=1e-7)
    assert table.attrs["conventions"]["splines"] == {"birth_year": 5}


def test_associate__of_relatives_one_is_left_out_controls_first(study):
    """As if they were not in the phenotype table; the count is in the row."""
    phenotype, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    cases = phenotype.loc[here & phenotype["is_mdd"], "person_id"].to_numpy()
    controls = phenotype.loc[here & ~phenotype["is_mdd"], "person_id"].to_numpy()
    pairs = pd.DataFrame({"ID1": cases[:40], "ID2": controls[:40]})

    table = associate(phenotype, scores, covariates, **ONE, related=pairs)

    fewer = phenotype[~phenotype["person_id"].isin(controls[:40])]
    expected = associate(fewer, scores, covariates, **ONE)
    assert_allclose(table["beta"], expected["beta"], rtol=1e-9)
    assert (table["n_related"] == 40).all()
    assert (table["n_incomplete"] == 0).all()
    assert table["n_cases"].tolist() == [len(cases)] * 2
    assert table.attrs["conventions"]["relatives"] == "left out"


def test_associate__families_or_a_column_can_be_clusters(study, europeans):
    """Everybody stays, and errors allow for what families have in common."""
    phenotype, scores, covariates = study
    outcome, standard, _ = europeans
    ids = standard.index.to_numpy()
    pairs = pd.DataFrame({"IID1": ids[:300:3], "IID2": ids[1:301:3]})
    family = pd.Series(np.arange(len(ids)), index=ids)
    family[ids[1:301:3]] = family[ids[:300:3]].to_numpy()
    column = covariates["person_id"].map(family)

    by_pairs = associate(phenotype, scores, covariates, **ONE, related=pairs, se="cluster")
    by_column = associate(
        phenotype, scores, covariates.assign(family=column), **ONE, se="cluster", cluster="family"
    )

    expected = fit_logistic(*europeans, se="cluster", cluster=family)
    assert_allclose(by_pairs[NUMBERS], expected[NUMBERS], rtol=1e-7)
    assert_allclose(by_column[NUMBERS], expected[NUMBERS], rtol=1e-7)
    assert by_pairs["n"].tolist() == [len(outcome)] * 2
    with pytest.raises(UsageError, match="se='cluster' needs clusters"):
        associate(*study, se="cluster")
    with pytest.raises(UsageError, match="cluster is given, but se is 'model'"):
        associate(*study, cluster="sex")


def test_associate__several_definitions_stand_under_each_other(study):
    """One table of tests planned, each row with the definition it is of."""
    phenotype, scores, covariates = study
    strict = phenotype.assign(is_mdd=phenotype["is_mdd"] & (np.arange(len(phenotype)) % 3 > 0))

    table = associate({"broad": phenotype, "strict": strict}, scores, covariates, **ONE)

    assert table["definition"].tolist() == ["broad"] * 2 + ["strict"] * 2
    for name, own in (("broad", phenotype), ("strict", strict)):
        alone = associate(own, scores, covariates, **ONE)
        pd.testing.assert_frame_equal(
            table[table["definition"] == name].drop(columns="definition").reset_index(drop=True),
            alone,
        )


class ColumnsOnDemand:
    """A table of scores that notes how many columns are read at once."""

    def __init__(self, frame):
        self.frame, self.widest = frame, 0

    @property
    def names(self):
        return tuple(self.frame.columns)

    @property
    def person_ids(self):
        return self.frame.index

    def read(self, first, end):
        part = self.frame.iloc[:, first:end]
        self.widest = max(self.widest, part.shape[1])
        return part.to_numpy(copy=True)


def test_associate__reads_many_scores_some_at_a_time(study, follow_up):
    """A thousand scores of a biobank do not fit in memory twice."""
    phenotype, _, covariates = study
    values = np.random.default_rng(5).normal(size=(2000, 130))
    scores = pd.DataFrame(values, index=phenotype["person_id"]).add_prefix("s")
    scores.iloc[3, 100] = np.nan
    on_demand = ColumnsOnDemand(scores)

    whole = associate(phenotype, scores, covariates, contrasts=["mdd_vs_none"])
    table = associate(phenotype, on_demand, covariates, contrasts=["mdd_vs_none"])

    pd.testing.assert_frame_equal(table, whole)
    assert on_demand.widest <= 64
    assert table["score"].tolist() == [*scores.columns] * 2
    by_hand = progression(follow_up, scores[["s70"]], covariates)
    course = progression(follow_up, on_demand, covariates)
    assert_allclose(course.loc[course["score"] == "s70", "beta"], by_hand["beta"], rtol=1e-9)


@pytest.mark.parametrize(
    "options",
    [{"se": "robust"}, {"ties": "breslow"}, {"interval": "profile"}, {"method": "firth"}],
)
def test_progression__options_are_those_of_fit_cox(study, follow_up, options):
    """Each number of each row, from the call by hand."""
    _, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    own = scores[here]

    table = progression(
        follow_up, scores, covariates, strata=["EUR"], covariate_columns=["birth_year"], **options
    )

    expected = fit_cox(
        follow_up["exit_days"].to_numpy()[here],
        follow_up["event"].to_numpy()[here],
        (own - own.mean()) / own.std(),
        covariates[["birth_year"]].to_numpy()[here],
        entry=follow_up["entry_days"].to_numpy()[here],
        **options,
    )
    assert_allclose(table[NUMBERS], expected[NUMBERS], rtol=1e-6)
    assert table.attrs["conventions"]["ties"] == options.get("ties", "efron")


def test_progression__the_score_is_multiplied_with_sex_and_families_cluster(study, follow_up):
    """Against one model with the product as a column, robust over the same clusters."""
    _, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    ids = covariates["person_id"].to_numpy()
    pairs = pd.DataFrame({"person_1": ids[:400:2], "person_2": ids[1:401:2]})
    families = pd.Series(np.arange(2000))
    families[1:401:2] = families[:400:2].to_numpy()

    table = progression(
        follow_up, scores[["b"]], covariates, strata=["EUR"], covariate_columns=["sex"],
        interaction="sex", related=pairs, se="cluster",
    )  # fmt: skip

    own = scores.loc[here, "b"].to_numpy()
    standard = (own - own.mean()) / own.std(ddof=1)
    male = (covariates["sex"] == "male").to_numpy(float)[here]
    times = follow_up[here]
    model = fit_cox_model(
        times["exit_days"].to_numpy(),
        times["event"].to_numpy(),
        pd.DataFrame({"male": male, "b": standard, "b:male": standard * male}),
        entry=times["entry_days"].to_numpy(),
        se="cluster",
        cluster=families.to_numpy()[here],
    )
    expected = model.coefficients.set_index("term").loc[["b", "b:male"]]
    assert table["term"].tolist() == ["b", "b:sex_male"]
    assert_allclose(table[NUMBERS], expected[NUMBERS], rtol=1e-6)
    assert table["n"].tolist() == [int(here.sum())] * 2


def test_progression__relatives_with_the_event_are_kept(study, follow_up):
    """Events are what a Cox model learns from."""
    _, scores, covariates = study
    ids = follow_up["person_id"].to_numpy()
    happened = follow_up["event"].to_numpy() & (covariates["ancestry"] == "EUR").to_numpy()
    quiet = ~follow_up["event"].to_numpy() & (covariates["ancestry"] == "EUR").to_numpy()
    pairs = pd.DataFrame({"person_1": ids[quiet][:20], "person_2": ids[happened][:20]})

    table = progression(follow_up, scores, covariates, strata=["EUR"], related=pairs)

    assert (table["n_related"] == 20).all()
    assert (table["n_events"] == happened.sum()).all()
