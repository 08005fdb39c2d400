"""Where everybody went, step by step."""

from __future__ import annotations

import pandas as pd

from pgs_trd.phenotype.definition import Definition


def count_attrition(table: pd.DataFrame, definition: Definition) -> pd.DataFrame:
    """Count who stays and who leaves at each rule, from everybody to the two classes.

    Returns
    -------
    DataFrame
        One row a step: ``step``, ``n_people_in``, ``n_people_out`` (those who go on),
        ``rule``, ``n_people_left``, ``phenotype`` and ``reason`` (of those who leave).
        Each step takes in who the one before let out; those who left and those the
        last step let out are everybody.
    """
    counts = table["reason"].value_counts()
    n_people = len(table)
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
        n_left = int(counts.get(reason, 0))
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
    n_failures, min_days = definition.resistant.n_failures, definition.trials.min_days
    return [
        ("any_depression_code", "no_depression_code", "a depression code of any tier"),
        (
            "mdd",
            "depression_code_not_mdd",
            f"major depression on {depression.min_dates} dates or more",
        ),
        ("no_bipolar", "excluded_bipolar", f"no bipolar disorder ({when})"),
        ("no_psychosis", "excluded_psychosis", f"no psychosis ({when})"),
        ("treated", "untreated", "an antidepressant on or after the first diagnosis"),
        ("adequate", "inadequate_trials", f"resistant, or a trial of {min_days} days or more"),
        (
            "resistant_or_simple",
            "partial",
            f"resistant ({n_failures} failures, then another drug), or at most "
            f"{responsive.max_ingredients} drugs and failures up to {responsive.max_failures}",
        ),
        (
            "followed",
            "insufficient_follow_up",
            f"resistant, or observed {responsive.min_followup_days} days or more "
            "from the first trial",
        ),
    ]
