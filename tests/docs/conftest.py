"""The pages, the programs that stand beside them, and one small biobank for all."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def load_program(name: str) -> ModuleType:
    """Import a program of the docs folder, which is no package."""
    module_name = f"docs_{name}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_pages() -> ModuleType:
    """Give the program that runs the pages' blocks."""
    return load_program("run_pages")


@pytest.fixture(scope="session")
def cli_reference() -> ModuleType:
    """Give the program that writes the command line's page."""
    return load_program("write_cli_reference")


@pytest.fixture(scope="session")
def api_reference() -> ModuleType:
    """Give the program that writes the page of Python's names."""
    return load_program("write_api_reference")


@dataclass(frozen=True)
class Workplace:
    """A folder with the demonstration, made once, and what making it printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory, run_pages: ModuleType) -> Workplace:
    """Run the tutorial's first command, and lay out the files that the README names."""
    folder = tmp_path_factory.mktemp("docs")
    (result,) = run_pages.run_page(f"```sh\n{run_pages.DEMO}\n```\n", folder)
    biobank = folder / "demo" / "biobank"
    for ending in ("bed", "bim", "fam"):
        shutil.copy(biobank / f"genotypes.{ending}", folder / f"cohort.{ending}")
    for number in (1, 2):
        weights = biobank / "weights" / f"SIM{number:06d}.txt.gz"
        shutil.copy(weights, folder / f"PGS{number:06d}.txt.gz")
    (folder / "omop").symlink_to(biobank / "omop")
    return Workplace(folder, result.printed)


@pytest.fixture
def desk(workplace: Workplace, tmp_path: Path) -> Path:
    """Give a folder of one's own in which everything of the workplace can be read."""
    for path in workplace.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path
