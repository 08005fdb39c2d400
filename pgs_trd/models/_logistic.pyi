from typing import Any

def paths() -> tuple[str, ...]: ...
def run(
    dgemm: Any,
    basis: Any,
    own: Any,
    coefficients: Any,
    models: Any,
    outcome: Any,
    prior: Any,
    offset: Any,
    sums: Any,
    slopes: Any,
    pairs: Any,
    extra: Any,
    n_shared: int,
    n_own: int,
    n_all: int,
    n_people: int,
    start: int,
    end: int,
    family: int,
    mode: int,
    path: int,
    /,
) -> None: ...
