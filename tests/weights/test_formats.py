"""Weight files as programs write them: formats, p-values, ratios, damage."""

from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, PgsTrdError, PgsTrdWarning, UsageError
from pgs_trd.weights import Weights, read_weights

COLUMNS = ["id", "chromosome", "position", "effect_allele", "other_allele"]
ROWS = [["rs1", "1", 100, "A", "G"], ["rs2", "X", 200, "C", "CTT"]]
GWAS = "SNP\tCHR\tBP\tA1\tA2\tBETA\tP"
# Two rows, the first on 1:100 with effect allele A, the second on X:200 with C (other CTT).
FORMATS = {
    "PRS-CS": "1\trs1\t100\tA\tG\t5.000000e-01\n23\trs2\t200\tC\tCTT\t-1.000000e-03\n",
    "plink --score": "rs1 A 0.5\nrs2 C -0.001\n",
    "plink --score with names": "ID A1 SCORE\nrs1 A 0.5\nrs2 C -0.001\n",
    "LDpred2": (
        "chr\tpos\ta0\ta1\trsid\tbeta_auto\n1\t100\tG\tA\trs1\t0.5\nX\t200\tCTT\tC\trs2\t-1e-3\n"
    ),
    "GCTB .snpRes": (
        "  Id  Name  Chrom  Position  A1  A2  A1Frq  A1Effect  SE  PIP  LastSampleEff\n"
        "   1  rs1   1      100       A   G   0.25   0.5000    0.1 0.9  0.4\n"
        "   2  rs2   23     200       C   CTT 0.5    -0.001    0.1 0.1  0\n"
    ),
    "SBayesRC": "SNP\tA1\tBETA\tPIP\tBETAlast\nrs1\tA\t0.5\t1\t0.4\nrs2\tC\t-0.001\t0\t0\n",
    "GCTA .ma": (
        "SNP A1 A2 freq b se p N\nrs1 A G 0.25 0.5 0.1 1e-9 100\nrs2 C CTT 0.5 -0.001 0.1 1 100\n"
    ),
    "PRSice base": (
        "CHR BP SNP A1 A2 N SE P BETA INFO MAF\n1 100 rs1 A G 9 0.1 1e-9 0.5 1 0.25\n"
        "X 200 rs2 C CTT 9 0.1 1 -0.001 1 0.5\n"
    ),
    "plink2 --glm": (
        "#CHROM\tPOS\tID\tREF\tALT\tA1\tOMITTED\tA1_FREQ\tTEST\tOBS_CT\tBETA\tSE\tT_STAT\tP\n"
        "1\t100\trs1\tG\tA\tA\tG\t0.25\tADD\t9\t0.5\t0.1\t5\t1e-9\n"
        "X\t200\trs2\tC\tCTT\tC\tCTT\t0.5\tADD\t9\t-0.001\t0.1\t0\t1\n"
    ),
    "regenie": (
        "CHROM GENPOS ID ALLELE0 ALLELE1 A1FREQ INFO N TEST BETA SE CHISQ LOG10P EXTRA\n"
        "1 100 rs1 G A 0.25 1 9 ADD 0.5 0.1 25 9 NA\n23 200 rs2 CTT C 0.5 1 9 ADD -0.001 1 0 0 NA\n"
    ),
    "GWAS Catalog (SSF)": (
        "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\t"
        "effect_allele_frequency\tneg_log_10_p_value\trsid\n"
        "1\t100\tA\tG\t0.5\t0.1\t0.25\t9\trs1\n23\t200\tC\tCTT\t-0.001\t0.1\t0.5\t0\trs2\n"
    ),
    "PGS Catalog 1.0": (
        "### PGS CATALOG SCORING FILE \n## POLYGENIC SCORE (PGS) INFORMATION\n"
        "# PGS ID = PGS000777\n# Original Genome Build = hg19\n# Number of Variants = 2\n"
        "rsID\tchr_name\tchr_position\teffect_allele\treference_allele\teffect_weight\tweight_type\n"
        "rs1\t1\t100\tA\tG\t0.5\tbeta\nrs2\tX\t200\tC\tCTT\t-0.001\tbeta\n"
    ),
    "PGS Catalog 2.0": (
        "###PGS CATALOG SCORING FILE\n#format_version=2.0\n##POLYGENIC SCORE (PGS) INFORMATION\n"
        "#pgs_id=PGS000777\n#genome_build=hg19\n#variants_number=2\n#weight_type=beta\n"
        "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\tlocus_name\tOR\n"
        'rs1\t1\t100\tA\tG\t0.5\t"A, B"\t1.6\nrs2\tX\t200\tC\tCTT\t-0.001\t\t\n'
    ),
    "OmicsPred": (
        "#omicspred_id=OPGS000777\n#genome_build=GRCh37\n#variants_number=2\n"
        "rsid\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
        "rs1\t1\t100\tA\tG\t0.5\nrs2\tX\t200\tC\tCTT\t-0.001\n"
    ),
}  # fmt: skip
WITHOUT_PLACE = {"plink --score", "plink --score with names", "SBayesRC", "GCTA .ma"}
WITHOUT_OTHER = {"plink --score", "plink --score with names", "SBayesRC"}


