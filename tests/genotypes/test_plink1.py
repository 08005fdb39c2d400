"""PLINK 1 filesets: what is read, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, UsageError
from pgs_trd.genotypes import (
    GenotypeSource,
    count_alleles,
    open_genotypes,
    unpack_codes,
    write_plink1,
)
from tests.genotypes.conftest import samples_for, variants_for

COPIES = np.array([[0, 1, 2, -1, 1], [2, 2, -1, -1, 0], [-1, -1, -1, -1, -1]], dtype=np.int8)


def read_copies(source, rows, **options):
    n_people = len(source.samples)
    return [unpack_codes(block.codes, n_people) for block in source.blocks(rows, **options)]


@pytest.mark.parametrize("ending", ["", ".bed", ".bim", ".fam"])
def test_open_genotypes__reads_back_what_was_written(plink1_files, ending):
    """The prefix may hold a dot, and any of the three files names the set."""
    source = open_genotypes(f"{plink1_files(COPIES)}{ending}")

    assert isinstance(source, GenotypeSource)
    assert source.format == "plink1"
    assert source.samples.equals(samples_for(5))
    assert source.variants.equals(variants_for(3))
    assert_array_equal(np.vstack(read_copies(source, np.arange(3))), COPIES)


def test_blocks__give_the_rows_asked_for_in_blocks_of_the_size_asked_for(plink1_files):
    """Rows 0 and 2 leave a gap, so they are gathered; 0 and 1 are one slice."""
    source = open_genotypes(plink1_files(COPIES))

    assert_array_equal(read_copies(source, np.array([0, 2]))[0], COPIES[[0, 2]])
    pair, last = read_copies(source, np.arange(3), block_size=2)
    assert_array_equal(pair, COPIES[:2])
    assert_array_equal(last, COPIES[2:])
    assert read_copies(source, np.array([], dtype=np.int64)) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [([1, 0], "ascending"), ([0, 0], "ascending"), ([0, 3], "from 0 to 3"), ([-1, 0], "from -1")],
)
def test_blocks__refuse_rows_out_of_order_or_range(plink1_files, rows, message):
    """A row taken twice would count twice; one beyond the end is not ours."""
    source = open_genotypes(plink1_files(COPIES))
    with pytest.raises(ValueError, match=message):
        list(source.blocks(np.array(rows)))


def test_count_alleles__matches_counting_by_hand(plink1_files):
    """4 of 8 alleles; 4 of 6; nobody called is no frequency, not zero."""
    frequency, n_called = count_alleles(open_genotypes(plink1_files(COPIES)), np.arange(3))

    assert_allclose(frequency, [4 / 8, 4 / 6, np.nan], rtol=1e-10)
    assert n_called.tolist() == [4, 3, 0]


def test_to_xarray__agrees_with_our_own_reading(plink1_files):
    """pandas-plink is an independent reader; it counts the allele a0 or a1 as told."""
    pytest.importorskip("pandas_plink")
    array = open_genotypes(plink1_files(COPIES)).to_xarray()

    expected = np.where(COPIES < 0, np.nan, COPIES.astype(float)).T
    assert set(array.a1.values) == {"C"}  # Its values count a1, here our other allele.
    assert_allclose(array.values, 2 - expected)


def test_to_xarray__without_pandas_plink_says_what_to_install(plink1_files, monkeypatch):
    """It cannot be installed on Python 3.13; everything else must work there."""
    monkeypatch.setitem(sys.modules, "pandas_plink", None)
    source = open_genotypes(plink1_files(COPIES))
    with pytest.raises(UsageError, match="pip install pandas-plink"):
        source.to_xarray()


def test_read__takes_ragged_white_space_and_canonical_chromosomes(plink1_files):
    """PLINK 1.07 wrote aligned columns; chrX, 23, 0X are one chromosome."""
    prefix = plink1_files(COPIES)
    Path(f"{prefix}.fam").write_text("".join(f"  f{k}  p{k}\t0 0   {k} -9 \r\n" for k in range(5)))
    Path(f"{prefix}.bim").write_text("chr01 a 0 5 a c\n23\tb\t0\t-6\tA\tAT\nchrM  c 0 0 0 G\n")

    source = open_genotypes(prefix)

    assert source.samples["sex"].tolist() == ["unknown", "male", "female", "unknown", "unknown"]
    assert source.variants["chromosome"].tolist() == ["1", "X", "MT"]
    assert source.variants["position"].tolist() == [5, -6, 0]
    assert source.variants["counted_allele"].tolist() == ["A", "A", "0"]


def test_site__is_shared_by_alleles_that_exclude_each_other(plink1_files):
    """Single-base rows at one place are one site; an indel or an unplaced row is another."""
    prefix = plink1_files(np.zeros((6, 5), dtype=np.int8))
    alleles = [("5", "C A"), ("5", "G A"), ("5", "AT A"), ("6", "C A"), ("0", "C A"), ("0", "G A")]
    Path(f"{prefix}.bim").write_text(
        "".join(f"1 r{k} 0 {position} {pair}\n" for k, (position, pair) in enumerate(alleles))
    )

    assert open_genotypes(prefix).variants["site"].tolist() == [0, 0, 2, 3, 4, 5]


def spoil(prefix: Path, ending: str, change) -> None:
    path = Path(f"{prefix}{ending}")
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("ending", "change", "message"),
    [
        (".bed", lambda b: b[:-1], r"8 bytes found, 9 expected .*3 variants.*5 people.*truncated"),
        (".bed", lambda b: b + b"\0", r"10 bytes found, 9 expected .*\.bim or \.fam of another"),
        (".bed", lambda b: b"\x6b" + b[1:], "starts with bytes 6b 1b 01"),
        (".bed", lambda b: b[:2] + b"\0" + b[3:], "third byte is 00.*sample-major"),
        (".bed", lambda b: b[:2] + b"\7" + b[3:], "third byte is 07, not 01: damaged"),
        (".bed", lambda _: b"", "0 bytes long"),
        (".bim", lambda _: b"", "is empty, so there are no variants"),
        (".bim", lambda _: b" \n\n", "is empty, so there are no variants"),
        (".fam", lambda _: b"", "is empty, so there are no people"),
        (
            ".bim",
            lambda b: b.replace(b"\tC\n", b"\n", 1),
            "1 of 3 rows do not have 6 columns.*row 1",
        ),
        (".bim", lambda b: b.replace(b"\n", b"\tG\tT\n"), "3 of 3 rows do not have 6 columns"),
        (".bim", lambda b: b.replace(b"\t200\t", b"\tx\t"), "1 of 3 positions.*in row 2"),
        (".bim", lambda b: b.replace(b"\t200\t", b"\t2.5\t"), "1 of 3 positions.*in row 2"),
        (".bim", lambda b: b"\xff\xfe" + b, "is not text"),
        (".fam", lambda b: b.replace(b"p4\t0", b"p4"), "1 of 5 rows do not have 6 columns.*row 5"),
        (".bim", lambda b: b + b, r"9 bytes found, 15 expected from 6 variants"),
    ],
)
def test_open_genotypes__names_what_is_damaged(plink1_files, ending, change, message):
    """Every fault is a DataError with the numbers, never a wrong genotype."""
    prefix = plink1_files(COPIES)
    spoil(prefix, ending, change)
    with pytest.raises(DataError, match=message):
        open_genotypes(prefix)


def test_open_genotypes__refuses_a_person_twice_without_showing_who(plink1_files):
    """A score by person_id would be two people's; the message tells rows, not ids."""
    prefix = plink1_files(COPIES)
    spoil(prefix, ".fam", lambda b: b.replace(b"p3", b"p1"))
    with pytest.raises(
        DataError, match=r"1 person ids \(IID\) on 2 rows, the first rows 2, 4"
    ) as e:
        open_genotypes(prefix)
    assert "family id (FID) they would be unique" in str(e.value)
    assert "p1" not in str(e.value)


