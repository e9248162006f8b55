"""A bank that fails while it is used: nothing drawn is lost, and nobody is misled.

A disk that fills during a run or an upgrade; other processes that write meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from test_bank_faults import (
    FIRST,
    FIRST_ROWS,
    KEYS,
    ROWS,
    content,
    rows,
    shell,
    small_disk,
    version,
)

from tts_lab import bank_file
from tts_lab.bank import Bank, BankError
from tts_lab.proposers.scripted import Scripted, random_script
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier

PROBLEMS = [Problem("chains", f"{i}+1\n", 1) for i in range(4)]
TOTAL = 4 * 300


def work(bank: Bank | None):
    """A run; its outcomes, and how many rows were drawn."""
    proposer = Scripted(random_script, rows_per_chunk=20)
    outcomes = run(
        partial(repeated_sampling, n=300),
        PROBLEMS,
        proposer=proposer,
        verifier=ScriptedVerifier(lambda trace: 0.0),
        seed=7,
        bank=bank,
    )
    return [outcome.value for outcome in outcomes], proposer.rows


def pages(bank: Bank, limit: int | None) -> None:
    """Let the file grow by so many pages and no further."""
    execute = bank._connection.execute
    (now,) = execute("PRAGMA page_count").fetchone()
    execute(f"PRAGMA max_page_count = {10**6 if limit is None else now + limit}")


def test_a_run_whose_bank_is_full_loses_no_sample(tmp_path):
    undisturbed, _ = work(None)
    with Bank(tmp_path / "bank.sqlite") as bank:
        pages(bank, 3)
        with pytest.raises(BankError, match="full") as caught:
            work(bank)
        error = caught.value
        stored = bank.stats().rows
        assert 0 < stored < TOTAL
        keys, samples = error.unsaved
        assert "bank.put_many(*error.unsaved)" in error.__notes__[0]
        assert f"{len(samples.text)} rows" in error.__notes__[0]
        assert [one.problem for one in error.outcomes] == PROBLEMS
        spent = sum(one.ledger.generated_tokens for one in error.outcomes)
        pages(bank, None)
        assert spent == sum(values[1] for values in content(bank, keys).values())
        bank.put_many(*error.unsaved)
        there = stored + len(samples.text)
        assert bank.stats().rows == there
        again, drawn = work(bank)
        assert (again, drawn) == (undisturbed, TOTAL - there)


def test_what_was_not_saved_may_go_into_another_bank(tmp_path):
    with Bank(tmp_path / "full.sqlite") as bank:
        pages(bank, 0)
        with pytest.raises(BankError) as caught:
            work(bank)
    with Bank(tmp_path / "other.sqlite") as other:
        other.put_many(*caught.value.unsaved)
        assert other.stats().rows == 20
        assert work(other)[1] == TOTAL - 20


def test_another_error_of_a_bank_says_nothing_of_rows(tmp_path):
    bank = Bank(tmp_path / "bank.sqlite")
    bank.close()
    with pytest.raises(BankError, match="Open it again") as caught:
        work(bank)
    assert caught.value.unsaved is None
    assert [one.complete for one in caught.value.outcomes] == [False] * 4


def run_on_a_small_disk(path: str) -> None:
    """Prints the rows in the bank and in the error, and what a second run draws."""
    bank = Bank(path)
    try:
        work(bank)
    except BankError as error:
        stored, rest = bank.stats().rows, error.unsaved
        said = str(error)
    bank.close()
    with Bank(path, read_only=True) as bank:  # the disk is still full
        assert bank.stats().rows == stored
    os.unlink("/mnt/ballast")
    with Bank(path) as bank:
        bank.put_many(*rest)
        again, drawn = work(bank)
        assert again == work(None)[0]
        print(json.dumps([stored, len(rest[1].text), drawn, said]))


def test_a_disk_that_fills_during_a_run_costs_no_sample():
    small_disk()
    before = (
        "mount -t tmpfs -o size=1m none /mnt && "
        "dd if=/dev/zero of=/mnt/ballast bs=1024 count=900 2>/dev/null"
    )
    code = "import test_bank_fails_midway as m; m.run_on_a_small_disk('/mnt/a.sqlite')"
    stored, rest, drawn, said = json.loads(shell(code, before=before))
    assert 0 < stored < TOTAL and rest == 20
    assert stored + rest + drawn == TOTAL
    assert "disk is full" in said and "free disk space" in said


# --- a disk that fills during the upgrade ------------------------------------------


def upgrade_on_full_disks() -> None:
    """With more and more room; prints what was said."""
    said = []
    for room in (0, 28, 40, 100):
        shutil.copy(FIRST, "/mnt/bank.sqlite")
        disk = os.statvfs("/mnt")
        size = disk.f_bavail * disk.f_bsize - 1024 * room
        Path("/mnt/ballast").write_bytes(bytes(size))
        for read_only in (True, False, True):
            try:
                with Bank("/mnt/bank.sqlite", read_only=read_only) as bank:
                    assert content(bank, list(ROWS)) == FIRST_ROWS
            except BankError as error:
                assert not read_only, f"{room} KiB: {error}"
                said.append(str(error))
        os.unlink("/mnt/ballast")
        with Bank("/mnt/bank.sqlite") as bank:
            assert content(bank, list(ROWS)) == FIRST_ROWS
        assert version(Path("/mnt/bank.sqlite")) == 2
        assert os.listdir("/mnt") == ["bank.sqlite"]
    print(json.dumps(said))


def test_a_disk_that_fills_during_the_upgrade_costs_nothing():
    """The file stays as it was, and can be read though nothing can be written."""
    small_disk()
    said = json.loads(shell(
        "import test_bank_fails_midway as m; m.upgrade_on_full_disks()",
        before="mount -t tmpfs -o size=1m none /mnt",
    ))  # fmt: skip
    assert len(said) == 3
    assert all("free disk space" in one and "damaged" not in one for one in said)


# --- other processes ---------------------------------------------------------------


def test_a_file_that_is_written_while_it_is_looked_at_is_not_called_damaged(
    tmp_path, monkeypatch
):
    """Without a log there is no lock: half of another's writing may be seen."""
    path = tmp_path / "bank.sqlite"
    with Bank(path) as bank:
        bank.put(KEYS[0], rows(range(10)))
    real, looks = bank_file.fault, []

    def torn(connection):
        looks.append(1)
        if len(looks) > 1:
            return real(connection)
        with Bank(path) as other:
            other.put(KEYS[1], rows(range(10)))
        return "3 pieces have a wrong checksum"

    monkeypatch.setattr(bank_file, "fault", torn)
    with Bank(path) as bank:
        assert len(content(bank, KEYS)) == 20


