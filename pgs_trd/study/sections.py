"""The keys of a study file, their kinds and their defaults."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, model_validator

from pgs_trd.ehr.connect import parse_url
from pgs_trd.steps.phenotype_options import FollowUp, Gates
from pgs_trd.study.report_sections import Bias, Disclosure, Section

TITLE = "Polygenic scores and treatment-resistant depression"
Share = Annotated[float, Field(ge=0, le=1)]
Url = Annotated[str, Field(pattern=r"^[^/]+://")]
PValue = Annotated[float, Field(gt=0, le=1)]


class Scoring(Section):
    """How weight files are matched and people scored; the options of `pgs-trd score`.

    Attributes
    ----------
    columns
        Our names of columns to the weight files'.
    palindromes
        What becomes of A/T and C/G variants.
    missing
        What a missing call counts as: its expectation, or no effect allele.
    min_overlap
        A score of which a smaller share of rows match fails.
    by
        Whether variants are found by chromosome and position, or by id.
    scale
        Whether copies are counted as they are, less their mean, or also over their SD.
    male_x
        What a man's chromosome X counts.
    read_freq
        A table of allele frequencies, in place of the sample's own.
    small_sample
        Whether frequencies may be taken from fewer than 50 people.
    check_frequencies
        Whether frequencies of weight files are compared with those of the genotypes.
    p_thresholds
        One score for each, of the rows with at most that p-value.
    chain
        A chain file that lifts the weights to the genotypes' build.
    keep, remove, extract, exclude
        Files of people and of variants.
    update_sex
        A file of the sex of people, for chromosome X.
    sample
        The .sample of a BGEN.
    vcf_field, half_calls
        How a VCF is read.
    """

    columns: dict[str, str | list[str]] | None = None
    palindromes: Literal["drop", "keep", "frequency"] = "drop"
    missing: Literal["mean", "zero"] = "mean"
    min_overlap: Share = 0.75
    by: Literal["position", "id"] = "position"
    scale: Literal["none", "center", "standardize"] = "none"
    male_x: Literal["0..2", "0..1"] = "0..2"
    read_freq: Path | None = None
    small_sample: bool = False
    check_frequencies: bool = True
    p_thresholds: list[PValue] | None = Field(default=None, min_length=1)
    chain: Path | None = None
    keep: Path | None = None
    remove: Path | None = None
    extract: Path | None = None
    exclude: Path | None = None
    update_sex: Path | None = None
    sample: Path | None = None
    vcf_field: Literal["auto", "GT", "DS"] = "auto"
    half_calls: Literal["missing", "haploid", "reference", "error"] = "missing"


class Trials(Section):
    """How prescriptions become treatment trials; the options of `pgs-trd phenotype`.

    Attributes
    ----------
    gap_days
        Days without supply that a trial survives.
    default_supply_days
        Supply of a prescription that does not say.
    stockpile
        Whether what is left of a fill is taken after the next one is begun.
    gate_low_dose
        Whether trials are left out that never exceeded a dose for sleep or pain.
    gate_indication_days
        Leave out trials of drugs with other uses that have no depression code within so many
        days of their start.
    dose_floor
        Whether a trial known to stay below the lowest adequate dose is no failure.
    """

    gap_days: int = Field(default=30, ge=0)
    default_supply_days: int = Field(default=30, ge=1)
    stockpile: bool = False
    gate_low_dose: bool = False
    gate_indication_days: int | None = Field(default=None, ge=0)
    dose_floor: bool = False

    @property
    def of_building(self) -> dict[str, Any]:
        """Options of `build_trials`."""
        return self.model_dump(include={"gap_days", "default_supply_days", "stockpile"})

    @property
    def gates(self) -> Gates:
        """Which trials are no treatment of depression, or too low to fail."""
        dose: Literal["off", "floor"] = "floor" if self.dose_floor else "off"
        return Gates(self.gate_low_dose, self.gate_indication_days, dose)


class Records(Section):
    """Where the health records lie, and how far they reach; see `open_ehr` and `follow_up`.

    Attributes
    ----------
    source
        A folder, .duckdb file or the URL of a database in the OMOP common data model, or
        the flat tables by name (prescriptions, diagnoses, persons, ...).
    columns
        For each table, our column names to the file's.
    codelists
        Your own code lists, files or folders; each stands instead of the package's of that
        name.
    washout_days
        Observation before day 0 that makes a case new.
    enrolment
        A table of person_id and date: nobody is at risk before.
    data_end
        Last day of data.
    """

    source: Url | Path | dict[str, Path]
    columns: dict[str, dict[str, str]] | None = None
    codelists: list[Path] | None = Field(default=None, min_length=1)
    washout_days: int = Field(default=365, ge=0)
    enrolment: Path | None = None
    data_end: date | None = None

    @field_serializer("source", when_used="json")
    def _name_source(self, source: str | Path | dict[str, Path]) -> str | dict[str, str]:
        """Keep user, password and host of a database out of records and reports."""
        if isinstance(source, dict):
            return {name: str(path) for name, path in source.items()}
        return parse_url(source).name if isinstance(source, str) else str(source)

    @property
    def followed(self) -> FollowUp:
        """From when to when people are followed."""
        last = None if self.data_end is None else self.data_end.isoformat()
        return FollowUp(self.washout_days, self.enrolment, last)


class Covariates(Section):
    """Covariates of every person, with the stratum each belongs to.

    Attributes
    ----------
    file
        One row a person: person_id, what to adjust for, and the stratum.
    columns
        What to adjust for.
    stratum, strata
        The column of strata, and those to use; None is all of them.
    related
        Pairs of relatives with their kinship: of each pair one is left out, the resistant
        last.
    """

    file: Path
    columns: list[str] = Field(min_length=1)
    stratum: str | None = "ancestry"
    strata: list[str] | None = Field(default=None, min_length=1)
    related: Path | None = None


class Components(Section):
    """Principal components that the study makes itself, within each stratum.

    Attributes
    ----------
    number
        How many: they are named PC1, PC2, ... and adjusted for. None makes none.
    genotypes
        Other genotypes to fit them in, of an array for instance.
    genome_build
        GRCh37, GRCh38 or NCBI36; regions of long-range linkage disequilibrium are left out by
        it.
    """

    number: int | None = Field(default=None, ge=1, le=50)
    genotypes: Path | None = None
    genome_build: Literal["GRCh37", "GRCh38", "NCBI36"] | None = None

    @property
    def names(self) -> list[str]:
        """Columns of the components; none if the study makes none."""
        return [f"PC{number}" for number in range(1, (self.number or 0) + 1)]


class Models(Section):
    """How models are fitted and pooled; options of `associate`, `progression` and `meta`.

    Attributes
    ----------
    method
        Maximum likelihood, Firth's penalised one, or that where the likelihood has no
        maximum.
    se
        Kind of standard error; of Cox models robust in the place of HC0, HC1 and HC3.
    standardise
        Whose standard deviation is the unit of a score.
    splines
        Covariates as restricted cubic splines, each with its number of knots.
    min_events_per_parameter
        A model with fewer events per coefficient has a status and no numbers.
    meta_method
        How strata are pooled.
    planned_scores
        How many scores were planned, if more than there are: the number by which the limit of
        Bonferroni and the false discovery rate are reckoned.
    """

    method: Literal["auto", "ml", "firth"] = "auto"
    se: Literal["model", "HC0", "HC1", "HC3"] = "model"
    standardise: Literal["stratum", "controls", "none"] = "stratum"
    splines: dict[str, Annotated[int, Field(ge=3, le=7)]] | None = None
    min_events_per_parameter: float = Field(default=10.0, ge=0)
    meta_method: Literal["fixed", "dl", "reml", "pm"] = "fixed"
    planned_scores: int | None = Field(default=None, ge=1)

    @property
    def of_logistic(self) -> dict[str, Any]:
        """Options of `associate`."""
        return self.model_dump(exclude={"meta_method", "planned_scores"})

    @property
    def of_cox(self) -> dict[str, Any]:
        """Options of `progression`; people without the event are no controls there."""
        changed = {
            "se": "model" if self.se == "model" else "robust",
            "standardise": "none" if self.standardise == "none" else "stratum",
        }
        return self.of_logistic | changed


class Replication(Section):
    """In which strata effects are found, and in which they have to come back.

    Attributes
    ----------
    discovery
        Strata whose pooled estimates are tested; None for a study without replication.
    replication
        Strata in which the significant ones are tested again; None is all others.
    """

    discovery: list[str] | None = Field(default=None, min_length=1)
    replication: list[str] | None = Field(default=None, min_length=1)


class Sensitivity(Section):
    """What is worked out again: under other definitions, and within groups of people.

    Attributes
    ----------
    definitions
        Further definitions: ids of presets, or files.
    grid
        A grid of definitions by its name; "grid" is three responsive by five resistant.
    contrasts
        Contrasts to repeat, of those of the study; None is the first of them.
    within
        A covariate with few values, such as sex: the estimates are repeated within each,
        and its interaction with the score is tested.
    """

    definitions: list[str] | None = Field(default=None, min_length=1)
    grid: str | None = None
    contrasts: list[str] | None = Field(default=None, min_length=1)
    within: str | None = None

    @property
    def has_definitions(self) -> bool:
        """Whether the estimates are to be repeated under other definitions."""
        return self.definitions is not None or self.grid is not None


class Jobs(Section):
    """How a plan cuts the study into jobs; no number depends on it.

    Attributes
    ----------
    weight_files
        Most weight files of a scoring job; None is as many as some 3 GB of memory allow.
    models
        One job for all models; one each stratum and contrast, and each definition of the
        sensitivity analyses; or that where they are many, with some definitions a job.
    """

    weight_files: int | None = Field(default=None, ge=1)
    models: Literal["auto", "one", "each"] = "auto"


class StudyConfig(Section):
    """A whole study.

    Attributes
    ----------
    genotypes
        A genotype file, prefix or pattern; see `open_genotypes`.
    weights
        Weight files; patterns such as ``weights/*.txt.gz`` stand for many, a folder
        for those in it.
    traits
        A table with columns score, trait, domain that names the scores.
    definition
        The main definition: the id of a preset, or a file.
    replication
        Which strata discover and which replicate.
    sensitivity
        Other definitions under which the estimates are repeated.
    published
        Published effects to be put beside those found: the name of a table of the package,
        or a file.
    curve_score
        The score whose fifths are drawn as Kaplan-Meier curves.
    bias
        Whether there is a bias panel, and what it is made from.
    disclosure
        What may leave the report.
    jobs
        How `pgs-trd plan` cuts the study into jobs.
    truth
        Of a simulated biobank: a table with columns score, contrast, beta.
    output
        The folder for everything that the study writes.
    """

    title: str = TITLE
    genotypes: Path
    weights: list[Path] = Field(min_length=1)
    traits: Path | None = None
    records: Records
    covariates: Covariates
    components: Components = Components()
    definition: str = "adequate2"
    contrasts: list[str] = Field(
        default=["trd_vs_responsive", "trd_vs_none", "mdd_vs_none"], min_length=1
    )
    origin: Literal["first_diagnosis", "first_antidepressant"] = "first_diagnosis"
    curve_score: str
    scoring: Scoring = Scoring()
    trials: Trials = Trials()
    models: Models = Models()
    replication: Replication = Replication()
    sensitivity: Sensitivity = Sensitivity()
    published: str | None = None
    bias: Bias = Bias()
    disclosure: Disclosure = Disclosure()
    jobs: Jobs = Jobs()
    truth: Path | None = None
    output: Path = Path("results")

    @model_validator(mode="before")
    @classmethod
    def _take_the_limit_from_its_old_place(cls, content: Any) -> Any:
        """Read `suppress_counts_up_to` where it stood before there was `disclosure`."""
        name = "suppress_counts_up_to"
        if not isinstance(content, dict) or name not in content:
            return content
        section = content.get("disclosure") or {}
        if not isinstance(section, dict) or name in section:
            return content
        rest = {key: value for key, value in content.items() if key != name}
        return {**rest, "disclosure": {**section, name: content[name]}}
