"""What a scoring run leaves on disk: sums, summary, companions, a description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.provenance import describe_run
from pgs_trd.scoring import Scores
from pgs_trd.scoring.files import PLINK2_ENDING, beside
from pgs_trd.scoring.parts import ENDING
from pgs_trd.tables import check_output, make_folder, replace_on_success, write_table


def check_outputs(out: Path, *, is_part: bool = False) -> None:
    """Raise a UsageError, before any work, if the tables could not be written."""
    if is_part and out.suffix != ENDING:
        raise UsageError(f"a part is written as Parquet: {out.name} should end in {ENDING}")
    if out.suffix == PLINK2_ENDING:
        make_folder(out.parent)
    else:
        check_output(out)


def write_result(
    result: Scores,
    out: Path,
    samples: pd.DataFrame | None = None,
    *,
    alleles: bool = False,
    averages: bool = False,
) -> list[Path]:
    """Write sums and summary, and where they are wanted alleles and averages.

    Parameters
    ----------
    result
        The scores.
    out
        Table of the sums; one that ends in .sscore is written as plink2 would.
    samples
        The people, for their family_id; without, a plink2 table has 0 there.
    alleles, averages
        Write the number of alleles that each sum is over, and the sum divided by it.

    Returns
    -------
    companions
        The files written beside `out`.
    """
    if out.suffix == PLINK2_ENDING:
        write_plink2(result, out, samples)
    else:
        write_table(result.scores.reset_index(), out)
    write_table(result.summary, beside(out, "summary"))
    written = [beside(out, "summary")]
    companions = {
        "alleles": result.alleles if alleles else None,
        "averages": result.averages if averages else None,
    }
    for name, table in companions.items():
        path = beside(out, name)
        if table is None:
            # What an earlier run left there would be taken for this run's.
            with suppress(FileNotFoundError):
                path.unlink()
            continue
        write_table(table.reset_index(), path)
        written.append(path)
    return written


def write_plink2(result: Scores, out: Path, samples: pd.DataFrame | None = None) -> None:
    """Write #FID, IID, <score>_AVG and <score>_SUM of every score, as plink2 does.

    With one score, ALLELE_CT too, the number of alleles that the sum is over.
    """
    family = "0" if samples is None else samples["family_id"].fillna("0").replace("", "0")
    table = pd.DataFrame({"#FID": family, "IID": result.scores.index.to_numpy()})
    if result.scores.shape[1] == 1:
        name = result.scores.columns[0]
        table["ALLELE_CT"] = result.alleles[name].to_numpy()
    both = [
        values.add_suffix(ending).reset_index(drop=True)
        for values, ending in ((result.averages, "_AVG"), (result.scores, "_SUM"))
    ]
    table = pd.concat([table, *both], axis=1)
    with replace_on_success(out) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="nan", lineterminator="\n")


def describe_inputs(
    step: str, options: Mapping[str, Any], inputs: Mapping[str, Sequence[Path]], **facts: Any
) -> dict[str, Any]:
    """Describe a run; each input has the role that it played."""
    both = [(role, path) for role, paths in inputs.items() for path in paths]
    description = describe_run(step, options, [path for _, path in both], **facts)
    for entry, (role, _) in zip(description["inputs"], both, strict=True):
        entry["role"] = role
    return description
