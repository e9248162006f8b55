"""Rows of a file: JSON lines, a JSON array, Parquet, or a folder that `datasets` saved.

JSON is read without any library. Every row comes with the words for where it stands
("line 7"), for the errors of those who read its columns.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PIP = 'pip install "tts-lab[text]"'
KINDS = (".jsonl", ".json", ".parquet")


def read_rows(
    path: str | Path, *, split: str | None = None
) -> Iterator[tuple[str, Row]]:
    """Each row of a file, with the words for its place.

    Parameters
    ----------
    path : path
        `*.jsonl` or `*.json` (an array of objects, or lines; UTF-8, blank lines
        are skipped), `*.parquet`, or a folder made by `Dataset.save_to_disk`.
    split : str, optional
        Of a folder that has several; default "test", or the only one.

    Raises
    ------
    ValueError
        If the file is missing, empty, of another kind or damaged, or a row is no
        object; the message names the line.
    ImportError
        If Parquet or a folder needs a library that is not installed.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        rows = _saved(path, split)
    elif not path.is_file():
        raise ValueError(f"{str(path)!r} is no file and no folder")
    elif path.suffix == ".parquet":
        rows = _parquet(path)
    elif path.suffix in (".jsonl", ".json", ".ndjson"):
        rows = _json(path)
    else:
        raise ValueError(
            f"{str(path)!r} cannot be read; accepted are {', '.join(KINDS)} and a "
            "folder saved by datasets' save_to_disk"
        )
    empty = True
    for where, row in rows:
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, {where}: {type(row).__name__} instead of an object such as "
                '{"problem": "...", "answer": "..."}'
            )
        empty = False
        yield where, row
    if empty:
        raise ValueError(f"{str(path)!r} has no rows")


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            while (first := file.read(1)).isspace():
                pass
            file.seek(0)
            if first != "[":
                yield from _lines(path, file)
                return
            try:
                array = json.load(file)
            except UnicodeDecodeError:
                raise
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path} is not JSON: {error}") from None
            for number, row in enumerate(array, 1):
                yield f"row {number}", row
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None


def _lines(path: Path, file: Any) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(
                    f"{path}, line {number} is not JSON: {error}"
                ) from None
            yield f"line {number}", row


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    _need("pyarrow", "Parquet")
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{path} is not Parquet: {error}") from None


def _saved(path: Path, split: str | None) -> Iterator[tuple[str, Any]]:
    _need("datasets", "a folder saved by datasets")
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:  # its errors have no common class
        raise ValueError(
            f"{str(path)!r} is no folder saved by datasets' save_to_disk: {error}"
        ) from None
    yield from dataset_rows(one_split(found, split, str(path)))


def dataset_rows(found: Any) -> Iterator[tuple[str, Row]]:
    """The rows of a `datasets.Dataset`, with their places."""
    for number, row in enumerate(found, 1):
        yield f"row {number}", row


def one_split(found: Any, split: str | None, name: str) -> Any:
    """The split asked for; else `test`, or the only one.

    Raises
    ------
    ValueError
        If there is no such split, or several and none is called test.
    """
    if not hasattr(found, "keys"):  # a Dataset, not a dictionary of them
        return found
    only = "test" if len(found) > 1 else next(iter(found), "test")
    wanted = split or only
    if wanted not in found:
        raise ValueError(
            f"split {wanted!r} of {name!r} does not exist; there are {sorted(found)}"
        )
    return found[wanted]


def _need(module: str, what: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ImportError(f"{what} needs {module}: {PIP}")
