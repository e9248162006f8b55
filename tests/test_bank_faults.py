"""The bank under fire: full and read-only disks, damaged bytes, the first version.

That it survives being killed while it stores samples is in `test_bank.py`
(`TTS_LAB_KILLS=100` for a hundred kills).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from data.make_first_bank import PATH as FIRST
from data.make_first_bank import ROWS

from tts_lab import bank_check
from tts_lab.bank import Bank, BankError
from tts_lab.bank_check import VERSION
from tts_lab.proposers import Samples

KEYS = [bytes([65 + i]) * 16 for i in range(5)]
EVERY = range(2**41)
POSIX = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")


def text_of(number: int) -> str:
    return random.Random(number).randbytes(30).hex()


def rows(numbers, job=None) -> Samples:
    row = np.array(numbers, np.int64)
    return Samples(
        np.zeros(len(row), np.int32) if job is None else np.array(job, np.int32),
        row,
        [text_of(n) for n in numbers],
        np.array(row % 1000, np.int32),
        row % 2 == 0,
        np.array(-row / 7, np.float32),
    )


def content(bank: Bank, keys) -> dict[tuple[bytes, int], tuple]:
    """All rows; a row that comes twice is an error."""
    found: dict[tuple[bytes, int], tuple] = {}
    for part in bank.get_many(keys, [EVERY] * len(keys)):
        columns = (part.tokens, part.finished, part.logprob)
        every = zip(part.job, part.row, part.text, *map(np.ndarray.tolist, columns),
                    strict=True)  # fmt: skip
        for job, row, *values in every:
            assert (keys[job], int(row)) not in found, "doubled"
            found[keys[job], int(row)] = tuple(values)
    return found


def shell(code: str, *arguments: object, before: str = "") -> str:
    """What a Python process prints that sees these tests."""
    command = [sys.executable, "-c", f"import test_bank_faults as t, sys\n{code}"]
    command += [str(one) for one in arguments]
    if before:
        words = ["unshare", "--mount", *(["-r"] if os.geteuid() else []), "sh", "-c"]
        command = [*words, f'{before} && exec "$@"', "sh", *command]
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, text=True, timeout=300,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


@cache
def can_mount() -> bool:
    """Whether a process here may have a small disk of its own."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "--mount", *(["-r"] if os.geteuid() else [])]
    test = [*words, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(test, capture_output=True, check=False).returncode == 0


def small_disk() -> None:
    if not can_mount():
        pytest.skip("a small disk cannot be mounted here")


# --- full and read-only disks ----------------------------------------------------


def fill(path: str) -> None:
    """Store until it fails; prints how many rows were stored, and the error."""
    bank, stored, error = Bank(path), 0, ""
    while not error and stored < 100_000:
        try:
            bank.put(KEYS[0], rows(range(stored, stored + 200)))
            stored += 200
        except BankError as caught:
            error = str(caught)
    assert len(content(bank, KEYS[:1])) == stored  # it can still be read
    bank.close()
    print(json.dumps([stored, error]))


def go_on(path: str, stored: int) -> None:
    """All rows are there, none else, and more can be stored."""
    for read_only in (True, False):
        with Bank(path, read_only=read_only) as bank:
            found = bank.get(KEYS[0], EVERY)
            assert found.row.tolist() == list(range(stored))
            assert found.text == rows(range(stored)).text
    with Bank(path) as bank:
        bank.put(KEYS[0], rows(range(stored - 5, stored + 200)))
        assert bank.get(KEYS[0], EVERY).row.tolist() == list(range(stored + 200))


def test_a_full_disk_loses_nothing_that_was_stored():
    small_disk()
    code = (
        "path = '/mnt/bank.sqlite'\n"
        "t.fill(path)\n"
        "t.os.unlink('/mnt/ballast')\n"
        "with t.Bank(path) as bank: stored = bank.stats().rows\n"
        "t.go_on(path, stored)"
    )
    before = (
        "mount -t tmpfs -o size=3m none /mnt && "
        "dd if=/dev/zero of=/mnt/ballast bs=1024 count=2000 2>/dev/null"
    )
    stored, error = json.loads(shell(code, before=before))
    assert 0 < stored < 100_000
    assert "disk is full" in error and "free disk space" in error
    assert "stored before are safe" in error


@POSIX
def test_a_limit_of_file_size_loses_nothing_that_was_stored(tmp_path):
    """What a quota looks like, where no disk can be mounted."""
    path = tmp_path / "bank.sqlite"
    code = (
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))\n"
        "t.fill(sys.argv[1])"
    )
    stored, error = json.loads(shell(code, path))
    assert 0 < stored < 100_000
    assert "cannot be used" in error and "free disk space" in error
    go_on(str(path), stored)


