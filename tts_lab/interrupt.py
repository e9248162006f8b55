"""Breaking off a verifier's call: a flag that is looked at wherever there is a pause.

The driver calls `verify` under `interruptible(cancel)`, and whatever reads for long
calls `check` between two blocks; a verifier that wraps another needs to know nothing of
it. Proposers are not meant here: `propose` is given its flag.

Promises: outside `interruptible` a check never raises; flags of two threads do not mix.
Not covered: threads of a pool, which are given `flag()` by who starts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

_FLAG: ContextVar[Event | None] = ContextVar("tts_lab_cancel", default=None)


class Interrupted(Exception):
    """The call was broken off because its flag was set; nobody but its driver sees it.

    >>> raise Interrupted("cancelled")
    Traceback (most recent call last):
        ...
    tts_lab.interrupt.Interrupted: cancelled
    """


@contextmanager
def interruptible(cancel: Event | None) -> Iterator[None]:
    """Let `check` in this thread look at a flag.

    Parameters
    ----------
    cancel : threading.Event or None
        None lets nothing be broken off.

    Examples
    --------
    >>> stop = Event()
    >>> with interruptible(stop):
    ...     check()
    ...     stop.set()
    ...     check()
    Traceback (most recent call last):
        ...
    tts_lab.interrupt.Interrupted: cancelled
    """
    token = _FLAG.set(cancel)
    try:
        yield
    finally:
        _FLAG.reset(token)


def flag() -> Event | None:
    """The flag of this thread, for `check` in another one; None if there is none.

    >>> flag() is None
    True
    """
    return _FLAG.get()


def check(cancel: Event | None = None) -> None:
    """Break off if the flag is set: to be called between two blocks of long work.

    Parameters
    ----------
    cancel : threading.Event, optional
        By default the one of this thread.

    Raises
    ------
    Interrupted

    Examples
    --------
    >>> check()
    """
    cancel = _FLAG.get() if cancel is None else cancel
    if cancel is not None and cancel.is_set():
        raise Interrupted("cancelled")
