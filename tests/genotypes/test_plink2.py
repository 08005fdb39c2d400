"""PLINK 2: calls, dosages, many alleles, tables, damage."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pandas as pd
import pgenlib
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, UsageError
from pgs_trd.genotypes import GenotypeSource, Plink2Source, open_genotypes, unpack_codes

PVAR = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t10\trs0\ta\tC\nchrX\t20\trs1\tG\tGT\n"
PSAM = "#FID\tIID\tSEX\nf\tp0\t1\nf\tp1\t2\nf\tp2\tNA\nf\tp3\tM\nf\tp4\t0\n"
CALLS = np.array([[0, 1, 2, -9, 1], [2, 2, 0, 0, -9]], dtype=np.int8)


def write_fileset(folder, *, pvar=PVAR, psam=PSAM, dosages=None):
    prefix = folder / "small.set"
    writer = pgenlib.PgenWriter(
        str(prefix).encode() + b".pgen", 5, variant_ct=2, dosage_present=dosages is not None
    )
    for index in range(2):
        if dosages is None:
            writer.append_biallelic(CALLS[index])
        else:
            writer.append_dosages(np.where(np.isnan(dosages[index]), -9, dosages[index]))
    writer.close()
    prefix.with_name("small.set.pvar").write_text(pvar)
    prefix.with_name("small.set.psam").write_text(psam)
    return prefix


def pack_calls(row):
    return bytes(
        sum(int(code) << (2 * k) for k, code in enumerate(row[start : start + 4]))
        for start in range(0, len(row), 4)
    )


def copies_of(source, **options):
    blocks = list(source.blocks(np.arange(len(source.variants)), **options))
    return np.concatenate([unpack_codes(block.codes, len(source.samples)) for block in blocks])


def test_open_genotypes__reads_a_pgen_of_fixed_width(tmp_path):
    """Mode 02 has no index: two bits a call, how many ALT, 3 missing; its size tells damage."""
    prefix = write_fileset(tmp_path)
    path = prefix.with_name("small.set.pgen")
    packed = b"".join(pack_calls(row) for row in np.where(CALLS < 0, 3, CALLS))
    head = b"\x6c\x1b\x02" + np.array([2, 5], dtype="<u4").tobytes() + b"\x40"
    path.write_bytes(head + packed)

    assert_array_equal(copies_of(open_genotypes(path)), np.where(CALLS < 0, -1, CALLS))
    path.write_bytes(head + packed[:-1])
    with pytest.raises(DataError, match=r"15 bytes found, 16 expected"):
        open_genotypes(path)


@pytest.mark.parametrize("mode", [3, 4])
def test_open_genotypes__reads_dosages_of_fixed_width(tmp_path, mode):
    """Modes 03 and 04: calls, then 16 bits a dosage, then (04) 16 bits a difference of phase.

    plink2 2.00a3.5 exports the same dosages of these bytes.
    """
    prefix = write_fileset(tmp_path)
    path = prefix.with_name("small.set.pgen")
    dosages = np.array([[0, 0.5, 2, np.nan, 1], [1.25, 2, 0, 0.0625, np.nan]], dtype=np.float32)
    calls = np.array([[0, 3, 2, 3, 1], [3, 2, 0, 0, 3]])
    records = b"".join(
        pack_calls(row)
        + np.where(np.isnan(dosage), 65_535, 16_384 * np.nan_to_num(dosage)).astype("<u2").tobytes()
        + bytes(2 * 5 * (mode == 4))
        for row, dosage in zip(calls, dosages, strict=True)
    )
    head = bytes([0x6C, 0x1B, mode]) + np.array([2, 5], dtype="<u4").tobytes() + b"\x40"
    path.write_bytes(head + records)

    (block,) = open_genotypes(path).blocks(np.arange(2))

    assert_array_equal(block.dosages, dosages)
    path.write_bytes(head + records[:-1])
    with pytest.raises(DataError, match=r"Unexpected .pgen file size"):
        open_genotypes(path)


def test_open_genotypes__reads_a_pgen_of_many_alleles(tmp_path):
    """Two ALT of one site are two rows; either is counted against all other alleles."""
    path = tmp_path / "many.pgen"
    alleles = np.array([[0, 1, 1, 2, 2, 2, 0, 0, -9, -9], [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]])
    writer = pgenlib.PgenWriter(str(path).encode(), 5, variant_ct=2, allele_ct_limit=3)
    writer.append_alleles(alleles[0].astype(np.int32), allele_ct=3)
    writer.append_alleles(alleles[1].astype(np.int32), allele_ct=2)
    writer.close()
    pvar = "#CHROM\tPOS\tID\tREF\tALT\n1\t5\ta\tA\tC,T\n1\t9\tb\tA\tC\n"
    path.with_suffix(".pvar").write_text(pvar)
    path.with_suffix(".psam").write_text("#IID\n" + "".join(f"p{k}\n" for k in range(5)))

    source = open_genotypes(path)

    expected = [[1, 1, 0, 0, -1], [0, 1, 2, 0, -1], [0, 1, 2, 1, 0]]
    assert source.variants["counted_allele"].tolist() == ["C", "T", "C"]
    assert source.variants["site"].tolist() == [0, 0, 1]
    assert_array_equal(copies_of(source), expected)
    assert_array_equal(copies_of(source, block_size=1), expected)


@pytest.mark.parametrize("ending", ["", ".pgen", ".pvar", ".psam"])
def test_open_genotypes__reads_calls_of_a_pgen(tmp_path, ending):
    """ALT is counted; alleles and chromosomes get their one spelling."""
    prefix = write_fileset(tmp_path)

    source = open_genotypes(str(prefix) + ending)

    assert isinstance(source, Plink2Source)
    assert isinstance(source, GenotypeSource)
    assert source.format == "plink2"
    assert source.samples["sex"].tolist() == ["male", "female", "unknown", "male", "unknown"]
    assert source.samples["family_id"].tolist() == ["f"] * 5
    assert source.variants["chromosome"].tolist() == ["1", "X"]
    assert source.variants["counted_allele"].tolist() == ["C", "GT"]
    assert source.variants["other_allele"].tolist() == ["A", "G"]
    assert_array_equal(copies_of(source, block_size=1), np.where(CALLS < 0, -1, CALLS))
    assert next(source.blocks(np.array([0]))).ploidy is None


def test_open_genotypes__reads_dosages_of_a_pgen(tmp_path):
    """Sixteenths are exact in a .pgen; -9 becomes NaN."""
    dosages = np.array([[0.0625, 1, 2, np.nan, 1.5], [0, 0.25, 2, 1, 1.9375]], dtype=np.float32)

    source = open_genotypes(write_fileset(tmp_path, dosages=dosages))
    blocks = list(source.blocks(np.arange(2), block_size=1))

    assert source.has_dosages
    assert_array_equal(np.concatenate([block.dosages for block in blocks]), dosages)


def test_open_genotypes__reads_tables_of_other_kinds_beside_a_pgen(tmp_path):
    """.pvar.zst of two frames, .bim and .fam, and a .psam without FID hold the same."""
    prefix = write_fileset(tmp_path)
    expected = open_genotypes(prefix).variants
    pvar, psam = prefix.with_name("small.set.pvar"), prefix.with_name("small.set.psam")
    compress = zstandard.ZstdCompressor().compress
    pvar.unlink()
    whole = compress(PVAR[:50].encode()) + compress(PVAR[50:].encode())
    prefix.with_name("small.set.pvar.zst").write_bytes(whole)
    psam.write_text("#IID\nx\ny\nz\nv\nw\n")

    source = open_genotypes(prefix)

    pd.testing.assert_frame_equal(source.variants, expected)
    assert source.samples["family_id"].tolist() == ["x", "y", "z", "v", "w"]
    prefix.with_name("small.set.pvar.zst").write_bytes(whole[:-3])
    with pytest.raises(DataError, match=r"small.set.pvar.zst: ends inside a zstd frame"):
        open_genotypes(prefix)
    prefix.with_name("small.set.pvar.zst").unlink()
    psam.unlink()
    prefix.with_name("small.set.bim").write_text("1\trs0\t0\t10\tC\tA\nX\trs1\t0\t20\tGT\tG\n")
    prefix.with_name("small.set.fam").write_text("".join(f"f p{k} 0 0 1 0\n" for k in range(5)))
    pd.testing.assert_frame_equal(open_genotypes(prefix).variants, expected)


@pytest.mark.parametrize(
    ("pvar", "psam", "reason"),
    [
        ("", PSAM, "pvar: is empty"),
        ("1\t10\trs0\tA\tC\n", PSAM, "pvar: its header lacks"),
        (PVAR.replace("\t", " ").replace(" 20 ", " x "), PSAM, r"1 of 2 positions .* row 2"),
        (PVAR.replace("REF", "RFE"), PSAM, r"lacks 1 columns: \['REF'\]"),
        (PVAR.replace("\t20\t", "\t2x\t"), PSAM, r"1 of 2 positions .* row 2"),
        (PVAR.replace("\tGT", ""), PSAM, "1 of 2 rows do not have 5 columns"),
        (PVAR.replace("\tC\n", "\tC,\n"), PSAM, "1 alternative alleles are empty"),
        (PVAR + "1\t30\trs2\tA\tC\n", PSAM, "2 variants of 5 people, .* 3 variants and 5"),
        (PVAR, PSAM.removesuffix("f\tp4\t0\n"), "2 variants of 5 people, .* 2 variants and 4"),
        (PVAR, PSAM.replace("p1", "p0"), "1 person ids .* 2 rows"),
        (PVAR, PSAM.replace("IID", "ID"), "but no IID"),
    ],
)
def test_open_genotypes__refuses_damaged_tables_of_a_pgen(tmp_path, pvar, psam, reason):
    """Each says what was found, and how often."""
    prefix = write_fileset(tmp_path, pvar=pvar, psam=psam)
    with pytest.raises(DataError, match=reason):
        open_genotypes(prefix)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: raw[:0], "0 bytes long"),
        (lambda raw: b"XX" + raw[2:], "starts with bytes 58 58"),
        (lambda raw: raw[:2] + b"\1" + raw[3:], "a .bed of PLINK 1"),
        (lambda raw: raw[:2] + b"\x20" + raw[3:], "index is in a .pgen.pgi"),
        (lambda raw: raw[:16], "ends inside its index"),
        (lambda raw: raw[:-1], "a truncated copy"),
        (lambda raw: raw + b"\0", "expected from its index: damaged"),
    ],
)
def test_open_genotypes__refuses_a_damaged_pgen(tmp_path, damage, reason):
    """Faults are found before pgenlib sees the file."""
    prefix = write_fileset(tmp_path)
    path = prefix.with_name("small.set.pgen")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=reason):
        open_genotypes(path)


def test_open_genotypes__names_the_missing_file_of_a_pgen(tmp_path):
    """None at all is a wrong path; some is an incomplete set."""
    prefix = write_fileset(tmp_path)
    prefix.with_name("small.set.psam").unlink()
    with pytest.raises(DataError, match=r"1 of the 3 files .*: \.psam or \.fam"):
        open_genotypes(prefix)
    with pytest.raises(UsageError, match=r"no such PLINK 2 fileset"):
        open_genotypes(tmp_path / "other.pgen")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_open_genotypes__survives_any_changed_byte_of_a_pgen(tmp_path, place, byte, cut):
    """Our error or calls that can be; never anything else."""
    path = write_fileset(tmp_path).with_name("small.set.pgen")
    raw = bytearray(path.read_bytes())
    at = int(place * (len(raw) - 1))
    raw[at] = byte
    path.write_bytes(raw[:at] if cut else raw)
    try:
        source = open_genotypes(path)
        for block in source.blocks(np.arange(2)):
            assert block.codes is None or block.codes.shape == (2, 2)
    except PgsTrdError:
        pass


def test_blocks__agrees_with_plink2_on_every_site_of_two_alleles(real_data):
    """plink2 --export A counts REF, in all 2,504 people: X, PAR, Y, MT; 599 of 601 sites."""
    folder = real_data / "plink_formats"
    source = open_genotypes(folder / "one_way_export_all_ploidy.pgen")
    with (folder / "one_way_export_plink2_test.raw.want.zst").open("rb") as handle:
        text = zstandard.ZstdDecompressor().stream_reader(handle).read()
    wanted = pd.read_csv(io.BytesIO(text), sep="\t", low_memory=False)
    variants = source.variants
    copies = copies_of(source, block_size=100).astype(np.float64)
    copies[copies < 0] = np.nan

    single = np.flatnonzero(~variants["site"].duplicated(keep=False))
    names = (variants["id"] + "_" + variants["other_allele"].astype(str)).iloc[single]

    assert source.samples["person_id"].tolist() == wanted["IID"].tolist()
    assert len(single) == 599
    assert_array_equal(2 - copies[single], wanted[names].to_numpy(dtype=np.float64).T)


def test_blocks__agrees_with_the_vcf_that_a_pgen_was_made_of(real_data):
    """Chromosome 21 of 1000 Genomes, three sites of three alleles among 485."""
    folder = real_data / "plink_formats"
    pgen = open_genotypes(folder / "chr21_phase3_start.pvar.zst")
    vcf = open_genotypes(folder / "1kg_phase3_chr21_start.vcf.gz")
    key = ["position", "other_allele", "counted_allele"]
    both = (
        pgen.variants.reset_index()
        .merge(vcf.variants.reset_index(), on=key, suffixes=("", "_vcf"))
        .drop_duplicates("index")
    )

    assert len(pgen.variants) == 488
    assert len(both) > 400
    assert_array_equal(
        copies_of(pgen)[both["index"]],
        np.concatenate(
            [unpack_codes(b.codes, 2504) for b in vcf.blocks(np.arange(len(vcf.variants)))]
        )[both["index_vcf"]],
    )


def test_open_genotypes__prefers_plink1_for_a_prefix_of_both(real_data, tmp_path):
    """A prefix that means two filesets means what it meant before there was a .pgen."""
    for ending in (".bed", ".bim", ".fam", ".pgen", ".pvar", ".psam"):
        shutil.copy(real_data / "regenie_example" / f"example{ending}", tmp_path / f"both{ending}")
    assert open_genotypes(tmp_path / "both").format == "plink1"
    assert open_genotypes(tmp_path / "both", format="plink2").format == "plink2"
