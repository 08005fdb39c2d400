"""Parts of a genome to the scores of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring import Scores
from pgs_trd.scoring.files import beside
from pgs_trd.scoring.merge import MIN_OVERLAP, merge_scores
from pgs_trd.scoring.parts import read_part
from pgs_trd.steps.outputs import check_outputs, describe_inputs, write_result
from pgs_trd.steps.streams import stream_table


def merge_step(
    parts: Sequence[Path], out: Path, *, min_overlap: float = MIN_OVERLAP, averages: bool = False
) -> Scores:
    """Add up what `score_step` wrote of each part; write what it writes of a whole."""
    check_outputs(out)
    read = [read_part(path) for path in parts]
    with stream_table(beside(out, "match")) as append:
        result = merge_scores(read, min_overlap=min_overlap, log=append)
    is_zero = read[0].options["missing"] == "zero"
    write_result(result, out, alleles=is_zero, averages=averages)
    options = {**read[0].options, "min_overlap": min_overlap, "averages": averages}
    facts = {"n_people": len(result.scores), "n_scores": result.scores.shape[1]}
    write_sidecar(describe_inputs("merge", options, {"part": list(parts)}, **facts), out)
    return result
