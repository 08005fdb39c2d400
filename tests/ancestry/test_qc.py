"""Quality of variants and people: by hand, restated, and against plink2."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.ancestry.packed import hardy_weinberg
from pgs_trd.ancestry.qc import check_sex, person_quality, variant_quality
from pgs_trd.ancestry.reading import PackedReader, hard_calls
from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import GenotypeBlock, open_genotypes, pack_codes, unpack_codes

ORACLES = Path(__file__).resolve().parents[1] / "oracles" / "ancestry"


def test_variant_quality__flags_the_first_reason_and_drops_nothing(write_genotypes):
    """Worked by hand: twenty people, one fault a variant."""
    good = [1] * 10 + [0] * 10
    copies = np.array(
        [good, [0] * 19 + [1], [*good[:18], -1, -1], [2] * 10 + [0] * 10, good, good, good, good]
    )
    source = write_genotypes(
        copies,
        chromosome=["1", "1", "1", "1", "X", "2", "3", "3"],
        position=[1, 2, 3, 4, 5, 6, 7, 7],
        counted_allele=["A", "A", "A", "A", "A", "A", "A", "C"],
        other_allele=["G", "G", "G", "G", "G", "T", "G", "G"],
        sex=["female"] * 10 + ["male"] * 10,
    )

    quality = variant_quality(source, min_hardy_p=1e-4, flag_palindromes=True)

    assert quality["reason"].tolist() == [
        "", "rare", "missing", "hardy_weinberg", "not_autosomal", "palindromic", "multiallelic",
        "multiallelic",
    ]  # fmt: skip
    assert (quality["status"] == "ok").tolist() == [True] + [False] * 7
    assert quality.loc[2, ["n_two", "n_one", "n_none", "n_missing"]].tolist() == [0, 10, 8, 2]
    assert quality.loc[2, "missing_rate"] == 0.1
    assert_allclose(quality["frequency"][:3], [0.25, 1 / 40, 10 / 36], rtol=1e-12)
    # On X the ten women count, who all have one copy.
    assert quality.loc[4, ["n_two", "n_one", "n_none"]].tolist() == [0, 10, 0]
    lenient = variant_quality(source)
    assert lenient["reason"].tolist()[3:6] == ["", "not_autosomal", ""]


def test_variant_quality__has_no_hardy_p_where_people_carry_one_allele(write_genotypes):
    """Y and mitochondria; nobody's call has no frequency either."""
    source = write_genotypes(
        np.array([[0, 2, 0], [0, 2, 2], [-1, -1, -1]]), chromosome=["Y", "MT", "1"]
    )

    quality = variant_quality(source)

    assert quality["hardy_p"].isna().all()
    assert quality["frequency"].isna().tolist() == [False, False, True]
    assert quality["reason"].tolist() == ["not_autosomal", "not_autosomal", "missing"]


@pytest.mark.parametrize("name", ["hapmap3/hm3_b36", "chrx_missing/data"])
def test_variant_quality__agrees_with_plink2(real_data: Path, name: str):
    """Autosomes: Hardy-Weinberg mid-p, frequency, missingness."""
    source = open_genotypes(real_data / name)
    folder = (real_data / name).parent / "reference"
    hardy = pd.read_csv(folder / "plink2.hardy", sep="\t").set_index("ID")["MIDP"]
    missing = pd.read_csv(folder / "plink2.vmiss", sep="\t").set_index("ID")["F_MISS"]
    frequency = pd.read_csv(folder / "plink2.afreq", sep="\t").set_index("ID")
    frequency = frequency.loc[hardy.index]

    quality = variant_quality(source).set_index("id").loc[hardy.index]

    # plink2 prints six digits.
    assert_allclose(quality["hardy_p"], hardy, rtol=1e-5)
    assert_allclose(quality["missing_rate"], missing.loc[hardy.index], rtol=1e-5)
    is_alt = quality["counted_allele"].to_numpy() == frequency["ALT"].to_numpy()
    of_alt = np.where(is_alt, quality["frequency"], 1 - quality["frequency"])
    assert_allclose(of_alt, frequency["ALT_FREQS"], rtol=1e-5)


