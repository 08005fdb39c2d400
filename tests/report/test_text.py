from __future__ import annotations

import math

import pytest

from pgs_trd.report.disclosure import disclose
from pgs_trd.report.narrative import write_methods
from pgs_trd.report.text import format_count, format_p, format_ratio, plain_label


@pytest.mark.parametrize(
    ("p_value", "log10_p", "expected"),
    [
        (3.24e-9, None, "3.2×10⁻⁹"),
        (0.0, -345.2, "6.3×10⁻³⁴⁶"),
        (0.0, 345.2, "6.3×10⁻³⁴⁶"),
        (0.0, None, "<10⁻³⁰⁸"),
        (0.0999, None, "0.1"),
        (0.0234, None, "0.023"),
        (0.00099, None, "9.9×10⁻⁴"),
        (1.0, None, "1"),
        (math.nan, None, "–"),
    ],
)
def test_format_p__is_short_and_never_zero(p_value, log10_p, expected):
    """A p-value too small for a float has its logarithm; either sign of it will do."""
    assert format_p(p_value, log10_p) == expected


def test_format_ratio__is_the_exponential_with_its_interval():
    """Log 1.11 is 0.10436; the published interval 1.07 to 1.15."""
    assert format_ratio(math.log(1.11), math.log(1.07), math.log(1.15)) == "1.11 (1.07 to 1.15)"
    assert format_ratio(math.nan, math.nan, math.nan) == "–"


def test_format_count__leaves_marks_alone():
    """A mark is what stands in the place of a count."""
    assert [format_count(value) for value in (12345, 0, "≤20", None)] == ["12,345", "0", "≤20", "–"]


def test_methods__write_known_choices_and_list_the_others(build):
    """No choice is lost: what has no sentence is in the list."""
    study = disclose(build(n_scores=2, conventions={"palindromes": "keep", "colour": "blue"}))

    sentences, others = write_methods(study)

    assert sentences == [
        "Palindromic variants (A/T, C/G) were kept and taken to be on the forward strand."
    ]
    assert others == [("colour", "blue")]


def test_methods__name_a_run_of_components_by_its_ends(build):
    """Ten names of components say no more than the first and the last."""
    covariates = ["sex", *(f"PC{i}" for i in range(1, 11)), "site"]
    study = disclose(build(n_scores=2, conventions={"covariates": covariates}))

    sentences, _ = write_methods(study)

    assert sentences == ["All models were adjusted for sex, PC1 to PC10 and site."]


def test_plain_label__writes_names_of_the_code_as_words():
    """Units stand behind, the field's abbreviations in capitals."""
    assert plain_label("birth_year") == "Birth year"
    assert plain_label("depression_code_not_mdd") == "Depression code not MDD"
    assert plain_label("followup_days") == "Followup (days)"
