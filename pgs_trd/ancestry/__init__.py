"""Ancestry: principal components of genotypes."""

from pgs_trd.ancestry.pca import PrincipalComponents, choose_variants, fit_pca

__all__ = ["PrincipalComponents", "choose_variants", "fit_pca"]