def test_hardy_weinberg__of_women_on_x_agrees_with_plink2(real_data: Path):
    """plink2's own test on X takes men in; its counts of women give ours."""
    source = open_genotypes(real_data / "chrx_missing" / "data")
    path = real_data / "chrx_missing" / "reference" / "plink2.hardy.x"
    expected = pd.read_csv(path, sep="\t").set_index("ID")
    counts = expected[["FEMALE_HOM_A1_CT", "FEMALE_HET_A1_CT", "FEMALE_TWO_AX_CT"]].to_numpy()

    quality = variant_quality(source).set_index("id").loc[expected.index]

    homozygous = np.sort(quality[["n_two", "n_none"]].to_numpy(), axis=1)
    assert_array_equal(homozygous, np.sort(counts[:, [0, 2]], axis=1))
    assert_array_equal(quality["n_one"], counts[:, 1])
    assert_allclose(quality["hardy_p"], hardy_weinberg(counts), rtol=1e-12)


def test_person_quality__agrees_with_plink2_on_hapmap3(real_data: Path):
    """plink2 --het, of all autosomal variants: calls and F to its six digits."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    expected = pd.read_csv(ORACLES / "het_hapmap3.tsv", sep="\t", dtype={"IID": str})

    quality = person_quality(source, np.arange(len(source.variants)))

    assert quality["person_id"].tolist() == expected["IID"].tolist()
    assert_array_equal(quality["n_called"], expected["OBS_CT"])
    assert_array_equal(quality["n_called"] - quality["n_heterozygous"], expected["O(HOM)"])
    assert_allclose(quality["inbreeding"], expected["F"], rtol=1e-5, atol=1e-7)
    assert (quality["status"] == "ok").all()


def test_person_quality__flags_missing_and_outlying_people(write_genotypes):
    """One person half missing, one heterozygous everywhere, as two people's DNA is."""
    rng = np.random.default_rng(3)
    copies = rng.binomial(2, 0.3, (400, 40))
    copies[:200, 5] = -1
    copies[:, 9] = 1
    source = write_genotypes(copies)

    quality = person_quality(source, np.arange(400), max_heterozygosity_sd=4)

    assert quality.index[quality["status"] == "flagged"].tolist() == [5, 9]
    assert quality["reason"][[5, 9]].tolist() == ["missing", "heterozygosity"]
    assert quality.loc[5, "missing_rate"] == 0.5
    assert quality.loc[9, "heterozygosity"] == 1.0
    assert quality.loc[9, "inbreeding"] < -1
    assert (person_quality(source, np.arange(400))["reason"] == "heterozygosity").sum() == 0


def test_check_sex__finds_who_is_recorded_wrongly(write_genotypes):
    """Men have no heterozygous call on X; a swapped record shows, an absent one does not."""
    rng = np.random.default_rng(4)
    copies = rng.binomial(2, rng.uniform(0.2, 0.8, (300, 1)), (300, 40))
    copies[:, 20:] = 2 * (copies[:, 20:] > 0)
    sex = ["female"] * 20 + ["male"] * 20
    sex[3], sex[4], sex[25] = "male", "unknown", "female"
    source = write_genotypes(copies, chromosome="X", sex=sex)

    table = check_sex(source)

    assert table.index[table["status"] == "flagged"].tolist() == [3, 25]
    assert table.index[table["status"] == "unknown"].tolist() == [4]
    assert table["sex_genotypes"].tolist() == ["female"] * 20 + ["male"] * 20


