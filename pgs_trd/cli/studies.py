"""`pgs-trd init`, `check`, `run`, `report`, `simulate` and `demo`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pgs_trd.cli.common import MemoryMb, Threads, show_progress, split_list
from pgs_trd.cli.workflow import plan_of
from pgs_trd.errors import UsageError

StudyFile = Annotated[Path, typer.Argument(help="The study file (YAML).", show_default=False)]
People = Annotated[int, typer.Option("--people", min=100, help="How many people to simulate.")]
Seed = Annotated[int, typer.Option("--seed", help="Same seed, same output.")]
Design = Literal["plain", "xu2025"]
Progress = Callable[[str, float], None]
# One whose estimates are ordinary, and in which the bias of the MDD score can be seen.
DEFAULT_SEED = 10
STUDY_FILE = "study.yaml"
STANDARD_OUTPUT = "-"


def init(
    study: Annotated[
        Path, typer.Argument(help="The study file to write; - for standard output.")
    ] = Path(STUDY_FILE),
    genotypes: Annotated[Path | None, typer.Option("--genotypes", help="Genotypes.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Weight file, folder or pattern.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option("--records", help="OMOP folder or .duckdb file.")
    ] = None,
    covariates: Annotated[
        Path | None,
        typer.Option("--covariates", help="Covariates; the columns to adjust for are chosen."),
    ] = None,
    traits: Annotated[
        Path | None, typer.Option("--traits", help="Table with score, trait, domain.")
    ] = None,
    design: Annotated[
        Design,
        typer.Option(
            "--design",
            help="Of the study; xu2025 is inspired by Xu et al. (2025), with a table of its 61 "
            "traits beside.",
        ),
    ] = "plain",
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files instead.")
    ] = False,
) -> None:
    """Write a commented study file, to be filled in.

    Files that are given are named in it; the rest are names to change.

    Example: pgs-trd init study.yaml --design xu2025 --genotypes cohort.bed
    """
    import json

    from pgs_trd.study.template import StudyParts, design_traits, study_schema, write_template
    from pgs_trd.tables import write_table, write_text

    if schema:
        typer.echo(json.dumps(study_schema(), indent=2))
        return
    parts = StudyParts(genotypes, weights, records, covariates, traits)
    has_traits = design == "xu2025" and traits is None
    if str(study) == STANDARD_OUTPUT:
        if has_traits:
            raise UsageError("--design xu2025 writes a table of traits beside: name a file, not -")
        typer.echo(write_template(study, parts, design=design), nl=False)
        return
    written = [study]
    if has_traits:
        written.append(study.with_name("traits.tsv"))
    for path in written:
        if path.exists() and not force:
            raise UsageError(f"{path} is there already: give another name, or --force")
    write_text(write_template(study, parts, design=design), study)
    for path in written[1:]:
        write_table(design_traits(), path)
    for path in written:
        typer.echo(str(path))


def check(study: StudyFile) -> None:
    """Check a study file and look into its files, before any work.

    Finds every unknown key at once, then every missing file or column and impossible
    choice, each with its line. No genotype is read.

    Example: pgs-trd check study.yaml
    """
    from pgs_trd.steps.inputs import list_weight_files
    from pgs_trd.study import check_study

    config = check_study(study)
    n_weights = len(list_weight_files(config.weights))
    typer.echo(
        f"{study.name}: no faults; {n_weights:,} weight "
        f"{'file' if n_weights == 1 else 'files'}, {len(config.contrasts)} contrasts"
    )


def run(
    study: StudyFile,
    threads: Threads = None,
    mem_mb: MemoryMb = None,
    steps: Annotated[
        str | None,
        typer.Option(
            "--steps",
            help="Some of scores,phenotype,covariates,association,progression,sensitivity,report; "
            "what the others make has to be there. Of sensitivity also classes,within,bias alone.",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="As jobs, by Snakemake: local, slurm, or the folder of a profile of yours. "
            "`pgs-trd workflow run` takes options of Snakemake, too.",
        ),
    ] = None,
) -> None:
    """Run a whole study, from raw files to the report.

    Example: pgs-trd run study.yaml --threads 8
    """
    from pgs_trd.study import run_study
    from pgs_trd.study.workflow import run_workflow

    if profile is not None:
        if steps is not None or mem_mb is not None:
            raise UsageError(
                "--profile runs what is not done yet, each job with the memory of the plan: "
                "leave --steps and --mem-mb out"
            )
        cores = [] if threads is None else ["--cores", str(threads)]
        run_workflow(plan_of(study), profile, cores)
    chosen: Any = None if steps is None else split_list(steps)
    with show_progress() as progress:
        report = run_study(
            study, threads=threads, memory_mb=mem_mb, progress=progress, steps=chosen
        )
    if chosen is None or "report" in chosen:
        typer.echo(str(report))


def report(study: StudyFile) -> None:
    """Write the report of a study again, from the results of its last run.

    Example: pgs-trd report study.yaml
    """
    from pgs_trd.study import report_study

    typer.echo(str(report_study(study)))


def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")],
    people: People = 5000,
    seed: Seed = DEFAULT_SEED,
    threads: Threads = None,
) -> None:
    """Simulate a biobank with a known answer: genotypes, weights, health records.

    Writes a study file too, ready for `pgs-trd run`.

    Example: pgs-trd simulate --people 20000 --out biobank/
    """
    with show_progress() as progress:
        study = _simulate(out, people, seed, threads, progress)
    typer.echo(str(study))


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")] = Path(
        "pgs-trd-demo"
    ),
    people: People = 5000,
    seed: Seed = DEFAULT_SEED,
    threads: Threads = None,
) -> None:
    """Simulate a biobank, run the whole study on it, and name the report.

    Example: pgs-trd demo --people 5000 --out pgs-trd-demo
    """
    from pgs_trd.study import run_study

    with show_progress() as progress:
        study = _simulate(out, people, seed, threads, progress)
        path = run_study(study, threads=threads, progress=progress)
    typer.echo(str(path))


def _simulate(out: Path, people: int, seed: int, threads: int | None, progress: Progress) -> Path:
    from pgs_trd.resources import thread_count
    from pgs_trd.simulate import simulate_biobank
    from pgs_trd.study.demo import SHARED_CAUSE, write_study_file

    biobank = simulate_biobank(
        out / "biobank",
        n_people=people,
        seed=seed,
        shared_cause=SHARED_CAUSE,
        threads=thread_count(threads),
        progress=progress,
    )
    path = out / STUDY_FILE
    write_study_file(biobank, path, out / "results")
    return path


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command()(init)
    app.command()(check)
    app.command()(run)
    app.command()(report)
    app.command()(simulate)
    app.command()(demo)
