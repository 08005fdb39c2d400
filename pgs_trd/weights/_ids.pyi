from typing import Any

def number(
    offsets: Any,
    data: Any,
    is_null: Any,
    n: int,
    is_wide: bool,
    slots: Any,
    first: Any,
    number: Any,
    /,
) -> int: ...
def find(
    offsets: Any,
    data: Any,
    is_null: Any,
    n: int,
    is_wide: bool,
    slots: Any,
    first: Any,
    asked_offsets: Any,
    asked_data: Any,
    asked_is_null: Any,
    asked_n: int,
    asked_is_wide: bool,
    number: Any,
    /,
) -> None: ...
