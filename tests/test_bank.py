"""The bank: exact, never doubled, safe against kills, and polite to foreign files."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tts_lab.bank
from tts_lab.bank import Bank, BankError
from tts_lab.bank_file import APPLICATION_ID
from tts_lab.proposers import Samples
from tts_lab.proposers.scripted import Scripted, random_script
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier


def rows(numbers, text="#{}", *, job=None, tokens=None, finished=None, logprob=None):
    """Samples with these row numbers; what is not given follows from them."""
    row = np.array(numbers, np.int64)
    return Samples(
        np.zeros(len(row), np.int32) if job is None else np.array(job, np.int32),
        row,
        [text.format(n) for n in numbers] if isinstance(text, str) else text,
        np.array(row % 1000 if tokens is None else tokens, np.int32),
        np.array(row % 2 == 0 if finished is None else finished, np.bool_),
        np.array(-row / 7 if logprob is None else logprob, np.float32),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bank.sqlite"


@pytest.fixture
def bank(path):
    with Bank(path) as bank:
        yield bank


# --- rows ------------------------------------------------------------------------

row = st.tuples(
    st.text(st.characters(), max_size=12),  # surrogates and NUL among them
    st.integers(0, 2**31 - 1),
    st.booleans(),
    st.floats(width=32, allow_nan=False),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.dictionaries(st.integers(0, 2**62), row, min_size=1))
def test_a_row_is_read_as_it_was_written(bank, content):
    key = uuid4().bytes
    text, tokens, finished, logprob = zip(*content.values(), strict=True)
    options = {"tokens": tokens, "finished": finished, "logprob": logprob}
    bank.put(key, rows(list(content), list(text), **options))
    found = bank.get(key, range(2**62 + 1))
    assert found.row.tolist() == sorted(content)
    columns = (found.text, found.tokens, found.finished, found.logprob)
    read = zip(*columns, strict=True)
    assert list(read) == [content[number] for number in sorted(content)]


def test_nothing_is_found_in_an_empty_bank(bank):
    found = bank.get(b"key", range(10))
    assert found.text == [] and len(found.row) == 0
    assert list(bank.get_many([b"a", b"b"], [range(5)] * 2)) == []
    bank.put(b"key", rows([]))
    assert bank.stats()[:2] == (0, 0)


def test_only_the_rows_wanted_are_read(bank):
    bank.put(b"key", rows([*range(10, 20), 30, 31, 40]))
    found = bank.get(b"key", range(15, 31))
    assert found.row.tolist() == [15, 16, 17, 18, 19, 30]
    assert found.text == ["#15", "#16", "#17", "#18", "#19", "#30"]
    assert found.tokens.tolist() == found.row.tolist()
    assert bank.get(b"key", range(20, 30)).text == []
    assert bank.get(b"other", range(100)).text == []


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40)))),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_a_row_present_is_never_doubled_nor_replaced(bank, puts, start, stop):
    """Against a dictionary that keeps the first."""
    keys, model = [uuid4().bytes, uuid4().bytes], [{}, {}]
    before = bank.stats().rows
    for version, put in enumerate(puts):
        job, numbers = [j for j, _ in put], [n for _, n in put]
        bank.put_many(keys, rows(numbers, f"version {version}", job=job))
        for j, number in put:
            model[j].setdefault(number, f"version {version}")
    for key, expected in zip(keys, model, strict=True):
        found = bank.get(key, range(start, stop))
        wanted = {n: text for n, text in expected.items() if start <= n < stop}
        assert found.row.tolist() == sorted(wanted)
        assert dict(zip(found.row.tolist(), found.text, strict=True)) == wanted
    assert bank.stats().rows - before == sum(map(len, model))


def test_a_key_given_twice_is_one_stream(bank):
    bank.put_many([b"key", b"key"], rows([1, 2, 2, 3], job=[0, 0, 1, 1]))
    assert bank.get(b"key", range(9)).row.tolist() == [1, 2, 3]
    assert bank.stats()[:2] == (1, 3)


def test_many_rows_of_many_streams(bank, monkeypatch):
    monkeypatch.setattr(tts_lab.bank, "_ROWS_PER_READ", 500)
    keys = [bytes([i]) * 16 for i in range(30)]
    shuffled = np.random.default_rng(0).permutation(30 * 100)
    job, number = shuffled // 100, shuffled % 100
    text = [f"{j} {n}" for j, n in zip(job, number, strict=True)]
    for a in range(0, 3000, 700):
        part = slice(a, a + 700)
        bank.put_many(keys, rows(number[part], text[part], job=job[part]))
    found = set()
    for part in bank.get_many(keys, [range(10, 90)] * 30):
        for j, n, words in zip(part.job, part.row, part.text, strict=True):
            assert words == f"{j} {n}"
            found.add((int(j), int(n)))
    assert found == {(j, n) for j in range(30) for n in range(10, 90)}


def test_stats_count_streams_rows_and_bytes(path):
    with Bank(path) as bank:
        bank.put_many([b"a", b"b"], rows([0, 1, 5], job=[0, 0, 1]))
        stats = bank.stats()
    assert stats[:2] == (2, 3)
    assert stats.bytes == path.stat().st_size


def test_long_runs_take_few_bytes_per_row(path):
    """40-character traces of one problem: 10 bytes a row besides what zlib saves."""
    text = [f"{n}+38=85\n85*6={n * n}\n510-59=451\n#{n % 451}" for n in range(20_000)]
    with Bank(path) as bank:
        bank.put(b"key", rows(range(20_000), text))
    assert path.stat().st_size / 20_000 < 30


# --- files -----------------------------------------------------------------------


def test_the_default_is_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(
        tts_lab.bank, "user_cache_path", lambda name: tmp_path / "new" / name
    )
    with Bank() as bank:
        assert bank.path == tmp_path / "new" / "tts-lab" / "bank.sqlite"
        bank.put(b"key", rows([1]))
    with Bank() as bank:
        assert bank.get(b"key", range(5)).text == ["#1"]


def test_nothing_else_is_left_in_the_folder(path):
    with Bank(path) as bank:
        bank.put(b"key", rows([1]))
    assert [file.name for file in path.parent.iterdir()] == ["bank.sqlite"]


def test_it_is_a_wal_file_of_ours(bank, path):
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    other.close()
    assert bank._connection.execute("PRAGMA synchronous").fetchone() == (1,)


def filled(path, count=3000):
    with Bank(path) as bank:
        text = [random.Random(n).randbytes(40).hex() for n in range(count)]
        bank.put(b"key", rows(range(count), text))
    return path.read_bytes()


def foreign_text(path):
    path.write_bytes(b"my thesis, chapter 1\n" * 50)


def empty(path):
    path.touch()


def other_program(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE streams (id, key)")
    connection.close()


def newer(path):
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()


def cut_short(path):
    content = filled(path)
    path.write_bytes(content[: len(content) // 2])


def overwritten(path):
    content = bytearray(filled(path))
    content[4096 : 4096 * 4] = b"\xff" * (4096 * 3)
    path.write_bytes(content)


def overwritten_at_the_end(path):
    """Where only reading all pages finds it."""
    content = bytearray(filled(path))
    content[-4096 * 3 :] = b"\xff" * (4096 * 3)
    path.write_bytes(content)


def without_tables(path):
    filled(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE pieces")
    connection.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (foreign_text, "is not an SQLite file"),
        (empty, "is not an SQLite file"),
        (other_program, "belongs to another program"),
        (newer, "schema version 3, this tts_lab reads 1 to 2: upgrade"),
        (cut_short, "is damaged .*move it away"),
        (overwritten, "is damaged .*move it away"),
        (overwritten_at_the_end, "is damaged .*move it away"),
        (without_tables, "is damaged .*no such table: pieces"),
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_bank_is_left_alone(make, message, read_only, path):
    make(path)
    content, listing = path.read_bytes(), os.listdir(path.parent)
    with pytest.raises(BankError, match=message) as caught:
        Bank(path, read_only=read_only)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == listing


def test_a_folder_or_a_missing_file_is_no_bank(tmp_path):
    with pytest.raises(BankError, match="cannot be read: Is a directory"):
        Bank(tmp_path)
    with pytest.raises(BankError, match="cannot be read: No such file"):
        Bank(tmp_path / "none.sqlite", read_only=True)
    (tmp_path / "file").touch()
    with pytest.raises(BankError, match=r"cannot be made.*pass a path"):
        Bank(tmp_path / "file" / "bank.sqlite")


@pytest.mark.parametrize("where", [0.35, 0.5, 0.65, 0.8])
def test_a_flipped_byte_is_an_error_and_never_a_wrong_row(where, path):
    """quick_check does not read the rows themselves; their checksum does."""
    content = bytearray(filled(path))
    expected = {n: random.Random(n).randbytes(40).hex() for n in range(3000)}
    content[int(len(content) * where)] ^= 0x10
    path.write_bytes(content)
    try:
        with Bank(path) as bank:
            found = bank.get(b"key", range(3000))
    except BankError as error:
        assert "is damaged" in str(error)
        assert path.read_bytes() == content
    else:  # the byte was in a part of a page that nothing uses
        assert dict(zip(found.row.tolist(), found.text, strict=True)) == expected


def test_a_closed_bank_says_so(path):
    bank = Bank(path)
    bank.close()
    with pytest.raises(BankError, match=r"closed database\. Open it again"):
        bank.get(b"key", range(5))
    with pytest.raises(BankError, match="closed database"):
        bank.put(b"key", rows([1]))


def test_a_failed_put_leaves_no_part(bank):
    bank._connection.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON pieces WHEN NEW.first = 5 "
        "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(BankError):
        bank.put(b"key", rows([1, 2, 5]))
    assert bank.stats()[:2] == (0, 0)
    bank.put(b"key", rows([1, 2]))
    assert bank.get(b"key", range(9)).row.tolist() == [1, 2]


# --- read-only and shipped -------------------------------------------------------


def test_a_read_only_bank_is_not_written(path):
    content = filled(path)
    with Bank(path, read_only=True) as bank:
        assert len(bank.get(b"key", range(5000)).text) == 3000
        with pytest.raises(BankError, match="read_only=True"):
            bank.put(b"key", rows([1]))
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["bank.sqlite"]


def test_a_read_only_bank_sees_what_a_writer_has_not_yet_merged(path, bank):
    bank.put(b"key", rows([1, 2]))
    with Bank(path, read_only=True) as reader:
        assert reader.get(b"key", range(9)).row.tolist() == [1, 2]


def test_the_shipped_bank_fills_gaps(tmp_path):
    with Bank(tmp_path / "shipped.sqlite") as shipped:
        shipped.put_many(
            [b"a", b"b"],
            rows([*range(10), *range(5)], "shipped", job=[0] * 10 + [1] * 5),
        )
    content = (tmp_path / "shipped.sqlite").read_bytes()
    shipped = Bank(tmp_path / "shipped.sqlite", read_only=True)
    with shipped, Bank(tmp_path / "own.sqlite", shipped=shipped) as bank:
        bank.put(b"a", rows([2, 3, 12], "own"))
        found = bank.get(b"a", range(1, 20))
        assert found.row.tolist() == [*range(1, 10), 12]
        assert [t == "own" for t in found.text] == [n in (2, 3, 12) for n in found.row]
        pairs = []  # a is whole here, so that the only gap is that of job 1
        for part in bank.get_many([b"a", b"b"], [range(2, 4), range(2, 9)]):
            pairs += zip(part.job.tolist(), part.row.tolist(), strict=True)
        assert sorted(pairs) == [(0, 2), (0, 3), (1, 2), (1, 3), (1, 4)]
        assert bank.stats().rows == 3
    assert (tmp_path / "shipped.sqlite").read_bytes() == content


# --- several at once -------------------------------------------------------------


def test_threads_share_a_bank(bank):
    def work(thread):
        for n in range(20):
            bank.put(b"key", rows([20 * thread + n, n]))
            assert bank.get(b"key", range(n + 1)).row.tolist()[-1] == n
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert bank.get(b"key", range(1000)).row.tolist() == list(range(120))
    assert bank.stats().rows == 120


def test_two_banks_on_one_file(path):
    """As two notebooks would: both opened before the file is there."""
    with ThreadPoolExecutor(4) as pool:
        banks = list(pool.map(lambda _: Bank(path), range(4)))
    for n, bank in enumerate(banks):
        bank.put(b"key", rows([n, 0]))
    for bank in banks:
        assert bank.get(b"key", range(9)).row.tolist() == [0, 1, 2, 3]
        bank.close()
    assert os.listdir(path.parent) == ["bank.sqlite"]


def test_two_banks_write_at_once(path):
    """Each waits for the other's transaction instead of failing."""

    def work(start):
        with Bank(path) as bank:
            for n in range(start, 200, 2):
                bank.put(b"key", rows([n, 1000 + n % 7]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with Bank(path) as bank:
        expected = [*range(200), *range(1000, 1007)]
        assert bank.get(b"key", range(2000)).row.tolist() == expected


def test_a_bank_made_meanwhile_is_not_replaced(path, monkeypatch):
    real = os.fsync

    def slow_disk(number):
        monkeypatch.setattr(os, "fsync", real)
        filled(path, 5)  # another process is faster
        real(number)

    monkeypatch.setattr(os, "fsync", slow_disk)
    with Bank(path) as bank:
        assert bank.stats().rows == 5


# --- SIGKILL ---------------------------------------------------------------------

PROBLEMS = [Problem("chains", f"{i}+1\n", 1) for i in range(6)]
TOTAL = 6 * 60
KILLS = int(os.environ.get("TTS_LAB_KILLS", "20"))


def work(bank, *, seconds=0.0, **options):
    """The run that is killed; returns all samples, and how many were drawn now."""
    proposer = Scripted(random_script, rows_per_chunk=5, seconds_per_chunk=seconds)
    outcomes = run(
        partial(repeated_sampling, n=60, batch=25),
        PROBLEMS,
        proposer=proposer,
        verifier=ScriptedVerifier(lambda trace: 0.0),
        seed=7,
        bank=bank,
        **options,
    )
    return [outcome.value for outcome in outcomes], proposer.rows


KILLER = """
import json, os, signal, sys, time
folders, kills = json.loads(sys.argv[1])
sys.path[:0] = folders
import test_bank
for path, chunks, seconds in kills:
    progress, tell = os.pipe()
    child = os.fork()
    if not child:  # a process of its own opens the bank, works and is killed
        with test_bank.Bank(path) as bank:
            note = lambda event: os.write(tell, b".")
            test_bank.work(bank, seconds=0.001, on_event=note)
        os._exit(0)
    os.close(tell)
    while chunks > 0 and (read := os.read(progress, chunks)):
        chunks -= len(read)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(progress)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_killed_at_random_moments(tmp_path):
    undisturbed, drawn = work(None)
    assert drawn == TOTAL
    banks = KILLS // 2
    # banks killed twice each: the second run finds what the first one left.
    # Moments are counted in chunks, for seconds mean little on a busy machine, and
    # then in the milliseconds that a chunk takes; the last ones hit the opening.
    paths = [str(tmp_path / f"{i % banks}.sqlite") for i in range(2 * banks)]
    moment = random.Random(1)
    kills = [
        (path, moment.randrange(1, 35), moment.uniform(0.0, 0.004))
        if i % banks < 0.8 * banks
        else (path, 0, moment.uniform(0.0, 0.05))
        for i, path in enumerate(paths)
    ]
    folders = [str(Path(__file__).parent), *sys.path]
    code = [sys.executable, "-c", KILLER, json.dumps([folders, kills])]
    subprocess.run(code, check=True, timeout=300)
    rest = []
    for path in paths[:banks]:
        with Bank(path) as bank:
            found = bank.stats().rows
            samples, drawn = work(bank)
            assert samples == undisturbed
            assert drawn == TOTAL - found
            rest.append(drawn)
            again, drawn = work(bank)
            assert (again, drawn) == (undisturbed, 0)
            assert bank.stats().rows == TOTAL
    # the kills must have hit runs at work, not finished or not yet begun
    assert sum(0 < drawn < TOTAL for drawn in rest) >= banks // 2, rest
