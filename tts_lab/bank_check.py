"""Whether a bank's file is whole, and how an older version is brought up to date.

Version 1 is the first. Version 2 has a checksum of every piece, so that a damaged
number can neither give rows to another stream nor hide them; the rows themselves have
had theirs from the beginning (see `tts_lab.bank_file.pack`).

Not covered: several faults that cancel out, or that somebody made on purpose.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib

VERSION = 2

_NUMBERS = struct.Struct("<4q")
_ROWS_OF = "SELECT coalesce(sum(count), 0) FROM "
_WRONG = """
SELECT count(*) FROM pieces LEFT JOIN streams ON stream = id
WHERE key IS NULL OR crc != piece_crc(key, first, count, chunk, start)
"""
_UPGRADE = (
    "ALTER TABLE pieces ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    "UPDATE pieces SET crc = piece_crc("
    "(SELECT key FROM streams WHERE id = stream), first, count, chunk, start)",
    f"PRAGMA user_version = {VERSION}",
)


def piece_crc(key: bytes, first: int, count: int, chunk: int, start: int) -> int:
    """The checksum of a piece: CRC-32 of its stream's key and its four numbers.

    >>> piece_crc(b"a stream", 0, 5, 1, 0) == piece_crc(b"another", 0, 5, 1, 0)
    False
    """
    numbers = _NUMBERS.pack(first, count, chunk, start)
    return zlib.crc32(numbers, zlib.crc32(key))


def version_of(connection: sqlite3.Connection) -> int:
    """The file's version; its header may lag behind what is in its log."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def fault(connection: sqlite3.Connection) -> str:
    """What is wrong with a bank's pages, streams and pieces; empty if nothing is.

    Reads the whole file but not the rows: their checksums are looked at when they are
    unpacked.
    """
    _know_crc(connection)
    connection.execute("BEGIN")  # another process may be writing
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            return str(verdict.splitlines()[-1])
        (held,) = connection.execute(_ROWS_OF + "pieces").fetchone()
        (stored,) = connection.execute(_ROWS_OF + "chunks").fetchone()
        if held != stored:
            return f"its pieces have {held} rows, its chunks {stored}"
        if version_of(connection) >= VERSION:
            (wrong,) = connection.execute(_WRONG).fetchone()
            if wrong:
                return f"{wrong} pieces have a wrong checksum"
    finally:
        connection.execute("ROLLBACK")
    return ""


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a bank up to date in one transaction; killed within it, it is as before.

    A bank that is up to date, or that another process has upgraded meanwhile, is left
    as it is.
    """
    _know_crc(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) < VERSION:
            for statement in _UPGRADE:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _know_crc(connection: sqlite3.Connection) -> None:
    connection.create_function("piece_crc", 5, piece_crc, deterministic=True)