def test_open_genotypes__names_the_missing_member(plink1_files):
    """A .bed that was copied without its .fam is the commonest mishap."""
    prefix = plink1_files(COPIES)
    Path(f"{prefix}.fam").unlink()
    with pytest.raises(DataError, match=r"1 of the 3 files .* missing: small\.set\.fam"):
        open_genotypes(prefix)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.bed", "nowhere.vcf", "nowhere.pgen"])
def test_open_genotypes__names_a_path_that_does_not_exist_as_wrong_use(tmp_path, name):
    """A wrong path is the caller's to mend: exit code 2; so is a format not read yet."""
    with pytest.raises(UsageError, match=r"no such|this version reads PLINK 1") as e:
        open_genotypes(tmp_path / name)
    assert e.value.exit_code == 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ending=st.sampled_from([".bed", ".bim", ".fam"]),
    start=st.integers(0, 60),
    length=st.integers(0, 12),
    patch=st.binary(max_size=8),
)
def test_open_genotypes__survives_any_damage(plink1_files, ending, start, length, patch):
    """Whatever bytes are changed, it opens as a consistent source or raises our error."""
    prefix = plink1_files(COPIES)
    spoil(prefix, ending, lambda b: b[:start] + patch + b[start + length :])
    try:
        source = open_genotypes(prefix)
    except PgsTrdError:
        return
    copies = np.vstack(read_copies(source, np.arange(len(source.variants))))
    assert copies.shape == (len(source.variants), len(source.samples))


