"""Groups of hidden cells whose sum follows from the totals of a table.

A total less the cells shown of its line is the sum of the hidden ones. Such sums of
several lines can be added and taken from each other, and what is left can again
be a group of people: two rows less a column, say. The indicator of such a group
is a linear combination of the indicators of the totals that are shown. These are
a network, whose matrix is totally unimodular, so that whole multiples are enough
[1]_ and a small integer program finds the smallest group.

References
----------
.. [1] Schrijver (1986) Theory of Linear and Integer Programming, chapter 19.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
MOST_NODES = 20_000


@dataclass(frozen=True)
class DerivedGroup:
    """People of some hidden cells, whose number the totals give.

    Attributes
    ----------
    n_people
        How many they are.
    totals
        Rows of the equations that give them: numbers of lines, as in the call.
    """

    n_people: int
    totals: tuple[int, ...]


def smallest_group(equations: FloatArray, counts: IntArray, threshold: int) -> DerivedGroup | None:
    """Find a group of 1..threshold people that the equations give, the smallest one.

    Parameters
    ----------
    equations : (n_totals, n_cells)
        Which hidden cells each total, less what is shown of its line, sums: 0 or 1.
    counts : (n_cells,)
        People in the hidden cells.
    threshold
        Groups of more people than this are no concern.

    Returns
    -------
    DerivedGroup or None
        None if there is no such group.
    """
    n_totals, n_cells = equations.shape
    if (
        not n_totals
        or not n_cells
        or int(counts[counts > 0].min(initial=threshold + 1)) > (threshold)
    ):
        return None
    sizes = equations @ counts
    solution = milp(
        sizes,
        integrality=np.ones(n_totals, dtype=np.int64),
        bounds=Bounds(-n_totals, n_totals),
        constraints=[
            LinearConstraint(equations.T, 0, 1),
            LinearConstraint(sizes[np.newaxis, :], 1, threshold),
        ],
        options={"node_limit": MOST_NODES},
    )
    if solution.x is None:
        return None
    multiples = np.rint(solution.x)
    used = tuple(int(line) for line in np.flatnonzero(multiples))
    return DerivedGroup(round(float(sizes @ multiples)), used)
