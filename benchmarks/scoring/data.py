"""Make genotypes and weights for the benchmark: the same for the same size."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from pgs_trd.genotypes import open_genotypes, write_plink1

N_SCORES = 61
BLOCK = 500
MISSING = 0.01
FIXED_COLUMNS = 9


def make_data(folder: Path, n_people: int, n_variants: int) -> None:
    """Write set.bed/.bim/.fam and weights_1.tsv, weights_61.tsv, unless they are there.

    Three quarters of the frequencies are uniform in 1-50 %, a quarter
    log-uniform in 0.1-5 %; every second variant is a 90 % copy of the one before
    it, so that formats that use linkage disequilibrium can; 1 % of calls missing.
    """
    if (folder / "weights_61.tsv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.SFC64(20_260_101))
    pairs = np.array([["A", "G"], ["C", "T"], ["A", "C"], ["G", "T"]])
    pairs = pairs[rng.integers(0, 4, n_variants)]
    variants = pd.DataFrame(
        {
            "chromosome": (1 + np.arange(n_variants) * 22 // n_variants).astype(str),
            "position": 1_000 + 500 * np.arange(n_variants),
            "id": [f"rs{i}" for i in range(1, n_variants + 1)],
            "counted_allele": pairs[:, 0],
            "other_allele": pairs[:, 1],
        }
    )
    people = [f"P{i:07d}" for i in range(n_people)]
    samples = pd.DataFrame({"person_id": people, "family_id": people, "sex": "unknown"})
    write_plink1(
        folder / "set", _blocks(rng, n_people, n_variants), variants=variants, samples=samples
    )
    write_weights(folder, variants, rng)


def write_weights(folder: Path, variants: pd.DataFrame, rng: np.random.Generator) -> None:
    """Write one and 61 scores of all variants, the effect allele either of the two."""
    alleles = variants[["counted_allele", "other_allele"]].to_numpy(dtype=object)
    swapped = rng.random(len(variants)) < 0.5
    effects = np.round(rng.normal(0, 0.01, (len(variants), N_SCORES)), 6)
    table = pd.DataFrame(effects, columns=[f"score{k + 1}" for k in range(N_SCORES)])
    table.insert(0, "A2", np.where(swapped, alleles[:, 0], alleles[:, 1]))
    table.insert(0, "A1", np.where(swapped, alleles[:, 1], alleles[:, 0]))
    table.insert(0, "ID", variants["id"].to_numpy(dtype=object))
    table.iloc[:, :4].to_csv(folder / "weights_1.tsv", sep="\t", index=False)
    table.to_csv(folder / "weights_61.tsv", sep="\t", index=False)


def tile_vcf(tile: Path, folder: Path, n_variants: int) -> None:
    """Write set.vcf.gz, the records of `tile` again and again, and weights for it.

    Of the tile the autosomal records with one alternative allele and diploid GT are
    taken; each copy has a position and an id of its own.
    """
    if (folder / "weights_61.tsv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    header, records = _read_vcf(tile)
    rows = []
    with (folder / "set.vcf.gz").open("wb") as file:
        packed = BgzfWriter(file)
        packed.write("".join(header).encode())
        for number in range(n_variants):
            ref, alt, calls = records[number % len(records)]
            position, name = 1_000 + 50 * number, f"t{number}"
            rows.append((name, alt, ref))
            line = f"1\t{position}\t{name}\t{ref}\t{alt}\t.\tPASS\t.\tGT\t{calls}\n"
            packed.write(line.encode())
        packed.close()
    variants = pd.DataFrame(rows, columns=["id", "counted_allele", "other_allele"])
    write_weights(folder, variants, np.random.Generator(np.random.SFC64(20_260_102)))


def _read_vcf(path: Path) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Give a header with contig 1, and (REF, ALT, calls) of the records that are taken."""
    import gzip

    people, records = "", []
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            if line.startswith("#CHROM"):
                people = line
            if line.startswith("#"):
                continue
            cells = line.rstrip("\n").split("\t")
            is_autosomal = cells[0].removeprefix("chr").isdigit()
            calls = [cell.partition(":")[0] for cell in cells[FIXED_COLUMNS:]]
            if is_autosomal and "," not in cells[4] and all(len(call) == 3 for call in calls):
                records.append((cells[3], cells[4], "\t".join(calls)))
    if not records:
        raise SystemExit(f"{path}: no autosomal record with one ALT and diploid calls")
    header = [
        "##fileformat=VCFv4.2\n",
        "##contig=<ID=1>\n",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n',
        people,
    ]
    return header, records


