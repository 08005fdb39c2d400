"""Where everybody went, step by step."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pgs_trd.phenotype.definition import Definition
from pgs_trd.phenotype.rule_types import AdequateWithVisits


def count_attrition(n_by_reason: Mapping[str, int], definition: Definition) -> pd.DataFrame:
    """Count who stays and who leaves at each rule, from everybody to the two classes.

    Parameters
    ----------
    n_by_reason
        People by the reason of their class.

    Returns
    -------
    DataFrame
        One row a step: ``step``, ``n_people_in``, ``n_people_out`` (those who go on),
        ``rule``, ``n_people_left``, ``phenotype`` and ``reason`` (of those who leave).
        Each step takes in who the one before let out; those who left and those the
        last step let out are everybody.
    """
    n_people = int(sum(n_by_reason.values()))
    steps: list[dict[str, object]] = [
        {
            "step": "people",
            "n_people_in": n_people,
            "n_people_out": n_people,
            "rule": "people in the records",
            "n_people_left": 0,
            "phenotype": "",
            "reason": "",
        }
    ]
    for step, reason, rule in _steps(definition):
        n_left = int(n_by_reason.get(reason, 0))
        steps.append(
            {
                "step": step,
                "n_people_in": n_people,
                "n_people_out": n_people - n_left,
                "rule": rule,
                "n_people_left": n_left,
                "phenotype": "no_mdd" if reason == "no_depression_code" else "neither",
                "reason": reason,
            }
        )
        n_people -= n_left
    return pd.DataFrame(steps)


def _steps(definition: Definition) -> list[tuple[str, str, str]]:
    depression, responsive = definition.depression, definition.responsive
    when = {
        "before_decision": "up to the day the class is known",
        "ever": "at any time",
        "never": "not applied",
    }[definition.exclusions.when]
    min_days = definition.trials.min_days
    inpatient = depression.min_inpatient_dates
    steps = [
        ("any_depression_code", "no_depression_code", "a depression code of any tier"),
        (
            "mdd",
            "depression_code_not_mdd",
            f"major depression on {depression.min_dates} dates or more"
            + (f", or on {inpatient} in hospital" if inpatient is not None else ""),
        ),
        ("no_bipolar", "excluded_bipolar", f"no bipolar disorder ({when})"),
        ("no_psychosis", "excluded_psychosis", f"no psychosis ({when})"),
    ]
    if definition.other_exclusions:
        others = ", ".join(name.replace("_", " ") for name in definition.other_exclusions)
        steps.append(("no_other_exclusion", "excluded_other", f"no {others} ({when})"))
    steps.append(("treated", "untreated", _treated(definition.trials.lead_days)))
    if getattr(responsive, "min_adequate", 0) > 0:
        steps.append(
            ("adequate", "inadequate_trials", f"resistant, or a trial of {min_days} days or more")
        )
    steps.append(
        (
            "resistant_or_simple",
            "partial",
            f"{definition.resistant.text}, or {responsive.text}",
        )
    )
    if isinstance(responsive, AdequateWithVisits):
        steps.append(("visits", "few_visits", f"resistant, or {responsive.text}"))
    steps.append(
        (
            "followed",
            "insufficient_follow_up",
            f"resistant, or observed {responsive.min_followup_days} days or more "
            "from the first trial",
        )
    )
    return steps


def _treated(lead_days: int | None) -> str:
    if lead_days is None:
        return "an antidepressant"
    if lead_days == 0:
        return "an antidepressant on or after the first diagnosis"
    return f"an antidepressant from {lead_days} days before the first diagnosis on"
