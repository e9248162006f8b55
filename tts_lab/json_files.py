"""JSON files that others made: read with limits, and refused in words.

Promises: whatever the file holds, `read_object` ends soon with an object or a
`ValueError` that names the file. Not covered: what is in the object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 100_000_000  # bytes; the longest tokenizer.json in use has a third of that


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises
    ------
    ValueError
        If it is too large, not UTF-8, not JSON, nested too deeply, or no object.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "config.json"
    ...     _ = path.write_text('{"hidden_size": 64}')
    ...     read_object(path)
    {'hidden_size': 64}
    """
    if not path.is_file():  # a pipe would be waited for
        raise FileNotFoundError(f"{path} is no file")
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path} has {size:,} bytes; accepted are {LARGEST:,}")
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a {type(found).__name__}, no object")
    return found


def is_count(value: object, *, least: int = 1, most: int = 2**40) -> bool:
    """Whether a value is a whole number that may count something.

    >>> [is_count(one) for one in (64, 0, -1, True, 64.0, "64", 10**30)]
    [True, False, False, False, False, False, False]
    """
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and least <= value <= most
    )