class BgzfWriter:
    """Writes blocked gzip, as `bgzip` does, so that readers can unpack in threads."""

    SIZE = 65_280
    END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """Write as many whole blocks as there are."""
        self._waiting += data
        while len(self._waiting) >= self.SIZE:
            self._write_block(bytes(self._waiting[: self.SIZE]))
            del self._waiting[: self.SIZE]

    def close(self) -> None:
        """Write what is left, and the empty block that ends a file."""
        if self._waiting:
            self._write_block(bytes(self._waiting))
        self._file.write(self.END)

    def _write_block(self, data: bytes) -> None:
        deflate = zlib.compressobj(5, zlib.DEFLATED, -15)
        packed = deflate.compress(data) + deflate.flush()
        size = len(packed) + 25
        head = bytes.fromhex("1f8b08040000000000ff060042430200")
        tail = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        self._file.write(head + size.to_bytes(2, "little") + packed + tail)


def convert(folder: Path, form: str, plink2: str | None) -> Path | None:
    """Give the set as a file of `form`, made with plink2 if it is not there yet.

    BGEN is 8 bit, zlib. None if plink2 would be needed and is not there.
    """
    path = folder / f"set.{'vcf.gz' if form == 'vcf' else form}"
    if path.exists():
        return path
    if plink2 is None:
        return None
    has_bed = (folder / "set.bed").exists()
    given = ["--bfile", "set"] if has_bed else ["--vcf", "set.vcf.gz"]
    wanted = {
        "bed": ["--make-bed"],
        "pgen": ["--make-pgen"],
        "bgen": ["--export", "bgen-1.2", "bits=8", "ref-first"],
        "vcf": ["--export", "vcf", "bgz"],
    }[form]
    subprocess.run(
        [plink2, *given, *wanted, "--out", "set"], cwd=folder, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return path


def plink2_input(path: Path, form: str) -> list[str]:
    """Give the options by which plink2 reads the set."""
    prefix = str(path.with_name("set"))
    if form == "bgen":
        return ["--bgen", str(path), "ref-first", "--sample", f"{prefix}.sample"]
    return {"bed": ["--bfile", prefix], "pgen": ["--pfile", prefix], "vcf": ["--vcf", str(path)]}[
        form
    ]


def count_set(path: Path) -> tuple[int, int]:
    """Give the numbers of people and variants of a set."""
    source = open_genotypes(path)
    return len(source.samples), len(source.variants)


def _blocks(rng: np.random.Generator, n_people: int, n_variants: int) -> Iterator[np.ndarray]:
    for start in range(0, n_variants, BLOCK):
        size = min(BLOCK, n_variants - start)
        common = rng.uniform(0.01, 0.5, size)
        rare = np.exp(rng.uniform(np.log(0.001), np.log(0.05), size))
        frequency = np.where(rng.random(size) < 0.25, rare, common)
        limit = np.rint(frequency * 65_536).astype(np.uint16)[:, np.newaxis]
        draws = _uint16(rng, (2, size, n_people))
        copies = ((draws[0] < limit).view(np.int8)) + (draws[1] < limit).view(np.int8)
        keep = _uint16(rng, (size // 2, n_people)) < 0.9 * 65_536
        copies[1::2][keep] = copies[0 : 2 * (size // 2) : 2][keep]
        copies[_uint16(rng, (size, n_people)) < MISSING * 65_536] = -1
        yield copies


def _uint16(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    return np.frombuffer(rng.bytes(2 * size), dtype=np.uint16).reshape(shape)
