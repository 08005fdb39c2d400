"""Damaged files of every format: refused, or read; never a crash, a hang or fewer people."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import bgen
import cyvcf2
import numpy as np
import pgenlib
import pytest

from pgs_trd.errors import DataError, PgsTrdError
from pgs_trd.genotypes import open_genotypes

SCRIPT = Path(__file__).with_name("damage.py")
N_PEOPLE, N_VARIANTS = 23, 40
ENOUGH_SECONDS = 120


def write_pgen(folder, rng, *, dosages=False, multiallelic=False):
    path = folder / "x.pgen"
    max_alleles = 3 if multiallelic else 2
    writer = pgenlib.PgenWriter(
        str(path).encode(), N_PEOPLE, variant_ct=N_VARIANTS, dosage_present=dosages,
        allele_ct_limit=max_alleles,
    )  # fmt: skip
    for _ in range(N_VARIANTS):
        if dosages:
            writer.append_dosages((rng.integers(0, 33, N_PEOPLE) / 16).astype(np.float32))
        elif multiallelic:
            codes = rng.integers(0, 3, 2 * N_PEOPLE).astype(np.int32)
            writer.append_alleles(codes, allele_ct=3)
        else:
            writer.append_biallelic(rng.choice([0, 0, 0, 1, 2, -9], N_PEOPLE).astype(np.int8))
    writer.close()
    alt = "C,T" if multiallelic else "C"
    rows = "".join(f"1\t{k + 1}\trs{k}\tA\t{alt}\n" for k in range(N_VARIANTS))
    path.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + rows)
    path.with_suffix(".psam").write_text("#IID\n" + "".join(f"p{k}\n" for k in range(N_PEOPLE)))
    return path


def write_bgen(folder, rng, compression="zlib", *, phased=False):
    path = folder / "x.bgen"
    ids = [f"p{k}" for k in range(N_PEOPLE)]
    with bgen.BgenWriter(path, N_PEOPLE, samples=ids, compression=compression) as writer:
        for k in range(N_VARIANTS):
            genotypes = rng.dirichlet(np.ones(2), (N_PEOPLE, 2)).reshape(N_PEOPLE, 4)
            if not phased:
                genotypes = rng.dirichlet(np.ones(3), N_PEOPLE)
            writer.add_variant(
                varid="", rsid=f"rs{k}", chrom="1", pos=k + 1, alleles=["A", "G"],
                genotypes=genotypes, phased=phased, bit_depth=8 if k % 2 else 11,
            )  # fmt: skip
    (folder / "x.bgen.bgi").unlink()
    return path


def vcf_text(rng, keys="GT"):
    head = (
        '##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,'
        'Description="x">\n##FORMAT=<ID=DS,Number=A,Type=Float,Description="x">\n'
    )  # fmt: skip
    people = "\t".join(f"p{k}" for k in range(N_PEOPLE))
    lines = [f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{people}"]
    for k in range(N_VARIANTS):
        calls = rng.choice(["0/0", "0|1", "1/1", "./.", "1"], N_PEOPLE)
        if keys == "GT:DS":
            calls = [
                f"{c}:{d:.3f}" for c, d in zip(calls, rng.uniform(0, 2, N_PEOPLE), strict=True)
            ]
        lines.append(f"1\t{k + 1}\trs{k}\tA\tC\t.\t.\t.\t{keys}\t" + "\t".join(calls))
    return head + "\n".join(lines) + "\n"


def block_gzip(data, size=700):
    """Compress as bgzip does, in blocks small enough to have many."""
    parts = []
    for start in (*range(0, len(data), size), len(data)):
        piece = data[start : start + size]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(piece) + packer.flush()
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0"
        if start == len(data):
            parts.append(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))
            break
        size_field = struct.pack("<H", len(packed) + 25)
        parts.append(head + size_field + packed + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(parts)


def write_vcf(folder, rng, ending=".vcf", keys="GT"):
    path = folder / f"x{ending}"
    text = vcf_text(rng, keys).encode()
    if ending == ".bcf":
        plain = folder / "plain.vcf"
        plain.write_bytes(text)
        reader = cyvcf2.VCF(str(plain))
        writer = cyvcf2.Writer(str(path), reader, mode="wb")
        for record in reader:
            writer.write_record(record)
        writer.close()
        reader.close()
        return path
    packers = {".vcf": bytes, ".vcf.bgz": block_gzip, ".vcf.gz": gzip.compress}
    path.write_bytes(packers[ending](text))
    return path


MAKERS = {
    "pgen": write_pgen,
    "pgen dosages": lambda folder, rng: write_pgen(folder, rng, dosages=True),
    "pgen multiallelic": lambda folder, rng: write_pgen(folder, rng, multiallelic=True),
    "bgen zlib": write_bgen,
    "bgen zstd": lambda folder, rng: write_bgen(folder, rng, "zstd", phased=True),
    "bgen plain": lambda folder, rng: write_bgen(folder, rng, None),
    "vcf": write_vcf,
    "vcf DS": lambda folder, rng: write_vcf(folder, rng, keys="GT:DS"),
    "vcf bgzip": lambda folder, rng: write_vcf(folder, rng, ".vcf.bgz"),
    "vcf gzip": lambda folder, rng: write_vcf(folder, rng, ".vcf.gz"),
    "bcf": lambda folder, rng: write_vcf(folder, rng, ".bcf"),
}
# Whose every byte is behind a checksum or a length: no damage may give other genotypes.
GUARDED = {"vcf bgzip", "vcf gzip", "bcf"}


@pytest.mark.parametrize("name", MAKERS)
def test_open_genotypes__survives_damage_in_a_process_of_its_own(tmp_path, name):
    """Refused, or read with all people and variants; a crash of a native reader fails here."""
    path = MAKERS[name](tmp_path, np.random.default_rng(7))
    options = ["vcf_field=DS"] if name == "vcf DS" else []

    run = subprocess.run(
        [sys.executable, str(SCRIPT), str(path), "11", "150", *options],
        capture_output=True,
        text=True,
        timeout=ENOUGH_SECONDS,
        check=False,
    )

    assert run.returncode == 0, f"ended with {run.returncode}: {run.stderr[-2000:]}"
    seen = run.stdout.strip()
    assert len(seen) == 150
    assert seen.count("e") > 30
    if name in GUARDED:
        assert "~" not in seen
        assert "#" not in seen


@pytest.mark.parametrize("ending", [".bgen", ".vcf", ".vcf.gz", ".bcf", ".pgen", ".bed"])
def test_open_genotypes__refuses_a_file_of_another_format(tmp_path, ending):
    """A wrong ending is one sentence, whatever the content; a VCF tells itself."""
    rng = np.random.default_rng(3)
    contents = {
        ".bgen": write_bgen(tmp_path, rng).read_bytes(),
        ".pgen": write_pgen(tmp_path, rng).read_bytes(),
        ".vcf": vcf_text(rng).encode(),
        "noise": rng.bytes(500),
        "nothing": b"",
    }
    path = tmp_path / f"y{ending}"
    for table in (".pvar", ".psam"):
        (tmp_path / f"y{table}").write_bytes((tmp_path / f"x{table}").read_bytes())
    for kind, content in contents.items():
        path.write_bytes(content)
        if kind == ending or (kind == ".vcf" and ending in (".vcf.gz", ".bcf")):
            assert len(open_genotypes(path).samples) == N_PEOPLE
            continue
        with pytest.raises(PgsTrdError):
            open_genotypes(path)


def test_blocks__notice_a_file_that_changed_after_it_was_opened(tmp_path):
    """The places of records were read before: they mean nothing in another file."""
    rng = np.random.default_rng(3)
    for path in (write_bgen(tmp_path, rng), write_vcf(tmp_path, rng), write_pgen(tmp_path, rng)):
        source = open_genotypes(path)
        path.write_bytes(path.read_bytes() + b"\0")
        with pytest.raises(DataError, match=f"{path.name}: changed since it was opened"):
            list(source.blocks(np.arange(3)))
