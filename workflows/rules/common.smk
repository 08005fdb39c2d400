"""What the rules read from the plan."""

import shlex


def has(stage):
    """Tell whether the plan has jobs of a stage."""
    return any(of == stage for of, _ in JOBS)


def find_job(stage, wildcards):
    """Give a job of the plan: by its name, where a stage has several."""
    return JOBS[stage, wildcards[0] if len(wildcards) else ""]


def inputs(stage):
    return lambda wildcards: find_job(stage, wildcards)["inputs"]


def outputs(stage):
    return JOBS[stage, ""]["outputs"]


def command(stage):
    """Give the words of a job's command, for the shell."""
    return lambda wildcards: shlex.join(find_job(stage, wildcards)["command"])


def threads(stage):
    return lambda wildcards: find_job(stage, wildcards)["threads"]


def memory(stage):
    """Give the memory of a job, twice as much at each further attempt."""
    return lambda wildcards, attempt: find_job(stage, wildcards)["mem_mb"] * 2 ** (
        attempt - 1
    )


def minutes(stage):
    """Give the time of a job, more at each further attempt."""
    return lambda wildcards, attempt: find_job(stage, wildcards)["minutes"] * attempt
