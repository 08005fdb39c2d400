"""Names of the files that stand beside a table of scores."""

from __future__ import annotations

from pathlib import Path

PLINK2_ENDING = ".sscore"


def beside(out: Path, name: str) -> Path:
    """Give the path of a companion of `out`: scores.tsv -> scores.match.tsv.

    The companions of a plink2 table, scores.sscore, are scores.match.tsv and so on.
    """
    ending = ".tsv" if out.suffix == PLINK2_ENDING else out.suffix
    return out.with_name(f"{out.stem}.{name}{ending}")