def test_a_file_that_is_damaged_is_found_so_at_the_second_look(tmp_path, monkeypatch):
    path = tmp_path / "bank.sqlite"
    Bank(path).close()
    looks = []
    monkeypatch.setattr(bank_file, "fault", lambda _: looks.append(1) or "torn")
    with pytest.raises(BankError, match=r"is damaged \(torn\)"):
        Bank(path)
    assert len(looks) == 2


def test_a_read_only_bank_that_was_written_meanwhile_says_open_it_again(tmp_path):
    path = tmp_path / "bank.sqlite"
    with Bank(path) as bank:
        bank.put(KEYS[0], rows(range(3000)))
    reader = Bank(path, read_only=True)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 8] = bytes(8)
    path.write_bytes(whole)  # in place, as a checkpoint does
    with pytest.raises(BankError, match=r"written by another program.*open it again"):
        reader.get(KEYS[0], range(3000))
    reader.close()
    with Bank(path, read_only=True) as again, pytest.raises(BankError, match="damaged"):
        again.get(KEYS[0], range(3000))


def test_the_same_key_appended_by_two_processes_is_there_once(tmp_path):
    path = tmp_path / "bank.sqlite"
    code = (
        "import test_bank_fails_midway as m\n"
        "with t.Bank(sys.argv[1]) as bank:\n"
        "    for n in range(0, 300, 3): bank.put(t.KEYS[0], t.rows(range(n, n + 6)))"
    )
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: shell(code, path), range(2)))
    with Bank(path) as bank:
        assert sorted(row for _, row in content(bank, KEYS[:1])) == list(range(303))
        assert bank.stats().rows == 303
        assert np.array_equal(bank.get(KEYS[0], range(400)).row, np.arange(303))
