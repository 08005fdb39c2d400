"""Fitted principal components: what a reference of ancestry holds, and its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.tables import replace_on_success

FloatArray = npt.NDArray[np.float64]

# Raised when a file could no longer be read by the code below.
FILE_VERSION = 1
VARIANT_TEXTS = ("chromosome", "id", "effect_allele", "other_allele")
VARIANT_COLUMNS = (
    "chromosome", "position", "id", "effect_allele", "other_allele", "frequency", "sd",
)  # fmt: skip


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal components of a set of people, and what projects others on them.

    With X the standardised genotypes, people x variants, ``(copies - 2p) / sd``
    and 0 where missing, the components are the left and the loadings the right
    singular vectors of X: ``X @ loadings == scores``.

    Attributes
    ----------
    components : (n_people, n_components)
        Unit-length eigenvectors of the genetic relationship matrix X X' / n_variants,
        columns PC1, PC2, ...; index `person_id`. The sign is such that the entry of
        largest size is positive.
    eigenvalues : (n_components,)
        Of the relationship matrix, largest first.
    loadings : (n_variants, n_components)
        Unit-length right singular vectors, in the order of `variants`.
    variants : (n_variants,)
        Only those that vary: chromosome (canonical name), position (1-based), id,
        effect_allele (the one that is counted), other_allele, frequency (of the
        effect allele among these people), sd (``sqrt(2 p (1 - p))``, of a copy count).
    build
        Genome build of the positions, as `canonical_build` spells it; None if unknown.
    labels : (n_people,) or None
        Group of each person, text, in the order of `components`; missing if unknown.
    versions
        Of Python, pgs_trd and libraries that made it.
    residuals : (n_components,) or None
        How exact each component is: length of ``A u - eigenvalue u``, A the
        relationship matrix, divided by the eigenvalue; None if unknown.
    """

    components: pd.DataFrame
    eigenvalues: FloatArray
    loadings: FloatArray
    variants: pd.DataFrame
    build: str | None = None
    labels: pd.Series[str] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    residuals: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.variants), self.components.shape[1])
        expected = {"loadings": shape, "eigenvalues": shape[1:], "residuals": shape[1:]}
        for name, wanted in expected.items():
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape != wanted:
                raise ValueError(f"{name} have shape {array.shape}, expected {wanted}")
            array.flags.writeable = False
        absent = [name for name in VARIANT_COLUMNS if name not in self.variants]
        if absent:
            raise ValueError(f"variants have no column {', '.join(absent)}")
        if self.labels is not None and not self.labels.index.equals(self.components.index):
            raise ValueError("labels must be of the people of components, in their order")

    @property
    def n_people(self) -> int:
        """How many people they were fitted in."""
        return len(self.components)

    @property
    def n_variants(self) -> int:
        """How many variants they rest on."""
        return len(self.variants)

    @property
    def singular_values(self) -> FloatArray:
        """Singular values (n_components,) of the standardised genotypes."""
        values: FloatArray = np.sqrt(self.eigenvalues * self.n_variants)
        return values

    @property
    def scores(self) -> pd.DataFrame:
        """Standardised genotypes times loadings: components times singular values.

        This is the scale of projected people.
        """
        return self.components * self.singular_values


def write_reference(reference: PrincipalComponents, path: Path) -> None:
    """Write `reference` as one file, which holds no genotypes.

    The file holds ids, components and labels of its people: whoever may not see
    these may not see the file.

    Raises
    ------
    UsageError
        If the name does not end in .npz.
    """
    if path.suffix != ".npz":
        raise UsageError(f"a reference is one .npz file, got {path.name!r}")
    variants = reference.variants
    arrays = {
        "components": reference.components.to_numpy(dtype=np.float64),
        "person_id": reference.components.index.to_numpy().astype(str),
        "eigenvalues": reference.eigenvalues,
        "loadings": reference.loadings,
        **{
            name: variants[name].to_numpy().astype(str)
            if name in VARIANT_TEXTS
            else variants[name].to_numpy()
            for name in VARIANT_COLUMNS
        },
    }
    if reference.residuals is not None:
        arrays["residuals"] = reference.residuals
    if reference.labels is not None:
        arrays["labels"] = reference.labels.fillna("").to_numpy().astype(str)
    about = {
        "file_version": FILE_VERSION,
        "build": reference.build,
        "versions": dict(reference.versions),
    }
    arrays["about"] = np.array(json.dumps(about, sort_keys=True))
    with replace_on_success(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)


def read_reference(path: Path) -> PrincipalComponents:
    """Read what `write_reference` wrote.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is no reference, is damaged, or is of a later version of pgs_trd.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            arrays = {name: _array(file[name]) for name in file.files}
        about = json.loads(str(arrays["about"]))
        if about["file_version"] > FILE_VERSION:
            raise DataError(
                f"{path.name}: is of version {about['file_version']}, this pgs_trd reads up to "
                f"version {FILE_VERSION}: install the version of pgs_trd that wrote it"
            )
        return _from_arrays(arrays, about)
    except DataError:
        raise
    except Exception as error:  # whatever zipfile, zlib and numpy come to in a damaged file
        raise DataError(
            f"{path.name}: is no ancestry reference of pgs_trd, or damaged: {error}"
        ) from error


def _array(member: object) -> npt.NDArray[np.generic]:
    """Give a member of the file, or refuse one that numpy no longer knows for an array."""
    if isinstance(member, np.ndarray):
        return member
    raise ValueError("a part of it is no array")  # numpy gives its bytes then


def _from_arrays(
    arrays: Mapping[str, npt.NDArray[np.generic]], about: Mapping[str, object]
) -> PrincipalComponents:
    """Put together a reference from the arrays of its file."""
    index = pd.Index(arrays["person_id"].astype(object), name="person_id")
    components = np.asarray(arrays["components"], dtype=np.float64)
    labels = None
    if "labels" in arrays:
        texts = pd.Series(arrays["labels"].astype(object), index=index, name="label")
        labels = texts.mask(texts == "")
    versions = about["versions"]
    build = about["build"]
    assert isinstance(versions, dict)
    return PrincipalComponents(
        components=pd.DataFrame(
            components, index=index, columns=[f"PC{k + 1}" for k in range(components.shape[1])]
        ),
        eigenvalues=np.asarray(arrays["eigenvalues"], dtype=np.float64),
        loadings=np.asarray(arrays["loadings"], dtype=np.float64),
        variants=pd.DataFrame(
            {
                name: arrays[name].astype(object) if name in VARIANT_TEXTS else arrays[name]
                for name in VARIANT_COLUMNS
            }
        ),
        build=None if build is None else str(build),
        labels=labels,
        versions=versions,
        residuals=(
            np.asarray(arrays["residuals"], dtype=np.float64) if "residuals" in arrays else None
        ),
    )
