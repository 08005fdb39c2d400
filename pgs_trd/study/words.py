"""Options of a study as the words of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pgs_trd.errors import UsageError


def changed(section: BaseModel) -> dict[str, Any]:
    """Give the options that are not at their default; what is switched off is no_NAME."""
    values = {
        name: getattr(section, name)
        for name, field in type(section).model_fields.items()
        if getattr(section, name) != field.default
    }
    return {
        f"no_{name}" if value is False else name: True if value is False else value
        for name, value in values.items()
    }


def option_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Write options as words; None and False are left out."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(name if name.startswith("-") else f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(_word(name, value))
    return tuple(words)


def _word(name: str, value: Any) -> str:
    if isinstance(value, dict):
        sign = ":" if name == "splines" else "="
        pairs = [
            (key, one)
            for key, given in value.items()
            for one in (given if isinstance(given, list) else [given])
        ]
        return _joined(name, [f"{key}{sign}{one}" for key, one in pairs], sign)
    if isinstance(value, list):
        return _joined(name, [str(one) for one in value])
    return str(value)


def _joined(name: str, words: list[str], sign: str = "") -> str:
    if any("," in word or (sign and word.count(sign) > 1) for word in words):
        raise UsageError(
            f"{name}: a name with a comma or {sign or '='!r} in it cannot be given on a command "
            "line; rename the column, or use `pgs-trd run` without a workflow"
        )
    return ",".join(words)
