"""The small vocabulary that the simulated records speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.codes import read_codelist

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

# Ids from two thousand million on are for local concepts in the OMOP CDM. Real clinical drugs of
# RxNorm have ids of their own; ours are made up, and so is the id of the PHQ-9 total.
FIRST_LOCAL_ID = 2_000_000_000
PHQ9_TOTAL = FIRST_LOCAL_ID + 900_000
ATC_ANTIDEPRESSANTS, ATC_ANTIPSYCHOTICS = 21604686, 21604490
FEMALE, MALE = 8532, 8507
OUTPATIENT, INPATIENT, EMERGENCY = 9202, 9201, 9203
FROM_EHR, DISPENSED, PHARMACY_CLAIM = 32817, 32825, 32869
DEPRESSIVE_DISORDER, MDD, BIPOLAR, ECT = 440383, 4152280, 436665, 2213552
MDD_CONCEPTS = np.array([4152280, 4195572, 4049623, 441534, 432285])
MDD_SHARES = np.array([0.45, 0.10, 0.20, 0.05, 0.20])
ICD10CM_OF_MDD = ("F32.9", "F32.0", "F32.1", "F32.2", "F33.9")


class Drug(NamedTuple):
    """An ingredient: its OMOP id, RxNorm code, strengths of its tablets, and share of use."""

    name: str
    concept_id: int
    code: str
    strengths_mg: tuple[int, int]
    share: float


# Antidepressants of a first and a later step, and how often each is tried.
_ANTIDEPRESSANTS = {
    "sertraline": ((50, 100), 0.20), "escitalopram": ((10, 20), 0.15),
    "citalopram": ((20, 40), 0.12), "fluoxetine": ((20, 40), 0.13),
    "paroxetine": ((20, 30), 0.05), "venlafaxine": ((75, 150), 0.11),
    "duloxetine": ((30, 60), 0.09), "desvenlafaxine": ((50, 100), 0.03),
    "mirtazapine": ((15, 30), 0.07), "vortioxetine": ((10, 20), 0.03),
    "clomipramine": ((25, 50), 0.02),
}  # fmt: skip
ANTIPSYCHOTICS = (
    Drug("quetiapine", 766814, "51272", (50, 100), 0.45),
    Drug("aripiprazole", 757688, "89013", (5, 10), 0.40),
    Drug("olanzapine", 785788, "61381", (5, 10), 0.15),
)
OTHER_DRUGS = (
    Drug("metformin", 1503297, "6809", (500, 1000), 0.13),
    Drug("atorvastatin", 1545958, "83367", (20, 40), 0.16),
    Drug("lisinopril", 1308216, "29046", (10, 20), 0.15),
    Drug("amlodipine", 1332418, "17767", (5, 10), 0.12),
    Drug("omeprazole", 923645, "7646", (20, 40), 0.13),
    Drug("simvastatin", 1539403, "36567", (20, 40), 0.11),
    Drug("ibuprofen", 1177480, "5640", (400, 600), 0.10),
    Drug("acetaminophen", 1125315, "161", (325, 500), 0.10),
)
# SNOMED: concept id, code, name, ICD-10-CM code, share of the diagnoses unrelated to depression.
OTHER_DIAGNOSES = (
    (320128, "59621000", "Essential hypertension", "I10", 0.22),
    (432867, "55822004", "Hyperlipidemia", "E78.5", 0.18),
    (201826, "44054006", "Type 2 diabetes mellitus", "E11.9", 0.10),
    (318800, "235595009", "Gastroesophageal reflux disease", "K21.9", 0.12),
    (317009, "195967001", "Asthma", "J45.909", 0.07),
    (194133, "279039007", "Low back pain", "M54.5", 0.14),
    (80180, "396275006", "Osteoarthritis", "M19.90", 0.09),
    (434613, "21897009", "Generalized anxiety disorder", "F41.1", 0.05),
    (436962, "193462001", "Insomnia", "G47.00", 0.03),
)
ANXIETY, ANXIETY_ICD10CM = 434613, "F41.1"
BIPOLAR_ICD10CM = "F31.9"


def _listed(name: str, strengths_mg: tuple[int, int], share: float) -> Drug:
    listed = read_codelist("antidepressants")
    row = listed[listed["ingredient"] == name]
    return Drug(name, int(row["concept_id"].item()), str(row["code"].item()), strengths_mg, share)


@dataclass(frozen=True)
class Formulary:
    """Every drug of the records, in one order, so that a number stands for a drug.

    Attributes
    ----------
    drugs
        Antidepressants, then amitriptyline (given for pain), then antipsychotics,
        then all others.
    n_antidepressants
        How many of them are tried against depression.
    """

    drugs: tuple[Drug, ...]
    n_antidepressants: int

    @property
    def pain_antidepressant(self) -> int:
        """Number of the antidepressant that is given for pain."""
        return self.n_antidepressants

    @property
    def antipsychotics(self) -> slice:
        """Numbers of the antipsychotics."""
        first = self.n_antidepressants + 1
        return slice(first, first + len(ANTIPSYCHOTICS))

    @property
    def others(self) -> slice:
        """Numbers of the drugs that have nothing to do with depression."""
        return slice(self.antipsychotics.stop, len(self.drugs))

    def shares(self, part: slice) -> FloatArray:
        """Give the shares of use in one part, summing to one."""
        shares: FloatArray = np.array([drug.share for drug in self.drugs[part]])
        shares /= shares.sum()
        return shares

    def concept_ids(self, drug: IntArray, strength: IntArray) -> IntArray:
        """Give the concept of a drug at strength 0 or 1, or of the ingredient at -1."""
        ingredient = np.array([entry.concept_id for entry in self.drugs])
        return np.where(strength < 0, ingredient[drug], FIRST_LOCAL_ID + 10 * drug + strength)

    def names(self, drug: IntArray, strength: IntArray) -> npt.NDArray[np.object_]:
        """Give the name behind `concept_ids`."""
        table = np.array(
            [[_tablet(entry, 0), _tablet(entry, 1), entry.name] for entry in self.drugs],
            dtype=object,
        )
        names: npt.NDArray[np.object_] = table[drug, strength]
        return names


def list_drugs() -> Formulary:
    """List the drugs; antidepressants take their ids from the package's code list."""
    tried = tuple(_listed(name, *entry) for name, entry in _ANTIDEPRESSANTS.items())
    pain = _listed("amitriptyline", (10, 25), 1.0)
    return Formulary((*tried, pain, *ANTIPSYCHOTICS, *OTHER_DRUGS), len(tried))


