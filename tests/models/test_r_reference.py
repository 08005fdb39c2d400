"""The reference files of R: which models tests use by name, and what predictions R judged."""

from __future__ import annotations

import json

import pytest
from numpy.testing import assert_allclose

from pgs_trd.models import auc, calibrate, explained_variation, predict_cases

# Where each model of the files is held to R; "" where we do not offer what R computed.
USED_BY = {
    "birthwt_main": "test_logistic, test_logistic_intervals, here",
    "birthwt_smoke_x_age": "test_logistic, test_logistic_intervals, here",
    "birthwt_noninformative_null": "test_logistic",
    "sex2_all": "test_logistic, test_logistic_intervals",
    "endometrial": "test_logistic, test_logistic_intervals",
    "complete_sep": "test_logistic, test_logistic_intervals",
    "lung_age_sex_ecog": "r_cox",
    "lung_breslow": "r_cox",
    "lung_exact": "",  # exact ties
    "lung_strata_sex": "r_cox",
    "lung_sexint": "r_cox, test_cox_interaction",
    "lung_cluster_inst": "r_cox",
    "veteran_main": "r_cox",
    "veteran_breslow": "r_cox",
    "veteran_strata": "r_cox",
    "ovarian": "r_cox",
    "heart_tv": "r_cox",
    "heart_tv_breslow": "r_cox",
    "breast_firth": "test_cox",
    "pbc_death": "test_fine_gray",
    "pbc_transplant": "test_fine_gray",
    "lung_sex": "test_curves, test_survival_groups",
    "veteran_trt": "test_curves, test_survival_groups",
    "veteran_celltype": "test_curves, test_survival_groups",
    "flchain_sex": "test_curves, test_survival_groups",
    "lung_one": "test_curves, test_survival_groups",
    "bcg_logRR": "test_meta",
    "bcg_logOR": "test_meta",
    "bcg_logRR_first3": "test_meta",
    "bcg_logRR_first2": "test_meta",
    "bcg_logRR_first5": "test_meta",
    "bcg_mh_or": "",  # pooling of 2 x 2 tables
    "bcg_peto": "",
    "pi0": "test_multiplicity",
}


def test_r_reference__every_model_is_used_or_not_offered(r_reference):
    """A model that R fitted for us and that no test looks at would prove nothing."""
    found = {
        model["id"]
        for path in sorted(r_reference.glob("*.json"))
        for model in json.loads(path.read_text())["models"]
    }

    assert found == set(USED_BY)


@pytest.mark.parametrize("model_id", ["birthwt_main", "birthwt_smoke_x_age"])
def test_predictions__have_the_area_brier_score_and_r2_of_r(r_model, model_id):
    """One column as the score, the others as covariates: the whole model is R's."""
    model = r_model("birthwt", model_id)
    name = model.columns.columns[0]
    given = (model.table["low"], model.columns[[name]], model.columns.drop(columns=name))

    predictions = predict_cases(*given)
    area = auc(model.table["low"], predictions[[name]])
    judged = calibrate(model.table["low"], predictions[[name]])
    explained = explained_variation(*given)

    assert_allclose(area.loc[0, "auc"], model.expected["auc"], rtol=1e-8)
    assert_allclose(judged.loc[0, "brier"], model.expected["brier"], rtol=1e-8)
    r2 = model.expected["pseudo_r2"]["nagelkerke"]
    assert_allclose(explained.loc[0, "r2_nagelkerke_full"], r2, rtol=1e-8)
