"""Write docs/reference/api.md from the public names of the packages.

Run it after a name is added: ``python docs/write_api_reference.py``. A test fails
while the page and the packages differ.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pgs_trd

PAGE = Path(__file__).resolve().parent / "reference" / "api.md"
HEAD = """\
# Python

<!-- Written by docs/write_api_reference.py from the packages; do not edit by hand. -->

```python
import pgs_trd as pt
```

Names marked `pt` stand at the top, such as `pt.score`; all others in their package, such as
`pt.models.fit_poisson`. Importing `pgs_trd` loads none of the heavy libraries until a name is used.
"""
PACKAGES = {
    "genotypes": "Genotypes",
    "weights": "Weights and matching",
    "scoring": "Scores",
    "ancestry": "Ancestry",
    "ehr": "Health records",
    "phenotype": "Phenotype",
    "models": "Models",
    "report": "Report",
    "simulate": "Simulation",
    "study": "Studies",
}
# Of modules that stand beside their package's public names.
ELSEWHERE = {"scoring": ("pgs_trd.scoring.merge.merge_scores",)}


def render() -> str:
    """Give the page."""
    parts = [HEAD]
    for package, title in PACKAGES.items():
        parts.append(f"## {title}: `{package}`\n")
        for name, target in sorted(find_targets(package).items()):
            mark = " (`pt`)" if name in pgs_trd.__all__ else ""
            parts.append(
                f"### {name}{mark}\n\n::: {target}\n    options:\n      heading_level: 4\n"
            )
    return "\n".join(parts)


def find_targets(package: str) -> dict[str, str]:
    """Give the functions and classes of a package and where each is defined."""
    module = importlib.import_module(f"pgs_trd.{package}")
    found = {name: getattr(module, name) for name in module.__all__}
    for place in ELSEWHERE.get(package, ()):
        home, _, name = place.rpartition(".")
        found[name] = getattr(importlib.import_module(home), name)
    return {
        name: f"{value.__module__}.{value.__qualname__}"
        for name, value in found.items()
        if inspect.isfunction(value) or inspect.isclass(value)
    }


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
