"""`pgs-trd definitions` and `codes`."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from pgs_trd.ehr import list_codelists, read_codelist
from pgs_trd.phenotype import list_definitions, load_definition, load_grid


def test_definitions_list__has_every_definition_and_its_hash(run_cli):
    """The hash tells which rules a result was made with."""
    lines = run_cli("definitions", "list").out.splitlines()

    every = [*map(load_definition, list_definitions()), *load_grid()]
    assert [line.split()[0] for line in lines] == [each.id for each in every]
    assert [line.split()[2] for line in lines] == [each.hash[:8] for each in every]


@pytest.mark.parametrize("name", [*list_definitions(), "grid_t4_r2", "grid_t1_r3"])
def test_definitions_show__what_is_shown_is_the_definition(name, run_cli, tmp_path):
    """Saved, it is read back as the same rules: the hash is equal."""
    own = tmp_path / "own.yaml"
    own.write_text(run_cli("definitions", "show", name).out, encoding="utf-8")
    run_cli("definitions", "show", name, "--out", tmp_path / "written.yaml")

    assert (tmp_path / "written.yaml").read_bytes() == own.read_bytes()
    assert load_definition(own).hash == load_definition(name).hash
    checked = run_cli("definitions", "check", own)
    assert checked.code == 0
    assert load_definition(name).hash in checked.out


def test_definitions_check__every_fault_is_named(run_cli, tmp_path):
    """Somebody who writes a definition wants all mistakes at once, and a failing exit code."""
    own = tmp_path / "own.yaml"
    text = run_cli("definitions", "show", "adequate2").out
    own.write_text(text.replace("n_failures: 2", "n_failures: 0").replace("mdd_core", "mdd"))

    outcome = run_cli("definitions", "check", own)

    assert outcome.code == 3
    assert "own.yaml: 2 faults" in outcome.err
    assert "resistant.n_failures must be at least 1, got 0" in outcome.err
    assert "depression.classes: no class 'mdd'" in outcome.err
    assert run_cli("definitions", "show").code == 2


def test_codes__lists_and_their_lines(run_cli, tmp_path):
    """What is printed is the list, with its sources, and can be saved."""
    assert [line.split(":")[0] for line in run_cli("codes", "list").out.splitlines()] == (
        list_codelists()
    )
    out = tmp_path / "depression.csv"
    shown = run_cli("codes", "show", "depression", "--out", out).out
    table = pd.read_csv(io.StringIO(shown), sep="\t", dtype=str, keep_default_na=False)

    expected = read_codelist("depression")
    assert table["code"].tolist() == expected["code"].tolist()
    assert pd.read_csv(out, dtype=str)["code"].tolist() == expected["code"].tolist()
    unnamed = run_cli("codes", "show")
    assert unnamed.code == 2
    assert "there are: antidepressants" in unnamed.err


def test_codes_verify__prints_what_differs_and_how_many_agree(run_cli, tmp_path):
    """An id typed wrong is found by its code; what agrees is only counted."""
    listed = read_codelist("procedures").dropna(subset=["concept_id"]).head(3)
    concepts = pd.DataFrame(
        {
            "concept_id": listed["concept_id"],
            "concept_name": listed["name"],
            "vocabulary_id": listed["vocabulary"],
            "concept_code": [*listed["code"].iloc[:2], "another"],
            "standard_concept": "S",
            "invalid_reason": "",
        }
    )
    concepts.to_csv(tmp_path / "CONCEPT.csv", sep="\t", index=False)

    out = tmp_path / "verified.tsv"
    outcome = run_cli("codes", "verify", "procedures", "--omop", tmp_path, "--out", out)

    assert outcome.code == 0, outcome.err
    (differs,) = [line for line in outcome.out.splitlines() if "another" in line]
    assert "other_code" in differs
    heads, counts = (line.split() for line in outcome.out.splitlines()[-2:])
    n_listed = len(read_codelist("procedures").dropna(subset=["concept_id"]))
    assert dict(zip(heads, counts, strict=True)) == {
        "codelist": "procedures", "absent": str(n_listed - 3), "ok": "2", "other_code": "1",
    }  # fmt: skip
    assert len(pd.read_csv(out, sep="\t")) == n_listed
    assert run_cli("codes", "verify").code == 2

    own = tmp_path / "procedures.csv"
    listed.head(2).to_csv(own, index=False)
    mine = run_cli("codes", "verify", "procedures", "--omop", tmp_path, "--codelists", own)
    assert mine.out.split()[-2:] == ["procedures", "2"], mine.err
    own.write_text("code,source\nX,us\n")
    broken = run_cli("codes", "verify", "--omop", tmp_path, "--codelists", own)
    assert broken.code == 3
    assert "procedures.csv: no column 'procedure_class'" in broken.err