def test_a_file_that_may_not_grow_says_that_it_is_full(tmp_path):
    with Bank(tmp_path / "bank.sqlite") as bank:
        bank.put(KEYS[0], rows(range(100)))
        pages = bank._connection.execute("PRAGMA page_count").fetchone()[0]
        bank._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(BankError, match=r"full.* free disk space, then run again"):
            bank.put(KEYS[0], rows(range(100, 3000)))
        assert len(content(bank, KEYS[:1])) == 100
        bank._connection.execute("PRAGMA max_page_count = 100000")
        bank.put(KEYS[0], rows(range(90, 3000)))
        assert len(content(bank, KEYS[:1])) == 3000


def try_all(folder: str) -> None:
    """Open, make and store; prints each error."""
    said = []
    for name, read_only in (("old", True), ("old", False), ("new", False)):
        try:
            with Bank(f"{folder}/{name}.sqlite", read_only=read_only) as bank:
                assert len(content(bank, KEYS)) == 100
                bank.put(KEYS[0], rows([500]))
            said.append("")
        except BankError as error:
            said.append(str(error))
    print(json.dumps(said))


def test_a_read_only_disk_can_be_read_and_says_what_to_do(tmp_path):
    small_disk()
    with Bank(tmp_path / "old.sqlite") as bank:
        bank.put(KEYS[0], rows(range(100)))
    before = (
        f"mount -t tmpfs none /mnt && cp {tmp_path}/old.sqlite /mnt && "
        "mount -o remount,ro /mnt"
    )
    read, opened, made = json.loads(shell("t.try_all('/mnt')", before=before))
    assert "was opened with read_only=True" in read
    assert "folder cannot be written; pass read_only=True" in opened
    assert "damaged" not in opened
    assert "cannot be made" in made and "pass a path that can be written" in made


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_without_the_right_to_write(tmp_path):
    with Bank(tmp_path / "old.sqlite") as bank:
        bank.put(KEYS[0], rows(range(100)))
    tmp_path.chmod(0o555)
    try:
        read, opened, made = json.loads(shell("t.try_all(sys.argv[1])", tmp_path))
    finally:
        tmp_path.chmod(0o755)
    assert "was opened with read_only=True" in read
    assert "cannot be written" in opened and "damaged" not in opened
    assert "cannot be made" in made


def test_a_locked_file_is_not_called_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr("tts_lab.bank_file._BUSY_SECONDS", 0.01)
    path = tmp_path / "bank.sqlite"
    with Bank(path) as bank:
        bank.put(KEYS[0], rows([1]))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BankError, match=r"locked.*close the program") as caught:
            Bank(path).put(KEYS[0], rows([2]))
        assert "damaged" not in str(caught.value)
        other.execute("ROLLBACK")
        other.close()
        bank.put(KEYS[0], rows([2]))


# --- two processes ---------------------------------------------------------------


def write_some(path: str, start: int) -> None:
    with Bank(path) as bank:
        for n in range(start, 400, 2):
            bank.put_many(KEYS, rows([n, n, 1000 + n % 7], [0, 1 + n % 4, 0]))


def test_two_processes_write_at_once(tmp_path):
    path = tmp_path / "bank.sqlite"
    code = "t.write_some(sys.argv[1], int(sys.argv[2]))"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda start: shell(code, path, start), range(2)))
    expected = {(KEYS[0], n) for n in [*range(400), *range(1000, 1007)]}
    expected |= {(KEYS[1 + n % 4], n) for n in range(400)}
    with Bank(path) as bank:
        found = content(bank, KEYS)
        assert bank.stats().rows == len(expected)
    assert found.keys() == expected
    assert all(values[0] == text_of(row) for (_, row), values in found.items())


