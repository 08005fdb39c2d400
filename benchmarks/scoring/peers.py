"""The programs that are compared: how to run them, their versions, what a run took."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LIBRARIES = Path("/usr/lib") / f"{platform.machine()}-linux-gnu"
BLAS = {
    "OpenBLAS": LIBRARIES / "openblas-pthread",
    "reference BLAS": LIBRARIES / "blas",
}
"""Folders of the two that Debian offers; plink2 is linked to whichever is found first."""
PACKAGES = "plink2 libopenblas0-pthread libblas3"


@dataclass(frozen=True)
class Command:
    """One program's way to do the job."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    out: Path


@dataclass(frozen=True)
class Run:
    """What one run took: wall seconds, processor seconds, peak memory in MiB."""

    wall: float
    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} / {self.cpu:.2f} | {self.memory:,.0f}"


# A child's peak memory starts from that of the process it was forked from, so a program
# is started by a small Python of its own, not by this one with its libraries.
LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
code = os.waitstatus_to_exitcode(status)
figures = [code, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
open(sys.argv[1], "w").write(json.dumps(figures))
"""


def measure(command: Command) -> Run:
    """Run once; take time and peak memory from the operating system's accounts."""
    log, figures = (
        command.out.with_name(f"{command.out.name}.{what}") for what in ("messages", "figures")
    )
    with log.open("w") as messages:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(figures), *command.arguments],
            env={**os.environ, **command.environment},
            stderr=messages,
            check=True,
        )
    code, wall, cpu, memory = json.loads(figures.read_text())
    if code:
        raise SystemExit(
            f"{command.name} failed: {' '.join(command.arguments)}\n{log.read_text()[-2000:]}"
        )
    return Run(wall, cpu, memory)


def our_program() -> str:
    """Give the pgs-trd of the Python that runs this."""
    return str(Path(sys.executable).with_name("pgs-trd"))


def find_plink2(named: str | None = None) -> str | None:
    """Give the plink2 program itself, not a shell script that chooses among builds."""
    if named is not None:
        found = shutil.which(named)
        if found is None:
            raise SystemExit(f"--plink2 {named}: no such program")
        return found
    direct = Path("/usr/lib/plink2/plink2-avx2")
    has_avx2 = "avx2" in _read(Path("/proc/cpuinfo"))
    return str(direct) if direct.exists() and has_avx2 else shutil.which("plink2")


def install_plink2(named: str | None = None) -> str | None:
    """Give plink2, the one named or installed with apt-get; else say how to have it."""
    program = find_plink2(named)
    if program is not None:
        return program
    if shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {PACKAGES} ...", file=sys.stderr)
        done = subprocess.run(["apt-get", "install", "-y", "-q", *PACKAGES.split()], check=False)
        if done.returncode == 0:
            return find_plink2()
    print(
        f"plink2 is not installed: only our own times. To compare: apt-get install {PACKAGES}, "
        "or put a build of https://www.cog-genomics.org/plink/2.0/ into the PATH",
        file=sys.stderr,
    )
    return None


def available_blas(program: str) -> list[str]:
    """List the BLAS that plink2 can be run with; "its own" if it is linked to none."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    if "libblas" not in linked and "libcblas" not in linked:
        return ["its own BLAS"]
    return [name for name, folder in BLAS.items() if folder.is_dir()] or ["the system's BLAS"]


def plink2(
    program: str,
    blas: str,
    given: list[str],
    weights: Path,
    n_scores: int,
    threads: int,
    blas_threads: int,
    out: Path,
) -> Command:
    """Give plink2's command: effect alleles as named, missing calls at twice the frequency."""
    columns = "4" if n_scores == 1 else f"4-{n_scores + 3}"
    environment = {"OPENBLAS_NUM_THREADS": str(blas_threads)}
    if blas in BLAS:
        # After the folders that the user names, where a plink2 of their own may have libraries.
        folders = [*os.environ.get("LD_LIBRARY_PATH", "").split(":"), str(BLAS[blas])]
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, folders))
    return Command(
        f"{blas} on {blas_threads} thread{'s' if blas_threads > 1 else ''}",
        [
            program, *given, "--threads", str(threads),
            "--score", str(weights), "1", "2", "header-read", "cols=+scoresums",
            "--score-col-nums", columns, "--out", str(out),
        ],
        environment,
        out.with_name(f"{out.name}.sscore"),
    )  # fmt: skip


def pgs_trd(genotypes: Path, weights: Path, threads: int, out: Path) -> Command:
    """Give our command for the same scores: rows by id, palindromes as they stand."""
    return Command(
        "pgs-trd",
        [
            our_program(), "score", str(genotypes), "--weights", str(weights),
            "--columns", "id=ID,effect_allele=A1,other_allele=A2,effect_weight=*",
            "--by", "id", "--palindromes", "keep", "--threads", str(threads), "--out", str(out),
        ],
        # As pip leaves a program: its modules are compiled once.
        {"PYTHONDONTWRITEBYTECODE": ""},
        out,
    )  # fmt: skip


def version(program: str) -> str:
    """Give the first line of a program's --version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[0]


def describe_machine() -> str:
    """Give the processor, how many of them, and the memory."""
    names = [line for line in _read(Path("/proc/cpuinfo")).splitlines() if "model name" in line]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {name}, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}"


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
