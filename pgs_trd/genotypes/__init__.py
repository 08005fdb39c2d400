"""Genotype files of every kind behind one protocol."""

from pgs_trd.genotypes.opening import open_genotypes
from pgs_trd.genotypes.packing import count_alleles, pack_codes, unpack_codes
from pgs_trd.genotypes.plink1 import Plink1Source
from pgs_trd.genotypes.plink1_write import write_plink1
from pgs_trd.genotypes.source import GenotypeBlock, GenotypeSource
from pgs_trd.genotypes.vcf import VcfSource

__all__ = [
    "GenotypeBlock",
    "GenotypeSource",
    "Plink1Source",
    "VcfSource",
    "count_alleles",
    "open_genotypes",
    "pack_codes",
    "unpack_codes",
    "write_plink1",
]
