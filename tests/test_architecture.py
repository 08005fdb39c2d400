"""The shape of the package: which part may know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pgs_trd

SOURCE = Path(__file__).resolve().parents[1] / "pgs_trd"
LAYERS = [
    {"errors", "tables", "provenance", "resources"},
    {"genotypes", "weights", "ehr"},
    {"scoring", "ancestry", "phenotype"},
    {"models"},
    {"report"},
    {"simulate"},
    {"steps"},
    {"study"},
    {"cli"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
# Within a layer, one part may build on another only where it is listed here.
SIDEWAYS = {
    ("tables", "errors"),
    ("provenance", "tables"),
    ("resources", "errors"),
    ("weights", "genotypes"),
}


def imported_parts(path: Path) -> set[str]:
    """Give the parts of pgs_trd that a module imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = (name.split(".") for name in names)
    return {part[1] for part in parts if part[0] == "pgs_trd" and len(part) > 1}


def test_imports__go_one_way():
    """A part that knew a later one could not be understood, or tested, without it."""
    wrong = []
    modules = [path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py"]
    for path in modules:
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for other in imported_parts(path) - {part}:
            upwards = LEVEL[other] > LEVEL[part]
            sideways = LEVEL[other] == LEVEL[part] and (part, other) not in SIDEWAYS
            if upwards or sideways:
                wrong.append(f"{path.relative_to(SOURCE)} imports {other}")
    assert len(modules) > 30
    assert wrong == []


def test_public_names__can_all_be_loaded():
    """A name in __all__ that cannot be had is a promise broken."""
    assert all(getattr(pgs_trd, name) is not None for name in pgs_trd.__all__)
    assert set(pgs_trd.__all__) == {"__version__", *pgs_trd._HOME}


def test_import__loads_no_heavy_library():
    """Importing the package must take a fraction of a second: no table or model library."""
    code = (
        "import sys, pgs_trd\n"
        "heavy = {'pandas', 'numpy', 'scipy', 'duckdb', 'ibis', 'matplotlib', 'statsmodels'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_modules__stay_short():
    """One idea a module: 400 lines is the end."""
    lengths = {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > 400} == {}
