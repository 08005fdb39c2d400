"""Read a damaged genotype file many times, in a process of its own.

Native readers may bring down the interpreter: the test sees that as its end.
Run as ``python damage.py FILE SEED TIMES [OPTION=VALUE ...]``; writes what was seen,
one character a try: e refused, = the same answer, ~ other genotypes, # another
number of people or variants.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

from pgs_trd.errors import PgsTrdError
from pgs_trd.genotypes import open_genotypes


def read_whole(path: Path, **options: str) -> tuple[int, int, list[bytes]]:
    """Give the numbers of people and variants, and all genotypes."""
    source = open_genotypes(path, **options)
    parts, n_rows = [], 0
    for block in source.blocks(np.arange(len(source.variants)), block_size=7):
        n_rows += len(block.rows)
        parts.append((block.codes if block.units is None else block.units).tobytes())
    assert n_rows == len(source.variants)
    return len(source.samples), n_rows, parts


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip, overwrite, cut out, double or cut off bytes, or empty the file."""
    raw = bytearray(content)
    at = int(rng.integers(len(raw)))
    length = int(rng.integers(1, 40))
    kind = rng.choice(["flip", "flip", "write", "drop", "double", "cut", "empty", "zeros"])
    if kind == "flip":
        raw[at] ^= 1 << int(rng.integers(8))
    elif kind == "write":
        raw[at : at + length] = rng.bytes(length)
    elif kind == "zeros":
        raw[at : at + length] = bytes(length)
    elif kind == "drop":
        del raw[at : at + length]
    elif kind == "double":
        raw[at:at] = raw[at : at + length]
    elif kind == "cut":
        del raw[at:]
    else:
        raw.clear()
    return bytes(raw)


def main(path: Path, seed: int, times: int, options: dict[str, str]) -> str:
    """Damage the file, read it, restore it, again and again."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    members = sorted(path.parent.glob(f"{path.name.split('.')[0]}.*"))
    content = {member: member.read_bytes() for member in members}
    whole = read_whole(path, **options)
    seen = ""
    for _ in range(times):
        victim = members[int(rng.integers(len(members)))]
        victim.write_bytes(damage(content[victim], rng))
        try:
            found = read_whole(path, **options)
        except PgsTrdError:
            seen += "e"
        else:
            same_size = found[:2] == whole[:2]
            seen += "=" if found == whole else "~" if same_size else "#"
        victim.write_bytes(content[victim])
    return seen


if __name__ == "__main__":
    file, seed_text, times_text, *option_texts = sys.argv[1:]
    chosen = dict(option.split("=") for option in option_texts)
    sys.stdout.write(main(Path(file), int(seed_text), int(times_text), chosen))
