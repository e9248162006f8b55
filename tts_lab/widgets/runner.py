"""The runner: long work in a thread, while a widget shows how it goes.

Promises: updates come about ten times a second, and the last one always; a second
start cancels the first and waits for it; status and result are of the last start alone,
from the moment it returns; there are two threads at most, and none after the end;
whatever goes wrong, also in showing it, ends in the status with a hint and is never
printed; nothing here needs a front end.

Not covered: what the work is, and what is shown. Work that never looks at its cancel
flag cannot be stopped, and a start after it waits as long as it lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from threading import Event, Lock, Thread, current_thread
from time import monotonic, perf_counter
from typing import Any, Literal

SHOWING = "It happened in showing the run; what was measured is kept."

Phase = Literal["idle", "running", "stopping", "done", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How a run is doing.

    Attributes
    ----------
    phase : str
        "idle", "running", "stopping" (cancelled, but not at its end yet), or how it
        ended: "done", "cancelled", "failed".
    message : str
        What the work said last; what went wrong when it failed.
    hint : str
        What to do about a failure.
    seconds : float
        Since it began to run.
    error : BaseException or None
        The failure itself, with its traceback.
    """

    phase: Phase = "idle"
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
    error: BaseException | None = None

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return self.phase in ("running", "stopping")


class Task:
    """One run, as its work sees it: `cancel` to look at, `say` to tell what it does."""

    def __init__(self) -> None:
        self.cancel = Event()
        self.message = ""

    def say(self, message: str) -> None:
        """Set the message of the status."""
        self.message = message.strip()


_Run = tuple[Task, Callable[[Task], Any], Callable[[Status], object]]


