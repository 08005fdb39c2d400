"""Liftover: positions of real files, and each kind of stretch worked out by hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, UsageError
from pgs_trd.weights import lift_over, read_chain, read_weights

# chain score source-name length strand start end target-name length strand start end id,
# 0-based, half-open. Chromosome 1 (1,000 bases, new 1,010):
# 100-200 -> 110-210; 300-400 reversed; 500-600 -> chromosome 2; 700-800 twice, the
# better one to 750; 850-900 twice alike.
CHAIN = """\
chain 900 chr1 1000 + 100 200 chr1 1010 + 110 210 1
100

chain 800 chr1 1000 + 300 400 chr1 1010 - 600 700 2
100

chain 700 chr1 1000 + 500 600 chr2 2000 + 500 600 3
100

chain 600 chr1 1000 + 700 800 chr1 1010 + 750 850 4
100

chain 500 chr1 1000 + 700 800 chr1 1010 + 0 100 5
100

chain 400 chr1 1000 + 850 900 chr1 1010 + 860 910 6
50

chain 400 chr1 1000 + 850 900 chr1 1010 + 910 960 7
50

"""


@pytest.fixture
def chain_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.over.chain"
    path.write_text(CHAIN)
    return path


def test_lift_over__gives_each_kind_of_stretch_its_due(chain_file, weights_of):
    """What the two files count from 0, we count from 1.

    Base 300 of the reversed stretch is base 600 from the other end of 1,010, so 409
    from this end: position 410.
    """
    weights = weights_of(
        ("1", 101, "A", "G", 1),
        ("1", 200, "A", None, 2),
        ("1", 201, "A", "G", 3),
        ("1", 301, "A", "G", 4),
        ("1", 301, "AC", "A", 5),
        ("1", 501, "A", "G", 6),
        ("1", 701, "A", "G", 7),
        ("1", 860, "A", "G", 8),
        ("1", None, "A", "G", 9),
        ("3", 101, "A", "G", 10),
        ("1", 101, "HLA", "G", 11),
        ("1", 250, "HLA", "G", 12),
    )

    lifted = lift_over(weights, chain_file)

    expected = [111, 210, None, 410, None, None, 751, None, None, None, 111, None]
    assert lifted.variants["position"].tolist() == pd.array(expected, dtype="Int64").tolist()
    assert lifted.variants["effect_allele"].tolist()[:5] == ["A", "A", "A", "T", "AC"]
    assert lifted.variants["other_allele"].isna().tolist()[:3] == [False, True, False]
    assert lifted.variants["other_allele"][3] == "C"
    assert lifted.refused["row"].tolist() == [3, 5, 6, 8, 10, 11, 12]
    reasons = lifted.refused["reason"].tolist()
    assert [reason.split(" in ")[0] for reason in reasons[:5]] == [
        "position has no counterpart",
        "several bases on a stretch that the other genome build has reversed",
        "position lies on another chromosome",
        "position has several counterparts",
        "position has no counterpart",
    ]
    assert reasons[5] == reasons[6]
    assert reasons[5].startswith("effect allele")
    np.testing.assert_array_equal(lifted.effects, weights.effects)
    assert lifted.genome_build is None
    assert lifted.metadata["lifted_over"] == "unknown to unknown by small.over.chain"


def test_lift_over__refuses_a_lost_row_of_a_wide_file_once(chain_file, tmp_path):
    """Its cells were refused score by score; now all of the row is."""
    path = tmp_path / "wide.tsv"
    path.write_text("chr\tpos\tea\toa\tfirst\tsecond\n1\t101\tA\tC\tx\t1\n1\t201\tA\tC\tx\t1\n")
    weights = read_weights(path, columns={"effect_weight": ["first", "second"]})

    refused = lift_over(weights, chain_file).refused

    assert refused["row"].tolist() == [1, 2]
    assert refused["score"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "chain", "source", "target"),
    [
        ("lift_to_grch38.txt", "hg19ToHg38", "GRCh37", "GRCh38"),
        ("lift_to_grch37.txt", "hg38ToHg19", "GRCh38", "GRCh37"),
    ],
)
def test_lift_over__finds_the_positions_that_the_catalog_has(
    real_data, name, chain, source, target
):
    """77 variants whose positions in the other build Ensembl knows by their rs numbers."""
    folder = real_data / "pgs_catalog"
    truth = read_weights(folder / f"PGS000001_hmPOS_{target}.txt.gz").variants

    opened = read_chain(real_data / "chains" / f"{chain}.over.chain.gz")
    lifted = lift_over(read_weights(folder / name), opened)

    assert (opened.source, opened.target) == (source, target)
    assert lifted.genome_build == target
    assert lifted.refused.empty
    assert lifted.variants["id"].tolist() == truth["id"].tolist()
    assert lifted.variants["position"].tolist() == truth["position"].tolist()


def test_lift_over__refuses_weights_of_another_build(real_data):
    """Lifted twice, or the wrong way, every position would be wrong and none absent."""
    weights = read_weights(real_data / "pgs_catalog" / "lift_to_grch37.txt")

    with pytest.raises(DataError, match="PGS000001: the weights are GRCh38, but hg19ToHg38"):
        lift_over(weights, real_data / "chains" / "hg19ToHg38.over.chain.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no line that starts with 'chain'"),
        (b"nothing of the kind\n", "cannot be .*: line 1 does not belong to an alignment"),
        (CHAIN.encode()[:60], "cannot be read as a chain file"),
        (CHAIN.replace("chain 900 chr1", "cha").encode(), "cannot be .*: line 1 does not belong"),
        (CHAIN.replace("100\n\nchain 800", "100\n7\n\nchain 800").encode(), "cannot .*: line 3 "),
        (CHAIN.replace("\n50\n", "\n50 1 1\n").encode(), "cannot be read as a chain file"),
        (CHAIN.replace(" + 100 200", " - 100 200").encode(), "cannot be read as a chain file"),
        (CHAIN.replace("\n50\n", "\n51\n").encode(), "cannot be read as a chain file"),
        (CHAIN.replace("chain 900 chr1", "chain x chr1").encode(), "cannot be read as a chain"),
        (gzip.compress(CHAIN.encode(), mtime=0)[:40], "cannot be read as a chain file"),
        (b"\xff\xfe\x00chain\n\xff", "cannot be read as a chain file"),
    ],
)
def test_read_chain__refuses_what_is_damaged(tmp_path, content, message):
    """A cut file would lose positions silently."""
    path = tmp_path / "bad.chain.gz"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"bad\.chain\.gz: ({message})"):
        read_chain(path)


def test_read_chain__reads_plain_and_zipped_whatever_the_name(tmp_path, chain_file):
    """Browsers unzip files and keep their names."""
    zipped = tmp_path / "zipped.chain"
    zipped.write_bytes(gzip.compress(CHAIN.encode()))
    position = np.array([101, 0])

    for path in (chain_file, zipped):
        lifted, _, fault = read_chain(path).lift(pd.Series(["1", "1"]), position)
        assert (lifted.tolist(), fault.tolist()) == ([111, 0], [0, 1])
    with pytest.raises(UsageError, match=r"no such file: .*absent\.chain"):
        read_chain(tmp_path / "absent.chain")
