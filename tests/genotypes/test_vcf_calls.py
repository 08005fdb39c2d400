"""Calls of a VCF that are kept when its sites are read: the same genotypes, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pgs_trd.errors import DataError
from pgs_trd.genotypes import opening, unpack_codes, vcf_text
from pgs_trd.genotypes.opening import open_genotypes
from pgs_trd.genotypes.vcf import open_vcf
from pgs_trd.genotypes.vcf_calls import KEPT_BYTES
from tests.genotypes.test_damage import block_gzip

N_PEOPLE = 9
WIDTH = 3


def random_records(rng, n_records):
    """Make records of one to three alternatives, some with haploid and half calls, some with DS."""
    records = []
    for k in range(n_records):
        n_alternatives = int(rng.choice([1, 1, 1, 2, 3]))
        alleles = [*map(str, range(n_alternatives + 1)), *(["."] if rng.random() < 0.3 else [])]
        n_of_calls = rng.choice([2, 2, 2, 1] if rng.random() < 0.3 else [2], size=N_PEOPLE)
        calls = ["/".join(rng.choice(alleles, size=n)) for n in n_of_calls]
        keys = str(rng.choice(["GT", "DS:GT"]))
        if keys == "DS:GT":
            calls = [f"0.5:{call}" for call in calls]
        alternatives = ",".join(["C", "G", "T"][:n_alternatives])
        records.append(("1", str(10 + k), "A", alternatives, keys, *calls))
    return records


def read_whole(source, rows, block_size=4):
    """Give what blocks hold, as bytes."""
    return [
        (block.codes.tobytes(), None if block.ploidy is None else block.ploidy.tobytes())
        for block in source.blocks(rows, block_size=block_size)
    ]


@pytest.mark.parametrize("half_calls", ["missing", "haploid"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blocks__do_not_depend_on_how_many_calls_were_kept(
    vcf_file, tmp_path, monkeypatch, seed, half_calls
):
    """What is kept and what is read again go through one function; none, some and all agree."""
    rng = np.random.default_rng(seed)
    path = vcf_file(*random_records(rng, 60), n_people=N_PEOPLE)
    blocked = tmp_path / "blocked.vcf.gz"
    blocked.write_bytes(block_gzip(path.read_bytes(), size=300))
    monkeypatch.setattr(vcf_text, "CHUNK_BYTES", 500)

    for file in (path, blocked):
        sources = [
            open_vcf(file, half_calls=half_calls, keep_bytes=n_bytes)
            for n_bytes in (0, 2, 7 * WIDTH, KEPT_BYTES)
        ]
        n_kept = [int((source.kept.place >= 0).sum()) for source in sources]
        assert n_kept[:3] == [0, 0, 7]
        assert 7 < n_kept[3] < 60
        n_rows = len(sources[0].variants)
        for rows in (np.arange(n_rows), np.flatnonzero(rng.random(n_rows) < 0.3)):
            first, *others = (read_whole(source, rows) for source in sources)
            assert all(other == first for other in others)


def test_blocks__of_kept_calls_do_not_read_the_file_again(vcf_file, monkeypatch):
    """Reading and unfolding the text is what takes the time."""
    path = vcf_file(
        ("1", "10", "A", "C", "GT", "0/1", "1|1", "./.", "0/0"),
        ("1", "20", "A", "C,G", "GT", "0/1", "1|1", "./.", "0/2"),
        ("1", "30", "A", "C", "GT:DS", "0/0:0", "0/1:1", "1/1:2", "./.:."),
    )
    source = open_vcf(path)
    monkeypatch.setattr(vcf_text.VcfText, "read", None)

    (block,) = source.blocks(np.array([0, 3]))

    assert_array_equal(unpack_codes(block.codes, 4), [[1, 2, -1, 0], [0, 1, 2, -1]])
    assert block.ploidy is None
    with pytest.raises(TypeError):
        list(source.blocks(np.array([0, 1])))


def test_open_genotypes__keeps_calls_of_all_files_in_one_memory(vcf_file, monkeypatch):
    """A genome is 22 files: each takes its share of the memory, not all of it."""
    records = [("1", str(k), "A", "C", "GT", "0/1", "0/0", "./.", "1/1") for k in range(10, 20)]
    for number in (1, 2):
        vcf_file(*records).rename(vcf_file(*records).with_name(f"chr{number}.vcf"))
    folder = vcf_file(*records).parent
    monkeypatch.setattr(opening, "KEPT_BYTES", 7)

    alone = open_genotypes(folder / "chr1.vcf")
    together = open_genotypes(folder / "chr{1:2}.vcf")

    assert [source.kept.codes.shape for source in (alone, *together.members)] == [
        (7, 1),
        (3, 1),
        (3, 1),
    ]


def test_blocks__name_the_record_at_fault_among_others_kept(vcf_file):
    """A fault is not kept, and not said before the record is asked for."""
    good = ("GT", "0/1", "0/0", "./.", "1/1")
    path = vcf_file(
        ("1", "10", "A", "C", *good),
        ("1", "20", "A", "C", "GT", "0/1", "0/9", "./.", "1/1"),
        ("1", "30", "A", "C", *good),
        ("1", "40", "A", "C", "DS", "0", "0", "0", "0"),
    )
    source = open_vcf(path)

    assert source.kept.place.tolist() == [0, -1, 1, -1]
    assert len(list(source.blocks(np.array([0, 2])))) == 1
    with pytest.raises(DataError, match="record 2 holds a call that cannot be read as one"):
        list(source.blocks(np.arange(4)))
    with pytest.raises(DataError, match="record 4 has no GT"):
        list(source.blocks(np.array([0, 2, 3])))
