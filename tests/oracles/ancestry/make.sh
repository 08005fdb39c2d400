#!/bin/sh
# What plink2 computes of two real sets; run in this folder, with the folder of the sets as $1.
# Made with PLINK v2.00a3.5 AVX2 (9 Aug 2022) of Debian 12.
set -eu
hapmap="--bfile $1/hapmap3/hm3_b36"
missing="--bfile $1/chrx_missing/data --chr 1-22"
plink2 $hapmap --maf 0.05 --geno 0.02 --pca 20 meanimpute --out part
cut -f2- part.eigenvec > pca_hapmap3.tsv
cp part.eigenval pca_hapmap3.eigenval.txt
plink2 $hapmap --het --out part
cut -f2- part.het > het_hapmap3.tsv
plink2 $hapmap --make-king-table --king-table-filter 0.04419417 --out part
cut -f2,4,7,8 part.kin0 | sed '1s/.*/#IID1\tIID2\tIBS0\tKINSHIP/' > king_hapmap3.tsv
plink2 $missing --indep-pairwise 50 1 0.2 --out part
cp part.prune.out prune_chrx_missing_50_1_0.2.out.txt
plink2 $hapmap --indep-pairwise 5000kb 0.01 --out part
cp part.prune.out prune_hapmap3_5000kb_0.01.out.txt
plink2 $missing --indep-pairwise 1000kb 0.1 --out part
cp part.prune.out prune_chrx_missing_1000kb_0.1.out.txt
rm part.*
