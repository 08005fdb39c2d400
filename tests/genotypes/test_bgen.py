"""BGEN: bit depths, compressions, phase, ploidy, people, damage."""

from __future__ import annotations

import shutil
import struct
import zlib

import bgen
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, UsageError
from pgs_trd.genotypes import (
    BgenSource,
    GenotypeSource,
    count_alleles,
    open_genotypes,
    unpack_codes,
)

NAN = np.nan


@pytest.fixture
def bgen_file(tmp_path):
    """Write a BGEN: variants are dicts of what `BgenWriter.add_variant` takes."""

    def write(*variants, n_people=4, ids=("a", "b", "c", "d"), compression="zstd", name="small"):
        path = tmp_path / f"{name}.bgen"
        with bgen.BgenWriter(path, n_people, samples=ids, compression=compression) as writer:
            for number, variant in enumerate(variants):
                filled = {
                    "varid": "", "rsid": f"rs{number}", "chrom": "1", "pos": 10 + number,
                    "alleles": ["A", "G"], "bit_depth": 16,
                } | variant  # fmt: skip
                writer.add_variant(**filled)
        (tmp_path / f"{name}.bgen.bgi").unlink()
        return path

    return write


UNPHASED = {"genotypes": np.array([[1, 0, 0], [0, 1, 0], [0, 0.25, 0.75], [NAN, NAN, NAN]])}
PHASED = {
    "genotypes": np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0.75, 0.25, 1, 0], [NAN] * 4]),
    "phased": True,
}


def read_all(source, **options):
    return list(source.blocks(np.arange(len(source.variants)), **options))


def dosages_of(block, n_people=4):
    """Give copies as floats, of codes or units alike."""
    if block.codes is None:
        return block.dosages
    counted = unpack_codes(block.codes, n_people).astype(np.float32)
    return np.where(counted < 0, NAN, counted).astype(np.float32)


def all_dosages(source, **options):
    blocks = read_all(source, **options)
    return np.concatenate([dosages_of(block, len(source.samples)) for block in blocks])


@pytest.mark.parametrize("compression", ["zlib", "zstd", None])
@pytest.mark.parametrize(("bit_depth", "atol"), [(8, 1 / 255), (16, 2 / 65535)])
def test_open_genotypes__counts_the_second_allele_of_a_bgen(
    bgen_file, compression, bit_depth, atol
):
    """Worked by hand: P(AG) + 2 P(GG), and P(G) of both haplotypes together."""
    unphased, phased = ({**v, "bit_depth": bit_depth} for v in (UNPHASED, PHASED))
    path = bgen_file(unphased, phased, compression=compression)

    source = open_genotypes(path)
    (block,) = read_all(source)

    assert isinstance(source, BgenSource)
    assert isinstance(source, GenotypeSource)
    assert source.format == "bgen"
    assert source.samples["person_id"].tolist() == ["a", "b", "c", "d"]
    assert source.variants["counted_allele"].tolist() == ["G", "G"]
    assert source.variants["other_allele"].tolist() == ["A", "A"]
    assert_allclose(dosages_of(block), [[0, 1, 1.75, NAN], [1, 2, 0.25, NAN]], atol=atol)
    assert block.ploidy is None


@pytest.mark.parametrize("phased", [False, True])
def test_blocks__tells_the_ploidy_where_somebody_is_haploid(bgen_file, phased):
    """A man's X is one allele: 0 or 1 copies, ploidy 1; a missing call has ploidy 0."""
    calls = (
        [[1, 0, NAN, NAN], [0, 1, NAN, NAN], [0, 1, 0, 1], [NAN] * 4]
        if phased
        else [[1, 0, NAN], [0, 1, NAN], [0, 0, 1], [NAN] * 3]
    )
    ploidy = np.array([1, 1, 2, 2], dtype=np.uint8)
    variant = {"genotypes": np.array(calls), "ploidy": ploidy, "phased": phased, "chrom": "X"}
    source = open_genotypes(bgen_file(UNPHASED, variant, UNPHASED))

    (block,) = read_all(source)

    assert_array_equal(block.ploidy, [[2, 2, 2, 0], [1, 1, 2, 0], [2, 2, 2, 0]])
    assert_array_equal(dosages_of(block)[1], [0, 1, 2, NAN])
    assert_allclose(count_alleles(source, np.array([1]))[0], [3 / 4], rtol=1e-10)


