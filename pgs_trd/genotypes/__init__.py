"""Genotype files of every kind behind one protocol."""

from pgs_trd.genotypes.bgen import BgenSource
from pgs_trd.genotypes.filesets import FilesetSource
from pgs_trd.genotypes.opening import open_genotypes
from pgs_trd.genotypes.packing import count_alleles, pack_codes, unpack_codes
from pgs_trd.genotypes.plink1 import Plink1Source
from pgs_trd.genotypes.plink1_write import write_plink1
from pgs_trd.genotypes.plink2 import Plink2Source
from pgs_trd.genotypes.source import GenotypeBlock, GenotypeSource
from pgs_trd.genotypes.subset import SubsetSource, subset_genotypes
from pgs_trd.genotypes.vcf import VcfSource

__all__ = [
    "BgenSource",
    "FilesetSource",
    "GenotypeBlock",
    "GenotypeSource",
    "Plink1Source",
    "Plink2Source",
    "SubsetSource",
    "VcfSource",
    "count_alleles",
    "open_genotypes",
    "pack_codes",
    "subset_genotypes",
    "unpack_codes",
    "write_plink1",
]
