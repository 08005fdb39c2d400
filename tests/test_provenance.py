"""Provenance: what made a result can be told from its sidecar."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path

import numpy as np

from pgs_trd import provenance
from pgs_trd.provenance import describe_run, file_checksum, write_sidecar


def test_file_checksum__is_the_sha256_of_a_small_file(tmp_path: Path):
    """Anyone can check it with sha256sum."""
    (tmp_path / "f").write_bytes(b"abc")

    assert file_checksum(tmp_path / "f") == f"sha256:{hashlib.sha256(b'abc').hexdigest()}"


def test_file_checksum__of_a_large_file_says_that_it_is_of_samples(tmp_path: Path, monkeypatch):
    """It must change with the size and with the sampled parts, and not pass for a whole one."""
    monkeypatch.setattr(provenance, "WHOLE_FILE_LIMIT", 10)
    monkeypatch.setattr(provenance, "SAMPLE_SIZE", 2)
    path = tmp_path / "large"
    seen = set()
    for content in (
        b"aa" + b"x" * 20,
        b"bb" + b"x" * 20,
        b"aa" + b"x" * 21,
        b"aa" + b"x" * 18 + b"yy",
    ):
        path.write_bytes(content)
        seen.add(file_checksum(path))

    assert len(seen) == 4
    assert all(checksum.startswith("sha256-sampled:") for checksum in seen)


def test_write_sidecar__stands_beside_the_artefact_and_holds_versions_and_inputs(tmp_path: Path):
    """The reader needs only the one JSON file."""
    source = tmp_path / "in.txt"
    source.write_text("x")

    path = write_sidecar(
        describe_run("score", {"by": "id"}, [source], n_people=3), tmp_path / "s.tsv"
    )

    content = json.loads(path.read_text())
    assert path.name == "s.tsv.json"
    assert content["inputs"][0] == {
        "name": "in.txt",
        "bytes": 1,
        "checksum": file_checksum(source),
    }
    assert (content["step"], content["options"], content["n_people"]) == ("score", {"by": "id"}, 3)
    assert {"python", "pgs-trd", "numpy"} <= set(content["versions"])
    assert content["versions"]["pgs-trd"] == importlib.metadata.version("pgs-trd")
    assert content["versions"]["numpy"] == np.__version__
