from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm
from statsmodels.discrete.discrete_model import Logit

from pgs_trd.simulate import Planted, draw_classes, draw_people, list_traits, state_truth
from pgs_trd.simulate.liability import effects_against_none

TRAITS = (*Planted().trd, "major depressive disorder", "asthma")
N_PEOPLE = 400_000
OPTIONS = {"mdd_prevalence": 0.30, "trd_share": 0.25, "planted": Planted()}


def _draw(n, *, shared_cause=0.0, planted=None, seed=11):
    rng = np.random.default_rng(seed)
    people = draw_people(n, rng)
    scores = pd.DataFrame(rng.standard_normal((n, len(TRAITS))), columns=TRAITS)
    options = OPTIONS | {"planted": planted or Planted()}
    classes = draw_classes(people, scores, shared_cause=shared_cause, rng=rng, **options)
    return people, scores, classes


def _fit(case, *columns):
    fitted = Logit(case.astype(float), np.column_stack([np.ones(len(case)), *columns])).fit(disp=0)
    return fitted.params[1:], fitted.bse[1:]


@pytest.fixture(scope="module")
def large():
    return _draw(N_PEOPLE)


def test_draw_classes__shares_are_those_asked_for(large):
    """The intercepts are solved for; what is left is chance, four standard errors."""
    classes = large[2]
    cases = classes[classes["is_mdd"]]

    assert classes["is_mdd"].mean() == pytest.approx(0.30, abs=4 * (0.21 / N_PEOPLE) ** 0.5)
    assert cases["is_resistant"].mean() == pytest.approx(0.25, abs=4 * (0.1875 / len(cases)) ** 0.5)
    assert not classes.loc[~classes["is_mdd"], "is_resistant"].any()


def test_draw_classes__planted_effects_on_resistance_are_recovered(large):
    """Among people with MDD, a logistic model finds each planted value and two zeros."""
    _, scores, classes = large
    is_mdd = classes["is_mdd"].to_numpy()
    expected = [*Planted().trd.values(), 0.0, 0.0]

    beta, se = _fit(classes["is_resistant"].to_numpy()[is_mdd], *scores[is_mdd].to_numpy().T)

    assert se.max() < 0.008
    assert np.abs((beta - expected) / se).max() < 4


def test_draw_classes__planted_effect_on_mdd_is_recovered_and_confounders_are_there(large):
    """The MDD score has 0.30; women 0.45; the scores for resistance have none."""
    people, scores, classes = large
    is_female = (people["sex"] == "female").to_numpy(dtype=float)

    beta, se = _fit(
        classes["is_mdd"].to_numpy(),
        *scores.to_numpy().T,
        is_female,
        (people["birth_year"] - 1960).to_numpy(dtype=float),
    )

    assert np.abs((beta - [0, 0, 0, 0, 0.30, 0, 0.45, 0.01]) / se).max() < 4


def test_state_truth__against_people_without_mdd_is_what_a_model_finds(large):
    """trd_vs_none is implied, not planted; the first-order value must do for the report."""
    people, scores, classes = large
    kept = (classes["is_resistant"] | ~classes["is_mdd"]).to_numpy()
    truth = state_truth(list_traits(), Planted(), trd_share=0.25)
    implied = truth[truth["contrast"] == "trd_vs_none"].set_index("trait")["beta"]

    beta, se = _fit(
        classes["is_resistant"].to_numpy()[kept],
        *scores[kept].to_numpy().T,
        (people["sex"] == "female").to_numpy(dtype=float)[kept],
        people["birth_year"].to_numpy(dtype=float)[kept] - 1960,
    )

    assert np.abs((beta[:6] - implied[list(TRAITS)]) / se[:6]).max() < 4


