"""The notebooks run from top to bottom, and are stored without outputs."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_CELL = 30
TIMEOUT_SECONDS = 300


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
def test_notebooks__run_and_end_in_a_figure(path, tmp_path, monkeypatch):
    """What a reader types after us must work, with the files a reader has."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)

    NotebookClient(
        notebook,
        timeout=TIMEOUT_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(base64.b64decode(figures[-1])) > 5_000
    assert not [output for output in outputs if output.get("name") == "stderr"]