def _tablet(drug: Drug, strength: int) -> str:
    return f"{drug.name} {drug.strengths_mg[strength]} MG Oral Tablet"


def concept_table(formulary: Formulary) -> pd.DataFrame:
    """Make the OMOP table `concept` of everything that occurs."""
    rows = [
        (0, "No matching concept", "Metadata", "None", "Undefined", "No matching concept"),
        (FEMALE, "FEMALE", "Gender", "Gender", "Gender", "F"),
        (MALE, "MALE", "Gender", "Gender", "Gender", "M"),
        (OUTPATIENT, "Outpatient Visit", "Visit", "Visit", "Visit", "OP"),
        (INPATIENT, "Inpatient Visit", "Visit", "Visit", "Visit", "IP"),
        (EMERGENCY, "Emergency Room Visit", "Visit", "Visit", "Visit", "ER"),
        *(
            (concept_id, name, "Type Concept", "Type Concept", "Type Concept", f"OMOP{concept_id}")
            for concept_id, name in (
                (FROM_EHR, "EHR"),
                (DISPENSED, "EHR dispensing record"),
                (PHARMACY_CLAIM, "Pharmacy claim"),
            )
        ),
        (PHQ9_TOTAL, "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]",
         "Measurement", "LOINC", "Survey", "44261-6"),
        (ECT, "Electroconvulsive therapy", "Procedure", "CPT4", "CPT4", "90870"),
        (ATC_ANTIDEPRESSANTS, "ANTIDEPRESSANTS", "Drug", "ATC", "ATC 3rd", "N06A"),
        (ATC_ANTIPSYCHOTICS, "ANTIPSYCHOTICS", "Drug", "ATC", "ATC 3rd", "N05A"),
        (BIPOLAR, "Bipolar disorder", "Condition", "SNOMED", "Disorder", "13746004"),
        *_depression_concepts(),
        *(
            (concept_id, name, "Condition", "SNOMED", "Disorder", code)
            for concept_id, code, name, _, _ in OTHER_DIAGNOSES
        ),
    ]  # fmt: skip
    for number, drug in enumerate(formulary.drugs):
        rows.append((drug.concept_id, drug.name, "Drug", "RxNorm", "Ingredient", drug.code))
        for strength in (0, 1):
            concept_id = FIRST_LOCAL_ID + 10 * number + strength
            code = f"SIM{concept_id}"
            rows.append(
                (concept_id, _tablet(drug, strength), "Drug", "pgs_trd simulated", "Clinical Drug",
                 code)
            )  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["concept_id", "concept_name", "domain_id", "vocabulary_id", "concept_class_id",
                 "concept_code"],
    )  # fmt: skip
    is_class = table["vocabulary_id"] == "ATC"
    return table.assign(
        standard_concept=np.where(is_class, "C", "S"),
        valid_start_date=pd.Timestamp("1970-01-01"),
        valid_end_date=pd.Timestamp("2099-12-31"),
    ).sort_values("concept_id", ignore_index=True)


