"""Run a simulation study of the models and print what was found.

    python benchmarks/validity/run.py --study type-one        # 2,000 nulls an estimator
    python benchmarks/validity/run.py --study coverage        # 2,000 studies an estimator
    python benchmarks/validity/run.py --study firth
    python benchmarks/validity/run.py --study index-event

Each estimator has its own random stream, from the seed and its name: a row can be run by
itself (`--only "Cox, robust"`) and comes out the same. A share "holds" if it lies in the
95 % binomial interval around its nominal value; one row in twenty falls outside by chance.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parent))

import intervals
import nulls
import selection
import small_samples

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = _read_options()
    started = time.perf_counter()
    rows = []
    for row in STUDIES[options.study](options):
        rows.append(row)
        print("  ".join(f"{name} {_write(value)}" for name, value in row.items()), flush=True)
    table = pd.DataFrame(rows)
    print(f"{time.perf_counter() - started:.0f} s, seed {options.seed}")
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{options.study}.csv"
        if options.only and path.exists():
            kept = pd.read_csv(path)
            table = pd.concat([kept[~kept["estimator"].isin(table["estimator"])], table])
        table.to_csv(path, index=False, float_format="%.4g")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", choices=sorted(STUDIES), required=True)
    parser.add_argument("--replicates", type=int, default=2000, help="nulls or studies, each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="estimators whose name holds this text")
    parser.add_argument(
        "--write", action="store_true", help="keep the table in results/; with --only its rows"
    )
    return parser.parse_args()


def stream(seed: int, name: str) -> np.random.Generator:
    """Give the random numbers of one estimator."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def expected_range(n: int, share: float) -> tuple[float, float]:
    """Give the 95 % binomial interval of an observed share."""
    low, high = binom.interval(0.95, n, share)
    return float(low / n), float(high / n)


def type_one(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    for name, draw in nulls.NULLS.items():
        if options.only not in name:
            continue
        p_values = draw(stream(options.seed, name), options.replicates)
        found = p_values[~np.isnan(p_values)]
        row: dict[str, object] = {
            "estimator": name, "n": len(found), "n_failed": len(p_values) - len(found)
        }  # fmt: skip
        for level in (0.05, 0.01):
            share = float(np.mean(found < level))
            low, high = expected_range(len(found), level)
            row |= {f"share_{level:g}": share, f"holds_{level:g}": low <= share <= high}
        yield row


def coverage(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    for name, estimator in intervals.ESTIMATORS.items():
        if options.only not in name:
            continue
        rng = stream(options.seed, name)
        found = np.array([estimator.estimate(rng) for _ in range(options.replicates)])
        beta, se, ci_low, ci_high = found[~np.isnan(found[:, 0])].T
        n = len(beta)
        share = float(np.mean((ci_low <= estimator.truth) & (ci_high >= estimator.truth)))
        low, high = expected_range(n, 0.95)
        yield {
            "estimator": name,
            "n": n,
            "n_failed": len(found) - n,
            "truth": estimator.truth,
            "mean": beta.mean(),
            "mean_error": beta.std() / np.sqrt(n),
            "sd": beta.std(),
            "mean_se": se.mean(),
            "coverage": share,
            "holds": low <= share <= high,
        }


def firth(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    table = small_samples.compare(stream(options.seed, "firth"), options.replicates)
    yield from table.to_dict("records")


def index_event(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    table = selection.compare(stream(options.seed, "index-event"), options.replicates)
    yield from table.to_dict("records")


def _write(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


STUDIES = {
    "type-one": type_one,
    "coverage": coverage,
    "firth": firth,
    "index-event": index_event,
}

if __name__ == "__main__":
    main()
