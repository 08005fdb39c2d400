"""The keys of a study file that shape its report, and what all sections are."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Section(BaseModel):
    """Part of a study file: frozen, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Bias(Section):
    """What the bias panel is made from; of what is not named the panel says so.

    Attributes
    ----------
    panel
        Whether there is one. It takes the time of about thirty models a score, for up to
        five scores.
    mdd_score
        The score of depression itself, on which the comparison of resistant with
        responsive people conditions.
    shared_causes
        Columns of the covariates' file that act on depression and on resistance, known of
        people with and without depression; the main models do not adjust for them.
    enrolment
        A column of the covariates' file with the day a person joined the study.
    negative_controls
        Scores of traits that cannot act on resistance.
    """

    panel: bool = False
    mdd_score: str | None = None
    shared_causes: list[str] | None = Field(default=None, min_length=1)
    enrolment: str | None = None
    negative_controls: list[str] | None = Field(default=None, min_length=1)


class Disclosure(Section):
    """What may leave the report.

    Attributes
    ----------
    suppress_counts_up_to
        Counts from 1 to this number never leave the report; 0 hides none.
    round_counts_to
        Shown counts are rounded to a multiple of this; 1 leaves them as they are.
    """

    suppress_counts_up_to: int = Field(default=20, ge=0)
    round_counts_to: int = Field(default=1, ge=1)

    @field_validator("suppress_counts_up_to")
    @classmethod
    def _hides_more_than_one_count(cls, limit: int) -> int:
        if limit == 1:
            raise ValueError("1 would hide the number 1 behind the mark ≤1: give 0, or 2 or more")
        return limit