def refused(weights: Weights) -> dict[int, str]:
    return dict(zip(weights.refused["row"], weights.refused["reason"], strict=True))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_read_weights__reads_what_programs_write(weight_file, name):
    """The same two rows in each format: allele columns taken the wrong way turn a score over."""
    weights = read_weights(weight_file(FORMATS[name], header="", name="output.txt"))
    expected = pd.DataFrame(ROWS, columns=COLUMNS)
    known = [
        column
        for column in COLUMNS
        if not (name in WITHOUT_PLACE and column in ("chromosome", "position"))
        and not (name in WITHOUT_OTHER and column == "other_allele")
    ]

    assert weights.refused.empty
    assert weights.doses is None
    assert weights.variants[known].values.tolist() == expected[known].values.tolist()
    assert weights.variants[list({*COLUMNS} - {*known})].isna().to_numpy().all()
    assert_array_equal(weights.effects, [[0.5], [-0.001]])
    if "PGS" in name or name == "OmicsPred":
        assert weights.genome_build == "GRCh37"
        assert weights.names == ("OPGS000777" if name == "OmicsPred" else "PGS000777",)
    else:
        assert weights.names == ("output",)


def test_weights__are_small_per_row(weight_file):
    """Half a million rows must not become millions of Python objects."""
    variants = read_weights(weight_file(FORMATS["GCTB .snpRes"], header="")).variants

    assert {column: str(kind) for column, kind in variants.dtypes.items()} == {
        "row": "int64",
        "id": "string",
        "chromosome": "category",
        "position": "Int64",
        "effect_allele": "category",
        "other_allele": "category",
        "effect_allele_frequency": "float64",
    }
    assert variants["id"].dtype.storage == "pyarrow"
    assert variants["effect_allele_frequency"].tolist() == [0.25, 0.5]


def test_read_weights__names_columns_of_a_file_without_header_by_number(weight_file):
    """Only two shapes are recognised; of the others one must be able to say what they are."""
    path = weight_file("rs1 A G 0.5 2", "rs2 C T -1 x", header="")
    columns = {"id": "1", "effect_allele": "2", "other_allele": "3", "effect_weight": "4"}

    weights = read_weights(path, columns=columns)
    every = read_weights(path, columns={**columns, "effect_weight": "*"})

    assert weights.variants["other_allele"].tolist() == ["G", "T"]
    assert_array_equal(weights.effects, [[0.5], [-1]])
    assert every.names == ("4", "5")
    with pytest.raises(DataError, match="it has no header line, name columns by number"):
        read_weights(path)


def test_read_weights__reads_parquet_as_text(weight_file, tmp_path):
    """One table, two containers, whatever the types of its columns."""
    path = weight_file(FORMATS["OmicsPred"], header="")
    table = pd.read_csv(path, sep="\t", comment="#")
    table["chr_name"] = table["chr_name"].astype("category")
    table.to_parquet(tmp_path / "OPGS1.parquet")

    expected, actual = read_weights(path), read_weights(tmp_path / "OPGS1.parquet")

    pd.testing.assert_frame_equal(actual.variants, expected.variants)
    assert_array_equal(actual.effects, expected.effects)
    assert actual.names == ("OPGS1",)


