"""Models of many scores at once: logistic, Cox, curves, pooling.

The main names are `fit_logistic`, `fit_cox`, `meta_analyse`, and for a study's
tables `associate`, `progression` and `survival_curves`.
"""

from pgs_trd.models.association import associate
from pgs_trd.models.concordant_pairs import Concordance
from pgs_trd.models.contrasts import CONTRASTS, Contrast
from pgs_trd.models.covariates import encode_covariates
from pgs_trd.models.cox import fit_cox
from pgs_trd.models.cox_model import CoxModel
from pgs_trd.models.cox_model_fit import fit_cox_model
from pgs_trd.models.curves import kaplan_meier, survival_curves
from pgs_trd.models.fine_gray import fit_fine_gray
from pgs_trd.models.incidence import cumulative_incidence
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.landmarks import landmark
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.meta import meta_analyse
from pgs_trd.models.multinomial import fit_multinomial
from pgs_trd.models.ordinal import fit_ordinal
from pgs_trd.models.people import JoinedPeople, StratumPeople, join_people
from pgs_trd.models.percentiles import percentile_contrast
from pgs_trd.models.poisson import fit_poisson
from pgs_trd.models.progression_models import progression
from pgs_trd.models.proportional_hazards import ph_test
from pgs_trd.models.results import STATUSES
from pgs_trd.models.survival_groups import (
    LogRank,
    log_rank,
    restricted_mean,
    restricted_mean_difference,
    survival_quantiles,
    survival_table,
)
from pgs_trd.models.time_effects import fit_cox_log_time, fit_cox_periods

__all__ = [
    "CONTRASTS",
    "STATUSES",
    "Concordance",
    "Contrast",
    "CoxModel",
    "JoinedPeople",
    "LogRank",
    "ModelDataError",
    "StratumPeople",
    "associate",
    "cumulative_incidence",
    "encode_covariates",
    "fit_cox",
    "fit_cox_log_time",
    "fit_cox_model",
    "fit_cox_periods",
    "fit_fine_gray",
    "fit_logistic",
    "fit_multinomial",
    "fit_ordinal",
    "fit_poisson",
    "join_people",
    "kaplan_meier",
    "landmark",
    "log_rank",
    "meta_analyse",
    "percentile_contrast",
    "ph_test",
    "progression",
    "restricted_mean",
    "restricted_mean_difference",
    "survival_curves",
    "survival_quantiles",
    "survival_table",
]
