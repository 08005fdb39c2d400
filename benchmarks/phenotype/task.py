"""One task of the benchmark as a process of its own; prints seconds and peak memory as JSON."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import string
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent


Work = Callable[[], tuple[Mapping[str, float], Callable[[Path], None]]]
"""Does the work; gives the seconds of its parts, and what writes the result."""


def by_hand(cdm: Path, threads: int) -> Work:
    """Run the SQL file in a DuckDB of the same number of threads."""
    import duckdb

    text = string.Template((HERE / "by_hand.sql").read_text(encoding="utf-8"))
    lists = HERE.parents[1] / "pgs_trd" / "ehr" / "codelists"
    statements = text.substitute(cdm=cdm, lists=lists)
    connection = duckdb.connect(":memory:", config={"threads": threads})
    connection.execute("SET enable_progress_bar = false")

    def write(out: Path) -> None:
        select = "SELECT person_id::VARCHAR AS person_id, phenotype, trd_date FROM result"
        connection.execute(f"COPY ({select} ORDER BY 1) TO '{out}' (FORMAT parquet)")

    def work() -> tuple[Mapping[str, float], Callable[[Path], None]]:
        connection.execute(statements)
        return {}, write

    return work


def ours(cdm: Path, threads: int, definitions: str) -> Work:
    """Classify by one definition, or by all of a grid."""
    # Libraries are loaded before the clock starts, as duckdb is for the SQL by hand.
    for name in ("ibis.backends.duckdb", "pyarrow.dataset", "pydantic.main", "yaml"):
        import_module(name)

    from pgs_trd.ehr import build_trials, open_ehr
    from pgs_trd.phenotype import classify_grid, explain

    def work() -> tuple[Mapping[str, float], Callable[[Path], None]]:
        begin = time.perf_counter()
        ehr = open_ehr(cdm, threads=threads)
        opened = time.perf_counter()
        trials = build_trials(ehr)
        built = time.perf_counter()
        found = classify_grid(ehr, trials, definitions)
        classified = time.perf_counter()
        first = next(iter(found.values()))
        resistant = first.table.loc[first.table["phenotype"] == "trd", "person_id"].iloc[:21]
        times = []
        for person_id in resistant:
            asked = time.perf_counter()
            explain(first, person_id)
            times.append(time.perf_counter() - asked)
        parts = {
            "open": opened - begin,
            "trials": built - opened,
            "classes": classified - built,
            "explain": statistics.median(times),
        }
        return parts, first.table[["person_id", "phenotype", "trd_date"]].to_parquet

    return work


def measure(work: Work, out: Path) -> dict[str, float]:
    """Time the work; the peak memory is that of the whole process up to its end."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    parts, write = work()
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    # Of this program alone; ru_maxrss begins with the size of the process that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    write(out)
    return {
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "mib": int(peak.split()[1]) / 1024,
        **parts,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", help="by_hand, or the id of a definition or grid")
    parser.add_argument("cdm", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if options.task == "by_hand":
        task = by_hand(options.cdm, options.threads)
    else:
        task = ours(options.cdm, options.threads, options.task)
    print(json.dumps(measure(task, options.out)))