def test_read_weights__reads_wide_parquet(tmp_path):
    """Text among numbers is refused for its cell alone, as in text files."""
    table = pd.DataFrame(
        {
            "ID": ["a", "b"],
            "A1": ["A", "C"],
            "one": ["1", "x"],
            "two": [np.nan, 2.0],
            "no": ["p", "q"],
        }
    )
    table.to_parquet(tmp_path / "wide.parquet")

    weights = read_weights(tmp_path / "wide.parquet", columns={"effect_weight": "*"})

    assert weights.names == ("one", "two")
    assert_array_equal(weights.effects, [[1, np.nan], [np.nan, 2]])
    assert weights.refused.values.tolist() == [[2, "one", "weight not a number"]]


def bgzip(*parts: bytes, end: bool = True) -> bytes:
    """Compress in blocks, as bgzip does, with or without its empty last block."""
    blocks = b""
    for part in (*parts, b"") if end else parts:
        packer = zlib.compressobj(wbits=-15)
        body = packer.compress(part) + packer.flush()
        size = struct.pack("<H", len(body) + 25)
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + size
        blocks += head + body + struct.pack("<II", zlib.crc32(part), len(part))
    return blocks


def test_read_weights__tells_a_cut_bgzip_file_by_its_missing_end(weight_file, tmp_path):
    """Each block is a whole gzip file: cut between two, the first half looks whole."""
    lines = [line.encode() for line in FORMATS["OmicsPred"].splitlines(keepends=True)]
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(bgzip(*lines))
    whole = read_weights(path)
    path.write_bytes(bgzip(*lines[:-1], end=False))

    assert len(whole.variants) == 2
    with pytest.raises(DataError, match="damaged or cut off"):
        read_weights(path)


@pytest.mark.parametrize("name", ["OR", "odds_ratio", "HR"])
def test_read_weights__takes_the_logarithm_of_a_ratio_that_is_asked_for(weight_file, name):
    """Odds multiply, scores add: a ratio as it stands would make every allele a risk."""
    lines = ("rs1\tA\t2", "rs2\tC\t0.5", "rs3\tC\t0", "rs4\tC\t-1", "rs5\tC\t", "rs6\tC\tinf")
    path = weight_file(*lines, header=f"SNP\tA1\t{name}")

    weights = read_weights(path, columns={"effect_weight": name})

    assert_allclose(weights.effects[:2, 0], [np.log(2), -np.log(2)], rtol=1e-15)
    assert refused(weights) == {
        3: "ratio not positive",
        4: "ratio not positive",
        5: "weight missing",
        6: "weight not finite",
    }
    with pytest.raises(DataError, match=f"'{name}' is a ratio: ask for it as effect_weight"):
        read_weights(path)


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("rsid\ta1\ta0\tbeta\tbeta_auto", "rs1\tA\tG\t1\t2", "2 columns could be the weight"),
        ("rsid\tAllele1\tAllele2\tbeta", "rs1\tA\tG\t1", "which of Allele1 and Allele2"),
        ("rsid\tA1\tbeta\tBETA", "rs1\tA\t1\t2", "2 columns 'beta'"),
        ("rsid\tA1\trsID\tbeta", "rs1\tA\trs2\t2", "2 columns 'rsid'"),
        ("rsid\tA1\tbeta", 'rs1\t"A\t1\nrs2\t"A\t1', "2 lines make 1 rows: a quotation mark"),
        ("1\trs1\t100\tA\tG\t1\t2\t3", "1\trs2\t200\tA\tG\t1\t2\t3", "it has no header line"),
    ],
)
def test_read_weights__does_not_choose_between_columns(weight_file, header, line, message):
    """Whichever it took, the other user would have the wrong score."""
    with pytest.raises(DataError, match=message):
        read_weights(weight_file(line, header=header))


def test_read_weights__refuses_header_lines_among_the_rows(weight_file):
    """Files of chromosomes put together with cat keep the header of each."""
    path = weight_file("rs1\tA\t1", "rsID\tA1\tbeta", "rs2\tC\t2", header="rsID\tA1\tbeta")

    weights = read_weights(path)

    assert refused(weights) == {2: "header line repeated"}
    assert_array_equal(weights.effects[:, 0], [1, np.nan, 2])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("#variants_number=3", "states 3 variants, it has 2"),
        ("# Number of Variants = 1,000", "states 1,000 variants, it has 2"),
        ("#weight_type=OR", "says that the weights are ratios"),
    ],
)
def test_read_weights__warns_of_what_its_header_says(weight_file, line, message):
    """A plain text file cut at the end of a line looks whole, but for this."""
    header = f"{line}\nrsID\teffect_allele\teffect_weight"
    with pytest.warns(PgsTrdWarning, match=message):
        read_weights(weight_file("rs1\tA\t1", "rs2\tA\t2", header=header))


