"""Weight files: what is recognised, what is refused, what is an error."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, UsageError
from pgs_trd.weights import Weights, read_weights

PLAIN = ("rs1\t1\t100\tA\tG\t0.5", "rs2\tchrX\t200\tc\tCTT\t-1e-3")


def refused(weights: Weights) -> dict[int, str]:
    return dict(zip(weights.refused["row"], weights.refused["reason"], strict=True))


def test_read_weights__reads_a_pgs_catalog_file(weight_file):
    """Text is canonical, numbers are exact, the header names score and build."""
    path = weight_file(*PLAIN, header="")
    head = "###PGS CATALOG\n#pgs_id=PGS000777\n#genome_build=hg19\n#a=b=c\n"
    columns = "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
    path.write_text(head + columns + "\n".join(PLAIN) + "\n")

    weights = read_weights(path)

    assert weights.names == ("PGS000777",)
    assert weights.genome_build == "GRCh37"
    assert weights.metadata == {"pgs_id": "PGS000777", "genome_build": "hg19", "a": "b=c"}
    assert weights.variants.drop(columns="effect_allele_frequency").values.tolist() == [
        [1, "rs1", "1", 100, "A", "G"],
        [2, "rs2", "X", 200, "C", "CTT"],
    ]
    assert_array_equal(weights.effects, [[0.5], [-1e-3]])
    assert weights.refused.empty


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_read_weights__is_the_same_for_any_separator_and_compression(
    weight_file, tmp_path, separator, compression, line_end
):
    """The same rows must be the same score, however they were stored."""
    expected = read_weights(weight_file(*PLAIN))
    text = expected.path.read_text().replace("\t", separator).replace("\n", line_end)
    path = tmp_path / "PGS9.csv"
    if compression is None:
        path.write_text(text, newline="")
    else:
        with pa.CompressedOutputStream(str(path), compression) as stream:
            stream.write(text.encode())

    actual = read_weights(path)

    assert actual.variants.equals(expected.variants)
    assert_array_equal(actual.effects, expected.effects)
    assert actual.names == expected.names == ("PGS9",)


def test_read_weights__takes_harmonised_columns_first(weight_file):
    """The build is that of the positions in use.

    A row that was not harmonised has no position: the original would mix two builds.
    """
    path = weight_file(header="", name="PGS1_hmPOS_GRCh38.txt.gz")
    text = (
        "#pgs_id=PGS1\n#genome_build=GRCh37\n#HmPOS_build=GRCh38\n"
        "rsID\tchr_name\tchr_position\teffect_allele\teffect_weight\t"
        "hm_rsID\thm_chr\thm_pos\thm_inferOtherAllele\n"
        "rs1\t1\t100\tA\t0.5\trs9\t2\t900\tG\n"
        "rs2\t1\t200\tA\t0.5\t\t\t\tC/T\n"
    )
    path.write_bytes(gzip.compress(text.encode()))

    weights = read_weights(path)

    assert weights.genome_build == "GRCh38"
    assert weights.variants["id"].tolist() == ["rs9", "rs2"]
    assert weights.variants["chromosome"].isna().tolist() == [False, True]
    assert weights.variants["position"].isna().tolist() == [False, True]
    assert weights.variants["other_allele"].iloc[0] == "G"


def test_read_weights__takes_the_columns_that_it_is_told(weight_file):
    """One column, a list, and every other numeric one; text columns are no scores."""
    header = "ID\tA1\tA2\tfirst\tsecond\tnote\tthird"
    path = weight_file("rs1\tA\tC\t1\t\tx\t3", "rs2\tG\tT\t-1\t2\ty\tNA", header=header)
    base = {"id": "ID", "effect_allele": "A2", "other_allele": "A1"}

    one = read_weights(path, columns={**base, "effect_weight": "third"}, name="mine")
    some = read_weights(path, columns={**base, "effect_weight": ["second", "first"]})
    every = read_weights(path, columns={**base, "effect_weight": "*"})

    assert one.names == ("mine",)
    assert one.variants["effect_allele"].tolist() == ["C", "T"]
    assert refused(one) == {2: "weight missing"}
    assert some.names == ("second", "first")
    assert_array_equal(some.effects, [[np.nan, 1], [2, -1]])
    assert every.names == ("first", "second", "third")
    assert_array_equal(every.effects, [[1, np.nan, 3], [-1, 2, np.nan]])
    assert every.refused.empty


def test_read_weights__refuses_rows_by_name_and_keeps_them_in_place(weight_file):
    """A row that cannot be scored is counted, and no row after it moves."""
    rows = [
        ("A\tG\t0.5", None),
        ("\tG\t0.5", "effect allele missing"),
        ("HLA-B*57:01\tG\t0.5", "HLA allele"),
        ("P\tG\t0.5", "effect allele not spelled in A, C, G, T"),
        ("A\tI\t0.5", "other allele not spelled in A, C, G, T"),
        ("A\ta\t0.5", "effect allele equals other allele"),
        ("A\tG\tabc", "weight not a number"),
        ("A\tG\tinf", "weight not finite"),
        ("A\tG\tNaN", "weight missing"),
        ("A\t.\t0", None),
    ]
    weights = read_weights(
        weight_file(*(f"rs{k}\t1\t{100 + k}\t{text}" for k, (text, _) in enumerate(rows)))
    )

    assert refused(weights) == {k: reason for k, (_, reason) in enumerate(rows, 1) if reason}
    assert weights.variants["row"].tolist() == list(range(1, 11))
    assert_array_equal(weights.effects[:, 0], [0.5] * 6 + [np.nan] * 3 + [0])


MODEL_NAMES = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\t"


@pytest.mark.parametrize(
    ("header", "row", "doses"),
    [
        ("is_dominant\tis_recessive", "True\tFalse", [0, 1, 1]),
        ("is_dominant\tis_recessive", "False\tTRUE", [0, 0, 1]),
        ("is_dominant\tis_recessive", "0\t0", [0, 1, 2]),
        ("effect_type", "recessive", [0, 0, 1]),
        ("effect_type", "Dominant", [0, 1, 1]),
        ("effect_type", "additive", [0, 1, 2]),
    ],
)
def test_read_weights__says_what_copies_count_as(weight_file, header, row, doses):
    """Scoring a recessive row as additive gives a number, and the wrong one."""
    empty = "\t" * header.count("\t")
    path = weight_file(
        f"1\t5\tA\tC\t2\t{row}", f"1\t6\tA\tC\t2\t{empty}", header=MODEL_NAMES + header
    )

    weights = read_weights(path)

    assert weights.refused.empty
    if doses == [0, 1, 2]:
        assert weights.doses is None
    else:
        assert_array_equal(weights.doses, [doses, [0, 1, 2]])
    assert_array_equal(weights.effects, [[2], [2]])


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        ("is_dominant\tis_recessive", "True\tTrue", "dominant and recessive at once"),
        ("effect_type", "codominant", "effect type unknown"),
        ("effect_type", "nonadditive", "effect type unknown"),
        ("is_haplotype", "1", "haplotype"),
        ("is_haplotype", "maybe", "flag neither true nor false"),
        ("is_dominant", "2", "flag neither true nor false"),
        ("is_recessive", "x", "flag neither true nor false"),
        ("is_interaction", "TRUE?", "flag neither true nor false"),
        ("is_diplotype", "-", "flag neither true nor false"),
        ("is_diplotype\tis_haplotype", "TRUE\tTRUE", "diplotype"),
        ("is_interaction\tis_haplotype", "true\tTRUE", "interaction"),
        ("is_haplotype\tvariant_type", "TRUE\tHLA_allele", "HLA allele"),
        ("variant_type", "HLA_AA", "HLA amino acid"),
        ("variant_type", "HLA serotype", "HLA serotype"),
        ("dosage_0_weight\tdosage_2_weight", "0\t1", "dosage weights incomplete or not numbers"),
    ],
)
def test_read_weights__never_takes_what_is_not_one_variant_for_one(
    weight_file, header, row, reason
):
    """Each is refused by its own name, so that the reader of the summary knows what is lost."""
    empty = "\t" * header.count("\t")
    path = weight_file(
        f"1\t5\tA\tC\t2\t{row}", f"1\t6\tA\tC\t2\t{empty}", header=MODEL_NAMES + header
    )

    assert refused(read_weights(path)) == {1: reason}


def test_read_weights__scales_dosage_weights_by_the_one_furthest_from_zero(weight_file):
    """Effect times dose gives back the file's three weights; all zero stays additive."""
    names = "rsID\teffect_allele\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight"
    rows = [(0, 1, 3), (0.5, 0, -4), (-1, -1, -1), (0, 0, 0)]
    lines = [f"rs{k}\tA\t{a}\t{b}\t{c}" for k, (a, b, c) in enumerate(rows)]
    weights = read_weights(weight_file(*lines, "rs5\tA\t\t\t", "rs6\tA\t1\tx\t2", header=names))

    assert refused(weights) == {5: "weight missing", 6: "dosage weights incomplete or not numbers"}
    assert_array_equal(weights.effects[:, 0], [3, -4, -1, 0, np.nan, np.nan])
    assert_array_equal(weights.effects[:4] * weights.doses[:4], rows)
    assert_array_equal(weights.doses[3], [0, 1, 2])


