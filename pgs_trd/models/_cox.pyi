from typing import Any

def walk_means(
    sets: tuple[Any, ...],
    arrays: tuple[Any, ...],
    n_people: int,
    n_days: int,
    n_shared: int,
    n_factors: int,
    /,
) -> None: ...
def walk_penalty(
    sets: tuple[Any, ...], arrays: tuple[Any, ...], n_people: int, n_days: int, n_shared: int, /
) -> None: ...
def spread(
    sets: tuple[Any, ...], arrays: tuple[Any, ...], n_people: int, n_days: int, /
) -> None: ...
def add_gram(arrays: tuple[Any, ...], n_people: int, n_shared: int, /) -> None: ...
def predict(arrays: tuple[Any, ...], n_people: int, n_shared: int, /) -> None: ...
