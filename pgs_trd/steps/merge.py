"""Parts of a genome to the scores of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring import Scores
from pgs_trd.scoring.merge import MIN_OVERLAP, merge_scores
from pgs_trd.scoring.parts import part_files, read_part
from pgs_trd.steps.outputs import (
    OPTIONAL_COMPANIONS,
    check_outputs,
    describe_inputs,
    log_matches,
    stage_outputs,
    write_result,
)


def merge_step(
    parts: Sequence[Path], out: Path, *, min_overlap: float = MIN_OVERLAP, averages: bool = False
) -> Scores:
    """Add up what `score_step` wrote of each part; write what it writes of a whole."""
    check_outputs(out, [file for path in parts for file in part_files(path)])
    read = [read_part(path) for path in parts]
    options = {**read[0].options, "min_overlap": min_overlap, "averages": averages}
    with stage_outputs(out, OPTIONAL_COMPANIONS) as staged:
        result = log_matches(
            staged, lambda append: merge_scores(read, min_overlap=min_overlap, log=append)
        )
        is_zero = read[0].options["missing"] == "zero"
        write_result(result, staged, read[0].read_samples(), alleles=is_zero, averages=averages)
        facts = {"n_people": len(result.scores), "n_scores": result.scores.shape[1]}
        write_sidecar(describe_inputs("merge", options, {"part": list(parts)}, **facts), staged)
    return result