def test_blocks__gives_one_row_for_each_further_allele(bgen_file):
    """Genotypes of A, G, T are AA AG GG AT GT TT; haploid ones A G T."""
    unphased = {
        "alleles": ["A", "G", "T"],
        "genotypes": np.array(
            [[0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0], [0, 0, 1, NAN, NAN, NAN], [NAN] * 6]
        ),
        "ploidy": np.array([2, 2, 1, 2], dtype=np.uint8),
    }
    phased = {
        "alleles": ["A", "G", "T"],
        "genotypes": np.array(
            [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1], [NAN] * 6]
        ),
        "phased": True,
    }
    source = open_genotypes(bgen_file(unphased, phased))

    (block,) = read_all(source)

    assert source.variants["counted_allele"].tolist() == ["G", "T", "G", "T"]
    assert source.variants["site"].nunique() == 2
    assert_allclose(
        dosages_of(block),
        [[1, 2, 0, NAN], [1, 0, 1, NAN], [0, 1, 0, NAN], [1, 1, 2, NAN]],
        atol=1e-6,
    )
    assert_array_equal(block.ploidy, [[2, 2, 1, 0]] * 2 + [[2, 2, 2, 0]] * 2)


def test_blocks__does_not_depend_on_rows_or_block_size(bgen_file):
    """What a row holds is a matter of the file only."""
    rng = np.random.default_rng(1)
    variants = [{"genotypes": rng.dirichlet(np.ones(3), size=4)} for _ in range(9)]
    source = open_genotypes(bgen_file(*variants))
    whole = all_dosages(source)

    small = read_all(source, block_size=2)
    (some,) = source.blocks(np.array([1, 4, 8]))

    assert [len(block.rows) for block in small] == [2, 2, 2, 2, 1]
    assert_array_equal(np.concatenate([dosages_of(block) for block in small]), whole)
    assert_array_equal(dosages_of(some), whole[[1, 4, 8]])


def expected_copies(variant, n_alleles):
    """Count copies from the probabilities that the bgen package reads, person by person."""
    copies = np.full((n_alleles - 1, len(variant.ploidy)), NAN)
    for person, (values, ploidy) in enumerate(
        zip(variant.probabilities.astype(np.float64), variant.ploidy, strict=True)
    ):
        if np.isnan(values[0]):
            continue
        if variant.is_phased:
            kinds = [(k,) for _ in range(ploidy) for k in range(n_alleles)]
        elif ploidy == 1:
            kinds = [(k,) for k in range(n_alleles)]
        else:
            kinds = [(a, b) for b in range(n_alleles) for a in range(b + 1)]
        for allele in range(1, n_alleles):
            copies[allele - 1, person] = sum(
                values[place] * kind.count(allele) for place, kind in enumerate(kinds)
            )
    return copies


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    bit_depth=st.integers(1, 32),
    n_alleles=st.integers(2, 4),
    phased=st.booleans(),
    mixed=st.booleans(),
)
def test_blocks__agrees_with_the_bgen_package(bgen_file, seed, bit_depth, n_alleles, phased, mixed):
    """Another reader: any bit depth, alleles, phase, ploidy; half a unit and single precision."""
    rng = np.random.default_rng(seed)
    ploidy = rng.integers(1, 3, size=4) if mixed else np.full(4, 2)
    ploidy = ploidy.astype(np.uint8)
    ploidy[0] = 2  # Else the writer wants narrower rows.
    n_values = 2 * n_alleles if phased else n_alleles * (n_alleles + 1) // 2
    genotypes = np.full((4, n_values), NAN)
    for person in range(4):
        if rng.random() < 0.2:
            continue
        if phased:
            filled = rng.dirichlet(np.full(n_alleles, 0.3), size=ploidy[person]).ravel()
        else:
            kinds = n_alleles if ploidy[person] == 1 else n_values
            filled = rng.dirichlet(np.full(kinds, 0.3))
        genotypes[person, : len(filled)] = filled
    path = bgen_file(
        {
            "alleles": ["A", "G", "T", "C"][:n_alleles],
            "genotypes": genotypes,
            "ploidy": ploidy,
            "phased": phased,
            "bit_depth": bit_depth,
        }
    )
    with bgen.BgenReader(path) as reader:
        variant = next(iter(reader))
        expected = expected_copies(variant, n_alleles)

    (block,) = read_all(open_genotypes(path))

    assert_allclose(dosages_of(block), expected, atol=0.5 / 16384 + 1e-6)
    is_called = ~np.isnan(expected[0])
    if block.ploidy is not None:
        assert_array_equal(block.ploidy[0], np.where(is_called, ploidy, 0))
    else:
        assert (ploidy[is_called] == 2).all()