def _depression_concepts() -> list[tuple[int, str, str, str, str, str]]:
    listed = read_codelist("depression").dropna(subset=["concept_id"]).set_index("concept_id")
    return [
        (concept_id, str(listed.loc[concept_id, "name"]), "Condition", "SNOMED", "Disorder",
         str(listed.loc[concept_id, "code"]))
        for concept_id in (DEPRESSIVE_DISORDER, *map(int, MDD_CONCEPTS))
    ]  # fmt: skip


def ancestor_table(concepts: pd.DataFrame, formulary: Formulary) -> pd.DataFrame:
    """Make `concept_ancestor`: every concept of itself, and the classes above it."""
    clinical = concepts["domain_id"].isin(["Drug", "Condition", "Procedure", "Measurement"])
    pairs = [(int(own), int(own), 0) for own in concepts.loc[clinical, "concept_id"]]
    for number, drug in enumerate(formulary.drugs):
        tablets = [FIRST_LOCAL_ID + 10 * number + strength for strength in (0, 1)]
        pairs += [(drug.concept_id, tablet, 2) for tablet in tablets]
        if number <= formulary.n_antidepressants:
            above = ATC_ANTIDEPRESSANTS
        elif number < formulary.antipsychotics.stop:
            above = ATC_ANTIPSYCHOTICS
        else:
            continue
        pairs += [(above, drug.concept_id, 2), *((above, tablet, 4) for tablet in tablets)]
    below_mdd = [int(concept) for concept in MDD_CONCEPTS if concept != MDD]
    pairs += [(MDD, concept, 1) for concept in below_mdd]
    pairs += [(DEPRESSIVE_DISORDER, MDD, 1)]
    pairs += [(DEPRESSIVE_DISORDER, concept, 2) for concept in below_mdd]
    table = pd.DataFrame(
        pairs, columns=["ancestor_concept_id", "descendant_concept_id", "levels"]
    ).sort_values(["ancestor_concept_id", "descendant_concept_id"], ignore_index=True)
    return table.assign(
        min_levels_of_separation=table["levels"], max_levels_of_separation=table.pop("levels")
    )
