"""Time `pgs-trd score` against plink2, both as whole processes, in alternation.

Sets are made once and kept. Every pair of results is compared: the ratio of two
programs that compute different scores would say nothing.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
from peers import (
    Command,
    Run,
    available_blas,
    describe_machine,
    install_plink2,
    measure,
    our_program,
    pgs_trd,
    plink2,
    version,
)

from data import convert, count_set, make_data, plink2_input, tile_vcf

SIZES = {"bed": (20_000, 200_000), "pgen": (20_000, 200_000)}
DECODED_SIZE = (3_202, 100_000)
"""Of BGEN and VCF, whose reading costs more than scoring."""
LARGE = (50_000, 500_000)


def compare(ours: Command, peer: Command, n_runs: int) -> str:
    """Run both in alternation and give cells: medians and the median ratio pair by pair."""
    pairs = [(measure(ours), measure(peer)) for _ in range(n_runs)]
    mine, theirs = zip(*pairs, strict=True)
    ratio = statistics.median([b.wall / a.wall for a, b in pairs])
    memory = statistics.median([b.memory / a.memory for a, b in pairs])
    return f"{middle(list(mine))} | {middle(list(theirs))} | {ratio:.1f}x | {memory:.1f}x"


def middle(runs: list[Run]) -> Run:
    """Give the median of each figure."""
    return Run(
        *(statistics.median([getattr(r, f) for r in runs]) for f in ("wall", "cpu", "memory"))
    )


def check_equal(ours: Path, theirs: Path) -> None:
    """Stop unless all sums agree within the six digits that plink2 prints."""
    mine = pd.read_parquet(ours).drop(columns="person_id").to_numpy()
    table = pd.read_csv(theirs, sep="\t")
    peer = table[[name for name in table if name.endswith("_SUM") and "DOSAGE" not in name]]
    if not np.allclose(mine, peer.to_numpy(), rtol=2e-5, atol=2e-6):
        worst = np.abs(mine - peer.to_numpy()).max()
        raise SystemExit(f"{ours.name} and {theirs.name} differ by up to {worst:.3g}")


def make_set(form: str, options: argparse.Namespace, program: str | None) -> Path | None:
    """Make the set of a form unless it is there; None if it cannot be made."""
    is_decoded = form in ("bgen", "vcf")
    if is_decoded and options.tile:
        folder = options.dir / f"tiled-{options.variants or DECODED_SIZE[1]}"
        tile_vcf(options.tile, folder, options.variants or DECODED_SIZE[1])
    else:
        default = DECODED_SIZE if is_decoded else LARGE if options.large else SIZES[form]
        n_people, n_variants = options.people or default[0], options.variants or default[1]
        folder = options.dir / f"{n_people}x{n_variants}"
        make_data(folder, n_people, n_variants)
    return convert(folder, form, program)


def run_form(form: str, options: argparse.Namespace, program: str | None) -> None:
    """Print the rows of one form."""
    genotypes = make_set(form, options, program)
    if genotypes is None:
        print(f"| {form}: not made, that needs plink2 | | | | | | |")
        return
    n_people, n_variants = count_set(genotypes)
    for n_scores in options.scores:
        weights = genotypes.with_name(f"weights_{n_scores}.tsv")
        out = genotypes.with_name(f"ours_{form}_{n_scores}.parquet")
        ours = pgs_trd(genotypes, weights, options.threads, out)
        measure(ours)
        plural = "s" if n_scores > 1 else ""
        name = f"{form}, {n_people:,} x {n_variants:,}, {n_scores} score{plural}"
        if program is None:
            run = middle([measure(ours) for _ in range(options.runs)])
            print(f"| {name} | {run} | | | | |", flush=True)
            continue
        for blas in options.blas or available_blas(program)[:1]:
            given = plink2_input(genotypes, form)
            theirs = genotypes.with_name(f"plink2_{form}_{n_scores}")
            # By machine and number of scores, BLAS threads beside plink2's own help or hinder.
            peers = [
                plink2(program, blas, given, weights, n_scores, options.threads, n, theirs)
                for n in dict.fromkeys((1, options.threads))
            ]
            peer = min(peers, key=lambda peer: measure(peer).wall)
            check_equal(ours.out, peer.out)
            print(f"| {name}; {peer.name} | {compare(ours, peer, options.runs)} |", flush=True)


def main() -> None:
    """Make the data if they are not there, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="+", choices=["bed", "pgen", "bgen", "vcf"],
                        default=["bed", "pgen", "bgen", "vcf"])  # fmt: skip
    parser.add_argument("--scores", nargs="+", type=int, choices=[1, 61], default=[1, 61])
    parser.add_argument("--people", type=int, help="instead of the size of the form")
    parser.add_argument("--variants", type=int, help="instead of the size of the form")
    parser.add_argument("--large", action="store_true", help="50,000 x 500,000 bed and pgen")
    parser.add_argument("--tile", type=Path, help="VCF whose records make up BGEN and VCF")
    parser.add_argument("--dir", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plink2", metavar="PATH", help="the plink2 to compare with; default: "
                        "that of the PATH, its AVX2 build if Debian's")  # fmt: skip
    parser.add_argument("--blas", nargs="+", choices=["OpenBLAS", "reference BLAS"],
                        help="of plink2; default: the best that is there")  # fmt: skip
    options = parser.parse_args()
    program = install_plink2(options.plink2)
    print(f"{describe_machine()}; {options.threads} threads, files in the page cache")
    print(version(our_program()))
    peer = "plink2"
    if program is not None:
        peer = version(program)
        print(f"{program}; BLAS there: {', '.join(available_blas(program))}")
    print(
        f"\n| | pgs-trd wall / cpu s | MiB | {peer} wall / cpu s | MiB | ratio of wall "
        "| ratio of MiB |\n|---|---|---|---|---|---|---|"
    )
    for form in options.forms:
        run_form(form, options, program)


if __name__ == "__main__":
    main()
