"""Score a small made-up set with X, Y, mitochondria and PAR by plink2; write haploid.tsv.

Made with PLINK v2.00a3.5 (Debian 12). Run again: python make.py /path/to/plink2
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

N_PEOPLE = 60
CHROMOSOMES = ["1"] * 5 + ["X"] * 8 + ["XY"] * 4 + ["Y"] * 5 + ["MT"] * 5
SEXES = np.resize(["1", "2", "1", "2", "0"], N_PEOPLE)


def draw(seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw copies of A1 (-1 missing), weights, and whether the effect allele is A2."""
    rng = np.random.default_rng(seed)
    n_rows = len(CHROMOSOMES)
    copies = rng.binomial(2, rng.uniform(0.1, 0.9, (n_rows, 1)), (n_rows, N_PEOPLE))
    for row, chromosome in enumerate(CHROMOSOMES):
        alike = {"X": SEXES == "1", "Y": SEXES == "1", "MT": SEXES != "9"}.get(chromosome)
        if alike is not None:
            copies[row, alike] = 2 * (copies[row, alike] > rng.integers(0, 2, alike.sum()))
        if chromosome == "Y":
            copies[row, SEXES != "1"] = -1
    copies[rng.random(copies.shape) < 0.08] = -1
    return copies.astype(np.int8), rng.normal(size=n_rows), rng.random(n_rows) < 0.5


def write_bed(prefix: Path, copies: np.ndarray) -> None:
    """Write a PLINK 1 fileset without help from the package under test."""
    code = np.array([1, 3, 2, 0], dtype=np.uint8)[copies + 1]
    code = np.pad(code, ((0, 0), (0, -N_PEOPLE % 4)))
    packed = (code.reshape(len(code), -1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)).sum(axis=2)
    prefix.with_suffix(".bed").write_bytes(b"\x6c\x1b\x01" + packed.astype(np.uint8).tobytes())
    with prefix.with_suffix(".bim").open("w") as bim:
        for row, chromosome in enumerate(CHROMOSOMES):
            bim.write(f"{chromosome}\tv{row}\t0\t{1000 * (row + 1)}\tA\tG\n")
    with prefix.with_suffix(".fam").open("w") as fam:
        for person, sex in enumerate(SEXES):
            fam.write(f"p{person}\tp{person}\t0\t0\t{sex}\t-9\n")


def main() -> None:
    """Run plink2 with each model of X and each rule for missing calls."""
    copies, weights, swapped = draw()
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder) / "set"
        write_bed(prefix, copies)
        alleles = np.where(swapped, "G", "A")
        pd.DataFrame(
            {"id": [f"v{k}" for k in range(len(weights))], "a": alleles, "w": weights}
        ).to_csv(prefix.with_suffix(".w"), sep="\t", index=False)
        for model in (1, 2):
            for name, flags in (("mean", []), ("zero", ["no-mean-imputation"])):
                subprocess.run(
                    [
                        sys.argv[1], "--bfile", str(prefix), "--xchr-model", str(model), "--score",
                        str(prefix.with_suffix(".w")), "1", "2", "3", "header", *flags,
                        "cols=+scoresums,+denom", "--out", str(prefix),
                    ],
                    check=True, stdout=subprocess.DEVNULL,
                )  # fmt: skip
                table = pd.read_csv(prefix.with_suffix(".sscore"), sep="\t")
                columns[f"sum_{model}_{name}"] = table["SCORE1_SUM"]
                columns[f"alleles_{model}_{name}"] = table["DENOM"]
    pd.DataFrame(columns).to_csv(Path(__file__).with_name("haploid.tsv"), sep="\t", index=False)


if __name__ == "__main__":
    main()
