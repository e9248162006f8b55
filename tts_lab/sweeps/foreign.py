"""Sample files of sweeps that others made: refused in words, before a bank takes them.

Promises: whatever lies in the folder, merging ends with a `SweepError` that names the
file, or with rows that a bank can keep. Not covered: rows that somebody made up; a
bank cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tts_lab.sweeps.store import SweepError

LARGEST = 4 << 30  # bytes of a file's columns, unpacked
MOST_ROWS = 50_000_000
TYPES = {
    "key": "binary", "row": "int64", "text": "string", "tokens": "int32",
    "finished": "bool", "logprob": "float",
}  # fmt: skip


@contextmanager
def named(file: str) -> Iterator[None]:
    """What goes wrong in here is said of this file."""
    import pyarrow as pa

    try:
        yield
    except (
        pa.ArrowException,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:
        raise SweepError(
            f"{file} is damaged, or holds no samples of a sweep ({error!r:.200})"
        ) from error


def refuse_large(opened: Any) -> None:
    """See, in the footer alone, that a file does not unpack to more than fits.

    Raises
    ------
    ValueError
    """
    import pyarrow.parquet as pq

    about = pq.ParquetFile(opened).metadata
    parts = [about.row_group(i) for i in range(about.num_row_groups)]
    size = sum(part.total_byte_size for part in parts)
    if about.num_rows > MOST_ROWS or size > LARGEST:
        raise ValueError(
            f"{about.num_rows:,} rows, {size:,} bytes; accepted are {MOST_ROWS:,} and "
            f"{LARGEST:,}"
        )


def check(table: Any) -> None:
    """See that a table has the columns that a bank takes, of their types and whole.

    Raises
    ------
    ValueError
        Which quotes what is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, kind in TYPES.items():
        if name not in table.column_names:
            raise ValueError(f"it has no column {name}")
        column = table[name]
        if column.type != pa.type_for_alias(kind) or column.null_count:
            raise ValueError(
                f"column {name} is {column.type} with {column.null_count} nulls; "
                f"accepted is {kind} without any"
            )
    if "raw" not in table.column_names or table["raw"].type != pa.binary():
        raise ValueError("it has no column raw of binary")
    if len(table) and pc.any(pc.not_equal(pc.binary_length(table["key"]), 16)).as_py():
        raise ValueError("a key has another length than 16 bytes")
    for name in ("row", "tokens"):
        if len(table) and pc.min(table[name]).as_py() < 0:
            raise ValueError(
                f"column {name} has {pc.min(table[name])}; accepted is 0 on"
            )
    if pc.any(pc.is_nan(table["logprob"])).as_py():
        raise ValueError("a log-probability is NaN")