SAMPLE_TEXT = "ID_1 ID_2 missing sex\n0 0 0 D\nf a 0 1\nf b 0 2\nf c 0 NA\nf d 0 0\n"


def test_open_genotypes__takes_people_from_a_sample_file_beside(bgen_file):
    """ID_2 is the person; the ids inside must agree, or it is another file's .sample."""
    path = bgen_file(UNPHASED)
    beside = path.with_suffix(".sample")
    beside.write_text(SAMPLE_TEXT)

    samples = open_genotypes(path).samples

    assert samples["person_id"].tolist() == ["a", "b", "c", "d"]
    assert samples["sex"].tolist() == ["male", "female", "unknown", "unknown"]
    beside.write_text(SAMPLE_TEXT.replace("f a 0 1\nf b 0 2", "f b 0 2\nf a 0 1"))
    with pytest.raises(DataError, match=r"small.sample: 2 of 4 ids differ .* row 1") as caught:
        open_genotypes(path)
    assert "a" not in str(caught.value).replace(",", " ").split()
    assert open_genotypes(path, sample=beside).samples["person_id"].tolist()[:2] == ["b", "a"]


def test_open_genotypes__needs_ids_inside_a_bgen_or_a_sample_file(bgen_file, tmp_path):
    """Numbers in place of ids would join the wrong people to their records."""
    path = bgen_file(UNPHASED, ids=None)
    with pytest.raises(UsageError, match=r"small\.bgen: holds no ids .* small\.sample"):
        open_genotypes(path)
    sample = tmp_path / "people.sample"
    sample.write_text(SAMPLE_TEXT)
    assert len(open_genotypes(path, sample=sample).samples) == 4
    sample.write_text(SAMPLE_TEXT.removesuffix("f d 0 0\n"))
    with pytest.raises(DataError, match=r"lists 3 people, the .bgen holds 4"):
        open_genotypes(path, sample=sample)
    with pytest.raises(UsageError, match=r"belongs to BGEN, and this is vcf"):
        open_genotypes(tmp_path / "x.vcf", sample=sample)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a .sample"),
        ("a b c\nd e f\ng h i\n", "not a .sample"),
        (SAMPLE_TEXT.replace("f b 0 2", "f b"), "1 of 5 rows do not have 4 columns"),
        (SAMPLE_TEXT.replace("f b", "f a"), "1 person ids"),
    ],
)
def test_open_genotypes__refuses_a_sample_file_that_is_none(bgen_file, tmp_path, text, reason):
    """Each fault is named."""
    path = bgen_file(UNPHASED)
    sample = tmp_path / "x.sample"
    sample.write_text(text)
    with pytest.raises(DataError, match=reason):
        open_genotypes(path, sample=sample)


def craft(values, *, n_people=2, ploidy=2, bits=8, n_inside=None):
    """Give a BGEN of one unphased variant, byte by byte."""
    inside = struct.pack("<IHBB", n_inside or n_people, 2, ploidy, ploidy)
    inside += bytes([ploidy]) * n_people + bytes([0, bits]) + bytes(values)
    packed = zlib.compress(inside)
    variant = struct.pack("<HH2sH1sIH", 0, 2, b"rs", 1, b"1", 7, 2)
    variant += struct.pack("<I1sI1sII", 1, b"A", 1, b"G", len(packed) + 4, len(inside)) + packed
    ids = struct.pack("<H1sH1s", 1, b"p", 1, b"q")
    head = struct.pack("<III4sI", 20, 1, n_people, b"bgen", 1 << 31 | 2 << 2 | 1)
    block = struct.pack("<II", len(ids) + 8, n_people) + ids
    return struct.pack("<I", len(head) + len(block)) + head + block + variant


def test_blocks__refuses_probabilities_whose_sum_is_above_one(tmp_path):
    """The third probability would be negative; the bgen package only logs that."""
    path = tmp_path / "x.bgen"
    path.write_bytes(craft([255, 0, 0, 255]))
    assert_array_equal(all_dosages(open_genotypes(path)), [[0, 1]])
    path.write_bytes(craft([200, 200, 0, 255]))
    with pytest.raises(DataError, match=r"x.bgen: record 1 has probabilities .* above one"):
        read_all(open_genotypes(path))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: raw[:0], "0 bytes long"),
        (lambda raw: raw[:23], "23 bytes long"),
        (lambda raw: raw[:16] + b"gben" + raw[20:], "67 62 65 6e, not 'bgen'"),
        (lambda raw: raw[:-1], "record 1 of 1 cannot be read"),
        (lambda raw: raw + b"\0", "1 bytes follow the last of its 1 variants"),
        (lambda raw: raw[:8] + b"\2" + raw[9:], "record 2 of 2 cannot be read"),
        (lambda raw: raw[:12] + b"\3" + raw[13:], "holds 2 ids in .* for 3 people"),
        (lambda raw: raw[:20] + b"\5" + raw[21:], "layout 1 and compression 1"),
        (lambda raw: raw[:8] + b"\0" + raw[9:], "holds 0 variants"),
    ],
)
def test_open_genotypes__refuses_a_damaged_bgen(tmp_path, damage, reason):
    """Each says what was found."""
    path = tmp_path / "x.bgen"
    path.write_bytes(damage(craft([255, 0, 0, 255])))
    with pytest.raises(DataError, match=reason):
        open_genotypes(path)


