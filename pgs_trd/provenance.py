"""What made a result: versions, options, and checksums of the inputs."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pgs_trd import __version__
from pgs_trd.tables import write_text

LIBRARIES = (
    "numpy", "scipy", "pandas", "statsmodels", "lifelines", "sklearn", "pyarrow", "duckdb", "ibis",
    "cyvcf2", "msprime",
)  # fmt: skip
WHOLE_FILE_LIMIT = 64 * 2**20
SAMPLE_SIZE = 2**20


def file_checksum(path: Path) -> str:
    """Give the SHA-256 of a file, or of samples of it beyond 64 MiB.

    Reading all of a large genotype file would take longer than scoring it, so
    there the checksum is over the size and the first, middle and last MiB, and
    says so in its prefix, `sha256-sampled:` instead of `sha256:`.
    """
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        if size <= WHOLE_FILE_LIMIT:
            while chunk := handle.read(SAMPLE_SIZE):
                digest.update(chunk)
            return f"sha256:{digest.hexdigest()}"
        digest.update(str(size).encode())
        for start in (0, size // 2, size - SAMPLE_SIZE):
            handle.seek(start)
            digest.update(handle.read(SAMPLE_SIZE))
    return f"sha256-sampled:{digest.hexdigest()}"


def library_versions() -> dict[str, str]:
    """Give the versions of Python, pgs_trd and those libraries in use that shape numbers."""
    versions = {"python": platform.python_version(), "pgs-trd": __version__}
    # From the modules themselves: to ask the installer takes 50 ms, and what is not
    # loaded has shaped nothing.
    used = {name: sys.modules[name] for name in LIBRARIES if name in sys.modules}
    return versions | {name: str(module.__version__) for name, module in used.items()}


def describe_run(
    step: str, options: Mapping[str, Any], inputs: Iterable[Path], **counts: Any
) -> dict[str, Any]:
    """Collect what must be known to make an artefact again.

    Parameters
    ----------
    step
        The command, such as ``score``.
    options
        The values in force, defaults included; paths and other objects become text.
    inputs
        Files whose name, size and checksum are recorded.
    counts
        Further facts of the run, such as ``n_people``.
    """
    return {
        "step": step,
        "versions": library_versions(),
        "options": dict(options),
        "inputs": [
            {"name": path.name, "bytes": path.stat().st_size, "checksum": file_checksum(path)}
            for path in inputs
        ],
        **counts,
    }


def write_sidecar(description: Mapping[str, Any], artefact: Path) -> Path:
    """Write `description` as JSON beside `artefact` and give its path."""
    path = sidecar_path(artefact)
    write_text(dump_description(description), path)
    return path


def sidecar_path(artefact: Path) -> Path:
    """Give the path of the JSON file beside `artefact`."""
    return artefact.with_name(artefact.name + ".json")


def dump_description(description: Mapping[str, Any]) -> str:
    """Give `description` as JSON text, its keys in order."""
    return json.dumps(description, indent=2, sort_keys=True, default=str) + "\n"
