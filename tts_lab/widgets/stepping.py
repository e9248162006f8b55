"""Running a strategy one request at a time: what the Step button does."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Event

from tts_lab.traces import Problem, Propose, Strategy


class Gate:
    """Lets a strategy through to its next `Propose` when it is told to.

    Parameters
    ----------
    stepping : bool
        Whether it is closed at first.

    Attributes
    ----------
    waiting : bool
        Whether a strategy stands before it.
    cancel : threading.Event
        Once set, the gate is open for good; its run puts its own here.
    """

    def __init__(self, *, stepping: bool) -> None:
        self.cancel = Event()
        self._changed = Condition()
        self._stepping = stepping
        self._allowed = 0
        self.waiting = False

    def step(self) -> None:
        """Let one more request through."""
        with self._changed:
            self._allowed += 1
            self._changed.notify_all()

    def open(self) -> None:
        """Let everything through from now on."""
        with self._changed:
            self._stepping = False
            self._changed.notify_all()

    def wrap(self, strategy: Callable[[Problem], Strategy]) -> Callable[..., Strategy]:
        """The same strategy, which stops at the gate before each `Propose`."""

        def gated(problem: Problem) -> Strategy:
            inner = strategy(problem)
            try:
                request = next(inner)
                while True:
                    if isinstance(request, Propose):
                        self._pass()
                    request = inner.send((yield request))
            except StopIteration as stop:
                return stop.value
            finally:
                inner.close()

        return gated

    def _pass(self) -> None:
        with self._changed:
            while self._stepping and not self._allowed and not self.cancel.is_set():
                self.waiting = True
                self._changed.wait(0.05)
            self.waiting = False
            self._allowed = max(0, self._allowed - 1)
