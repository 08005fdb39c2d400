"""What a scoring run leaves on disk: sums, summary, companions, a description."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.errors import MatchRateError, UsageError
from pgs_trd.provenance import describe_run, sidecar_path
from pgs_trd.scoring import Scores
from pgs_trd.scoring.files import PLINK2_ENDING, beside
from pgs_trd.scoring.parts import ENDING
from pgs_trd.steps.streams import Append, stream_table
from pgs_trd.tables import TEXT_SEPARATORS, make_folder, replace_on_success, write_table

OPTIONAL_COMPANIONS = ("alleles", "averages")
SCORE_COMPANIONS = ("match", "summary", *OPTIONAL_COMPANIONS)
"""Tables that may stand beside the sums; the optional ones where they are asked for."""


def check_outputs(
    out: Path,
    inputs: Sequence[Path | None] = (),
    *,
    weights: Sequence[Path] = (),
    companions: Sequence[str] = SCORE_COMPANIONS,
    is_part: bool = False,
) -> None:
    """Check, before any work, that the tables can be written and nothing read is lost by it.

    Parameters
    ----------
    out
        The table that the user named; scores may be as plink2 writes them.
    inputs
        Files that the run reads; None is none.
    weights
        What was given as weight files, folders among them.
    companions
        Tables that the run may write beside `out`.
    is_part
        Whether the scores are of a part of a genome.

    Raises
    ------
    UsageError
        If the ending is none of the known, the folder cannot be written into, a file
        would be written onto one of `inputs`, or into a folder of weight files, where
        the next run would read it.
    """
    if is_part and out.suffix != ENDING:
        raise UsageError(f"a part is written as Parquet: {out.name} should end in {ENDING}")
    endings = [".parquet", *TEXT_SEPARATORS]
    if "match" in companions:
        endings.append(PLINK2_ENDING)
    if out.suffix not in endings:
        raise UsageError(
            f"cannot tell the table format of {out.name!r}: it should end in "
            f"{', '.join(endings[:-1])} or {endings[-1]}"
        )
    written = {
        path.resolve(): path
        for path in (out, sidecar_path(out), *(beside(out, name) for name in companions))
    }
    for path in inputs:
        if path is not None and path.resolve() in written:
            raise UsageError(
                f"{path.name} is read, and --out {out.name} would write "
                f"{written[path.resolve()].name} onto it: give --out another name or folder"
            )
    for folder in weights:
        if folder.is_dir() and folder.resolve() == out.resolve().parent:
            raise UsageError(
                f"--out {out.name} would lie in {folder}, the folder of the weight files, and be "
                "read as one by the next run: give --out another folder"
            )
    make_folder(out.parent)


@contextmanager
def stage_outputs(out: Path, companions: Sequence[str] = ()) -> Iterator[Path]:
    """Give a path for `out` in a folder of its own; all that is written there moves at the end.

    Nothing moves if something goes wrong, but for a `MatchRateError`: its match table and
    summary do, because they say why the scores failed.

    Parameters
    ----------
    out
        Where the table is to stand.
    companions
        Tables beside it that need not be written; what an earlier run left of them is
        deleted, or it would be taken for this run's.
    """
    make_folder(out.parent)
    with tempfile.TemporaryDirectory(
        dir=out.parent, prefix=f".{out.name}.", suffix=".part"
    ) as folder:
        staged = Path(folder) / out.name
        try:
            yield staged
        except MatchRateError as error:
            if names := _move(staged.parent, out.parent):
                error.add_note(f"why is in {' and '.join(names)}; no scores were written")
            if names and out.is_file():
                error.add_note(f"{out.name}, which stands there, is of an earlier run")
            raise
        for name in companions:
            if not beside(staged, name).exists():
                beside(out, name).unlink(missing_ok=True)
        _move(staged.parent, out.parent)


def _move(source: Path, target: Path) -> list[str]:
    names = sorted(path.name for path in source.iterdir())
    for name in names:
        (source / name).replace(target / name)
    return names


def log_matches(out: Path, compute: Callable[[Append], Scores]) -> Scores:
    """Compute scores, and write their match table as it is made.

    If every score fails, the match table and the summary are complete, and
    `MatchRateError` goes on.

    Parameters
    ----------
    out
        Table of the sums, beside which the match table stands.
    compute
        Called with the function that appends to the match table.
    """
    with stream_table(beside(out, "match")) as append:
        try:
            return compute(append)
        except MatchRateError as error:
            failure = error
    if failure.summary is not None:
        write_table(failure.summary, beside(out, "summary"))
    raise failure


def write_result(
    result: Scores,
    out: Path,
    samples: pd.DataFrame | None = None,
    *,
    alleles: bool = False,
    averages: bool = False,
    part: bool = False,
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
    part
        Write the alleles, and with them the families, for the merged scores.

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
    tables = {}
    if alleles or part:
        tables["alleles"] = result.alleles.reset_index()
    if averages:
        tables["averages"] = result.averages.reset_index()
    if part and samples is not None:
        tables["alleles"].insert(1, "family_id", samples["family_id"].to_numpy())
    for name, table in tables.items():
        write_table(table, beside(out, name))
        written.append(beside(out, name))
    return written


def write_plink2(result: Scores, out: Path, samples: pd.DataFrame | None = None) -> None:
    """Write #FID, IID, <score>_AVG and <score>_SUM of every score, as plink2 does.

    With one score, DENOM too, the number of alleles that the average is over.
    """
    table = pd.DataFrame({"#FID": "0", "IID": result.scores.index.to_numpy()})
    if samples is not None:
        table["#FID"] = samples["family_id"].fillna("0").replace("", "0").to_numpy()
    if result.scores.shape[1] == 1:
        name = result.scores.columns[0]
        table["DENOM"] = result.alleles[name].to_numpy()
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
