"""The bank's file: its schema, how rows are packed in it, and whether to trust it.

A file is looked at before it is opened for writing: one that is no bank, is damaged or
comes from a newer version gets a `BankError` and stays as it is, byte for byte. One of
an older version is read as it is, and upgraded when it is opened for writing.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import numpy as np

from tts_lab.bank_check import VERSION, fault, version_of
from tts_lab.proposers import Samples

APPLICATION_ID = int.from_bytes(b"ttsb", "big")

# Rows of many streams share a chunk: a tree search delivers one row of each of a
# thousand streams, and a blob for each would cost more than sampling it.
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE streams (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    data BLOB NOT NULL  -- see pack
);
CREATE TABLE pieces (
    stream INTEGER NOT NULL REFERENCES streams (id),
    first INTEGER NOT NULL,  -- rows first to first + count - 1 of the stream
    count INTEGER NOT NULL,
    chunk INTEGER NOT NULL REFERENCES chunks (id),
    start INTEGER NOT NULL,  -- are entries start to start + count - 1 of the chunk
    crc INTEGER NOT NULL DEFAULT 0,  -- see bank_check.piece_crc
    PRIMARY KEY (stream, first)
) WITHOUT ROWID;
"""
_CHECKED_BYTES = 256 << 20  # larger files are not read through when they are opened
_ASIDE = "move it away or pass another path; it was not touched"
_SETTLED_SECONDS = 0.05  # more than the grain of any file's time
_BUSY_SECONDS = 60.0  # how long to wait for another process that is writing


class BankError(OSError):
    """The bank's file cannot be used; the message names it and says what to do.

    Attributes
    ----------
    unsaved : tuple or None
        Of a run whose bank failed: keys and samples that were drawn and could not be
        stored; `bank.put_many(*error.unsaved)` stores them, in whatever bank.
    outcomes : sequence of Outcome
        Of such a run: what had become of its problems.
    """

    unsaved: tuple[Sequence[bytes], Samples] | None = None
    outcomes: Sequence[Any] = ()


def create(path: Path) -> None:
    """Make an empty bank at once: whoever finds the file finds it whole."""
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # nobody has seen it yet
            connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
            connection.execute("PRAGMA journal_mode = WAL")
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike rename, never replaces what is there
        except OSError:  # another process was faster, or a disk without links
            if not path.exists():
                draft.rename(path)
    except (OSError, sqlite3.Error) as error:
        raise BankError(
            f"bank {path} cannot be made: {error}; pass a path that can be written"
        ) from error
    finally:
        with suppress(OSError):
            draft.unlink()


def stamp(path: Path) -> tuple[int, ...]:
    """What differs once the file, or the log beside it, has been written to."""
    found: list[int] = []
    for one in (path, path.with_name(path.name + "-wal")):
        try:
            about = one.stat()
        except OSError:
            found.append(-1)
        else:
            found += (about.st_ino, about.st_size, about.st_mtime_ns)
    return tuple(found)


def inspect(path: Path) -> int:
    """The version of a whole bank, else BankError; write nothing.

    Whoever reads without a log takes no lock, and so may see half of what another
    process writes meanwhile: what looks damaged is looked at again until two looks
    in a row, with nothing written before, between or after them, find so.
    """
    end = monotonic() + _BUSY_SECONDS
    before: tuple[int, ...] = ()
    while True:
        try:
            return _inspected(path)
        except BankError:
            after = stamp(path)
            if after == before or monotonic() > end:
                raise
            sleep(_SETTLED_SECONDS)
            before = after if stamp(path) == after else ()


def _inspected(path: Path) -> int:
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise BankError(
            f"bank {path} cannot be read: {error.strerror}; pass the path of a file"
        ) from error
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise BankError(f"bank {path} is not an SQLite file: {_ASIDE}")
    application = int.from_bytes(header[68:72], "big")
    if application != APPLICATION_ID:
        raise BankError(
            f"bank {path} belongs to another program (application_id {application}, "
            f"a bank has {APPLICATION_ID}): {_ASIDE}"
        )
    version = int.from_bytes(header[60:64], "big")
    _refuse_other(version, path)
    try:
        with closing(connect(path, read_only=True)) as connection:
            version = version_of(connection)
            _refuse_other(version, path)
            for table in ("streams", "chunks", "pieces"):
                connection.execute(f"SELECT * FROM {table} LIMIT 1")
            if path.stat().st_size <= _CHECKED_BYTES and (found := fault(connection)):
                raise damaged(path, found)
    except sqlite3.Error as error:
        raise trouble(path, error) from error
    except (UnicodeDecodeError, TypeError) as error:  # a damaged name, or no number
        raise damaged(path, error) from error
    return version


