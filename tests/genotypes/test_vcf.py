"""VCF: calls, dosages, many alleles, damage."""

from __future__ import annotations

import gzip

import cyvcf2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource, count_alleles, open_genotypes, unpack_codes, vcf_text
from tests.genotypes.conftest import VCF_HEADER
from tests.genotypes.test_damage import block_gzip

GT_ONLY = VCF_HEADER.replace("ID=DS", "ID=XX")
DS_ONLY = VCF_HEADER.replace("ID=GT", "ID=XX")


def only_block(source):
    (block,) = source.blocks(np.arange(len(source.variants)))
    return block


def test_open_genotypes__reads_calls_of_a_vcf(vcf_file):
    """Phase does not matter; a half call is missing, as a whole one is."""
    path = vcf_file(
        ("1", "10", "A", "c", "GT", "0/0", "0|1", "1/1", "./."),
        ("1", "20", "AT", "A", "GT:DS", "1|0:1", "./1:1", "0/.:0", "0/0:0"),
    )

    source = open_genotypes(path)
    block = only_block(source)

    assert isinstance(source, GenotypeSource)
    assert source.samples["person_id"].tolist() == ["p0", "p1", "p2", "p3"]
    assert source.variants["counted_allele"].tolist() == ["C", "A"]
    assert source.variants["other_allele"].tolist() == ["A", "AT"]
    assert_array_equal(unpack_codes(block.codes, 4), [[0, 1, 2, -1], [1, -1, -1, 0]])
    assert block.ploidy is None


def test_open_genotypes__gives_one_row_for_each_alternative_and_keeps_their_numbers(vcf_file):
    """`*` and `<NON_REF>` keep their place: leaving them out would renumber the rest."""
    path = vcf_file(
        ("1", "10", "A", "C,*,G", "GT", "0/1", "1/3", "2/3", "3/3"),
        ("1", "20", "A", ".", "GT", "0/0", "0/0", "0/0", "0/0"),
        ("1", "30", "A", "T,<NON_REF>", "GT", "0/2", "0/0", "0/0", "0/0"),
    )

    source = open_genotypes(path)

    assert source.variants["counted_allele"].tolist() == ["C", "*", "G", "T", "<NON_REF>"]
    assert source.variants["site"].nunique() == 2
    assert_array_equal(
        unpack_codes(only_block(source).codes, 4),
        [[1, 1, 0, 0], [0, 0, 1, 0], [0, 1, 1, 2], [0, 0, 0, 0], [1, 0, 0, 0]],
    )


@pytest.mark.parametrize("ending", [".vcf", ".bcf"])
@pytest.mark.parametrize("block", ["<NON_REF>", "<*>"])
def test_open_genotypes__says_that_a_vcf_holds_reference_blocks(vcf_file, ending, block):
    """Positions inside a block are hom-ref, but of which base the file does not say."""
    path = vcf_file(
        ("1", "10", "A", f"C,{block}", "GT", "0/1", "0/0", "0/0", "0/0"),
        ("1", "11", "A", block, "GT", "0/0", "0/0", "0/0", "0/0"),
        ("1", "90", "A", block, "GT", "0/0", "0/0", "0/0", "0/0"),
    )
    if ending == ".bcf":
        path = to_bcf(path)

    with pytest.warns(PgsTrdWarning, match="is a gVCF: 2 records are reference blocks"):
        open_genotypes(path)


@pytest.mark.parametrize("chunk_bytes", [1, 60, 150, 400])
def test_open_genotypes__does_not_depend_on_where_a_part_of_the_text_ends(
    vcf_file, monkeypatch, chunk_bytes
):
    """With many people one line, or the header, is longer than what is read at once."""
    path = vcf_file(
        *[("1", str(k), "A", "C", "GT", "0/0", "0/1", "1/1", "./.") for k in range(1, 9)]
    )
    expected = open_genotypes(path)
    monkeypatch.setattr(vcf_text, "CHUNK_BYTES", chunk_bytes)

    source = open_genotypes(path)

    pd.testing.assert_frame_equal(source.variants, expected.variants)
    assert_array_equal(only_block(source).codes, only_block(expected).codes)


