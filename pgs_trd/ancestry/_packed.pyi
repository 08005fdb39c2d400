from typing import Any

def paths() -> tuple[str, ...]: ...
def count_rows(
    codes: Any, out: Any, n_rows: int, n_columns: int, start: int, end: int, path: int, /
) -> None: ...
def transpose(
    codes: Any, out: Any, n_rows: int, n_columns: int, start: int, end: int, path: int, /
) -> None: ...
def multiply(
    codes: Any,
    coefficients: Any,
    dense: Any,
    out: Any,
    n_rows: int,
    n_columns: int,
    width: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
def add_missing(
    codes: Any,
    dense: Any,
    out: Any,
    n_rows: int,
    n_columns: int,
    width: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
def split_planes(
    codes: Any, planes: Any, n_rows: int, n_columns: int, start: int, end: int, path: int, /
) -> None: ...
def king(
    first: Any, second: Any, out: Any, n_first: int, n_second: int, n_columns: int, path: int, /
) -> None: ...
def correlate(
    one: Any,
    planes: Any,
    others: Any,
    out: Any,
    n_rows: int,
    n_others: int,
    n_columns: int,
    start: int,
    end: int,
    path: int,
    /,
) -> None: ...
def hardy(counts: Any, out: Any, n: int, is_mid: bool, /) -> None: ...
