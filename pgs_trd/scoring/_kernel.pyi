from typing import Any

def count_codes(
    codes: Any, counts: Any, n_rows: int, n_people: int, start: int, end: int, /
) -> None: ...
def score_codes(
    codes: Any,
    table: Any,
    sums: Any,
    n_rows: int,
    n_people: int,
    n_columns: int,
    start: int,
    end: int,
    /,
) -> None: ...
def score_dosages(
    dosages: Any,
    table: Any,
    sums: Any,
    n_rows: int,
    n_people: int,
    n_columns: int,
    start: int,
    end: int,
    /,
) -> None: ...