def test_blocks__skip_records_and_may_split_a_site(vcf_file):
    """Rows are asked for one by one; the second alternative alone must be found."""
    path = vcf_file(
        ("1", "10", "A", "C", "GT", "0/0", "0/0", "0/0", "0/0"),
        ("1", "20", "A", "C,G", "GT", "0/1", "0/2", "2/2", "0/0"),
        ("1", "30", "A", "C", "GT", "1/1", "0/0", "0/0", "0/0"),
    )
    source = open_genotypes(path)
    blocks = list(source.blocks(np.array([1, 2, 3]), block_size=1))

    assert [block.rows.tolist() for block in blocks] == [[1], [2], [3]]
    copies = [unpack_codes(block.codes, 4)[0].tolist() for block in blocks]
    assert copies == [[1, 0, 0, 0], [0, 1, 2, 0], [2, 0, 0, 0]]


def test_ploidy__is_observed_call_by_call(vcf_file):
    """A man's X has one allele: he counts 0 or 1, and the frequency is over 5 alleles."""
    path = vcf_file(
        ("1", "10", "A", "C", "GT", "0/1", "./.", "0/0", "0/0"),
        ("chrX", "10", "A", "C", "GT", "0/1", "1", ".", "1/1"),
        ("chrX", "20", "A", "C", "GT", "0/1", "0/0", "./.", "1/1"),
    )
    source = open_genotypes(path)
    block = only_block(source)

    assert source.variants["chromosome"].tolist() == ["1", "X", "X"]
    assert_array_equal(unpack_codes(block.codes, 4)[1], [1, 1, -1, 2])
    assert_array_equal(block.ploidy, [[2, 0, 2, 2], [2, 1, 0, 2], [2, 2, 0, 2]])
    frequency, n_called = count_alleles(source, np.arange(3))
    assert_allclose(frequency, [1 / 6, 4 / 5, 3 / 6], rtol=1e-10)
    assert n_called.tolist() == [3, 3, 3]


def test_dosages__are_taken_where_there_are_no_calls_or_when_asked_for(vcf_file):
    """GT is the default; 0.25 copies are not a call of none."""
    record = ("1", "10", "A", "C,G", "GT:DS", "0/0:0.25,1", "0/1:.", "0/0:0,2", "0/0:1.75,0")
    path = vcf_file(record)
    expected = np.array([[0.25, np.nan, 0, 1.75], [1, np.nan, 2, 0]])

    assert only_block(open_genotypes(path)).units is None
    asked = open_genotypes(path, vcf_field="DS")
    assert_allclose(only_block(asked).dosages, expected)
    assert_allclose(count_alleles(asked, np.arange(2))[0], [2 / 6, 3 / 6], rtol=1e-7)
    alone = vcf_file(("1", "10", "A", "C", "DS", "0.25", "2", "0", "1"), header=DS_ONLY)
    assert_allclose(only_block(open_genotypes(alone)).dosages, [[0.25, 2, 0, 1]])


@pytest.mark.parametrize(
    ("record", "field", "message"),
    [
        (("1", "10", "A", "C", "DS", "0", "0", "0", "0"), "GT", r"record 1 has no GT.*DS"),
        (("1", "10", "A", "C", "GT", "0/0", "0/0", "0/0", "0/0"), "DS", "record 1 has no DS"),
        (("1", "10", "A", "C", "DS", "0", "2.5", "0", "0"), "DS", r"1 dosages outside .*2\.5"),
        (("1", "10", "A", "C", "GT", "0/0/1", "0/0", "0/0", "0/0"), "GT", "more than two"),
        (
            ("1", "10", "A", "C", "GT", "0/0", "x/0", "0/0", "0/0"),
            "GT",
            "record 1 .* cannot be read",
        ),
    ],
)
def test_blocks__name_the_record_that_cannot_be_used(vcf_file, record, field, message):
    """Genotypes are decoded late; what is wrong with them must still be said."""
    source = open_genotypes(vcf_file(record), vcf_field=field)
    with pytest.raises(DataError, match=message):
        list(source.blocks(np.arange(1)))


def test_open_genotypes__refuses_a_vcf_without_people_or_fields(vcf_file, tmp_path):
    """Sites alone cannot be scored, and neither can fields other than GT and DS."""
    record = ("1", "10", "A", "C", "XX", "0", "0", "0", "0")
    neither = VCF_HEADER.replace("ID=GT", "ID=XX").replace("ID=DS", "ID=YY")
    with pytest.raises(DataError, match="neither GT nor DS, but 2 other"):
        open_genotypes(vcf_file(record, header=neither))
    sites = tmp_path / "sites.vcf"
    sites.write_text(
        GT_ONLY + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tC\t.\t.\t.\n"
    )
    with pytest.raises(DataError, match="no people"):
        open_genotypes(sites)
    with pytest.raises(DataError, match="no FORMAT field DS"):
        open_genotypes(vcf_file(record, header=GT_ONLY), vcf_field="DS")