def test_read_weights__warns_of_ratios_that_a_column_tells(weight_file):
    """Version 1 of the catalog's files says it row by row."""
    header = "rsID\teffect_allele\teffect_weight\tweight_type"
    with pytest.warns(PgsTrdWarning, match="it says that the weights are ratios"):
        read_weights(weight_file("rs1\tA\t1\tbeta", "rs2\tA\t2\tOR", header=header))


def test_read_weights__makes_a_score_a_threshold(weight_file):
    """The bound belongs to the score; a row without p-value is refused, not taken as 1."""
    lines = [
        f"rs{k}\t1\t{k}\tA\tC\t{k}\t{p}"
        for k, p in enumerate(["5e-8", 0.05, 1, "", "x", 1.5, -1], 1)
    ]
    path = weight_file(*lines, header=GWAS, name="mdd.tsv")

    weights = read_weights(path, p_thresholds=[5e-8, 0.05, 1])

    nan = np.nan
    assert weights.names == ("mdd_p5e-08", "mdd_p0.05", "mdd_p1")
    assert_array_equal(weights.effects, [[1, 1, 1], [nan, 2, 2], [nan, nan, 3], *[[nan] * 3] * 4])
    assert refused(weights) == {
        4: "p-value missing",
        5: "p-value not a number in [0, 1]",
        6: "p-value not a number in [0, 1]",
        7: "p-value not a number in [0, 1]",
    }
    assert weights.effects.flags.c_contiguous
    assert read_weights(path).names == ("mdd",)


def test_read_weights__takes_logarithms_of_p_values(weight_file):
    """Tables of regenie and the GWAS Catalog's format give minus log10: 9 is 1e-9, 0 is 1."""
    for name in ("regenie", "GWAS Catalog (SSF)"):
        path = weight_file(FORMATS[name], header="", name="gwas.txt")

        weights = read_weights(path, p_thresholds=[1e-8, 1])

        assert_array_equal(weights.effects, [[0.5, 0.5], [np.nan, -0.001]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"p_thresholds": [0]}, UsageError, r"must lie in \(0, 1\], got 0"),
        ({"p_thresholds": [2]}, UsageError, r"must lie in \(0, 1\], got 2"),
        ({"p_thresholds": []}, UsageError, "names no threshold"),
        ({"p_thresholds": [0.5, 0.5]}, UsageError, "2 of which 1 differ"),
        (
            {"p_thresholds": [1], "columns": {"effect_weight": ["BETA", "BP"]}},
            (UsageError, DataError),
            "one weight column|would be position and effect_weight",
        ),
        ({"p_thresholds": [1], "columns": {"effect_weight": "*"}}, UsageError, "one weight column"),
        ({"p_thresholds": [1], "columns": {"effect_weight": "P"}}, DataError, "need a p-value"),
    ],
)
def test_read_weights__names_wrong_thresholds(weight_file, options, error, message):
    """A threshold that cannot be would make a score of nothing, or of everything."""
    with pytest.raises(error, match=message):
        read_weights(weight_file("rs1\t1\t5\tA\tC\t2\t0.5", header=GWAS), **options)


def test_read_weights__reads_numbers_alike_beside_text(weight_file):
    """One bad cell sends its column through text; the other cells must not change."""
    texts = ["0.1", "+0.25", "1e-300", "-1.5E+3", ".5", "7.", "12345678901234567890", " 2 "]
    lines = [f"rs{k},A,{text}" for k, text in enumerate(texts)]
    header = "rsid,a1,beta"

    plain = read_weights(weight_file(*lines, header=header))
    mixed = read_weights(weight_file(*lines, "rs9,A,1e5x", "rs9,A, NA ", header=header))

    assert_array_equal(plain.effects[:, 0], [float(text) for text in texts])
    assert_array_equal(mixed.effects[:-2], plain.effects)
    assert refused(mixed) == {9: "weight not a number", 10: "weight missing"}


