"""Models of many scores at once: logistic, Cox, curves, pooling.

The main names are `fit_logistic`, `fit_cox`, `meta_analyse`, and for a study's
tables `associate`, `progression` and `survival_curves`.
"""

from pgs_trd.models.association import associate
from pgs_trd.models.contrasts import CONTRASTS, Contrast
from pgs_trd.models.covariates import encode_covariates
from pgs_trd.models.cox import fit_cox
from pgs_trd.models.curves import kaplan_meier, survival_curves
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.meta import meta_analyse
from pgs_trd.models.people import JoinedPeople, StratumPeople, join_people
from pgs_trd.models.progression_models import progression
from pgs_trd.models.results import STATUSES

__all__ = [
    "CONTRASTS",
    "STATUSES",
    "Contrast",
    "JoinedPeople",
    "ModelDataError",
    "StratumPeople",
    "associate",
    "encode_covariates",
    "fit_cox",
    "fit_logistic",
    "join_people",
    "kaplan_meier",
    "meta_analyse",
    "progression",
    "survival_curves",
]
