"""Rows of the bank: which are wanted, which are new, and how they are stored.

Everything here is inside a transaction of whoever calls it, or touches no file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tts_lab.bank_check import piece_crc
from tts_lab.bank_file import pack
from tts_lab.proposers import Samples

Piece = tuple[int, int, int, int]  # first row, rows, chunk, place in the chunk

_ROWS_PER_CHUNK = 1024  # and so of a piece; part of the file format
_WANTED = f"""
SELECT first, pieces.count, chunk, start, {{crc}}
FROM streams JOIN pieces ON stream = id
WHERE key = :key AND first < :stop AND first > :start - {_ROWS_PER_CHUNK}
AND first + pieces.count > :start ORDER BY first
"""
_PRESENT = """
SELECT first, count FROM pieces WHERE stream = ? AND first < ?
ORDER BY first DESC LIMIT ?
"""


def query(*, checked: bool) -> str:
    """What finds the pieces of a stream; the first version has no checksums."""
    return _WANTED.format(crc="crc" if checked else "NULL")


def store(
    connection: sqlite3.Connection, keys: Sequence[bytes], samples: Samples
) -> None:
    """Append the rows that are not yet present, `job` being an index into keys."""
    job = np.asarray(samples.job).tolist()
    used = set(job)
    fresh: set[int] = set()
    streams = {i: _stream(connection, keys[i], fresh) for i in used}
    key_of = {streams[i]: keys[i] for i in used}
    stream = np.array([streams[i] for i in job], np.int64)
    row = np.asarray(samples.row, np.int64)
    order = np.lexsort((row, stream))
    stream, row = stream[order], row[order]
    new = np.ones(len(row), np.bool_)
    new[1:] = (np.diff(stream) != 0) | (np.diff(row) != 0)
    for a, b in pairwise(runs(stream, row)):
        if int(stream[a]) in fresh:
            continue
        start, stop = int(row[a]), int(row[b - 1]) + 1
        # no more pieces than rows can overlap them
        limits = (int(stream[a]), stop, stop - start)
        for first, count in connection.execute(_PRESENT, limits):
            if first + count <= start:
                break
            again = row[a:b] >= first
            again &= row[a:b] < first + count
            new[a:b] &= ~again
    if not new.all():
        stream, row, order = stream[new], row[new], order[new]
    for a in range(0, len(row), _ROWS_PER_CHUNK):
        part = slice(a, a + _ROWS_PER_CHUNK)
        chunk = connection.execute(
            "INSERT INTO chunks (count, data) VALUES (?, ?)",
            (len(row[part]), pack(taken(samples, order[part]))),
        ).lastrowid
        pieces = [
            (int(stream[a + i]), (int(row[a + i]), j - i, int(chunk or 0), i))
            for i, j in pairwise(runs(stream[part], row[part]))
        ]
        connection.executemany(
            "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?)",
            [(one, *of, piece_crc(key_of[one], *of)) for one, of in pieces],
        )


def _stream(connection: sqlite3.Connection, key: bytes, fresh: set[int]) -> int:
    """The number of a stream; one that is new is added to `fresh`."""
    known = connection.execute(
        "SELECT id FROM streams WHERE key = ?", (key,)
    ).fetchone()
    if known is None:
        new = connection.execute("INSERT INTO streams (key) VALUES (?)", (key,))
        fresh.add(number := int(new.lastrowid or 0))
        return number
    return int(known[0])


def runs(stream: NDArray[np.int64], row: NDArray[np.int64]) -> list[int]:
    """Where runs of consecutive rows of a stream begin; and the end.

    >>> runs(np.array([1, 1, 1, 2]), np.array([7, 8, 10, 11]))
    [0, 2, 3, 4]
    """
    jump = (np.diff(stream) != 0) | (np.diff(row) > 1)
    return [0, *(np.flatnonzero(jump) + 1).tolist(), len(row)]


def taken(samples: Samples, index: NDArray[np.intp]) -> Samples:
    """Some of the rows, in this order."""
    job, row, text, tokens, finished, logprob = samples
    return Samples(
        np.asarray(job, np.int32)[index],
        np.asarray(row, np.int64)[index],
        [text[i] for i in index.tolist()],
        np.asarray(tokens, np.int32)[index],
        np.asarray(finished, np.bool_)[index],
        np.asarray(logprob, np.float32)[index],
    )


def gaps(wanted: range, pieces: Sequence[Piece]) -> list[range]:
    """The rows wanted that no piece holds.

    >>> gaps(range(10), [(2, 3, 0, 0)])
    [range(0, 2), range(5, 10)]
    """
    starts = [wanted.start, *(first + count for first, count, _, _ in pieces)]
    stops = [*(first for first, _, _, _ in pieces), wanted.stop]
    return [range(a, b) for a, b in zip(starts, stops, strict=True) if a < b]
