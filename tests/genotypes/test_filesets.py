"""Sets of files by pattern: members, order, people."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import (
    FilesetSource,
    GenotypeSource,
    open_genotypes,
    unpack_codes,
    write_plink1,
)
from pgs_trd.genotypes.filesets import find_plink_files, plink_prefix
from tests.genotypes.conftest import samples_for, variants_for


def write_chromosome(folder, name, copies, samples=None):
    variants = variants_for(len(copies)).assign(chromosome=name)
    samples = samples_for(copies.shape[1]) if samples is None else samples
    write_plink1(folder / f"chr{name}", [copies], variants=variants, samples=samples)


def test_open_genotypes__joins_the_files_that_a_pattern_lists(tmp_path):
    """Rows go on from file to file, and a block is the same as in its file."""
    rng = np.random.default_rng(3)
    parts = {name: rng.integers(-1, 3, size=(n, 6), dtype=np.int8) for name, n in
             {"1": 3, "2": 5, "X": 2}.items()}  # fmt: skip
    for name, copies in parts.items():
        write_chromosome(tmp_path, name, copies)

    source = open_genotypes(tmp_path / "chr{1:2,X}.bed")
    rows = np.array([0, 2, 3, 7, 8, 9])
    blocks = list(source.blocks(rows, block_size=2))

    assert isinstance(source, FilesetSource)
    assert isinstance(source, GenotypeSource)
    assert source.format == "plink1"
    assert len(source.paths) == 9
    assert source.variants["chromosome"].tolist() == ["1"] * 3 + ["2"] * 5 + ["X"] * 2
    for column in ("chromosome", "counted_allele", "other_allele"):
        assert source.variants[column].dtype == "category"
    assert source.variants["id"].dtype == source.members[0].variants["id"].dtype
    assert source.variants["site"].tolist() == list(range(10))
    assert_array_equal(np.concatenate([block.rows for block in blocks]), rows)
    found = np.concatenate([unpack_codes(block.codes, 6) for block in blocks])
    assert_array_equal(found, np.concatenate(list(parts.values()))[rows])


def test_open_genotypes__takes_a_hash_for_all_autosomes(tmp_path):
    """The 22 must exist; X and others are taken if they do."""
    copies = np.ones((1, 3), dtype=np.int8)
    for name in [*map(str, range(1, 22)), "X"]:
        write_chromosome(tmp_path, name, copies)
    with pytest.raises(UsageError, match=r"chr#\.bed: 1 of 22 members do not exist: chr22\.bed"):
        open_genotypes(tmp_path / "chr#.bed")
    write_chromosome(tmp_path, "22", copies)

    source = open_genotypes(tmp_path / "chr#.bed")

    assert source.variants["chromosome"].tolist() == [*map(str, range(1, 23)), "X"]
    assert len(open_genotypes(tmp_path / "chr#").variants) == 23


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("chr{1:3}.bed", r"2 of 3 members do not exist: chr2.bed, chr3.bed"),
        ("chr{1,1}.bed", "1 members twice"),
        ("chr{}.bed", "neither a name nor a range"),
        ("chr{3:1}.bed", "range 3:1 holds no"),
        ("chr{1:999999}.bed", "too many numbers"),
        ("chr{1}{2}.bed", "2 lists in braces"),
        ("chr{1.bed", "0 lists in braces and 0 signs #"),
        ("chr{1/2}.bed", "chr"),
    ],
)
def test_open_genotypes__refuses_patterns_that_name_no_whole_set(tmp_path, pattern, reason):
    """A missing chromosome is said by name, never left out."""
    write_chromosome(tmp_path, "1", np.ones((1, 3), dtype=np.int8))
    with pytest.raises(UsageError, match=reason):
        open_genotypes(tmp_path / pattern)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.iloc[:4], r"chr2.bed holds 4 people, chr1.bed 5, and 4 are common"),
        (lambda s: s.iloc[[1, 0, 2, 3, 4]], r"in another order: 2 rows differ"),
        (lambda s: s.assign(person_id="q" + s["person_id"]), r"and 0 are common"),
        (lambda s: s.assign(sex=["male"] * 5), r"give 2 people another sex"),
    ],
)
def test_open_genotypes__refuses_files_of_other_people(tmp_path, change, reason):
    """Genotypes of one person must not be added to the score of another."""
    samples = samples_for(5)
    other = change(samples).reset_index(drop=True)
    write_chromosome(tmp_path, "1", np.ones((1, 5), dtype=np.int8), samples)
    write_chromosome(tmp_path, "2", np.ones((1, len(other)), dtype=np.int8), other)
    with pytest.raises(DataError, match=reason) as caught:
        open_genotypes(tmp_path / "chr{1:2}.bed")
    assert "p0" not in str(caught.value)


def test_open_genotypes__opens_a_file_whose_name_looks_like_a_pattern(tmp_path):
    """A # or { in the name of a file that exists is a letter as any other."""
    write_chromosome(tmp_path, "#", np.ones((1, 3), dtype=np.int8))
    assert open_genotypes(tmp_path / "chr#.bed").format == "plink1"
    assert not isinstance(open_genotypes(tmp_path / "chr#.bed"), FilesetSource)


@pytest.mark.parametrize("format", ["auto", "plink1", "plink2", "vcf", "bgen"])
def test_open_genotypes__refuses_a_folder(tmp_path, monkeypatch, format):
    """People type the folder; a prefix that is a folder too is still a prefix."""
    monkeypatch.chdir(tmp_path)
    for path in (".", "/", "..", tmp_path):
        with pytest.raises(UsageError, match="is a folder: give the prefix"):
            open_genotypes(path, format=format)
    write_chromosome(tmp_path, "1", np.ones((1, 3), dtype=np.int8))
    (tmp_path / "chr1").mkdir()
    assert len(open_genotypes("chr1").variants) == 1


@pytest.mark.parametrize(
    "name", ["cohort.v1", "cohort.v1.fam", "cohort.v1.pvar.zst", "cohort.v1.PGEN"]
)
def test_find_plink_files__gives_the_same_files_for_each_of_them(tmp_path, name):
    """Whoever names the fileset by its .fam means its genotypes as well; dots belong to a name."""
    for ending in (".bed", ".fam", ".pvar.zst", ".log"):
        (tmp_path / f"cohort.v1{ending}").touch()
    found = find_plink_files(tmp_path / name)
    assert plink_prefix(tmp_path / name) == str(tmp_path / "cohort.v1")
    assert list(found) == [".bed", ".fam", ".pvar.zst"]
    assert [path.name for path in found.values()] == [f"cohort.v1{ending}" for ending in found]
