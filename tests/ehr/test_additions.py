"""Doses, procedures, visits, scales and deliveries, from their sources."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from pgs_trd.ehr import build_trials, open_ehr
from pgs_trd.ehr.diagnoses import procedure_codes
from pgs_trd.ehr.doses import trial_doses
from pgs_trd.ehr.drugs import drug_strengths
from pgs_trd.ehr.fields import memory_table
from pgs_trd.ehr.omop import omop_scales, omop_visits
from pgs_trd.ehr.scales import scale_name

NAMES = {
    "sertraline 50 MG Oral Tablet": 50_000,
    "Sertraline 37.5MG Capsule": 37_500,
    "24 HR venlafaxine 75 MG Extended Release Oral Capsule": 75_000,
    "citalopram 2 MG/ML Oral Solution": None,
    "fluoxetine 25 MG / olanzapine 6 MG Oral Capsule": None,
    "selegiline 0.25 MG/HR Transdermal System": None,
    "sertraline": None,
}


def test_drug_strengths__are_read_from_names_of_single_drugs():
    """Of a liquid, a patch or a combination the dose a day cannot be told from the name."""
    table = pd.DataFrame({"concept_id": range(len(NAMES)), "concept_name": list(NAMES)})
    names = memory_table(table, {"concept_id": "int64", "concept_name": "string"})

    found = ibis.duckdb.connect().to_pyarrow(drug_strengths(names)).to_pandas()

    strengths = dict(zip(found["concept_id"], found["strength_ug"], strict=True))
    expected = {i: ug for i, ug in enumerate(NAMES.values()) if ug is not None}
    assert strengths == expected


def test_trial_doses__strength_times_quantity_over_days(omop):
    """60 tablets of 50 mg in 30 days are 100 mg a day; without a quantity it is unknown."""
    drugs = omop.drugs(
        [
            (1, omop.sertraline_50, "2010-01-01", None, 30),
            (2, omop.sertraline_50, "2010-01-01", None, 30),
            (3, omop.sertraline_50, "2010-01-01", None, None),
            (4, omop.sertraline_50, "2010-01-01", None, 30),
        ]
    ).assign(quantity=[60.0, None, 30.0, 15.0])
    folder = omop.write(
        observation_period=omop.observed(4),
        concept_ancestor=omop.ancestors(),
        concept=pd.DataFrame(
            {
                "concept_id": [omop.sertraline_50, omop.sertraline],
                "concept_name": ["sertraline 50 MG Oral Tablet", "sertraline"],
            }
        ),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=drugs,
    )
    ehr = open_ehr(folder)
    trials = build_trials(ehr)

    found = trial_doses(ehr, trials)

    assert found["max_dose_mg"].fillna(-1).tolist() == [100, -1, -1, 25]
    assert found["dose_adequacy"].tolist() == ["adequate", "unknown", "unknown", "inadequate"]
    # A floor of the user's own stands in place of the list's.
    mine = trial_doses(ehr, trials, floors_mg={"sertraline": 25})
    assert mine["dose_adequacy"].tolist()[3] == "adequate"


def test_omop_deliveries__by_concept_of_conditions_and_procedures(omop):
    """A delivery may be coded as either; a pregnancy is none."""
    delivered, caesarean, pregnant = 433260, 2110316, 4299535
    folder = omop.write(
        observation_period=omop.observed(3),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions(
            [(1, delivered, "2010-01-01"), (3, pregnant, "2010-01-01")]
        ),
        procedure_occurrence=pd.DataFrame(
            {
                "person_id": [2],
                "procedure_concept_id": [caesarean],
                "procedure_date": ["2011-01-01"],
            }
        ),
        drug_exposure=omop.drugs([(1, omop.sertraline, "2010-01-01", None, 30)]),
    )
    ehr = open_ehr(folder)

    found = ehr.fetch(ehr.deliveries.order_by("person_id"))

    assert found["person_id"].tolist() == [1, 2]


def test_omop_scales__by_code_or_name_of_the_source():
    """Concept ids of totals are local: what the source called them decides."""
    rows = pd.DataFrame(
        {
            "person_id": [1, 1, 1, 1],
            "measurement_date": pd.to_datetime(["2010-01-01"] * 4),
            "measurement_source_value": ["44261-6", "PHQ-8", None, "phq-9"],
            "value_as_number": ["12.0", "7", "5", None],
        }
    )
    kinds = {
        "person_id": "int64",
        "measurement_date": "date",
        "measurement_source_value": "string",
        "value_as_number": "string",
    }
    rows["measurement_date"] = rows["measurement_date"].dt.date
    scales = omop_scales({"measurement": memory_table(rows, kinds)})
    assert scales is not None
    found = ibis.duckdb.connect().to_pyarrow(scales).to_pandas()

    assert sorted(found[["scale", "score"]].to_numpy().tolist()) == [["PHQ-8", 7], ["PHQ-9", 12]]
    assert omop_scales({}) is None
    assert omop_visits({}) is None


@pytest.mark.parametrize(
    ("said", "name"),
    [("PHQ9", "PHQ-9"), ("phq-8", "PHQ-8"), ("HDRS-17", "HAM-D17"), ("HAM-D21", None)],
)
def test_scale_name__knows_spellings_and_refuses_other_lengths(said: str, name: str | None):
    """HAM-D17 and HAM-D21 have different ranges: mixing them makes false changes."""
    assert scale_name(said) == name


def test_procedure_codes__hold_classes_codes_and_prefixes():
    """Registers write a class, a code, or a code with more letters."""
    ehr = open_ehr(
        {
            "prescriptions": pd.DataFrame(
                {"person_id": ["p"], "date": ["2010-01-01"], "drug": ["sertraline"]}
            ),
            "diagnoses": pd.DataFrame(
                {"person_id": ["p"], "date": ["2010-01-01"], "code": ["F32.1"]}
            ),
            "procedures": pd.DataFrame(
                {
                    "person_id": "p",
                    "date": [f"2010-01-0{day}" for day in range(1, 7)],
                    "procedure": ["ect", "BRXA1x", "94.27", "90868", "BRX", "12345"],
                }
            ),
        }
    )
    found = ehr.fetch(ehr.procedures.order_by("date"))

    assert found["procedure_class"].tolist() == ["ECT", "ECT", "ECT", "rTMS"]
    assert {"code", "is_prefix", "procedure_class"} == set(procedure_codes().columns)
