from typing import Any

def paths() -> tuple[str, ...]: ...
def count_codes(
    codes: Any, counts: Any, n_rows: int, n_people: int, start: int, end: int, path: int, /
) -> None: ...
def count_dosages(
    dosages: Any, counts: Any, n_rows: int, n_people: int, start: int, end: int, path: int, /
) -> None: ...
def narrow_size(n_rows: int, n_columns: int, /) -> int: ...
def scratch_size() -> int: ...
def make_narrow(
    table: Any, narrow: Any, n_rows: int, n_columns: int, start: int, end: int, path: int, /
) -> None: ...
def score_codes(
    codes: Any,
    table: Any,
    narrow: Any,
    scratch: Any,
    sums: Any,
    n_rows: int,
    n_people: int,
    n_columns: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
def score_dosages(
    dosages: Any,
    table: Any,
    narrow: Any,
    scratch: Any,
    sums: Any,
    n_rows: int,
    n_people: int,
    n_columns: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
def fill_codes(
    table: Any,
    rows: Any,
    copies: Any,
    effects: Any,
    from_: Any,
    chosen: Any,
    scales: Any,
    columns: Any,
    n: int,
    n_file_rows: int,
    n_file_scores: int,
    n_chosen: int,
    n_rows: int,
    n_columns: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
