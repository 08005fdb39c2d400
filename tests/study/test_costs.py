"""What a study is expected to take: sums worked by hand, and constants that can all be used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgs_trd.study import costs
from pgs_trd.study.costs import (
    KINDS,
    Cost,
    Size,
    find_extrapolated,
    job_cost,
    part_of,
    quantities,
    read_constants,
)
from pgs_trd.study.demands import Asked, describe_stages, imagine, total_stages

SIZE = Size(people=2_000, variants=500_000, scores=10, weight_rows=300_000, record_rows=400_000,
            definitions=3, contrasts=2, covariates=4)  # fmt: skip
FORMS = ("bed", "pgen", "bgen", "vcf")


@pytest.fixture
def constants(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Constants that are easy to add up."""
    given = {
        "conditions": "on paper",
        "measured": {"people": [1_000, 5_000], "variants": [1_000, 100_000]},
        "stages": {
            "score": {
                "cpu": {"one": 1, "calls_bed": 2, "products": 3},
                "memory": {"one": 100, "sums": 1_000},
                "disk": {"weight_rows": 10},
            },
            "associate": {"cpu": {"one": 1, "fits": 10}, "memory": {"one": 50}, "disk": {}},
        },
    }
    monkeypatch.setattr(costs, "read_constants", lambda: given)
    return given


def test_job_cost__is_the_sum_of_quantities_times_constants(constants):
    """300,000 rows are of 300,000 variants at most: 0.6e9 calls and products, 1 + 2 x 0.6 + 1.8."""
    cost = job_cost("score", SIZE)

    assert cost.cpu_seconds == pytest.approx(1 + 2 * 0.6 + 3 * 0.6)
    assert cost.memory_mb == pytest.approx(100 + 1_000 * 0.02)
    assert cost.disk_mb == pytest.approx(10 * 0.3)


def test_job_cost__of_a_share_starts_once_and_has_the_memory_of_all(constants):
    """0.002 x 10 scores x 2 contrasts x 5 columns = 0.2; a quarter of it is 0.05."""
    quarter = job_cost("associate_part", SIZE, share=0.25)

    assert quarter.cpu_seconds == pytest.approx(1 + 10 * 0.05)
    assert quarter.memory_mb == 50


def test_job_cost__has_room_for_the_calls_that_are_kept_of_a_vcf(constants):
    """2,000 x 10,000 calls of two bits are 4.77 MiB; however many there are, 128 MiB are kept."""
    few = replace(SIZE, form="vcf", variants=10_000)
    stages = {"score": 100 + 1_000 * 0.02, "associate": 50}

    for stage, without in stages.items():
        is_score = stage == "score"
        assert job_cost(stage, few).memory_mb == pytest.approx(without + is_score * 5e6 / 2**20)
        many = job_cost(stage, replace(SIZE, form="vcf"))
        assert many.memory_mb == pytest.approx(without + is_score * 128)


def test_part_of__reads_all_weight_rows_of_its_batch_and_matches_its_part(constants):
    """A chromosome's job reads whole files, and adds up the rows that lie on it."""
    part = part_of(SIZE, variants=100_000, batches=2)

    assert (part.scores, part.weight_rows, part.share) == (5, 150_000, 0.2)
    amounts = quantities("score_part", "cpu", part)
    assert amounts["weight_rows"] == pytest.approx(0.15)
    assert amounts["products"] == pytest.approx(2_000 * 30_000 / 1e9)
    assert quantities("score_part", "memory", part)["matched_rows"] == pytest.approx(0.03)


def test_cost__asks_for_more_than_it_expects():
    """1.3 x 1,000 + 256 = 1,556, in steps of 100; 20 minutes and 2 x 3,600 s."""
    cost = Cost(cpu_seconds=3_600, memory_mb=1_000, disk_mb=0)

    assert (cost.mem_mb, cost.minutes) == (1_600, 140)
    assert replace(cost, least_mb=2_000).mem_mb == 2_000
    assert Cost(1, 1, 0).minutes == 20


def test_find_extrapolated__names_what_lies_outside(constants):
    """Beyond what was measured a straight line is a guess, and said to be one."""
    assert find_extrapolated(SIZE) == ["variants 500,000 (measured 1,000 to 100,000)"]
    assert find_extrapolated(replace(SIZE, variants=1_000)) == []


def test_constants__all_belong_to_a_quantity():
    """One whose quantity has another name would count for nothing, in silence."""
    constants = read_constants()

    assert constants["conditions"]
    for stage, of_stage in constants["stages"].items():
        assert set(of_stage) == set(KINDS)
        for kind in KINDS:
            sizes = [replace(SIZE, form=form) for form in FORMS]
            known = set().union(*(quantities(stage, kind, size) for size in sizes))
            assert set(of_stage[kind]) <= known, (stage, kind)
            assert all(value > 0 for value in of_stage[kind].values())
        assert of_stage["cpu"].keys() & {"one"}, stage
    # Unpacking takes longer than adding up; of .bed it does not show.
    assert {"calls_bgen", "calls_vcf"} <= set(constants["stages"]["score"]["cpu"])


@pytest.mark.parametrize(
    "names",
    [("people",), ("variants",), ("scores", "weight_rows"), ("weight_rows",), ("record_rows",)],
)
def test_job_cost__never_falls_with_size(names):
    """Twice of anything takes no less: a negative constant would promise otherwise."""
    for stage in read_constants()["stages"]:
        small = job_cost(stage, SIZE)
        large = job_cost(stage, replace(SIZE, **{name: 2 * getattr(SIZE, name) for name in names}))
        for kind in ("cpu_seconds", "memory_mb", "disk_mb"):
            assert getattr(large, kind) >= getattr(small, kind), (stage, kind)


def test_total_stages__gives_the_largest_job_and_the_sum_of_all():
    """A scheduler is asked for the largest, a budget pays for the sum."""
    jobs = [Asked("score_part", 2, 400, 61), Asked("score_part", 1, 700, 20),
            Asked("covariates", 2, 4_000, 60)]  # fmt: skip
    costs = [Cost(1_800, 100, 5), Cost(5_400, 300, 7), None]

    scoring, unknown = total_stages(jobs, costs)

    assert (scoring.n_jobs, scoring.threads, scoring.mem_mb, scoring.minutes) == (2, 2, 700, 61)
    assert (scoring.core_hours, scoring.disk_mb) == (2, 12)
    assert unknown.core_hours is None
    text = describe_stages([scoring, unknown], SIZE)
    assert "never measured, first guesses instead: covariates" in text


def test_imagine__says_what_it_took_for_granted_and_what_it_does_not_know():
    """The numbers of a study without files rest on more than those of one that has them."""
    size, stages = imagine(500_000, 10_000_000, 61, 15)
    text = describe_stages(stages, size)

    by_name = {stage.name: stage for stage in stages}
    assert by_name["score_part"].n_jobs == 22
    assert size.weight_rows == 61_000_000
    assert "not counted but taken as usual: 1,000,000 rows a weight file" in text
    assert "beyond what was measured, so less sure: people 500,000 (measured" in text