def test_state_truth__has_every_score_and_contrast_and_is_worked_by_hand():
    """61 x 3 rows; 0.75 x 0.104 = 0.078 for insomnia against people without MDD."""
    truth = state_truth(list_traits(), Planted(), trd_share=0.25)
    by = truth.set_index(["trait", "contrast"])["beta"]

    assert len(truth) == 183
    assert by["insomnia", "trd_vs_responsive"] == 0.104
    assert by["insomnia", "trd_vs_none"] == pytest.approx(0.078)
    assert by["major depressive disorder", "mdd_vs_none"] == 0.30
    assert by["major depressive disorder", "trd_vs_responsive"] == 0
    assert by["major depressive disorder", "trd_vs_none"] == pytest.approx(0.30)
    assert (truth["beta"] != 0).sum() == 4 + 1 + 5


def test_draw_classes__a_shared_cause_biases_the_mdd_score_among_cases_only_then(large):
    """Conditioning on MDD ties score and cause: a case-only analysis finds a false effect."""
    name = "major depressive disorder"
    _, scores, classes = large
    case = classes["is_mdd"].to_numpy()
    without, se = _fit(classes["is_resistant"].to_numpy()[case], scores[name][case])
    assert abs(without[0]) < 4 * se[0]

    _, scores, classes = _draw(200_000, shared_cause=1.5)
    case = classes["is_mdd"].to_numpy()
    resistant, score = classes["is_resistant"].to_numpy()[case], scores[name][case]
    naive, se = _fit(resistant, score)
    corrected, corrected_se = _fit(resistant, score, classes["shared_cause"][case])

    assert naive[0] < -6 * se[0]
    assert abs(corrected[0]) < 4 * corrected_se[0]


def test_shared_cause__planted_values_are_those_without_it():
    """A model that knows nothing of the cause finds what was planted, resistance against none too.

    Holding the cause fixed would need larger effects, since odds ratios do not collapse.
    """
    options = {"mdd_prevalence": 0.30, "trd_share": 0.25, "shared_cause": 2.0}
    against_none = effects_against_none(Planted(), **options)
    _, scores, classes = _draw(400_000, shared_cause=2.0, seed=12)
    case = classes["is_mdd"].to_numpy()
    resistant = classes["is_resistant"].to_numpy()
    trd = scores[list(Planted().trd)].to_numpy()
    mdd = scores["major depressive disorder"].to_numpy()

    found, se = _fit(resistant[case], *trd[case].T)
    assert (np.abs(found - list(Planted().trd.values())) < 4 * se).all()
    found, se = _fit(case, mdd)
    assert abs(found[0] - 0.30) < 4 * se[0]
    either = resistant | ~case
    for trait, beta in against_none.items():
        found, se = _fit(resistant[either], scores[trait][either])
        assert abs(found[0] - beta) < 4 * se[0], trait
    assert against_none["major depressive disorder"] < 0.25


def test_draw_classes__nothing_planted_gives_uniform_p_values():
    """Trend tests of unplanted scores, 40 data sets: no score may look like an effect."""
    p_values = []
    for seed in range(40):
        _, scores, classes = _draw(3_000, planted=Planted(trd={}, mdd={}), seed=seed)
        case = classes["is_mdd"].to_numpy()
        for subset, outcome in ((case, "is_resistant"), (np.ones(3_000, bool), "is_mdd")):
            y = classes[outcome].to_numpy()[subset].astype(float)
            r = np.corrcoef(scores[subset].to_numpy().T, y)[-1, :-1]
            p_values.extend(2 * norm.sf(np.abs(r) * np.sqrt(len(y))))

    assert kstest(p_values, "uniform").pvalue > 0.01


def test_list_traits__domains_have_the_published_counts():
    """Xu et al. (2025): 2, 17, 19, 9, 2, and twelve in the last two domains together."""
    counts = list_traits().groupby("domain").size()

    assert counts["education and cognition"] == 2
    assert counts["metabolic and inflammation"] == 17
    assert counts["personality"] == 19
    assert counts["psychiatric"] == 9
    assert counts["sleep"] == 2
    assert counts["substance use"] + counts["temperament"] == 12
    assert list_traits()["trait"].is_unique
