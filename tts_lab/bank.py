"""The bank: an SQLite file that keeps every row that was ever sampled.

Promises: a row read is exactly the row written (text, tokens, finished, float32
log-probability); no row is stored twice; each `put_many` is one transaction, so a
process killed at any moment leaves all chunks before it; a file that is no bank, or
a damaged one, gets a `BankError` when it is opened and stays as it is, byte for byte.
Not covered: scores (a checker is cheap), one file on a network drive for several
machines, and power loss, which may cost the last seconds.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from tts_lab.bank_check import VERSION, piece_crc, upgrade
from tts_lab.bank_file import (
    BankError,
    connect,
    create,
    damaged,
    inspect,
    pack,
    trouble,
    unpack,
)
from tts_lab.proposers import Samples

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
_ROWS_PER_READ = 8192

_Piece = tuple[int, int, int, int]  # first row, rows, chunk, place in the chunk


class Stats(NamedTuple):
    """What a bank holds; `bytes` of its file once closed."""

    streams: int
    rows: int
    bytes: int


class Bank:
    """Sampled rows on disk, by the key of their random stream and row number.

    Safe to use from several threads and processes at once. A context manager.

    Parameters
    ----------
    path : path, optional
        The file; made when there is none. Default: `bank.sqlite` in the user's cache
        folder for tts-lab.
    read_only : bool
        Never write; the file must exist. A closed bank can be read where nothing may
        be written. Do not open one so while another process starts to write to it.
    shipped : Bank, optional
        Asked for rows that this bank lacks; never written to, nor closed.

    Raises
    ------
    BankError
        If the file is no bank, is damaged, comes from a newer version, or cannot be
        opened.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> one = np.ones(1)
    >>> row = Samples(0 * one, 7 * one, ["#85"], 4 * one, one > 0, -one)
    >>> with TemporaryDirectory() as folder, Bank(f"{folder}/bank.sqlite") as bank:
    ...     bank.put(b"a stream", row)
    ...     found = bank.get(b"a stream", range(100))
    >>> found.text, found.row.tolist(), found.tokens.tolist()
    (['#85'], [7], [4])
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        shipped: Bank | None = None,
    ) -> None:
        cache = user_cache_path("tts-lab") / "bank.sqlite"
        self.path = cache if path is None else Path(path)
        self.read_only = read_only
        self.shipped = shipped
        self._lock = RLock()  # one connection for all threads
        if not read_only and not self.path.exists():
            create(self.path)
        version = inspect(self.path)
        with self._errors():
            self._connection = connect(self.path, read_only)
            try:
                if not read_only:
                    self._connection.execute("PRAGMA synchronous = NORMAL")
                    if version < VERSION:
                        upgrade(self._connection)
            except BaseException:
                self._connection.close()
                raise
        crc = "NULL" if read_only and version < VERSION else "crc"
        self._wanted = _WANTED.format(crc=crc)

    def get(self, key: bytes, rows: range) -> Samples:
        """The rows of one stream that are present, ascending; `job` is 0."""
        parts = [unpack(0, zlib.compress(b"")), *self.get_many([key], [rows])]
        job, row, text, tokens, finished, logprob = zip(*parts, strict=True)
        found = Samples(
            np.concatenate(job),
            np.concatenate(row),
            [one for many in text for one in many],
            np.concatenate(tokens),
            np.concatenate(finished),
            np.concatenate(logprob),
        )
        return _taken(found, np.argsort(found.row))

    def get_many(
        self, keys: Sequence[bytes], rows: Sequence[range]
    ) -> Iterator[Samples]:
        """The rows present, chunk by chunk; `job` is an index into keys.

        Parameters
        ----------
        keys : sequence of bytes
        rows : sequence of range
            Wanted of each key, step 1.

        Raises
        ------
        BankError
            If the file is damaged or closed.
        """
        found: list[tuple[int, _Piece]] = []
        gaps: list[tuple[int, range]] = []
        waiting = 0
        for job, (key, wanted) in enumerate(zip(keys, rows, strict=True)):
            pieces = self._pieces(key, wanted)
            found += [(job, piece) for piece in pieces]
            waiting += sum(count for _, count, _, _ in pieces)
            if self.shipped is not None:
                gaps += [(job, gap) for gap in _gaps(wanted, pieces)]
            if waiting >= _ROWS_PER_READ:
                yield from self._load(found)
                found, waiting = [], 0
        yield from self._load(found)
        if self.shipped is not None:
            jobs = np.array([job for job, _ in gaps], np.int32)
            asked = [keys[job] for job, _ in gaps]
            for part in self.shipped.get_many(asked, [gap for _, gap in gaps]):
                yield part._replace(job=jobs[part.job])

    def put(self, key: bytes, samples: Samples) -> None:
        """Store rows of one stream; rows already present are left as they are."""
        job = np.zeros(len(samples.text), np.int32)
        self.put_many([key], samples._replace(job=job))

    def put_many(self, keys: Sequence[bytes], samples: Samples) -> None:
        """Store a delivered chunk in one transaction.

        Parameters
        ----------
        keys : sequence of bytes
        samples : Samples
            `job` is an index into keys. Rows already present are ignored.

        Raises
        ------
        BankError
            If the bank is read-only, closed or damaged, or the disk is full.
        """
        if self.read_only:
            raise BankError(f"bank {self.path} was opened with read_only=True")
        if not len(samples.text):
            return
        job = np.asarray(samples.job).tolist()
        used = set(job)
        fresh: set[int] = set()
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                streams = {i: self._stream(keys[i], fresh) for i in used}
                stream = np.array([streams[i] for i in job], np.int64)
                self._store(stream, samples, fresh, {streams[i]: keys[i] for i in used})
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled back already
                    self._connection.execute("ROLLBACK")
                raise

    def stats(self) -> Stats:
        """Streams, rows and bytes; without those of the shipped bank."""
        with self._lock, self._errors():
            one = self._connection.execute(
                "SELECT (SELECT count(*) FROM streams), "
                "(SELECT coalesce(sum(count), 0) FROM chunks), "
                "page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
        return Stats(*one)

    def close(self) -> None:
        """Close the file; nothing can be read or stored afterwards."""
        with self._lock, self._errors():
            self._connection.close()

    def __enter__(self) -> Bank:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _pieces(self, key: bytes, wanted: range) -> list[_Piece]:
        """What is there of the rows wanted, ascending, cut to them."""
        with self._lock, self._errors():
            query = {"key": key, "start": wanted.start, "stop": wanted.stop}
            found = self._connection.execute(self._wanted, query).fetchall()
        pieces = []
        for *piece, crc in found:
            try:
                whole = crc in (None, piece_crc(key, *piece))
                first, count, chunk, start = piece
                a, b = max(wanted.start, first), min(wanted.stop, first + count)
                pieces.append((a, b - a, chunk, start + a - first))
            except (TypeError, struct.error) as error:  # no numbers
                raise damaged(self.path, error) from error
            if not whole:
                raise damaged(self.path, f"rows {first} and on have a wrong checksum")
        return pieces

    def _load(self, found: list[tuple[int, _Piece]]) -> Iterator[Samples]:
        """The rows of pieces (each with its job); a chunk is unpacked once."""
        flat = sorted((chunk, job, a, n, start) for job, (a, n, chunk, start) in found)
        for chunk, group in groupby(flat, key=itemgetter(0)):
            _, job, first, count, start = np.array(list(group), np.int64).T
            # i counts within its piece: row first + i is entry start + i of the chunk
            i = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
            with self._lock, self._errors():
                stored = self._connection.execute(
                    "SELECT count, data FROM chunks WHERE id = ?", (chunk,)
                ).fetchone()
            try:
                part = _taken(unpack(*stored), np.repeat(start, count) + i)
            except (zlib.error, ValueError, TypeError, IndexError) as error:
                raise damaged(self.path, error) from error
            if not np.array_equal(part.row, np.repeat(first, count) + i):
                raise damaged(self.path, f"chunk {chunk} holds other rows")
            yield part._replace(job=np.repeat(job, count).astype(np.int32))

    def _stream(self, key: bytes, fresh: set[int]) -> int:
        """The number of a stream; one that is new is added to `fresh`."""
        execute = self._connection.execute
        known = execute("SELECT id FROM streams WHERE key = ?", (key,)).fetchone()
        if known is None:
            new = execute("INSERT INTO streams (key) VALUES (?)", (key,)).lastrowid
            fresh.add(number := int(new or 0))
            return number
        return int(known[0])

    def _store(
        self,
        stream: NDArray[np.int64],
        samples: Samples,
        fresh: set[int],
        keys: dict[int, bytes],
    ) -> None:
        """Append the rows that are not yet present; inside a transaction."""
        execute = self._connection.execute
        row = np.asarray(samples.row, np.int64)
        order = np.lexsort((row, stream))
        stream, row = stream[order], row[order]
        new = np.ones(len(row), np.bool_)
        new[1:] = (np.diff(stream) != 0) | (np.diff(row) != 0)
        for a, b in pairwise(_runs(stream, row)):
            if int(stream[a]) in fresh:
                continue
            start, stop = int(row[a]), int(row[b - 1]) + 1
            # no more pieces than rows can overlap them
            query = (int(stream[a]), stop, stop - start)
            for first, count in execute(_PRESENT, query):
                if first + count <= start:
                    break
                again = row[a:b] >= first
                again &= row[a:b] < first + count
                new[a:b] &= ~again
        if not new.all():
            stream, row, order = stream[new], row[new], order[new]
        for a in range(0, len(row), _ROWS_PER_CHUNK):
            part = slice(a, a + _ROWS_PER_CHUNK)
            chunk = execute(
                "INSERT INTO chunks (count, data) VALUES (?, ?)",
                (len(row[part]), pack(_taken(samples, order[part]))),
            ).lastrowid
            pieces = [
                (int(stream[a + i]), (int(row[a + i]), j - i, int(chunk or 0), i))
                for i, j in pairwise(_runs(stream[part], row[part]))
            ]
            self._connection.executemany(
                "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?)",
                [(one, *of, piece_crc(keys[one], *of)) for one, of in pieces],
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise trouble(self.path, error) from error
        except UnicodeDecodeError as error:  # a damaged name
            raise damaged(self.path, error) from error


def _runs(stream: NDArray[np.int64], row: NDArray[np.int64]) -> list[int]:
    """Where runs of consecutive rows of a stream begin; and the end.

    >>> _runs(np.array([1, 1, 1, 2]), np.array([7, 8, 10, 11]))
    [0, 2, 3, 4]
    """
    jump = (np.diff(stream) != 0) | (np.diff(row) > 1)
    return [0, *(np.flatnonzero(jump) + 1).tolist(), len(row)]


def _taken(samples: Samples, index: NDArray[np.intp]) -> Samples:
    job, row, text, tokens, finished, logprob = samples
    return Samples(
        np.asarray(job, np.int32)[index],
        np.asarray(row, np.int64)[index],
        [text[i] for i in index.tolist()],
        np.asarray(tokens, np.int32)[index],
        np.asarray(finished, np.bool_)[index],
        np.asarray(logprob, np.float32)[index],
    )


def _gaps(wanted: range, pieces: Sequence[_Piece]) -> list[range]:
    """The rows wanted that no piece holds."""
    starts = [wanted.start, *(first + count for first, count, _, _ in pieces)]
    stops = [*(first for first, _, _, _ in pieces), wanted.stop]
    return [range(a, b) for a, b in zip(starts, stops, strict=True) if a < b]
