"""The phenotype step: options, families, and one person's records alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.ehr import Ehr, build_trials, open_ehr
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import classify_grid, explain, list_definitions, load_grid
from pgs_trd.simulate import draw_people, simulate_records
from pgs_trd.simulate.omop import write_omop
from pgs_trd.steps.explain import explain_step, keep_person
from pgs_trd.steps.phenotype_options import Extras, Gates, read_families
from pgs_trd.steps.records import phenotype_step

PEOPLE = pd.Series(["anna", "bo", "cem"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the simulated records of 90 people, 60 of them with depression."""
    rng = np.random.default_rng(11)
    place = np.arange(90)
    classes = pd.DataFrame({"is_mdd": place < 60, "is_resistant": place < 25})
    records = simulate_records(draw_people(90, rng), classes, rng=rng)
    return write_omop(records.tables, tmp_path_factory.mktemp("omop"))


@pytest.fixture(scope="module")
def ehr(folder: Path) -> Ehr:
    return open_ehr(folder)


def test_keep_person__one_person_alone_has_the_same_classes(ehr: Ehr):
    """`explain` reads one person's records: no rule may look at anybody else."""
    definitions = [*list_definitions(), *load_grid()]
    everybody = classify_grid(ehr, build_trials(ehr), definitions)
    table = everybody["adequate2"].table
    chosen = table.drop_duplicates("reason")["person_id"]
    assert len(chosen) >= 5

    for person in chosen:
        own = keep_person(ehr, person)
        alone = classify_grid(own, build_trials(own), definitions)
        for name, found in alone.items():
            expected = everybody[name].table
            expected = expected[expected["person_id"] == person].reset_index(drop=True)
            pd.testing.assert_frame_equal(found.table, expected, obj=name)


def test_explain_step__is_explain_of_everybody(folder: Path, ehr: Ehr):
    """The shown rows are those that decided in the run of all people."""
    found = classify_grid(ehr, build_trials(ehr), ["adequate2"])["adequate2"]
    person = found.table.loc[found.table["phenotype"] == "trd", "person_id"].iloc[0]

    shown = explain_step(folder, person)

    pd.testing.assert_frame_equal(shown, explain(found, person))
    with pytest.raises(UsageError, match="nobody in the records has the id"):
        explain_step(folder, "absent")


def test_phenotype_step__gates_reach_classes_and_sidecar(folder: Path, tmp_path: Path):
    """A gate marks trials and leaves them in the table; the options say that it was on."""
    gates = Gates(low_dose=True, indication_days=0, dose="floor")

    description = phenotype_step(folder, tmp_path / "gated", gates=gates)
    phenotype_step(folder, tmp_path / "plain")

    gated = pd.read_parquet(tmp_path / "gated" / "trials.parquet")
    plain = pd.read_parquet(tmp_path / "plain" / "trials.parquet")
    assert (gated["gate"] == "no_indication").any()
    assert len(gated) == len(plain)
    assert "gate" not in plain.columns
    options = description["options"]
    assert [options[name] for name in ("low_dose", "indication_days", "dose")] == [
        True, 0, "floor",
    ]  # fmt: skip


def test_phenotype_step__a_failing_run_leaves_the_earlier_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Half of one run beside half of another would look like one."""
    out = tmp_path / "out"
    phenotype_step(folder, out, extras=Extras(compare=["kim2020"]))
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise DataError("no space")

    monkeypatch.setattr("pgs_trd.steps.records.survival_table", fail)
    with pytest.raises(DataError, match="no space"):
        phenotype_step(folder, out, gap_days=90, extras=Extras(exports=["survival"]))

    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f1 anna 0 0 2 -9\nf2\tbo 0 0 1 -9\n", ["f1", "f2", "cem"]),
        ("#FID IID SEX\nf1 anna 2\n", ["f1", "bo", "cem"]),
        ("##comment\n#IID SEX\nanna 2\n", ["anna", "bo", "cem"]),
    ],
)
def test_read_families__fam_and_psam(tmp_path: Path, text: str, expected: list[str]):
    """Who is not in the genotypes is a family of one, as is everybody of a .psam without FID."""
    path = tmp_path / "cohort.psam"
    path.write_text(text)

    assert list(read_families(path, PEOPLE).values()) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("anna\nbo\n", "cohort.fam: 2 of 2 lines lack family and person"),
        ("", "cohort.fam: 0 of 0 lines lack family and person"),
        ("f1 anna\nf2 anna\n", "cohort.fam: 1 lines have a person id that another has"),
    ],
)
def test_read_families__damage_is_counted(tmp_path: Path, text: str, message: str):
    """The message has counts and no person."""
    path = tmp_path / "cohort.fam"
    path.write_text(text)

    with pytest.raises(DataError, match=re.escape(message)):
        read_families(path, PEOPLE)
