"""What every widget with a run has: status, Cancel, waiting, an end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import ipywidgets as widgets

from tts_lab.widgets.closing import close_all, close_each
from tts_lab.widgets.runner import Runner, Status


class Running(widgets.VBox):  # type: ignore[misc]
    """A box around one `Runner`.

    A class of this kind may set `_runner` before it calls this, so that `close` works
    on a widget whose settings were refused.
    """

    _runner: Runner

    def __init__(self, children: Sequence[widgets.Widget], *names: str) -> None:
        super().__init__(children)
        for name in ("tts-widget", *names):
            self.add_class(name)

    def cancel(self) -> None:
        """Stop; what was measured stays."""
        self._runner.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the run has ended and was shown; False after `timeout` seconds."""
        return self._runner.wait(timeout)

    def close(self) -> None:
        """Stop, and take the widget and all that is in it away."""
        self._runner.cancel()
        close_all(self, super().close)
        # not every control is in a box
        close_each(vars(getattr(self, "controls", self)).values())

    @property
    def status(self) -> Status:
        """How the run is doing; after a failure also why, and what to do."""
        return self._runner.status

    def _stop(self) -> None:
        """Cancel and wait a moment: before a model that may be in use is closed."""
        self._runner.cancel()
        self._runner.wait(10)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status.phase}>"


def in_turn(
    waits: Iterable[Callable[[float | None], bool]], timeout: float | None
) -> bool:
    """Wait for one after another; False when all together take over `timeout` s.

    >>> in_turn([lambda left: True, lambda left: left <= 5], 5)
    True
    """
    end = None if timeout is None else monotonic() + timeout
    ended = True
    for wait in waits:
        left = None if end is None else max(end - monotonic(), 0.0)
        ended = wait(left) and ended
    return ended