RECORDS = [("1", str(k), "A", "C", "GT", "0/1", "0/0", "./.", "1/1") for k in range(10, 60)]


def test_open_genotypes__says_that_a_file_is_cut_off(vcf_file, tmp_path, capfd):
    """A copy that stopped half-way must not score as a shorter genome; htslib is silent."""
    plain = vcf_file(*RECORDS)
    text = plain.read_bytes()
    cut = tmp_path / "cut.vcf"
    cut.write_bytes(text[:-9])
    with pytest.raises(DataError, match="last line has 11 columns, the header 13"):
        open_genotypes(cut)
    zipped = tmp_path / "cut.vcf.gz"
    zipped.write_bytes(gzip.compress(text)[:-40])
    with pytest.raises(DataError, match="cannot be read as VCF"):
        open_genotypes(zipped)
    blocked = tmp_path / "blocked.vcf.gz"
    reader = cyvcf2.VCF(str(plain))
    writer = cyvcf2.Writer(str(blocked), reader, mode="wz")
    for record in reader:
        writer.write_record(record)
    writer.close()
    reader.close()
    assert len(open_genotypes(blocked).variants) == 50
    blocked.write_bytes(blocked.read_bytes()[:-28])
    with pytest.raises(DataError, match="lacks the block that ends a bgzip file"):
        open_genotypes(blocked)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", b"hello\nworld\n", b"\x1f\x8b\x08\0broken"])
def test_open_genotypes__refuses_what_is_no_vcf(tmp_path, content):
    """A wrong ending or an empty file is one sentence, not a crash."""
    path = tmp_path / "odd.vcf.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.vcf\.gz: (is empty|cannot be read as VCF)"):
        open_genotypes(path)