def test_read_weights__takes_dosage_weights_before_an_additive_one(weight_file):
    """Rows of both kinds in one file: a row's own dosage weights are the finer statement."""
    names = "rsID\teffect_allele\teffect_weight\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight"
    weights = read_weights(
        weight_file("rs1\tA\t7\t0\t2\t2", "rs2\tA\t7\t\t\t", "rs3\tA\tx\t0\t0\t2", header=names)
    )

    assert weights.refused.empty
    assert_array_equal(weights.effects[:, 0], [2, 7, 2])
    assert_array_equal(weights.doses, [[0, 1, 1], [0, 1, 2], [0, 0, 1]])


def test_read_weights__refuses_one_cell_of_a_wide_file_for_its_score_alone(weight_file):
    """One bad number in one score must not take the row from the others."""
    header = "ID\tA1\tA2\tfirst\tsecond"
    path = weight_file("rs1\tA\tC\t1\tbad", "rs2\tA\tC\tinf\t2", "rs3\tA\tC\t3\t3", header=header)

    weights = read_weights(path, columns={"effect_weight": "*"})

    assert weights.refused.values.tolist() == [
        [1, "second", "weight not a number"],
        [2, "first", "weight not finite"],
    ]
    assert_array_equal(weights.effects, [[1, np.nan], [np.nan, 2], [3, 3]])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["#pgs_id=PGS1"], "comment lines only"),
        (["rsID\teffect_allele\teffect_weight"], "column names but no rows"),
        (["rsID effect_allele effect_weight", ""], "column names but no rows"),
        (
            ["rsID\teffect_allele\tOR", "rs1\tA\t1.2"],
            r"no weight column[\s\S]*'OR' is a ratio: ask for it",
        ),
        (["rsID\teffect_weight", "rs1\t1"], "no effect allele column"),
        (["6\t18516176", "16\t9666134"], "its first line is data: it has no header line"),
        (["rsID\tA1\tbeta", "rs1\tA\tx", "rs2\tC\ty"], "none of the 2 rows has a number"),
        (["rsID\tA1\tbeta", "rs1\tA\tinf", "rs2\tC\t"], "none of the 2 rows has a number"),
        (["rsID\tA1\tbeta", "rs1\tA\t1", "rs2\tC"], "1 of 2 rows do not have the 3 columns.*row 2"),
        (["rsID A1 beta", "rs1 A 1 1"], "1 of 1 rows do not have the 3 columns.*row 1"),
        (["rsID\tA1\tbeta\taccession", "a\tA\t1\tP1", "b\tA\t1\tP2"], "2 scores stand one under"),
    ],
)
def test_read_weights__names_what_is_wrong_with_a_whole_file(weight_file, lines, message):
    """Guessing a weight column, or reading half a file, would score something else."""
    with pytest.raises(DataError, match=message):
        read_weights(weight_file(*lines, header=""))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("kept", [0.5, 0.9999])
