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
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import NamedTuple

import numpy as np
from platformdirs import user_cache_path

from tts_lab.bank_check import VERSION, piece_crc, upgrade
from tts_lab.bank_file import (
    BankError,
    connect,
    create,
    damaged,
    inspect,
    stamp,
    trouble,
    unpack,
)
from tts_lab.bank_rows import Piece, gaps, query, store, taken
from tts_lab.proposers import Samples

_ROWS_PER_READ = 8192


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
        self._seen = stamp(self.path)
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
        self._wanted = query(checked=not read_only or version >= VERSION)

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
        return taken(found, np.argsort(found.row))

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
        found: list[tuple[int, Piece]] = []
        missing: list[tuple[int, range]] = []
        waiting = 0
        for job, (key, wanted) in enumerate(zip(keys, rows, strict=True)):
            pieces = self._pieces(key, wanted)
            found += [(job, piece) for piece in pieces]
            waiting += sum(count for _, count, _, _ in pieces)
            if self.shipped is not None:
                missing += [(job, gap) for gap in gaps(wanted, pieces)]
            if waiting >= _ROWS_PER_READ:
                yield from self._load(found)
                found, waiting = [], 0
        yield from self._load(found)
        if self.shipped is not None:
            jobs = np.array([job for job, _ in missing], np.int32)
            asked = [keys[job] for job, _ in missing]
            for part in self.shipped.get_many(asked, [gap for _, gap in missing]):
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
        with self._lock, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                store(self._connection, keys, samples)
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

    def _pieces(self, key: bytes, wanted: range) -> list[Piece]:
        """What is there of the rows wanted, ascending, cut to them."""
        with self._lock, self._errors():
            limits = {"key": key, "start": wanted.start, "stop": wanted.stop}
            found = self._connection.execute(self._wanted, limits).fetchall()
        pieces = []
        for *piece, crc in found:
            try:
                whole = crc in (None, piece_crc(key, *piece))
                first, count, chunk, start = piece
                a, b = max(wanted.start, first), min(wanted.stop, first + count)
                pieces.append((a, b - a, chunk, start + a - first))
            except (TypeError, struct.error) as error:  # no numbers
                raise self._damaged(error) from error
            if not whole:
                reason = f"rows {first} and on have a wrong checksum"
                raise self._damaged(reason)
        return pieces

    def _load(self, found: list[tuple[int, Piece]]) -> Iterator[Samples]:
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
                part = taken(unpack(*stored), np.repeat(start, count) + i)
            except (zlib.error, ValueError, TypeError, IndexError) as error:
                raise self._damaged(error) from error
            if not np.array_equal(part.row, np.repeat(first, count) + i):
                raise self._damaged(f"chunk {chunk} holds other rows")
            yield part._replace(job=np.repeat(job, count).astype(np.int32))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self._outdated():
                raise self._damaged(error) from error
            raise trouble(self.path, error) from error
        except sqlite3.Error as error:
            raise trouble(self.path, error) from error
        except UnicodeDecodeError as error:  # a damaged name
            raise self._damaged(error) from error

    def _damaged(self, reason: object) -> BankError:
        if self._outdated():
            return BankError(
                f"bank {self.path} was written by another program after it was opened "
                f"with read_only=True ({reason}): open it again"
            )
        return damaged(self.path, reason)

    def _outdated(self) -> bool:
        """Whether what is read may be half of what another process wrote."""
        return self.read_only and stamp(self.path) != self._seen