def test_write_plink1__takes_an_iterator_and_writes_all_or_nothing(tmp_path):
    """A large set comes block by block; a fault in the last block leaves no file."""
    prefix = tmp_path / "out"

    def blocks(last):
        yield COPIES[:2]
        yield last

    tables = {"variants": variants_for(3), "samples": samples_for(5)}
    for wrong, message in [
        (COPIES[:1, :4], r"shape \(1, 4\), but samples has 5 people"),
        (COPIES, "5 rows, but variants has 3"),
        (np.full((1, 5), 7, dtype=np.int8), "go from 7 to 7"),
    ]:
        with pytest.raises(UsageError, match=message):
            write_plink1(prefix, blocks(wrong), **tables)
        assert list(tmp_path.iterdir()) == []

    write_plink1(prefix, blocks(COPIES[2:]), **tables)
    assert_array_equal(np.vstack(read_copies(open_genotypes(prefix), np.arange(3))), COPIES)


def test_write_plink1__refuses_white_space_in_a_name(tmp_path):
    """A space would become a column, and every column after it another thing."""
    variants = variants_for(3).assign(id=["a", "b c", "d"])
    with pytest.raises(UsageError, match="column 'id' holds"):
        write_plink1(tmp_path / "out", [COPIES], variants=variants, samples=samples_for(5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (599, r"genotypes of more in \d+ of 150 variants looked at: the .fam has too few people"),
        (597, r"the .fam has too few people"),
        (602, r"the last of the 602 people .* has no bit set in 150 variants"),
    ],
)
def test_open_genotypes__notices_a_fam_of_another_number_of_people(plink1_files, kept, message):
    """The size of a .bed is the same for up to three people more or fewer."""
    rng = np.random.default_rng(3)
    prefix = plink1_files(rng.integers(-1, 3, (150, 601 if kept > 601 else 600)).astype(np.int8))
    fam = Path(f"{prefix}.fam")
    lines = fam.read_text().splitlines(keepends=True)
    lines += ["f x 0 0 0 -9\n"]
    fam.write_text("".join(lines[:kept]))

    with pytest.raises(DataError, match=message):
        open_genotypes(prefix)