def test_read_weights__refuses_a_file_that_was_cut_off(tmp_path, compression, kept):
    """Half of the rows would be a score too, of another name."""
    path = tmp_path / "PGS1.txt.gz"
    rows = "".join(f"rs{k}\tA\t{k / 7}\n" for k in range(5_000))
    with pa.CompressedOutputStream(str(path), compression) as stream:
        stream.write(("rsID\tA1\tbeta\n" + rows).encode())
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match=f"its {compression} compression is damaged or cut off"):
        read_weights(path)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"weight": "beta"}, UsageError, "not ours, the first is 'weight'"),
        ({"id": ["rsID", "A1"]}, UsageError, "id needs one column of the file, got 2"),
        ({"effect_weight": []}, UsageError, "effect_weight needs one column of the file, got 0"),
        ({"effect_weight": ["beta", "beta"]}, UsageError, "names a column twice"),
        ({"effect_weight": "W"}, DataError, "0 columns 'W', asked for as effect_weight"),
        ({"effect_weight": "*", "id": "beta"}, DataError, "no other column .* holds numbers"),
    ],
)
def test_read_weights__names_wrong_columns(weight_file, columns, error, message):
    """A name that is not there must not fall back to a guess."""
    path = weight_file("rs1\tA\t1", header="rsID\tA1\tbeta")
    with pytest.raises(error, match=message):
        read_weights(path, columns=columns)


def test_read_weights__names_a_file_that_does_not_exist(tmp_path):
    """A wrong path is wrong use, exit code 2."""
    with pytest.raises(UsageError, match="no such file"):
        read_weights(tmp_path / "none.txt")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    separator=st.sampled_from(["\t", ",", " "]),
    start=st.integers(0, 120),
    length=st.integers(0, 15),
    patch=st.binary(max_size=8),
)
def test_read_weights__survives_any_damage(weight_file, separator, start, length, patch):
    """Whatever bytes are changed, the rows are consistent or it is our error."""
    path = weight_file(*PLAIN, *PLAIN)
    text = path.read_bytes().replace(b"\t", separator.encode())
    path.write_bytes(text[:start] + patch + text[start + length :])
    try:
        weights = read_weights(path)
    except PgsTrdError:
        return
    is_refused = np.isin(weights.variants["row"], weights.refused["row"])
    assert np.isfinite(weights.effects[~is_refused]).all()
    assert weights.variants.loc[~is_refused, "effect_allele"].str.fullmatch("[ACGT]+").all()