def _refuse_other(version: int, path: Path) -> None:
    if not 1 <= version <= VERSION:
        raise BankError(
            f"bank {path} has schema version {version}, this tts_lab reads 1 to "
            f"{VERSION}: upgrade tts-lab, or {_ASIDE}"
        )


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open the file as it is; nothing is made where there is none."""
    if not read_only:
        return _opened(path, "rw")
    # "immutable" needs no files beside the bank, so it works where nothing may be
    # written and leaves nothing behind; but it would overlook a log.
    log = path.with_name(path.name + "-wal")
    if log.exists():
        connection = _opened(path, "ro")
        try:
            connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
            return connection
        except sqlite3.Error as error:
            connection.close()
            name = getattr(error, "sqlite_errorname", "")
            no_index = name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN"))
            if not no_index or (log.exists() and log.stat().st_size):
                raise  # else there was no room for the index of an empty log
    return _opened(path, "ro&immutable=1")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,  # transactions are begun and ended by hand
        check_same_thread=False,
    )


def trouble(path: Path, error: sqlite3.Error) -> BankError:
    """What SQLite says, and what to do about it."""
    if isinstance(error, sqlite3.ProgrammingError):
        return BankError(f"bank {path} cannot be used: {error} Open it again")
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    held = "close the program that holds the file"
    advice = {
        "BUSY": held,
        "CANTOPEN": "its folder cannot be written; pass read_only=True, and if a "
        f"{path.name}-wal lies beside it, copy both to a folder that can be written",
        "FULL": "free disk space, then run again",
        "LOCKED": held,
        "NOMEM": "close other programs, there is not enough memory",
        "PROTOCOL": held,
        "IOERR": "free disk space, or look after the disk, then run again",
        "READONLY": "it cannot be written; pass read_only=True or another path",
        "TOOBIG": "a text is too long to be stored",
    }.get(name.split("_")[1])
    if advice is None:
        return damaged(path, error)
    return BankError(
        f"bank {path} cannot be used: {error}. All chunks stored before are safe; "
        f"{advice}"
    )


def damaged(path: Path, reason: object) -> BankError:
    return BankError(
        f"bank {path} is damaged ({reason}): move it away to start a new one; its "
        "rows will be sampled again"
    )


def pack(rows: Samples) -> bytes:
    # columns, not rows: equal bytes lie together and zlib halves them. Its checksum
    # makes sure that a damaged chunk is an error and never a wrong sample.
    lengths = np.array([len(text) for text in rows.text], "<i4")
    return zlib.compress(
        rows.row.astype("<i8").tobytes()
        + rows.tokens.astype("<i4").tobytes()
        + rows.logprob.astype("<f4").tobytes()
        + lengths.tobytes()
        + rows.finished.astype("?").tobytes()
        + "".join(rows.text).encode("utf-8", "surrogatepass"),
        level=1,
    )


def unpack(n: int, data: bytes) -> Samples:
    raw = zlib.decompress(data)
    ends = np.cumsum(np.frombuffer(raw, "<i4", n, 16 * n), dtype=np.int64).tolist()
    joined = raw[21 * n :].decode("utf-8", "surrogatepass")
    if [0, *ends][-1] != len(joined):
        raise ValueError(f"{n} rows do not have the text of a chunk")
    return Samples(
        job=np.zeros(n, np.int32),
        row=np.frombuffer(raw, "<i8", n),
        text=[joined[a:b] for a, b in pairwise([0, *ends])],
        tokens=np.frombuffer(raw, "<i4", n, 8 * n),
        finished=np.frombuffer(raw, "?", n, 20 * n),
        logprob=np.frombuffer(raw, "<f4", n, 12 * n),
    )
