"""Models of many scores at once: logistic, Cox, curves, pooling.

The main names are `fit_logistic`, `fit_cox`, `meta_analyse`, and for a study's
tables `associate`, `progression` and `survival_curves`.
"""

from pgs_trd.models.association import associate
from pgs_trd.models.calibration import calibrate, calibration_bins, calibration_curve
from pgs_trd.models.concordant_pairs import Concordance
from pgs_trd.models.continuous_ancestry import fit_along_distance, fit_ancestry_interaction
from pgs_trd.models.contrasts import CONTRASTS, Contrast
from pgs_trd.models.covariates import encode_covariates
from pgs_trd.models.cox import fit_cox
from pgs_trd.models.cox_interaction import fit_cox_interaction
from pgs_trd.models.cox_model import CoxModel
from pgs_trd.models.cox_model_fit import fit_cox_model
from pgs_trd.models.curves import kaplan_meier, survival_curves
from pgs_trd.models.discrimination import auc
from pgs_trd.models.effective_tests import effective_tests
from pgs_trd.models.explained import explained_variation
from pgs_trd.models.fine_gray import fit_fine_gray
from pgs_trd.models.incidence import cumulative_incidence
from pgs_trd.models.index_event import (
    fit_adjusted_for_score,
    fit_against_shared_controls,
    fit_weighted_for_selection,
    selection_weights,
)
from pgs_trd.models.index_event_bias import adjust_for_incidence, expected_index_event_bias
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.landmarks import landmark
from pgs_trd.models.liability import liability_r2, liability_table, two_threshold_r2
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.meta import meta_analyse
from pgs_trd.models.misclassification import fit_misclassified, misclassification_grid
from pgs_trd.models.multinomial import fit_multinomial
from pgs_trd.models.multiplicity import adjust_p_values
from pgs_trd.models.negative_controls import (
    EmpiricalNull,
    calibrate_controls,
    calibrate_estimates,
    fit_empirical_null,
)
from pgs_trd.models.net_benefit import decision_curve
from pgs_trd.models.odds_by_group import odds_by_group
from pgs_trd.models.ordinal import fit_ordinal
from pgs_trd.models.people import JoinedPeople, StratumPeople, join_people
from pgs_trd.models.percentiles import percentile_contrast
from pgs_trd.models.poisson import fit_poisson
from pgs_trd.models.prediction_quality import prediction_quality
from pgs_trd.models.predictions import predict_cases
from pgs_trd.models.progression_models import progression
from pgs_trd.models.progression_tables import progression_tables
from pgs_trd.models.proportional_hazards import ph_test
from pgs_trd.models.replication import replicate, sign_concordance
from pgs_trd.models.results import STATUSES
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.stacking import stack_estimates
from pgs_trd.models.study_quality import judge_scores
from pgs_trd.models.survival_groups import (
    LogRank,
    log_rank,
    restricted_mean,
    restricted_mean_difference,
    survival_quantiles,
    survival_table,
)
from pgs_trd.models.time_effects import fit_cox_log_time, fit_cox_periods
from pgs_trd.models.winners_curse import correct_winners_curse

__all__ = [
    "CONTRASTS",
    "STATUSES",
    "Concordance",
    "Contrast",
    "CoxModel",
    "EmpiricalNull",
    "JoinedPeople",
    "LogRank",
    "ModelDataError",
    "ScoreTable",
    "StratumPeople",
    "adjust_for_incidence",
    "adjust_p_values",
    "associate",
    "auc",
    "calibrate",
    "calibrate_controls",
    "calibrate_estimates",
    "calibration_bins",
    "calibration_curve",
    "correct_winners_curse",
    "cumulative_incidence",
    "decision_curve",
    "effective_tests",
    "encode_covariates",
    "expected_index_event_bias",
    "explained_variation",
    "fit_adjusted_for_score",
    "fit_against_shared_controls",
    "fit_along_distance",
    "fit_ancestry_interaction",
    "fit_cox",
    "fit_cox_interaction",
    "fit_cox_log_time",
    "fit_cox_model",
    "fit_cox_periods",
    "fit_empirical_null",
    "fit_fine_gray",
    "fit_logistic",
    "fit_misclassified",
    "fit_multinomial",
    "fit_ordinal",
    "fit_poisson",
    "fit_weighted_for_selection",
    "join_people",
    "judge_scores",
    "kaplan_meier",
    "landmark",
    "liability_r2",
    "liability_table",
    "log_rank",
    "meta_analyse",
    "misclassification_grid",
    "odds_by_group",
    "percentile_contrast",
    "ph_test",
    "predict_cases",
    "prediction_quality",
    "progression",
    "progression_tables",
    "replicate",
    "restricted_mean",
    "restricted_mean_difference",
    "selection_weights",
    "sign_concordance",
    "stack_estimates",
    "survival_curves",
    "survival_quantiles",
    "survival_table",
    "two_threshold_r2",
]
