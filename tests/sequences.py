"""Random sequences of run, change, cancel, wait and close, on every widget with a run.

`TTS_LAB_SEQUENCES=1000` plays so many on each widget instead of a few. What a run has
to show is what a quiet run of the same settings shows.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

SEQUENCES = int(os.environ.get("TTS_LAB_SEQUENCES", "30"))
WARM = 10  # sequences after which nothing may grow any more, at least
SECONDS = 120  # patience, not a limit that is measured
PAUSES = (0.0, 0.0, 0.001, 0.004, 0.015, 0.04)
#: objects of these modules must not become more
WATCHED = ("tts_lab", "ipywidgets", "threading", "comm", "_thread", "traitlets")


@dataclass(frozen=True)
class Case:
    """A widget with work so small that a run takes some hundredths of a second.

    Attributes
    ----------
    make : callable
        A new widget.
    settings : tuple
        Each a mapping of values that `set` puts in.
    set, start : callable
        Put settings into a widget; press Run.
    found : callable
        What a run that is done left to be read and seen.
    fits : callable
        (widget, settings): whether what is shown after a cancel is of these.
    more : tuple of callable
        Other things that a user may do at any time.
    """

    make: Callable[[], Any]
    settings: tuple[Any, ...]
    set: Callable[[Any, Any], object]
    start: Callable[[Any], object]
    found: Callable[[Any], Hashable]
    fits: Callable[[Any, Any], bool]
    more: tuple[Callable[[Any], object], ...] = ()


@dataclass
class Player:
    """Plays sequences on one widget after another."""

    case: Case
    seed: int
    widget: Any = None
    counts: Counter[str] = field(default_factory=Counter)
    most: int = 0  # threads
    _quiet: dict[int, Hashable] = field(default_factory=dict)

    def expected(self, number: int) -> Hashable:
        """What a quiet run of these settings finds."""
        if number not in self._quiet:
            widget = self.case.make()
            self.case.set(widget, self.case.settings[number])
            self.case.start(widget)
            assert widget.wait(SECONDS)
            assert widget.status.phase == "done", widget.status
            self._quiet[number] = self.case.found(widget)
            widget.close()
        return self._quiet[number]

    def play(self, number: int) -> None:
        """One sequence: three to eight steps, then an end that is looked at."""
        rng, case = random.Random(f"{self.seed} {number}"), self.case
        if self.widget is not None and rng.random() < 0.05:
            self.widget.close()  # also while it runs
            self.widget = None
        if self.widget is None:
            self.widget = case.make()
            self.counts["widgets"] += 1
        widget = self.widget
        # what is left of the sequence before goes on, or begins with a run
        now = self._run(rng, change=True)
        for _ in range(rng.randint(2, 7)):
            what = rng.choices(
                ["run", "change", "cancel", "twice", "pause", "wait", "look", "more"],
                [4, 4, 3, 1, 5, 1, 1, 2 if case.more else 0],
            )[0]
            if what in ("run", "change"):
                now = self._run(rng, change=what == "change", now=now)
            elif what in ("cancel", "twice"):
                widget.cancel()
                if what == "twice":
                    widget.cancel()
                self.counts["cancels"] += 1
            elif what == "wait":
                widget.wait(rng.choice([0.001, 0.02]))
            elif what == "look":
                widget.text(), repr(widget)
            elif what == "more":
                rng.choice(case.more)(widget)
            self.most = max(self.most, threading.active_count())
            time.sleep(rng.choice(PAUSES))
        self._end(rng, now)

    def _run(self, rng: random.Random, *, change: bool, now: int = 0) -> int:
        if change:
            now = rng.randrange(len(self.case.settings))
            self.case.set(self.widget, self.case.settings[now])
        self.case.start(self.widget)
        assert self.widget.status.phase != "failed", self.widget.status
        self.counts["runs"] += 1
        return now

    def _end(self, rng: random.Random, now: int) -> None:
        widget, case = self.widget, self.case
        how = rng.choice(["run", "poll", "cancel", "cancel soon"])
        if how in ("run", "poll"):
            now = self._run(rng, change=rng.random() < 0.5, now=now)
            if how == "poll":  # the status alone: it may not say an earlier run's end
                deadline = time.monotonic() + SECONDS
                while widget.status.active:
                    assert time.monotonic() < deadline
                    time.sleep(0.0005)
                assert widget.status.phase == "done", widget.status
        elif how == "cancel soon":
            now = self._run(rng, change=True)
            time.sleep(rng.choice(PAUSES))
        if "cancel" in how:
            widget.cancel()
            self.counts["cancels"] += 1
        assert widget.wait(SECONDS)
        status = widget.status
        assert status.phase in ("done", "cancelled"), status
        self.counts[status.phase] += 1
        if status.phase == "done":
            assert case.found(widget) == self.expected(now), (how, now)
        else:
            assert "cancel" in how
            assert case.fits(widget, case.settings[now]), (how, now, widget.text())


def played(case: Case, sequences: int, *, seed: int = 0) -> dict[str, Any]:
    """Play them, and say what was there afterwards; raises where a sequence fails."""
    before = threads()
    with Hooks() as hooks:
        player = Player(case, seed)
        for number in range(len(case.settings)):
            player.expected(number)
        warm = max(WARM, sequences // 4)
        at_warm: Counter[str] = Counter()
        rss_warm = 0.0
        for number in range(sequences):
            if number == warm:
                settled(before)
                at_warm, rss_warm = objects(player), rss()
            player.play(number)
            assert not hooks.caught, hooks.caught
        settled(before)
        grown = objects(player) - at_warm if at_warm else Counter()
        report = {
            "sequences": sequences,
            **player.counts,
            "threads before": len(before),
            "threads at most": player.most,
            "RSS warm, MB": round(rss_warm, 1),
            "RSS end, MB": round(rss(), 1),
        }
        player.widget.close()
        report["threads after"] = len(settled(before))
        report["grown"] = {name: count for name, count in grown.items() if count > 2}
    assert not hooks.caught, hooks.caught
    return report


def objects(player: Player) -> Counter[str]:
    """Live objects by class, of the modules that are watched, without a widget open.

    The player's widget is closed for it: what is left then is left for ever.
    """
    if player.widget is not None:
        player.widget.close()
        player.widget.wait(SECONDS)
        player.widget = None
    for _ in range(3):
        gc.collect()
    found: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        module = kind.__module__
        if isinstance(module, str) and module.split(".")[0] in WATCHED:
            found[f"{module}.{kind.__qualname__}"] += 1
    player.widget = player.case.make()
    return found


def threads() -> list[threading.Thread]:
    """Those that are alive."""
    return [one for one in threading.enumerate() if one.is_alive()]


def settled(before: list[threading.Thread]) -> list[threading.Thread]:
    """Wait until there are no others than before."""
    deadline = time.monotonic() + SECONDS
    while others := [one for one in threads() if one not in before]:
        assert time.monotonic() < deadline, others
        time.sleep(0.005)
    return threads()


def rss() -> float:
    """Resident memory in MB; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


class Hooks:
    """Catches what threads and finalisers would only have printed."""

    def __init__(self) -> None:
        self.caught: list[str] = []

    def __enter__(self) -> Hooks:
        self._before = threading.excepthook, sys.unraisablehook
        threading.excepthook = self._note
        sys.unraisablehook = self._note
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        threading.excepthook, sys.unraisablehook = self._before

    def _note(self, told: Any) -> None:
        self.caught.append(f"{told.exc_type.__name__}: {told.exc_value}")
