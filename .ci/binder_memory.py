"""Memory of a group of processes, watched and limited as a container's is.

What counts is the sum of proportional set sizes: a page that three processes share is
a third of a page of each, so the sum is what the group holds, as in a cgroup. A limit
on address space (`ulimit -v`) counts what is only reserved, which for compiled code,
BLAS and threads is several times what is used; a cgroup needs root. Not covered: what
comes and goes between two looks, and systems other than Linux.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event, Thread
from typing import Self

import psutil

EVERY = 0.1  # seconds between two looks


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty when it has ended."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def held(processes: Iterable[psutil.Process]) -> int:
    """Bytes that they hold together."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


class Watch:
    """Look at `group()` until the context is left; kill `victims()` at the limit.

    Attributes
    ----------
    peak : int
        Bytes, the most that was seen.
    over : bool
        Whether the limit was reached.

    Raises
    ------
    Exception
        On leaving, what ended the looking: from there on nothing was limited.
    """

    def __init__(
        self,
        group: Callable[[], list[psutil.Process]],
        victims: Callable[[], list[psutil.Process]],
        limit: int,
    ) -> None:
        self.peak, self.over = 0, False
        self._group, self._victims, self._limit = group, victims, limit
        self._stop = Event()
        self._error: BaseException | None = None
        self._thread = Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        try:
            while not self._stop.wait(EVERY):
                self._look_once()
        except BaseException as error:  # a thread has nobody else to tell
            self._error = error

    def _look_once(self) -> None:
        now = held(self._group())
        self.peak = max(self.peak, now)
        if now > self._limit:
            self.over = True
            for process in self._victims():
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
