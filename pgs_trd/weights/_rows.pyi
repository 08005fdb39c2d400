from typing import Any

def split(
    text: Any, separator: int, kinds: Any, weights: Any, others: Any, kept: Any, /
) -> int | None: ...