class Runner:
    """Runs one piece of work at a time in a daemon thread.

    Parameters
    ----------
    interval : float
        Seconds between updates.

    Attributes
    ----------
    status : Status
        Of the last start; "running" also while it waits for the run before.
    result : object
        What the work of the last start returned; None until then, and when it was
        cancelled before it began.

    Examples
    --------
    >>> seen = []
    >>> runner = Runner()
    >>> runner.start(lambda task: 6 * 7, lambda status: seen.append(status.phase))
    >>> runner.wait(10), runner.result, seen[-1]
    (True, 42, 'done')
    """

    def __init__(self, *, interval: float = 0.1) -> None:
        if not interval > 0:
            raise ValueError(f"interval must be more than 0 seconds, got {interval!r}")
        self.interval = interval
        self.status = Status()
        self.result: Any = None
        self._lock = Lock()
        self._task: Task | None = None
        self._next: _Run | None = None  # started, not begun
        self._thread: Thread | None = None
        self._following = False  # whether that thread will look for another run

    def start(
        self,
        work: Callable[[Task], Any],
        on_update: Callable[[Status], object] = lambda status: None,
    ) -> None:
        """Cancel what runs, and begin this once it has stopped; returns at once.

        Parameters
        ----------
        work : callable
            Called with a `Task` in a thread; should return soon after its `cancel`
            is set.
        on_update : callable
            Called with the status in another thread, never twice at a time, also not
            with that of the run before. If it raises, the run is cancelled and
            fails with that error. A run that another start replaces before it has
            begun is never shown.
        """
        task = Task()
        with self._lock:
            if self._task is not None:
                self._task.cancel.set()
            self._task, self._next = task, (task, work, on_update)
            self.status, self.result = Status("running"), None
            if not self._following:
                thread = Thread(
                    target=self._follow_all, name="tts-lab-runner", daemon=True
                )
                thread.start()  # it waits for the lock
                self._thread, self._following = thread, True

    def cancel(self) -> None:
        """Ask the run to stop; what it has done is kept."""
        with self._lock:
            if self._task is not None:
                self._task.cancel.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the last update is out; False if that took over `timeout` s.

        A run that was started meanwhile, perhaps by the one waited for, is waited for
        too.
        """
        end = None if timeout is None else monotonic() + timeout
        waited: Thread | None = None
        while True:
            with self._lock:  # a thread that is being started cannot be joined yet
                thread = self._thread
            if thread is waited:
                return True
            if thread is current_thread():
                raise RuntimeError("on_update cannot wait for the run that called it")
            assert thread is not None
            thread.join(None if end is None else max(end - monotonic(), 0.0))
            if thread.is_alive():
                return False
            waited = thread

    def _follow_all(self) -> None:
        """One run after another, until none is waiting."""
        while True:
            with self._lock:
                run, self._next = self._next, None
                if run is None:
                    self._following = False
                    return
            self._follow(*run)
            del run  # what a run held is not kept while the next one is looked for

    def _follow(
        self,
        task: Task,
        work: Callable[[Task], Any],
        on_update: Callable[[Status], object],
    ) -> None:
        """Do the work in a second thread and report about it from this one."""
        broken: list[BaseException] = []

        def show(status: Status) -> None:
            if broken and not status.active and status.error is None:
                status = failure(broken[0], SHOWING, status.seconds)
            self._tell(task, status)
            try:
                on_update(status)
            except BaseException as error:
                task.cancel.set()
                broken.append(error)
                if not status.active and status.error is None:
                    self._tell(task, failure(error, SHOWING, status.seconds))

        ended: list[Status] = []
        began = perf_counter()
        worker = Thread(
            target=self._work,
            args=(task, work, ended),
            name="tts-lab-work",
            daemon=True,
        )
        try:
            worker.start()
        except RuntimeError as error:  # no thread is to be had
            ended.append(failure(error))
        due = began
        while worker.is_alive():
            phase: Phase = "stopping" if task.cancel.is_set() else "running"
            show(Status(phase, task.message, seconds=perf_counter() - began))
            due = max(due + self.interval, perf_counter())
            worker.join(max(due - perf_counter(), self.interval / 10))
        show(replace(ended[0], seconds=perf_counter() - began))

    def _tell(self, task: Task, status: Status) -> None:
        """Take down the status, unless another run was started meanwhile."""
        with self._lock:
            if task is self._task:
                self.status = status

    def _work(
        self, task: Task, work: Callable[[Task], Any], ended: list[Status]
    ) -> None:
        try:
            if not task.cancel.is_set():
                result = work(task)
                with self._lock:
                    if task is self._task:
                        self.result = result
            phase: Phase = "cancelled" if task.cancel.is_set() else "done"
            ended.append(Status(phase, task.message))
        except BaseException as error:  # a thread has nobody else to tell
            ended.append(failure(error))


def failure(error: BaseException, hint: str = "", seconds: float = 0.0) -> Status:
    """The status of an error: what happened, and what to do.

    >>> failure(ValueError("level 9 of chains is unknown; there are [1, 2]")).hint
    'Change that setting and press Run again.'
    """
    parts = [str(error) or type(error).__name__, *getattr(error, "__notes__", [])]
    if isinstance(error, ValueError):  # by the house rules it quotes what to change
        hint = hint or "Change that setting and press Run again."
    else:
        parts.insert(0, f"{type(error).__name__}:")
        hint = hint or "Press Run to try again; `.status.error` holds the error."
    return Status("failed", " ".join(parts), hint, seconds, error)


def busy(status: Status) -> str:
    """An attribute for a line whose words will change soon, so that they can wait.

    >>> busy(Status("running")), busy(Status("done"))
    (' aria-busy="true"', '')
    """
    return ' aria-busy="true"' if status.active else ""


def status_line(status: Status, words: str, *, done: str = "✓ ") -> str:
    """A status line as HTML; announced by screen readers when it changes.

    >>> status_line(Status("done"), "Done: 2 < 3.")
    '<div class="tts-status" role="status">✓ Done: 2 &lt; 3.</div>'
    """
    mark = {"done": done, "failed": "⚠ "}.get(status.phase, "")
    name = " tts-failed" if status.phase == "failed" else ""
    return (
        f'<div class="tts-status{name}" role="status"{busy(status)}>'
        f"{mark}{escape(words)}</div>"
    )
