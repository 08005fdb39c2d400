"""Whole studies: the study file, its steps, and the run of all of them."""

from pgs_trd.study.config import check_study, load_config
from pgs_trd.study.run import report_study, run_study
from pgs_trd.study.sections import StudyConfig

__all__ = ["StudyConfig", "check_study", "load_config", "report_study", "run_study"]
