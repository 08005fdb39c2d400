"""Threads over people, and BLAS kept to one while they run."""

from __future__ import annotations

from threadpoolctl import threadpool_info

from pgs_trd.models.workers import PEOPLE_PER_PART, Workers


def blas_threads() -> list[int]:
    """Give the number of threads of each BLAS in this process."""
    return [part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"]


def test_workers__keep_blas_to_one_thread_and_give_it_back():
    """BLAS's own threads wait by spinning; what comes after a fit must have them again."""
    before = blas_threads()

    with Workers(2):
        inside = blas_threads()

    assert before
    assert set(inside) == {1}
    assert blas_threads() == before


def test_workers__parts_do_not_depend_on_the_number_of_threads():
    """Sums of parts are then the same to the last bit."""
    n_people = 3 * PEOPLE_PER_PART + 5
    parts = []
    for threads in (1, 3):
        with Workers(threads) as workers:
            parts.append(workers.map(lambda start, end: (start, end), n_people))

    assert parts[0] == parts[1]
    assert parts[0][0] == (0, PEOPLE_PER_PART)
    assert parts[0][-1] == (3 * PEOPLE_PER_PART, n_people)
