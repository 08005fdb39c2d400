from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import unpack_codes
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.simulate import Planted
from pgs_trd.simulate.effects import draw_scores

PALINDROMES = {"AT", "TA", "CG", "GC"}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def _read(path):
    """Read a scoring file by hand: header and rows."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    header = dict(line[1:].split("=", 1) for line in lines if line[0] == "#" and "=" in line)
    rows = [line.split("\t") for line in lines if line[0] != "#"]
    return header, pd.DataFrame(rows[1:], columns=rows[0])


@pytest.fixture(scope="module")
def matched(biobank):
    """Match every row of every file by hand: rows, and the score they sum to.

    The plain version of matching: a dictionary of sites, both strands tried.
    """
    source = open_plink1(biobank.genotypes)
    sites = {
        (row.chromosome, row.position): (number, row.counted_allele, row.other_allele)
        for number, row in enumerate(source.variants.itertuples())
    }
    all_rows = np.arange(len(source.variants))
    codes = np.concatenate([block.codes for block in source.blocks(all_rows)])
    copies = unpack_codes(codes, len(source.samples)).astype(float)
    copies[copies < 0] = np.nan
    copies = np.where(np.isnan(copies), np.nanmean(copies, axis=1)[:, np.newaxis], copies)
    traits = pd.read_csv(biobank.traits, sep="\t")
    scores, reasons, headers = {}, [], []
    for score, trait in zip(traits["score"], traits["trait"], strict=True):
        header, rows = _read(biobank.weights / f"{score}.txt.gz")
        headers.append(header)
        total, counts = (
            np.zeros(copies.shape[1]),
            dict.fromkeys(("n_rows", "direct", "flipped", "absent", "palindromic", "mismatch"), 0),
        )
        counts["n_rows"] = len(rows)
        for row in rows.itertuples():
            found = sites.get((row.chr_name, int(row.chr_position)))
            pair = row.effect_allele + row.other_allele
            if found is None:
                counts["absent"] += 1
            elif pair in PALINDROMES:
                counts["palindromic"] += 1
            else:
                number, counted, other = found
                is_flipped = {*pair} != {counted, other}
                if is_flipped:
                    pair = pair.translate(COMPLEMENT)
                counts["flipped" if is_flipped else "direct"] += 1
                counts["mismatch"] += {*pair} != {counted, other}
                dosage = copies[number] if pair[0] == counted else 2 - copies[number]
                total += float(row.effect_weight) * dosage
        scores[trait] = total
        reasons.append(counts)
    return pd.DataFrame(scores), pd.DataFrame(reasons), headers


def test_weight_files__every_row_matches_or_has_its_reason(matched):
    """97 % match, 2 % of them on the other strand; the rest absent or palindromic."""
    _, reasons, _ = matched

    assert (reasons["n_rows"] == 618).all()
    assert (reasons["direct"] == 588).all()
    assert (reasons["flipped"] == 12).all()
    assert (reasons["absent"] == 12).all()
    assert (reasons["palindromic"] == 6).all()
    assert (reasons["mismatch"] == 0).all()


def test_weight_files__headers_name_score_trait_build_and_count(matched, biobank):
    """A reader of PGS Catalog files takes all four from the header."""
    traits = pd.read_csv(biobank.traits, sep="\t")
    _, reasons, headers = matched

    assert len(headers) == 61
    assert [header["pgs_id"] for header in headers] == list(traits["score"])
    assert [header["trait_reported"] for header in headers] == list(traits["trait"])
    assert {header["genome_build"] for header in headers} == {"GRCh38"}
    assert [int(header["variants_number"]) for header in headers] == list(reasons["n_rows"])


def test_weight_files__score_summed_by_hand_is_what_acts_on_the_records(matched, biobank):
    """The planted effects are per SD, within ancestry, of the score that a user computes."""
    scores, _, _ = matched
    ancestry = pd.read_csv(biobank.covariates, sep="\t")["ancestry"]
    z = scores.groupby(ancestry).transform(lambda score: (score - score.mean()) / score.std(ddof=0))
    expected = sum(beta * z[trait] for trait, beta in Planted().trd.items())

    actual = pd.read_parquet(biobank.latent)["trd_log_odds"]

    np.testing.assert_allclose(actual - actual.mean(), expected - expected.mean(), atol=1e-9)


def test_weight_files__scores_do_not_lean_on_one_another(matched, biobank):
    """An unplanted score correlated with a planted one would inherit part of its effect."""
    scores, _, _ = matched
    ancestry = pd.read_csv(biobank.covariates, sep="\t")["ancestry"]

    for _, group in scores.groupby(ancestry):
        correlation = group.corr().to_numpy()
        assert np.abs(correlation - np.eye(61)).max() < 1e-4


def test_weight_files__effect_alleles_are_either_allele_and_frequencies_suit(biobank):
    """About half of the effect alleles are the counted one; its frequency is the file's."""
    source = open_plink1(biobank.genotypes)
    _, rows = _read(biobank.weights / "SIM000001.txt.gz")
    rows["position"] = rows["chr_position"].astype(int)
    joined = rows.merge(
        source.variants, left_on=["chr_name", "position"], right_on=["chromosome", "position"]
    )
    is_counted = joined["effect_allele"] == joined["counted_allele"]
    codes = np.concatenate([b.codes for b in source.blocks(np.arange(len(source.variants)))])
    copies = unpack_codes(codes, 400).astype(float)
    copies[copies < 0] = np.nan
    by_id = dict(zip(source.variants["id"], np.nanmean(copies, axis=1) / 2, strict=True))
    direct = joined[is_counted]

    assert 0.4 < is_counted.mean() < 0.6
    np.testing.assert_allclose(
        direct["allelefrequency_effect"].astype(float), direct["id"].map(by_id), atol=0.02
    )


def test_draw_scores__too_few_variants_are_refused(biobank):
    """61 scores apart in 3 ancestries need more variants than constraints."""
    source = open_plink1(biobank.genotypes)
    ancestry = pd.read_csv(biobank.covariates, sep="\t")["ancestry"]
    variants = source.variants.assign(is_typed=True, frequency=0.5)
    variants.loc[300:, ["counted_allele", "other_allele"]] = ["A", "T"]

    with pytest.raises(UsageError, match="too few to keep 61 scores apart in 3 ancestries"):
        draw_scores(source, variants, ancestry, 61, np.random.default_rng(0))
