"""Subsets of people and variants: lists as plink2 reads them, genotypes as in the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import (
    GenotypeSource,
    SubsetSource,
    open_genotypes,
    subset_genotypes,
    unpack_codes,
)


def copies_of(source, **options):
    blocks = source.blocks(np.arange(len(source.variants)), **options)
    return np.concatenate([unpack_codes(block.codes, len(source.samples)) for block in blocks])


@pytest.fixture
def small(plink1_files):
    """Seven people p0 .. p6 of families f0 .. f6, six variants rs0 .. rs5 at 100 .. 600."""
    rng = np.random.default_rng(5)
    copies = rng.integers(-1, 3, size=(6, 7), dtype=np.int8)
    copies[:, -1] = 2
    return open_genotypes(plink1_files(copies)), copies


def write(folder, text, name="list.txt"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "f1 p1\nf4\tp4\n",
        "p4\np1\n\n",
        "#FID IID\nf1 p1\nf4 p4\n",
        "FID IID sex\nf1 p1 1\nf4 p4 2\n",
        "#IID\np1\np4\n",
        "#IID SID\np1 0\np4 0\n",
        "0 p1\n0 p4\n",
    ],
)
def test_subset_genotypes__keeps_and_removes_people_of_a_list(small, tmp_path, text):
    """plink2 takes these forms; the order is that of the genotypes."""
    source, copies = small
    path = write(tmp_path, text)

    kept = subset_genotypes(source, keep=path)
    others = subset_genotypes(source, remove=path)

    assert isinstance(kept, SubsetSource)
    assert isinstance(kept, GenotypeSource)
    assert kept.samples["person_id"].tolist() == ["p1", "p4"]
    assert_array_equal(copies_of(kept, block_size=4), copies[:, [1, 4]])
    assert others.samples["person_id"].tolist() == ["p0", "p2", "p3", "p5", "p6"]
    assert_array_equal(copies_of(others), copies[:, [0, 2, 3, 5, 6]])


def test_subset_genotypes__a_person_of_another_family_is_another_person(small, tmp_path):
    """IID 1 exists in many families; the list is of others then, and that is said."""
    source, _ = small
    path = write(tmp_path, "f1 p1\nf9 p4\nf5 nobody\n")
    with pytest.warns(PgsTrdWarning, match=r"keep list.txt: 2 of 3 people listed") as caught:
        kept = subset_genotypes(source, keep=path)
    assert kept.samples["person_id"].tolist() == ["p1"]
    assert "nobody" not in str(caught[0].message)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "rs4\nrs1\nrs2\n"),
        ("list.txt", "#ID\nrs4\nrs1\nrs2\n"),
        ("list.bed1", "1 200 300\nchr1\t500\t500\n"),
        ("list.bed", "track x\nchr1 199 300 name\n1 499 500\n2 0 1000\n"),
        ("list.bed0", "1 499 500\n1 199 300\n1 210 220\n"),
    ],
)
def test_subset_genotypes__extracts_and_excludes_variants_of_a_list(small, tmp_path, name, text):
    """Ids, ranges from one with their end, and ranges from zero without it."""
    source, copies = small
    path = write(tmp_path, text, name)

    chosen = subset_genotypes(source, extract=path)
    others = subset_genotypes(source, exclude=path)

    assert chosen.variants["id"].tolist() == ["rs1", "rs2", "rs4"]
    assert chosen.variants.index.tolist() == [0, 1, 2]
    assert_array_equal(copies_of(chosen, block_size=2), copies[[1, 2, 4]])
    assert [b.rows.tolist() for b in chosen.blocks(np.array([0, 2]), block_size=1)] == [[0], [2]]
    assert others.variants["id"].tolist() == ["rs0", "rs3", "rs5"]


def test_subset_genotypes__all_lists_together(small, tmp_path):
    """What is kept and not removed, extracted and not excluded; unknown sexes are filled."""
    source, copies = small
    lists = {
        "keep": "p1\np2\np3\np5\n",
        "remove": "p3\n",
        "extract": "rs1\nrs2\nrs3\n",
        "exclude": "rs2\n",
        "sex": "#IID SEX\np2 F\np5 1\np0 2\np1 M\n",
    }
    paths = {name: write(tmp_path, text, name) for name, text in lists.items()}

    part = subset_genotypes(source, **paths)

    assert source.samples["sex"].tolist()[:6] == ["female", "male", "unknown"] * 2
    assert part.samples["sex"].tolist() == ["male", "female", "male"]
    assert_array_equal(copies_of(part), copies[np.ix_([1, 3], [1, 2, 5])])
    assert subset_genotypes(source) is source


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, "male") for word in ("1", "M", "m", "male", "MALE")),
        *((word, "female") for word in ("2", "F", "f", "Female")),
        *((word, "unknown") for word in ("0", "-9", "NA", "NaN", "n/a", "U", "unknown")),
    ],
)
def test_subset_genotypes__takes_the_words_for_a_sex(small, tmp_path, word, expected):
    """The sex of p2 is unknown to the genotypes; a word counts whole, not by its first letter."""
    source, _ = small
    filled = subset_genotypes(source, sex=write(tmp_path, f"f2 p2 {word}\n"))
    assert filled.samples["sex"].tolist()[2] == expected


@pytest.mark.parametrize(
    ("option", "text", "reason"),
    [
        ("keep", "", "list.txt: is empty"),
        ("keep", "#FID\nf1\n", "1 columns, but no IID"),
        ("keep", "#FID IID\nf1 p1\nf2\n", "1 of 2 rows do not have 2 columns, the first is row 2"),
        ("keep", "#IID\n", "names nobody"),
        ("remove", "".join(f"p{k}\n" for k in range(7)), "none of 7 people left"),
        ("exclude", "".join(f"rs{k}\n" for k in range(6)), "none of 6 variants left"),
        ("extract", "1 100 200\n", r"1 of 1 rows have more than one column.*\.bed1"),
        ("sex", "f0 p0 x\n", r"1 of 1 sexes are none of"),
        ("sex", "p2 missing\np5 fine\np4 M\n", r"2 of 3 sexes are none of .* in row 1$"),
        ("sex", "p2 1.5\n", r"1 of 1 sexes are none of"),
        ("sex", "p0 1\n", "gives 1 people another sex"),
        ("sex", "p2 1\np2 2\n", "twice, with different sexes"),
    ],
)
def test_subset_genotypes__refuses_lists_that_cannot_be_meant(
    small, tmp_path, option, text, reason
):
    """Each says what was found; nobody left is no result."""
    source, _ = small
    with pytest.raises(DataError, match=reason):
        subset_genotypes(source, **{option: write(tmp_path, text)})
    with pytest.raises(UsageError, match="no such file"):
        subset_genotypes(source, **{option: tmp_path / "absent"})
    with pytest.raises(DataError, match=r"2 of 2 ranges do not have"):
        subset_genotypes(source, extract=write(tmp_path, "1 5\n1 a b\n", "x.bed1"))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(1, 200))
def test_blocks__of_a_subset_hold_what_the_whole_holds(vcf_file, tmp_path, seed, n_people):
    """Whoever is kept has their own calls and ploidy, at every place in a byte or word."""
    rng = np.random.default_rng(seed)
    calls = rng.choice(["0/0", "0/1", "1|1", "./.", "1", "0"], size=(3, n_people))
    path = vcf_file(*(("1", str(k + 1), "A", "C", "GT", *row) for k, row in enumerate(calls)),
                    n_people=n_people)  # fmt: skip
    source = open_genotypes(path)
    people = np.flatnonzero(rng.random(n_people) < rng.random())
    if not len(people):
        people = np.array([n_people - 1])
    keep = write(tmp_path, "".join(f"p{k}\n" for k in people))

    part = subset_genotypes(source, keep=keep)

    assert_array_equal(copies_of(part), copies_of(source)[:, people])
    (whole,), (block,) = (list(s.blocks(np.arange(3))) for s in (source, part))
    assert (whole.ploidy is None) == (block.ploidy is None)
    if whole.ploidy is not None:
        assert_array_equal(block.ploidy, whole.ploidy[:, people])


def test_subset_genotypes__removes_the_people_and_variants_that_regenie_lists(real_data):
    """The lists of its example fit its genotypes whole: no warning, and nothing else goes."""
    folder = real_data / "regenie_example"
    source = open_genotypes(folder / "example.bed")
    people, variants = folder / "fid_iid_to_remove.txt", folder / "snplist_rm.txt"
    n_people = len({line for line in people.read_text().splitlines() if line.split()})
    n_variants = len(set(variants.read_text().split()))

    part = subset_genotypes(source, remove=people, exclude=variants)

    assert len(part.samples) == len(source.samples) - n_people
    assert len(part.variants) == len(source.variants) - n_variants
    kept = source.samples["person_id"].isin(part.samples["person_id"]).to_numpy()
    rows = source.variants["id"].isin(part.variants["id"]).to_numpy()
    assert_array_equal(copies_of(part), copies_of(source)[np.ix_(rows, kept)])