# --- damaged bytes ---------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[bytes, dict]:
    """A bank whose streams have the same row numbers, so that mixing them up fits."""
    path = tmp_path_factory.mktemp("whole") / "bank.sqlite"
    with Bank(path) as bank:
        for first in range(0, 60, 4):
            numbers = [*range(first, first + 4)] * len(KEYS)
            job = np.repeat(range(len(KEYS)), 4)
            part = rows(numbers, job)
            texts = [f"{j} {n} {one}" for j, n, one in zip(job, numbers, part.text,
                                                           strict=True)]  # fmt: skip
            bank.put_many(KEYS, part._replace(text=texts))
        expected = content(bank, KEYS)
    assert len(expected) == 300
    return path.read_bytes(), expected


def read_or_error(path: Path, expected: dict) -> bool:
    """Whether it was an error; rows that are read without one are all and right."""
    try:
        with Bank(path, read_only=True) as bank:
            assert content(bank, KEYS) == expected
    except BankError as error:
        assert "is damaged" in str(error) or "is not an SQLite" in str(error) or (
            "belongs to another program" in str(error) or "version" in str(error)
        )  # fmt: skip
        assert str(path) in str(error)
        return True
    return False


@pytest.mark.parametrize("part", range(4))
def test_a_flipped_bit_anywhere_loses_doubles_and_alters_nothing(part, whole, tmp_path):
    good, expected = whole
    used = [i for i, byte in enumerate(good) if byte or i % 64 == 0]
    moment = random.Random(part)
    errors = 0
    for i in moment.sample(used, 60):
        damaged = bytearray(good)
        damaged[i] ^= 1 << moment.randrange(8)
        path = tmp_path / "bank.sqlite"
        path.write_bytes(damaged)
        errors += read_or_error(path, expected)
    assert errors >= 20


def test_every_bit_of_a_piece_is_guarded(whole, tmp_path):
    """Without its checksum a piece could give rows to another stream."""
    good, expected = whole
    path = tmp_path / "bank.sqlite"
    for change in (
        "stream = 2 WHERE stream = 1 AND first = 0",
        "first = 1000 WHERE stream = 1 AND first = 0",
        "count = 3 WHERE stream = 1 AND first = 0",
        "chunk = 2 WHERE stream = 1 AND first = 0",
        "start = 4 WHERE stream = 1 AND first = 0",
        "crc = 1 WHERE stream = 1 AND first = 0",
    ):
        path.write_bytes(good)
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM pieces WHERE stream = 2 AND first = 0")
            connection.execute(f"UPDATE pieces SET {change}")
        connection.close()
        assert read_or_error(path, expected), change


def test_large_files_are_guarded_when_they_are_read(whole, tmp_path, monkeypatch):
    """They are not read through when they are opened."""
    monkeypatch.setattr("tts_lab.bank_file._CHECKED_BYTES", 0)
    path = tmp_path / "bank.sqlite"
    path.write_bytes(whole[0])
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM pieces WHERE stream = 2 AND first = 0")
        connection.execute(
            "UPDATE pieces SET stream = 2 WHERE stream = 1 AND first = 0"
        )
    connection.close()
    with Bank(path) as bank, pytest.raises(BankError, match="wrong checksum"):
        bank.get(KEYS[1], EVERY)


def test_a_truncated_file_is_damaged_wherever_it_ends(whole, tmp_path):
    good, expected = whole
    path = tmp_path / "bank.sqlite"
    ends = [0, 1, 99, 100, 4095, *range(4096, len(good), 4096), len(good) - 1]
    for end in [*ends, *random.Random(0).sample(range(len(good)), 20)]:
        path.write_bytes(good[:end])
        assert read_or_error(path, expected), end
        assert path.read_bytes() == good[:end]


def test_a_truncated_log_costs_its_last_chunks_only(tmp_path):
    """A process was killed and its log cut off: what is left is right."""
    path = tmp_path / "bank.sqlite"
    with Bank(path) as bank:
        for n in range(0, 50, 5):
            bank.put(KEYS[0], rows(range(n, n + 5)))
        log = path.with_name(path.name + "-wal").read_bytes()
        main = path.read_bytes()
    counts = []
    for share in (0.0, 0.3, 0.6, 1.0):
        other = tmp_path / f"{share}.sqlite"
        other.write_bytes(main)
        other.with_name(other.name + "-wal").write_bytes(log[: int(share * len(log))])
        with Bank(other) as bank:
            found = content(bank, KEYS[:1])
        assert all(values[0] == text_of(row) for (_, row), values in found.items())
        assert sorted(row for _, row in found) == list(range(len(found)))
        counts.append(len(found))
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 50


