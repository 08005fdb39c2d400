"""Codes of which published lists say different things, and the switch for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disagreement:
    """One point on which sources differ.

    Attributes
    ----------
    codes
        Vocabulary and code.
    classes
        What the lists of the package say of them, both lists together.
    sources
        Who says what.
    switch
        What in a definition chooses otherwise.
    """

    codes: tuple[tuple[str, str], ...]
    classes: tuple[str, ...]
    sources: str
    switch: str


DISAGREEMENTS = (
    Disagreement(
        (("SNOMED", "35489007"),),
        ("depression_nos",),
        "OHDSI cohort 594 takes depressive disorder (440383) with all its descendants, bipolar, "
        "substance-induced and perinatal ones among them; cohort 199 takes it without them.",
        "depression.classes: add depression_nos for the concept; its descendants have tiers of "
        "their own.",
    ),
    Disagreement(
        (("ICD9CM", "311"), ("ICD10CM", "F32.A")),
        ("depression_nos",),
        "PhecodeX keeps both out of major depression, MHRN counts them as depression. F32.A "
        "exists since October 2021; before, the same people got F32.9 (mdd_core).",
        "depression.classes: add depression_nos.",
    ),
    Disagreement(
        (("ICD9CM", "300.4"), ("ICD10CM", "F34.1")),
        ("dysthymia",),
        "The Hong Kong cohorts count 300.4 with 296.2, 296.3 and 311; OHDSI cohort 1020 leaves "
        "dysthymia out.",
        "depression.classes: add dysthymia.",
    ),
    Disagreement(
        (("ICD9CM", "296.82"),),
        ("other_depression",),
        "Atypical depressive disorder: bipolar in PhecodeX, depression in MHRN, left out by OHDSI "
        "cohorts 1009 and 1020.",
        "depression.classes: add other_depression.",
    ),
    Disagreement(
        (("ICD9CM", "298.0"),),
        ("other_depression", "other_psychosis"),
        "Depressive type psychosis: psychosis in PhecodeX, both in MHRN.",
        "exclusions.psychosis: leave out other_psychosis, and with it all other such codes.",
    ),
    Disagreement(
        (("ICD10CM", "F25.0"),),
        ("bipolar", "schizophrenia_spectrum"),
        "Schizoaffective disorder, bipolar type: MHRN counts it as both.",
        "exclusions.bipolar and exclusions.psychosis: either excludes.",
    ),
    Disagreement(
        (("ICD10CM", "F53"), ("ICD10CM", "F53.0")),
        ("perinatal",),
        "Before October 2018 F53 held postpartum depression and psychosis; OHDSI cohort 1020 "
        "leaves postpartum depression out.",
        "depression.classes: add perinatal.",
    ),
    Disagreement(
        (("SNOMED", "231485007"), ("ICD10", "F20.4")),
        ("exclude_bipolar_psychosis", "schizophrenia_spectrum"),
        "Post-schizophrenic depression: in the NHS reference set of depression (depr_cod), as are "
        "bipolar depression, depression by amphetamine and premenstrual dysphoria in remission, "
        "each of an exclude_ class here.",
        "depression.classes: add exclude_bipolar_psychosis, exclude_secondary or exclude_pmdd.",
    ),
    Disagreement(
        (("SNOMED", "69322001"),),
        ("other_psychosis",),
        "Psychotic disorder (436073) with its descendants may hold psychotic depression, which "
        "stays mdd_core here where both lists reach it.",
        "exclusions.psychosis: leave out other_psychosis.",
    ),
)