@pytest.mark.parametrize(
    "content", [craft([0] * 12, ploidy=3), craft([255, 0, 0, 255], n_inside=3), craft([1, 0])]
)
def test_blocks__refuses_genotypes_that_do_not_fit(tmp_path, content):
    """Three alleles a call, another number of people, too few probabilities."""
    path = tmp_path / "x.bgen"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x.bgen: record 1"):
        read_all(open_genotypes(path))


@pytest.mark.parametrize("compression", ["zlib", "zstd", None])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_open_genotypes__survives_any_changed_byte_of_a_bgen(
    bgen_file, compression, place, byte, cut
):
    """Our error or numbers that dosages can be; never anything else."""
    path = bgen_file(UNPHASED, PHASED, compression=compression)
    raw = bytearray(path.read_bytes())
    at = int(place * (len(raw) - 1))
    raw[at] = byte
    path.write_bytes(raw[:at] if cut else raw)
    try:
        for block in read_all(open_genotypes(path)):
            assert np.nanmax(dosages_of(block), initial=0) <= 2
    except PgsTrdError:
        pass


def table(source):
    """Give the share of the alphabetically first allele by site and pair, for comparison."""
    variants = source.variants
    flip = (variants["counted_allele"] > variants["other_allele"]).to_numpy()
    parts = []
    for block in read_all(source):
        found = dosages_of(block, len(source.samples))
        n_alleles = 2 if block.ploidy is None else np.maximum(block.ploidy, 1)
        share = found / n_alleles
        parts.append(np.where(flip[block.rows, np.newaxis], 1 - share, share))
    pairs = map(frozenset, zip(variants["counted_allele"], variants["other_allele"], strict=True))
    keys = zip(variants["chromosome"], variants["position"], pairs, strict=True)
    return dict(zip(keys, np.concatenate(parts), strict=True))


def stack(found, keys):
    return np.stack([found[key] for key in keys])


def test_open_genotypes__does_not_mind_an_index_of_another_bgen(real_data, tmp_path):
    """A stale .bgi must not lead to other variants than asked for."""
    folder = real_data / "regenie_example"
    path = tmp_path / "x.bgen"
    shutil.copy(folder / "example_3chr.bgen", path)
    expected = all_dosages(open_genotypes(path))
    shutil.copy(folder / "example.bgen.bgi", tmp_path / "x.bgen.bgi")

    assert_array_equal(all_dosages(open_genotypes(path)), expected)


def test_ploidy__is_what_each_file_of_1000_genomes_says(real_data):
    """One man is diploid on X in the BGEN and haploid in the VCF: the files differ, not we.

    Why is not known: the files do not say. His calls are the same, doubled.
    """
    folder = real_data / "tiny1000G"
    vcf = open_genotypes(folder / "vcf" / "tiny1000G.vcf.gz")
    other = open_genotypes(folder / "bgen" / "unphased" / "tiny1000G.bgen")
    blocks = [
        next(source.blocks(np.flatnonzero(source.variants["chromosome"] == "X")))
        for source in (vcf, other)
    ]
    differs = blocks[0].ploidy != blocks[1].ploidy

    assert differs.shape == (36, 3202)
    assert differs.any(axis=0).sum() == 1
    assert (blocks[0].ploidy[differs] == 1).all()
    assert (blocks[1].ploidy[differs] == 2).all()
    person = int(np.flatnonzero(differs.any(axis=0))[0])
    haploid, diploid = (dosages_of(block, 3202)[:, person] for block in blocks)
    counted = [
        source.variants.loc[source.variants["chromosome"] == "X", "counted_allele"].astype(str)
        for source in (vcf, other)
    ]
    is_same = counted[0].to_numpy() == counted[1].to_numpy()
    assert_array_equal(diploid, 2 * np.where(is_same, haploid, 1 - haploid))
