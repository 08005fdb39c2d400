"""One version and one list of requirements; files that packages name are there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import pgs_trd
from pgs_trd.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "packaging"
# Names on conda-forge and bioconda that are others than PyPI's.
CONDA_NAMES = {
    "duckdb": "python-duckdb",
    "ibis-framework": "ibis-duckdb",
    "isal": "python-isal",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
}
RECIPE_PYTHON = "3.12"

pytestmark = pytest.mark.skipif(
    not PACKAGING.is_dir(), reason="not a source tree: there is no packaging folder"
)


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def recipe() -> dict:
    return yaml.safe_load((PACKAGING / "conda" / "recipe.yaml").read_text(encoding="utf-8"))


def test_recipe__has_the_version_of_the_package(recipe):
    """Two versions of one release would be two different programs of one name."""
    assert recipe["context"]["version"] == pgs_trd.__version__


def test_recipe__asks_for_what_pyproject_asks_for(project, recipe):
    """A cap that stands in one list only is an environment that breaks in the other."""
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["simulate"], *extras["workflow"]]
    wanted = {}
    for requirement in map(Requirement, texts):
        marker = requirement.marker
        if marker is None or marker.evaluate({"python_version": RECIPE_PYTHON}):
            name = requirement.name.lower()
            wanted[CONDA_NAMES.get(name, name)] = requirement.specifier
    run = [line.partition(" ") for line in recipe["requirements"]["run"]]
    found = {name: SpecifierSet(limits) for name, _, limits in run}

    python = found.pop("python")
    assert found == wanted
    assert set(SpecifierSet(project["requires-python"])) <= set(python)
    assert python.contains(RECIPE_PYTHON)
    assert recipe["about"]["license"] == project["license"]["text"]
    assert recipe["about"]["summary"] == project["description"]
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {place}" for name, place in project["scripts"].items()
    ]


def test_apptainer__names_files_and_commands_that_are_there(project):
    """It cannot be built where the tests run, so what can be checked is."""
    text = (PACKAGING / "apptainer.def").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^%(\w+)\n((?:.|\n)*?)(?=^%|\Z)", text, re.MULTILINE))

    python = re.search(r"^From: python:(\d+\.\d+)", text, re.MULTILINE)
    assert python is not None
    assert SpecifierSet(project["requires-python"]).contains(python[1])
    extra = re.search(r"pgs-trd\[(\w+)\]", sections["post"])
    assert extra is not None
    assert extra[1] in project["optional-dependencies"]
    # What %files takes is what the script it names makes.
    assert sections["files"].split()[0] == "dist"
    assert (ROOT / re.search(r"^#\s+(\S+build_wheels\.sh) dist$", text, re.M)[1]).is_file()
    commands = set(typer.main.get_command(app).commands)
    named = re.findall(r"^\s+pgs-trd ([a-z]\w*)", sections["test"], re.MULTILINE)
    assert named
    assert set(named) <= commands


@pytest.mark.parametrize("script", sorted(PACKAGING.glob("*.sh")), ids=lambda path: path.name)
def test_scripts__are_valid_and_can_be_run(script):
    """A release is made by them once in a while: a slip would wait until then."""
    subprocess.run(["bash", "-n", script], check=True, timeout=30)
    assert os.access(script, os.X_OK)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0,
    reason="the network cannot be taken away here: unshare -n is refused",
)
def test_demo__fetches_nothing(tmp_path):
    """Compute nodes have no internet: a study runs from end to end with no network at all."""
    home = tmp_path / "home"
    home.mkdir()
    program = Path(sys.executable).with_name("pgs-trd")
    interfaces = "import socket; print([name for _, name in socket.if_nameindex()])"

    def alone(*words: str | Path) -> str:
        return subprocess.run(
            ["unshare", "-n", *map(str, words)], cwd=tmp_path, capture_output=True, text=True,
            check=True, timeout=300, env={"HOME": str(home), "PATH": os.environ["PATH"]},
        ).stdout  # fmt: skip

    assert alone(sys.executable, "-c", interfaces).strip() == "['lo']"
    page = alone(program, "demo", "--people", "500", "--out", "demo").splitlines()[-1]

    text = (tmp_path / page).read_text(encoding="utf-8")
    assert "</html>" in text
    assert not re.search(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css|png|svg)""", text)