def test_a_chunk_that_says_another_count_is_damaged(whole, tmp_path, monkeypatch):
    """Its columns would be read from the wrong places."""
    monkeypatch.setattr("tts_lab.bank_file._CHECKED_BYTES", 0)
    for count in (-1, 1, 19, 21, 2**31):
        path = tmp_path / "bank.sqlite"
        path.write_bytes(whole[0])
        with sqlite3.connect(path) as connection:
            connection.execute(f"UPDATE chunks SET count = {count} WHERE id = 1")
        connection.close()
        with Bank(path) as bank, pytest.raises(BankError, match="is damaged"):
            content(bank, KEYS)


# --- the first version -----------------------------------------------------------

FIRST_ROWS = {
    (key, row): (text, tokens, finished, float(logprob))
    for key, of in ROWS.items()
    for row, (text, tokens, finished, logprob) in of.items()
}


@pytest.fixture
def first(tmp_path) -> Path:
    return Path(shutil.copy(FIRST, tmp_path / "bank.sqlite"))


def version(path: Path) -> int:
    """Of a closed file, by its header."""
    return int.from_bytes(path.read_bytes()[60:64], "big")


def test_the_first_version_is_read_as_it_is(first):
    before = first.read_bytes()
    assert version(first) == 1
    with Bank(first, read_only=True) as bank:
        assert content(bank, list(ROWS)) == FIRST_ROWS
        assert bank.stats()[:2] == (2, len(FIRST_ROWS))
    assert first.read_bytes() == before
    assert os.listdir(first.parent) == [first.name]


def test_the_first_version_is_upgraded_when_it_is_written(first):
    with Bank(first) as bank:
        assert content(bank, list(ROWS)) == FIRST_ROWS
        bank.put(next(iter(ROWS)), rows([3, 700]))
    assert version(first) == VERSION
    with Bank(first) as bank:
        found = content(bank, list(ROWS))
    added = found.pop((next(iter(ROWS)), 700))
    assert found == FIRST_ROWS and added[0] == text_of(700)


def test_a_reader_goes_on_while_the_first_version_is_upgraded(first):
    with Bank(first, read_only=True) as reader, Bank(first) as writer:
        assert content(reader, list(ROWS)) == FIRST_ROWS
        assert content(writer, list(ROWS)) == FIRST_ROWS


def test_two_processes_upgrade_at_once(first):
    code = "with t.Bank(sys.argv[1]) as bank: print(bank.stats().rows)"
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: shell(code, first), range(2)))
    assert [int(one) for one in said] == [len(FIRST_ROWS)] * 2
    with Bank(first) as bank:
        assert content(bank, list(ROWS)) == FIRST_ROWS


def kill_upgrade(path: str, calls: int) -> None:
    """End this process in the middle of the upgrade."""
    real = bank_check.piece_crc

    def killing(*piece):
        nonlocal calls
        calls -= 1
        if not calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*piece)

    bank_check.piece_crc = killing
    Bank(path)


@POSIX
@pytest.mark.parametrize("calls", [1, 4])
def test_killed_while_it_is_upgraded(first, calls):
    with pytest.raises(AssertionError, match=f"^{-signal.SIGKILL}: "):
        shell("t.kill_upgrade(sys.argv[1], int(sys.argv[2]))", first, calls)
    with Bank(first, read_only=True) as bank:
        assert content(bank, list(ROWS)) == FIRST_ROWS
    assert version(first) == 1
    with Bank(first) as bank:
        assert content(bank, list(ROWS)) == FIRST_ROWS
    assert version(first) == VERSION


def test_a_damaged_first_version_is_not_upgraded(first):
    with sqlite3.connect(first) as connection:
        connection.execute("DELETE FROM pieces WHERE stream = 2")
    connection.close()
    before = first.read_bytes()
    with pytest.raises(BankError, match=r"pieces have \d+ rows, its chunks"):
        Bank(first)
    assert first.read_bytes() == before