def test_open_genotypes__refuses_a_record_that_htslib_gives_up_on(vcf_file):
    """Such a record comes without alleles, and to ask for its REF would end the interpreter."""
    path = vcf_file(*RECORDS[:6])
    path.write_text(path.read_text() + "1\tno number\t.\tA\tC\t.\t.\t.\tGT\t0/0\t0/0\t0/0\t0/0\n")
    with pytest.raises(DataError, match=r"record 7 .*cannot be read as VCF"):
        open_genotypes(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(start=356, length=0, patch=b"\x80")
@given(start=st.integers(0, 700), length=st.integers(0, 30), patch=st.binary(max_size=6))
def test_open_genotypes__survives_any_damage_to_a_vcf(vcf_file, start, length, patch):
    """Whatever bytes are changed, it reads consistently or raises our error."""
    path = vcf_file(*RECORDS[:6])
    text = path.read_bytes()
    path.write_bytes(text[:start] + patch + text[start + length :])
    try:
        source = open_genotypes(path)
        n_rows = sum(len(block.rows) for block in source.blocks(np.arange(len(source.variants))))
    except PgsTrdError:
        return
    assert n_rows == len(source.variants)


HALF_RECORD = ("1", "10", "A", "C,G", "GT:DS", "0/.:0", "./1:0", "2|.", "0/1")


@pytest.mark.parametrize("ending", [".vcf", ".bcf"])
@pytest.mark.parametrize(
    ("half_calls", "copies", "ploidy"),
    [
        ("missing", [[-1, -1, -1, 1], [-1, -1, -1, 0]], None),
        ("haploid", [[0, 1, 0, 1], [0, 0, 1, 0]], [1, 1, 1, 2]),
        ("reference", [[0, 1, 0, 1], [0, 0, 1, 0]], None),
    ],
)
def test_open_genotypes__counts_half_calls_as_asked(vcf_file, ending, half_calls, copies, ploidy):
    """The four ways of plink2's --vcf-half-call; the same from text and through htslib."""
    path = vcf_file(HALF_RECORD)
    if ending == ".bcf":
        path = to_bcf(path)

    block = only_block(open_genotypes(path, half_calls=half_calls))

    assert_array_equal(unpack_codes(block.codes, 4), copies)
    assert (block.ploidy is None) == (ploidy is None)
    if ploidy is not None:
        assert_array_equal(block.ploidy, [ploidy, ploidy])
    with pytest.raises(DataError, match=r"record 1 has a call of which one allele is missing"):
        only_block(open_genotypes(path, half_calls="error"))
    with pytest.raises(UsageError, match=r"half_calls must be one of .* got 'none'"):
        open_genotypes(path, half_calls="none")


@pytest.mark.parametrize("ending", [".vcf", ".bcf"])
def test_open_genotypes__takes_one_dot_for_all_dosages_of_a_person(vcf_file, ending):
    """So VCF writes a missing field; htslib then gives one column where there are two ALTs."""
    path = vcf_file(("1", "10", "A", "C,G", "GT:DS", "0/1:.", "0/0:."), n_people=2)
    if ending == ".bcf":
        path = to_bcf(path)

    block = only_block(open_genotypes(path, vcf_field="DS"))

    assert_array_equal(unpack_codes(block.codes, 2), [[-1, -1], [-1, -1]])


def to_bcf(path):
    reader = cyvcf2.VCF(str(path))
    other = path.with_suffix(".bcf")
    writer = cyvcf2.Writer(str(other), reader, mode="wb")
    for record in reader:
        writer.write_record(record)
    writer.close()
    reader.close()
    return other


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_blocks__are_the_same_from_text_and_through_htslib(vcf_file, tmp_path, seed):
    """Two readers of one file: ours of text, plain or bgzip, and htslib of the BCF."""
    rng = np.random.default_rng(seed)
    n_people = int(rng.integers(1, 40))
    records = []
    for k in range(12):
        n_alternatives = int(rng.integers(1, 4))
        alleles = [".", *map(str, range(n_alternatives + 1))]
        calls = [
            rng.choice(["/", "|"]).join(rng.choice(alleles, size=rng.choice([2, 2, 2, 1])))
            for _ in range(n_people)
        ]
        if rng.random() < 0.5:
            shares = rng.dirichlet(np.ones(n_alternatives + 1), size=n_people)[:, 1:] * 2
            calls = [
                f"{call}:" + (",".join(f"{d:.4g}" for d in share) if rng.random() < 0.9 else ".")
                for call, share in zip(calls, shares, strict=True)
            ]
        keys = "GT:DS" if ":" in calls[0] else "GT"
        alternatives = ",".join(["C", "G", "T"][:n_alternatives])
        records.append(("1", str(10 * k), "A", alternatives, keys, *calls))
    path = vcf_file(*records, n_people=n_people)
    blocked = tmp_path / "blocked.vcf.gz"
    blocked.write_bytes(block_gzip(path.read_bytes(), size=300))
    bcf = to_bcf(path)
    only_ds = [k for k, record in enumerate(records) if record[4] == "GT:DS"]

    for field in ("GT", "DS"):
        sources = [open_genotypes(p, vcf_field=field) for p in (path, blocked, bcf)]
        for other in sources[1:]:
            pd.testing.assert_frame_equal(
                other.variants, sources[0].variants, check_categorical=False
            )
        rows = np.arange(len(sources[0].variants))
        if field == "DS":
            rows = rows[np.isin(sources[0].record, only_ds)]
        read = [list(source.blocks(rows, block_size=5)) for source in sources]
        for first, *others in zip(*read, strict=True):
            for block in others:
                assert (first.units is None) == (block.units is None)
                if first.units is None:
                    assert_array_equal(
                        unpack_codes(block.codes, n_people), unpack_codes(first.codes, n_people)
                    )
                else:
                    # BCF holds dosages in single precision.
                    difference = block.units.astype(int) - first.units.astype(int)
                    assert np.abs(difference).max() <= 1
                assert (first.ploidy is None) == (block.ploidy is None)
                if first.ploidy is not None:
                    assert_array_equal(block.ploidy, first.ploidy)


def test_dosages__of_every_spelling_are_read(vcf_file):
    """Minimac writes 1e-05, others 2 or .5; a dosage is rounded once, to 1/16384."""
    path = vcf_file(
        ("1", "10", "A", "C", "DS", "1e-05", "0.123456789012345678", "2", ".5"), header=DS_ONLY
    )

    block = only_block(open_genotypes(path))

    assert_array_equal(block.units, [[0, round(0.123456789012345678 * 16384), 32768, 8192]])
