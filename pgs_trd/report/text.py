"""Numbers as a reader wants them."""

from __future__ import annotations

import math

MISSING = "–"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
MINUS = "−"
ABBREVIATIONS = {"mdd", "trd"}


def format_count(value: object) -> str:
    """Write a count with thousands parted; a mark such as "≤20" stays as it is."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, str):
        return value
    return f"{int(value):,}"  # type: ignore[call-overload]  # counts are numbers here


def format_ratio(beta: float, ci_low: float, ci_high: float) -> str:
    """Write exp(beta) with its interval, as in 1.11 (1.07 to 1.15)."""
    if not math.isfinite(beta):
        return MISSING
    low, high = _exponential(ci_low), _exponential(ci_high)
    return f"{_exponential(beta)} ({low} to {high})"


def _exponential(value: float) -> str:
    if not math.isfinite(value):
        return MISSING
    return f"{math.exp(value):.2f}" if value < 7 else ">1000"


def log10_of_p(p_value: float, log10_p: float | None = None) -> float:
    """Give log10 of a p-value, also where the p-value itself is too small for a float.

    `log10_p` may have either sign: a p-value is never above one.
    """
    if log10_p is not None and math.isfinite(log10_p):
        return -abs(log10_p)
    if not math.isfinite(p_value):
        return math.nan
    return math.log10(p_value) if p_value > 0 else -math.inf


def format_p(p_value: float, log10_p: float | None = None) -> str:
    """Write a p-value with two digits, below 0.001 in scientific form: 0.043, 3.2×10⁻⁹."""
    exponent = log10_of_p(p_value, log10_p)
    if math.isnan(exponent):
        return MISSING
    if math.isinf(exponent):
        return "<10⁻³⁰⁸"
    if exponent >= -3:
        return f"{10**exponent:.2g}"
    whole = math.floor(exponent)
    mantissa = f"{10 ** (exponent - whole):.1f}"
    if mantissa == "10.0":
        mantissa, whole = "1.0", whole + 1
    return f"{mantissa}×10{str(whole).translate(SUPERSCRIPTS)}"


def format_percent(share: float, decimals: int = 1) -> str:
    """Write a share in [0, 1] as a percentage."""
    return MISSING if share is None or share != share else f"{100 * share:.{decimals}f}%"


def format_number(value: float, decimals: int = 2) -> str:
    """Write a plain number, with a true minus sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{decimals}f}".replace("-", MINUS)


CONTRASTS = {
    "trd_vs_responsive": "Treatment-resistant against treatment-responsive depression",
    "mdd_vs_none": "Major depression against none",
    "trd_vs_none": "Treatment-resistant depression against no depression",
    "responsive_vs_none": "Treatment-responsive depression against no depression",
}
PHENOTYPES = {
    "no_mdd": "No depression",
    "responsive": "Responsive",
    "trd": "Treatment-resistant",
    "neither": "Neither",
    "all": "All",
}


def contrast_label(contrast: str) -> str:
    """Write a contrast in words."""
    return CONTRASTS.get(contrast, contrast.replace("_vs_", " against ").replace("_", " "))


def phenotype_label(phenotype: str) -> str:
    """Write a phenotype in words."""
    return PHENOTYPES.get(phenotype, plain_label(phenotype))


def plain_label(name: str) -> str:
    """Write a column's or level's name as a reader wants it: birth_year, Birth year."""
    words = str(name).replace("_", " ").split()
    text = " ".join(word.upper() if word.rstrip(";,") in ABBREVIATIONS else word for word in words)
    if text.endswith((" years", " days")):
        text = "{} ({})".format(*text.rsplit(" ", 1))
    return text[:1].upper() + text[1:]