def test_qc__refuses_limits_out_of_range(write_genotypes):
    """A percentage in place of a share would let everything through."""
    source = write_genotypes(np.ones((2, 4)), chromosome=["1", "X"])

    with pytest.raises(UsageError, match=r"max_missing must lie in \[0, 1\], got 5"):
        variant_quality(source, max_missing=5)
    with pytest.raises(UsageError, match=r"min_frequency must lie in \[0, 0.5\], got 0.9"):
        variant_quality(source, min_frequency=0.9)
    with pytest.raises(UsageError, match="1 of 2 variants are not on an autosome"):
        person_quality(source, np.arange(2))
    with pytest.raises(UsageError, match="must be above 0, got -1"):
        person_quality(source, np.arange(1), max_heterozygosity_sd=-1)
    with pytest.raises(DataError, match="none of 1 variants of X"):
        check_sex(source)


def test_hard_calls__take_dosages_within_a_tenth_of_a_copy():
    """As plink2's --hard-call-threshold 0.1; what is in doubt is missing."""
    copies = np.array([0, 0.1, 0.11, 0.5, 0.89, 0.9, 1.0, 1.1, 1.95, 2.0])
    units = np.append(np.floor(copies * 16384 + 0.5), 65535).astype(np.uint16)[np.newaxis]
    units[0, 5] += 1  # 0.9 rounds down to just below
    block = GenotypeBlock(rows=np.array([0]), units=units)

    calls = unpack_codes(hard_calls(block, 11), 11)[0]

    assert calls.tolist() == [0, 0, -1, -1, -1, 1, 1, 1, 2, 2, -1]


@pytest.mark.parametrize("is_dosage", [True, False])
def test_hard_calls__of_one_allele_are_two_alike(is_dosage: bool):
    """A man's X in a VCF is 0 or 1; as one copy of two he would look heterozygous."""
    copies = np.array([[0, 1, 1, 2, -1]], dtype=np.int8)
    given = (
        {"units": np.where(copies < 0, 65535, copies.astype(int) * 16384).astype(np.uint16)}
        if is_dosage
        else {"codes": pack_codes(copies)}
    )
    ploidy = np.array([[1, 1, 2, 2, 0]], dtype=np.int8)
    block = GenotypeBlock(rows=np.array([0]), ploidy=ploidy, **given)

    calls = unpack_codes(hard_calls(block, 5), 5)[0]

    assert calls.tolist() == [0, 2, 1, 2, -1]


@pytest.mark.parametrize("keep", [True, False])
def test_packed_reader__cuts_blocks_of_one_size_every_time(write_genotypes, keep: bool):
    """However the source cuts them: sums must not depend on files."""
    copies = np.random.default_rng(5).integers(-1, 3, (50, 7))
    source = write_genotypes(copies)
    rows = np.array([0, 3, 4, 10, 11, 12, 30, 49])
    reader = PackedReader(source, rows, keep=keep, block_rows=3)

    for _ in range(2):
        blocks = list(reader.blocks())
        assert [(start, len(codes)) for start, codes in blocks] == [(0, 3), (3, 3), (6, 2)]
        found = np.concatenate([unpack_codes(codes, 7) for _, codes in blocks])
        assert_array_equal(found, copies[rows])


@pytest.mark.parametrize("n_doubtful", [2, 3])
def test_packed_reader__warns_where_dosages_lose_much(n_doubtful: int):
    """More than a tenth of what is known, once: imputed badly they all count as missing."""
    units = np.full((4, 6), 16384, dtype=np.uint16)
    units[0, 0] = 65535
    units[1, :n_doubtful] = 8192
    source = SimpleNamespace(
        samples=pd.DataFrame({"person_id": list("abcdef")}),
        blocks=lambda rows, **_: [GenotypeBlock(rows=rows, units=units)],
    )
    reader = PackedReader(source, np.arange(4), keep=False)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            list(reader.blocks())

    told = [str(warning.message) for warning in caught]
    assert len(told) == (n_doubtful == 3)
    assert all("13.0% of 23 dosages" in text for text in told)
