"""Whole studies: the study file, its steps, and the run of all of them."""

from pgs_trd.study.config import StudyConfig, load_config
from pgs_trd.study.run import report_study, run_study

__all__ = ["StudyConfig", "load_config", "report_study", "run_study"]
