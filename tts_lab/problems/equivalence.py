"""Whether two answers mean the same, as math-verify says, within a time limit.

A worker process (`tts_lab.problems.math_worker`) does the reading: one for this
process, started with the first question, killed and started anew when an answer takes
longer than `SECONDS` or more than its memory, closed at exit. So it works in any
thread and in notebooks, and no answer can hang or end the caller.

Policies: an answer that could not be read in time has no form and equals nothing; that
is remembered like any other result (the last 50,000 are), so it does not depend on
how often one asks. An answer longer than `LONGEST` characters is not read at all.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import RLock, Thread
from typing import Any

SECONDS = 5.0
LONGEST = 1000
_START_SECONDS = 120.0
_REMEMBERED = 50_000
_IN_FLIGHT = 4096  # bytes: less than any system's pipe holds, so writing never waits
_PIP = 'pip install "tts-lab[text]"'

#: an answer alone asks for its form, after a right answer whether it equals that
Question = tuple[str | None, str]


def need() -> None:
    """Raise an error that says what to install if math-verify is missing.

    Raises
    ------
    ImportError
    """
    if not _installed():
        raise ImportError(f"text problems need math-verify: {_PIP}")


@cache
def _installed() -> bool:
    return importlib.util.find_spec("math_verify") is not None


class Worker:
    """One worker process; not for several threads at once.

    Raises
    ------
    RuntimeError
        If the process cannot start.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader: Thread | None = None

    def ask(self, questions: Sequence[Question]) -> Iterator[dict[str, Any]]:
        """One reply per question, in order; {} for one that took too long.

        Questions wait in the pipe while others are worked on, so that many need no
        round trip each.
        """
        lines = [_line(question) for question in questions]
        sent = got = flying = 0
        try:
            while got < len(lines):
                if self._process is None:
                    self._start()
                    sent, flying = got, 0
                try:
                    while sent < len(lines) and (
                        sent == got or flying + len(lines[sent]) <= _IN_FLIGHT
                    ):
                        self._write(lines[sent])
                        flying += len(lines[sent])
                        sent += 1
                    reply = self._read(self.seconds)
                except (Empty, OSError, EOFError):
                    self.close()  # whatever it was, it was this answer
                    reply = {}
                flying -= len(lines[got])
                got += 1
                yield reply
        except BaseException:  # an interrupt: the replies under way are lost
            self.close()
            raise

    def close(self) -> None:
        """End the process; a later question starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not yet written
                if pipe is not None:
                    pipe.close()

    def disown(self) -> None:
        """Let go of the process without ending it, in a child of this one."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        # -P: the current folder holds no modules for it; a session of its own, so
        # that a notebook's interrupt does not reach it
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tts_lab.problems.math_worker",
             str(self.seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0,  # buffers have locks, which a forked child could find held
            env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )  # fmt: skip
        self._lines = SimpleQueue()
        self._reader = Thread(
            target=_pump, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()
        try:
            hello = self._read(_START_SECONDS)
        except (Empty, EOFError):
            hello = {"failed": "it ended or hung without a word"}
        except BaseException:
            self.close()
            raise
        if "ready" not in hello:
            self.close()
            raise RuntimeError(
                "the process that compares answers does not start: "
                f"{hello.get('failed')}; {_PIP} installs what it needs"
            )

    def _write(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        while line:
            line = line[self._process.stdin.write(line) :]

    def _read(self, seconds: float) -> dict[str, Any]:
        line = self._lines.get(timeout=seconds)
        if not line:
            raise EOFError
        reply: dict[str, Any] = json.loads(line)
        return reply


class Judge:
    """Forms and equivalence of answers, remembered; for any number of threads.

    Parameters
    ----------
    seconds : float
        How long one answer may take.

    Attributes
    ----------
    asked : int
        Questions that went to the worker.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        if not seconds > 0:
            raise ValueError(f"seconds must be more than 0, got {seconds!r}")
        self.asked = 0
        self._worker = Worker(seconds)
        self._known: OrderedDict[Question, Any] = OrderedDict()
        self._lock = RLock()

    def forms(self, answers: Iterable[str]) -> list[str | None]:
        """The canonical form of each answer; None where it cannot be read."""
        return self._ask([(None, answer) for answer in answers])

    def equal(self, pairs: Iterable[tuple[str, str]]) -> list[bool]:
        """Whether each (right answer, answer) are equivalent."""
        return [bool(one) for one in self._ask(list(pairs))]

    def close(self) -> None:
        """End the worker; a later question starts another."""
        with self._lock:
            self._worker.close()

    def disown(self) -> None:
        """Let go of the worker without ending it."""
        self._worker.disown()

    def _ask(self, questions: Sequence[Question]) -> list[Any]:
        need()
        with self._lock:
            known = self._known
            new = [q for q in dict.fromkeys(questions) if q not in known]
            short = [q for q in new if all(len(part or "") <= LONGEST for part in q)]
            results: dict[Question, Any] = {}
            for question, reply in zip(short, self._worker.ask(short), strict=True):
                results[question] = reply.get("form") or reply.get("equal")
                known[question] = results[question]
                self.asked += 1
            for question in questions:
                if question in known:
                    known.move_to_end(question)
                    results[question] = known[question]
            while len(known) > _REMEMBERED:
                known.popitem(last=False)
        return [results.get(question) for question in questions]


def _line(question: Question) -> bytes:
    gold, text = question
    request = {"text": text} if gold is None else {"text": text, "gold": gold}
    # ASCII: half a surrogate pair is escaped, too
    return json.dumps(request).encode() + b"\n"


def _pump(pipe: Any, lines: SimpleQueue[bytes]) -> None:
    rest = b""
    while part := pipe.read(65_536):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            lines.put(line)
    lines.put(b"")


@cache
def judge() -> Judge:
    """The judge of this process.

    >>> judge().forms([r"\\dfrac12", "0.5"])
    ['1/2', '1/2']
    """
    made = Judge()
    atexit.register(made.close)
    return made


def _after_fork() -> None:
    """A child must neither use nor end its parent's worker."""
    if judge.cache_info().currsize:
        judge().disown()
        judge.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
