"""Code lists against a vocabulary."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pgs_trd.ehr.codes import read_codelist
from pgs_trd.ehr.verify import STATUSES, compare_codes, verify_codes
from pgs_trd.errors import DataError, UsageError


@pytest.fixture
def concepts() -> pd.DataFrame:
    """Make the concept table in which the antidepressants stand as they are listed."""
    listed = read_codelist("antidepressants").dropna(subset=["concept_id"])
    return pd.DataFrame(
        {
            "concept_id": listed["concept_id"].astype("int64"),
            "concept_name": listed["ingredient"],
            "vocabulary_id": listed["vocabulary"],
            "concept_code": listed["code"],
            "standard_concept": "S",
            "invalid_reason": None,
        }
    ).reset_index(drop=True)


def test_compare_codes__each_difference_has_its_status(concepts):
    """One line of each kind, the others as listed; what differs shows what was found."""
    table = concepts.drop(index=0)
    table.loc[1, "concept_code"] = "0"
    table.loc[2, "invalid_reason"] = "D"
    table.loc[3, "standard_concept"] = None
    table.loc[4, "concept_name"] = "aspirin"
    table.loc[5, "concept_name"] = f"{table.loc[5, 'concept_name']} hydrochloride"

    found = compare_codes(table, ["antidepressants"])

    assert found["status"].tolist()[:6] == [
        "absent", "other_code", "invalid", "not_standard", "other_name", "ok",
    ]  # fmt: skip
    assert set(found["status"][6:]) == {"ok"}
    assert set(found["status"]) == set(STATUSES)
    assert found.loc[1, ["code", "found_code"]].tolist() == [concepts.loc[1, "concept_code"], "0"]
    assert pd.isna(found.loc[0, "found_name"])


def test_compare_codes__a_hand_typed_id_is_found_out(concepts):
    """Published code calls 797617, citalopram, sertraline: the code tells."""
    sertraline = concepts["concept_name"] == "sertraline"
    concepts.loc[sertraline, ["concept_code", "concept_name"]] = ["2556", "citalopram"]

    found = compare_codes(concepts, ["antidepressants"]).set_index("name")

    assert found.loc["sertraline", ["status", "found_name"]].tolist() == [
        "other_code", "citalopram",
    ]  # fmt: skip


def test_verify_codes__reads_a_vocabulary_as_athena_ships_it(concepts, tmp_path: Path):
    """CONCEPT.csv is tab-separated, with bare quotes in names of others."""
    extra = concepts.head(1).assign(concept_id=1, concept_name='5" tube')
    table = pd.concat([concepts, extra])
    text = table.to_csv(sep="\t", index=False, quoting=3)
    (tmp_path / "CONCEPT.csv").write_text(text, encoding="utf-8")

    found = verify_codes(tmp_path, ["antidepressants"])
    pd.testing.assert_frame_equal(found, compare_codes(concepts, ["antidepressants"]))
    everything = verify_codes(tmp_path)
    assert len(everything) > len(found)
    assert set(everything["status"]) == {"ok", "absent"}


def test_verify_codes__what_cannot_be_verified_is_said(concepts, tmp_path: Path):
    """No vocabulary, half of one, or a list without ids."""
    with pytest.raises(DataError, match=r"no table concept .*tables: none"):
        verify_codes(tmp_path)
    concepts[["concept_id", "concept_name"]].to_csv(tmp_path / "concept.csv", index=False)
    with pytest.raises(DataError, match="concept: no column 'vocabulary_id', 'concept_code'"):
        verify_codes(tmp_path)
    with pytest.raises(UsageError, match="'combinations' has no concept ids"):
        verify_codes(tmp_path, ["combinations"])
    with pytest.raises(UsageError, match="no such file or folder"):
        verify_codes(tmp_path / "absent")
