"""Tables of estimates with text in them are refused, by every function that takes one."""

from __future__ import annotations

import pandas as pd
import pytest

from pgs_trd.errors import DataError
from pgs_trd.models import adjust_p_values, correct_winners_curse
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.index_event_bias import adjust_for_incidence
from pgs_trd.models.misclassification import misclassification_grid
from pgs_trd.models.negative_controls import fit_empirical_null

EVENT = {"beta_event": "p7 said so", "se_event": 0.1, "beta_outcome": 0.1, "se_outcome": 0.1}


@pytest.mark.parametrize(
    ("function", "options", "column"),
    [
        (correct_winners_curse, {"alpha": 0.01}, "beta"),
        (misclassification_grid, {"ppv": [0.9], "npv": [0.9]}, "beta"),
        (fit_empirical_null, {}, "beta"),
        (adjust_p_values, {}, "p_value"),
        (adjust_for_incidence, {}, "beta_event"),
    ],
)
def test_read_numbers__text_is_refused_and_not_quoted(function, options, column):
    """A column may have slipped, and what it holds is nobody's business."""
    table = pd.DataFrame(
        {"beta": "p7 said so", "se": 0.1, "p_value": "p7 said so"} | EVENT, range(12)
    )

    with pytest.raises(DataError, match=f": {column} holds values that are not") as caught:
        function(table, **options)
    assert "p7" not in str(caught.value)


def test_read_numbers__missing_is_nan_whatever_the_type():
    """Nullable columns and None are what readers give."""
    for values in (pd.array([1, None], dtype="Int64"), pd.Series([1, None], dtype=object)):
        numbers = read_numbers(pd.DataFrame({"beta": values}), "beta", "estimates")
        assert numbers[0] == 1
        assert numbers[1] != numbers[1]
