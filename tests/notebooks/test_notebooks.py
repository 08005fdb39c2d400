"""The notebooks run from top to bottom, say what they show, and are stored without outputs."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_CELL = 30
TIMEOUT_SECONDS = 120
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")

Run = Callable[[Path], nbformat.NotebookNode]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Give a function that runs a notebook once, in a folder of its own."""
    done: dict[Path, nbformat.NotebookNode] = {}

    def run_once(path: Path) -> nbformat.NotebookNode:
        if path not in done:
            folder = tmp_path_factory.mktemp(path.stem)
            notebook = nbformat.read(path, as_version=4)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TMPDIR", str(folder))
                patch.setenv("IPYTHONDIR", str(folder / "ipython"))
                NotebookClient(
                    notebook,
                    timeout=TIMEOUT_SECONDS,
                    kernel_name="python3",
                    config=sockets_in(folder),
                    resources={"metadata": {"path": str(folder)}},
                ).execute()
            done[path] = notebook
        return done[path]

    return run_once


def sockets_in(folder: Path) -> Config:
    """Let kernel and client meet in files: a port may be taken before the kernel is there."""
    return Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "k")}})


def outputs_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed_under(notebook: nbformat.NotebookNode, words: str) -> str:
    """Give what the one cell whose code has these words printed and gave."""
    (cell,) = [c for c in notebook.cells if c.cell_type == "code" and words in c.source]
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    ]
    return "\n".join(texts)


def numbers_behind(text: str, label: str) -> list[float]:
    """Give the numbers of the first line that holds the label, behind it."""
    line = next(line for line in text.splitlines() if label in line)
    return [float(number) for number in NUMBER.findall(line.split(label, 1)[1])]


def test_notebooks__are_there():
    """An empty list would make the other tests pass without running anything."""
    assert [path.stem for path in NOTEBOOKS] == [
        "01_scores",
        "02_definitions",
        "03_association",
        "04_survival",
        "05_own_study",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks__are_stored_without_outputs_and_in_small_cells(path):
    """Outputs go stale and can hold people; a long cell cannot be followed."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert max(len(cell.source.splitlines()) for cell in code) <= LONGEST_CELL


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks__run_and_end_in_a_figure(path, run):
    """What a reader types after us must work, with the files a reader has."""
    outputs = outputs_of(run(path))

    figures = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(base64.b64decode(figures[-1])) > 5_000
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.slow
def test_scores__wrong_files_look_as_the_text_says(run):
    """A wrong build is refused with its cause; swapped alleles match and turn the score."""
    notebook = run(FOLDER / "01_scores.ipynb")

    assert "few rows matched" in printed_under(notebook, "other_build = ")
    turned = printed_under(notebook, "upside_down = ")
    assert numbers_behind(turned, "correlation with the right score") == [-1.0]


@pytest.mark.slow
def test_association__shows_what_its_text_says(run):
    """The text names a neighbour that passes, a bias, and what takes it away."""
    notebook = run(FOLDER / "03_association.ipynb")

    chosen = printed_under(notebook, "models.replicate(")
    assert "educational attainment" in chosen
    assert "fed-up feelings" in chosen
    assert "neuroticism" not in chosen
    found = printed_under(notebook, "fit_weighted_for_selection")
    _, _, high = numbers_behind(found, "people with MDD only")
    assert high < 0
    _, low, high = numbers_behind(found, "weighted, U measured")
    assert low < 0 < high


@pytest.mark.slow
def test_survival__shows_what_its_text_says(run):
    """Both planted scores are found; the hazard ratio of insomnia grows with time."""
    notebook = run(FOLDER / "04_survival.ipynb")

    first = printed_under(notebook, "pt.progression(").splitlines()[1:3]
    assert {"insomnia", "educational attainment"} == {
        trait for trait in ("insomnia", "educational attainment") for line in first if trait in line
    }
    periods = printed_under(notebook, "fit_cox_periods").replace(" inf ", " 99999 ")
    rows = [line for line in periods.splitlines() if " insomnia " in line]
    betas = [numbers_behind(row, "insomnia")[2] for row in rows]
    assert len(betas) == 3
    assert betas == sorted(betas)


@pytest.mark.slow
def test_own_study__shows_what_its_text_says(run):
    """All mistakes are told with their lines; the depression score goes with depression."""
    notebook = run(FOLDER / "05_own_study.ipynb")

    faults = printed_under(notebook, "check_study(study)\nexcept")
    assert "'BETA'" in faults
    assert "no such file" in faults
    assert "birthyear" in faults
    pooled = printed_under(notebook, "association_pooled.csv")
    rows = [line for line in pooled.splitlines() if "major_depressive_disorder" in line]
    beta, low, _ = numbers_behind(rows[1], "major_depressive_disorder")
    assert beta > low > 0