def check_damaged(path, **options: object) -> None:
    """Read a file: the rows are consistent, or it is our error."""
    try:
        weights = read_weights(path, **options)
    except PgsTrdError:
        return
    is_whole = ~weights.variants["row"].isin(weights.refused["row"])
    rows = is_whole.to_numpy()
    if len(weights.names) == 1 and "p_thresholds" not in options:
        assert np.isfinite(weights.effects[rows]).all()
    assert weights.variants.loc[rows, "effect_allele"].astype(str).str.fullmatch("[ACGT]+").all()
    assert weights.doses is None or np.isfinite(weights.doses).all()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::pgs_trd.errors.PgsTrdWarning")
@given(
    name=st.sampled_from(sorted(FORMATS)),
    compression=st.sampled_from([None, "gzip", "zstd", "bgzip", "parquet"]),
    place=st.floats(0, 1),
    length=st.integers(0, 12),
    patch=st.binary(max_size=8),
    keep=st.sampled_from([1.0, 1.0, 0.9, 0.5, 0.01]),
    options=st.sampled_from([{}, {"columns": {"effect_weight": "*"}}, {"p_thresholds": [0.5]}]),
)
def test_read_weights__survives_damage_in_any_format(
    tmp_path, name, compression, place, length, patch, keep, options
):
    """Bytes changed, cut out or cut off, before or after compression."""
    content = FORMATS[name].encode()
    path = tmp_path / "damaged.txt"
    if compression is None:
        whole = content
    elif compression == "bgzip":
        whole = bgzip(content)
    elif compression == "gzip":
        whole = gzip.compress(content)
    elif compression == "parquet":
        pd.DataFrame({"rsid": ["a", "b"], "a1": ["A", "C"], "beta": [1.0, 2.0]}).to_parquet(path)
        whole = path.read_bytes()
    else:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, compression) as stream:
            stream.write(content)
        whole = sink.getvalue().to_pybytes()
    start = int(place * len(whole))
    damaged = whole[:start] + patch + whole[start + length :]
    path.write_bytes(damaged[: max(int(keep * len(damaged)), 0)])
    check_damaged(path, **options)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=st.lists(
        st.lists(
            st.sampled_from(
                ["", "NA", ".", "A", "C", "t", "inf", "-nan", "1e999", "0", "1", "-0.5", "rs1",
                 "A\tG", '"', '"A"', "\x00", "é", "23", "chr1", "1e3", "HLA-A*01", "A1", "X"]
            ),
            min_size=12, max_size=12,
        ),
        min_size=1, max_size=6,
    ),
    separator=st.sampled_from(["\t", ",", ";", " "]),
)  # fmt: skip
def test_read_weights__survives_any_cells(tmp_path, cells, separator):
    """What stands in a cell decides about that cell, never about the program."""
    names = ["rsID", "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight",
             "is_dominant", "is_recessive", "effect_type", "dosage_0_weight", "dosage_1_weight",
             "dosage_2_weight"]  # fmt: skip
    path = tmp_path / "cells.txt"
    path.write_text("\n".join(separator.join(row) for row in [names, *cells]) + "\n")
    check_damaged(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x00" * 5_000, "no weight column"),
        (b"PK\x03\x04" + b"\x00" * 100, "is a zip archive"),
        (b"BZh91AY&SY", "is bzip2"),
        (b"\xfd7zXZ\x00", "is xz"),
        (b"PAR1" + b"\x00" * 100, "its Parquet is damaged"),
        (b"\x1f\x8b", "its gzip compression is damaged or cut off"),
        ("rsid\ta1\tbeta\nrs1\tA\t1\n".encode("utf-16"), "is not text"),
        (b"rsid\ta1\tbeta\nrs\xe9\tA\t1\n", "is not text: invalid UTF-8"),
        (b"rsid\ta1\tbeta\n\n\n", "column names but no rows"),
    ],
)
def test_read_weights__names_files_that_are_no_tables(tmp_path, content, message):
    """Mislabelled files are common: an Excel sheet, a copy of nothing."""
    path = tmp_path / "scores.txt.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_weights(path)
