"""`pgs-trd plan` and `pgs-trd workflow run|status|cancel|doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgs_trd.errors import UsageError

if TYPE_CHECKING:
    from pgs_trd.study.plan import Plan

StudyFile = Annotated[Path, typer.Argument(help="The study file (YAML).", show_default=False)]

workflow = typer.Typer(
    name="workflow",
    help="Run a study with Snakemake, on this machine or on a cluster.",
    no_args_is_help=True,
)


def plan(
    study: Annotated[
        Path | None, typer.Argument(help="The study file (YAML).", show_default=False)
    ] = None,
    commands: Annotated[
        Literal["sh", "slurm-array", "dsub-tsv"] | None,
        typer.Option(
            "--commands",
            help="Print the jobs as a shell script, as a script of Slurm arrays, or as a tasks "
            "file for dsub.",
        ),
    ] = None,
    people: Annotated[
        int | None,
        typer.Option("--people", min=1, help="Without a study file: of a study of so many people."),
    ] = None,
    variants: Annotated[
        int | None, typer.Option("--variants", min=22, help="Its genotyped variants.")
    ] = None,
    scores: Annotated[int, typer.Option("--scores", min=1, help="Its scores.")] = 61,
    definitions: Annotated[
        int, typer.Option("--definitions", min=1, help="Its definitions of resistance.")
    ] = 15,
) -> None:
    """Show the jobs of a study and what each asks of a scheduler, before any work.

    Memory, time and disk follow from the study's size, of which only headers are
    read. Scoring is one job a file where the genotypes are a set of files, such as
    chr{1:22}.bed, and one job else. Without a study file --people and --variants say
    how large a study is thought of.

    Example: pgs-trd plan study.yaml --commands slurm-array
    """
    from pgs_trd.study.commands import write_dsub, write_shell, write_slurm_arrays
    from pgs_trd.study.demands import describe_stages, imagine, total_stages

    if study is None:
        if people is None or variants is None or commands is not None:
            raise UsageError("give a study file, or both --people and --variants of one thought of")
        size, stages = imagine(people, variants, scores, definitions)
        typer.echo(describe_stages(stages, size))
        return
    if people is not None or variants is not None:
        raise UsageError(f"--people and --variants are those of {study.name}: give them without it")
    planned = plan_of(study)
    if commands is not None:
        planned.write()
        write = {"sh": write_shell, "slurm-array": write_slurm_arrays, "dsub-tsv": write_dsub}
        typer.echo(write[commands](planned), nl=False)
        return
    typer.echo(describe_stages(total_stages(planned.jobs, planned.costs), planned.size))


@workflow.command("run", context_settings={"ignore_unknown_options": True})
def run(
    study: StudyFile,
    further: Annotated[
        list[str] | None, typer.Argument(help="Options of Snakemake.", show_default=False)
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="local, slurm, or the folder of a profile of yours.")
    ] = "local",
) -> None:
    """Run a study with Snakemake; what is done already stays.

    Further options go to Snakemake: --jobs 20, --dry-run, or
    --set-resources score_part:mem_mb=16000.

    Example: pgs-trd workflow run study.yaml --profile slurm
    """
    from pgs_trd.study.workflow import run_workflow

    run_workflow(plan_of(study), profile, further or ())


@workflow.command("status")
def status(study: StudyFile) -> None:
    """Say how many jobs of each stage are done, what stopped others, and what Slurm has.

    Example: pgs-trd workflow status study.yaml
    """
    from pgs_trd.study.workflow import describe_progress, find_queued, find_stopped, is_locked

    planned = plan_of(study)
    for row in describe_progress(planned).itertuples():
        typer.echo(f"{row.stage!s}: {row.n_done} of {row.n_jobs} done")
    for line in find_stopped(planned):
        typer.echo(line)
    queued = find_queued(planned)
    if queued is not None:
        states = queued["state"].value_counts().sort_index()
        said = ", ".join(f"{count} {state}" for state, count in states.items())
        typer.echo(f"at Slurm: {said or 'nothing'}")
    if is_locked(planned):
        typer.echo("a run of Snakemake has the study, or was killed while it had")


@workflow.command("cancel")
def cancel(study: StudyFile) -> None:
    """Take the study's jobs out of Slurm's queue, and its lock away.

    For a run that was killed or lost; stop a running one with Ctrl-C.

    Example: pgs-trd workflow cancel study.yaml
    """
    from pgs_trd.study.workflow import cancel_workflow

    typer.echo(f"cancelled {cancel_workflow(plan_of(study))} jobs")


@workflow.command("doctor")
def doctor() -> None:
    """Look at what a workflow needs of this machine: programs, Slurm's settings, room.

    Example: pgs-trd workflow doctor
    """
    from pgs_trd.study.site import examine_site

    for row in examine_site().itertuples():
        advice = f" ({row.advice!s})" if row.advice else ""
        typer.echo(f"{row.verdict!s:<8} {row.subject!s}: {row.found!s}{advice}")


def plan_of(study: Path) -> Plan:
    """Check a study file and plan its jobs."""
    from pgs_trd.study.config import check_study
    from pgs_trd.study.plan import plan_study

    return plan_study(check_study(study), study)


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(plan)
    app.add_typer(workflow)
