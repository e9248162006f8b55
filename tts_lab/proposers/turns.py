"""Whose turn it is among several servers of one model, and which of them are down.

Promises: safe in threads; it asks nothing itself. A server is down after
`DROPPED_AFTER` failures in a row, or one that shows that nobody is there or that it
wants to be left alone; failures of requests that were made before that say nothing
new. With one server there is nothing to choose: it is never down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tts_lab.proposers.endpoint import Endpoint
from tts_lab.proposers.endpoint_errors import EndpointError, pause

DROPPED_AFTER = 3  # failures in a row
State = Literal["up", "trying", "down"]


class Standing(NamedTuple):
    """How one server is doing.

    Attributes
    ----------
    url : str
    state : str
        "up"; "down", asked nothing until it answers again; or "trying", which is back
        and gets one request at a time until it has begun to answer one.
    requests : int
        Answered so far; counting a prompt's tokens is one too.
    failures : int
        Requests and tries that failed so far.
    last_error : str
        Empty if there was none.
    """

    url: str
    state: State
    requests: int
    failures: int
    last_error: str


@dataclass(eq=False, slots=True)
class Replica:
    """One server, and what is known of it."""

    endpoint: Endpoint
    state: State = "up"
    in_flight: int = 0
    requests: int = 0
    failures: int = 0
    last_error: str = ""
    streak: int = 0  # failures in a row since it was up
    drops: int = 0  # in a row, failed tries included
    epoch: int = 0  # drops in all: requests of an earlier one say nothing new
    due: float = 0.0  # when to try it again, on the monotonic clock
    tried: bool = False  # the one request of "trying" is out


class Turn(NamedTuple):
    """A request that is made of a server."""

    replica: Replica
    epoch: int


class Turns:
    """Requests in flight and failures of some servers.

    Parameters
    ----------
    servers : sequence of Replica
    attempts : int
        Failures in a row after which a server is not waited for, or a question is not
        asked there again.

    >>> turns = Turns([Replica(Endpoint(f"http://{name}")) for name in "ab"], 6)
    >>> turn, other = turns.take({}), turns.take({})
    >>> turn.replica.endpoint.root, other.replica.endpoint.root
    ('http://a', 'http://b')
    >>> turns.end(turn, EndpointError("nobody is there", absent=True))
    >>> turn.replica.state, turns.take({}).replica is other.replica
    ('down', True)
    """

    def __init__(self, servers: Sequence[Replica], attempts: int) -> None:
        self.all = list(servers)
        self.attempts = attempts
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
        for one in self.all:
            one.in_flight, one.tried = 0, False

    def take(
        self,
        failed: Mapping[Replica, int],
        own: Mapping[Replica, int] | None = None,
        most: int = 0,
    ) -> Turn | None:
        """A server to ask: one where this failed least, with the fewest in flight.

        Parameters
        ----------
        failed : mapping
            Failures of this question so far.
        own : mapping, optional
            Requests in flight that count towards `most`.
        most : int
            Of those, at each server.

        Returns
        -------
        Turn or None
            None when none is free; each turn is to be ended.
        """
        with self._lock:
            elsewhere = self.another(failed)  # worth waiting for
            free = [
                one for one in self.all
                if (one.state == "up" or (one.state == "trying" and not one.tried))
                and (own is None or own.get(one, 0) < most)
                and not (elsewhere and failed.get(one, 0))
            ]  # fmt: skip
            if not free:
                return None
            one = min(free, key=lambda one: (failed.get(one, 0), one.in_flight))
            one.tried = one.state == "trying"
            one.in_flight += 1
            return Turn(one, one.epoch)

    def answers(self, turn: Turn) -> None:
        """A server has begun to answer: one that was tried is up."""
        one = turn.replica
        with self._lock:
            if one.state == "trying" and turn.epoch == one.epoch:
                one.state, one.drops, one.tried = "up", 0, False

    def end(
        self, turn: Turn, error: EndpointError | None = None, *, answered: bool = False
    ) -> None:
        """A request has ended, in whichever way."""
        if answered:
            self.answers(turn)
        one = turn.replica
        with self._lock:
            one.in_flight -= 1
            here = turn.epoch == one.epoch and one.state != "down"
            if here and one.state == "trying":
                one.tried = False
            if answered:
                one.requests += 1
                one.streak = 0
            if error is None:
                return
            one.failures += 1
            one.last_error = str(error)
            if len(self.all) == 1 or not here:
                return
            one.streak += 1
            lasting = error.absent or error.wait > 0 or not error.transient
            if lasting or one.state == "trying" or one.streak >= DROPPED_AFTER:
                self._drop(one, error)

    def tried(self, one: Replica, error: EndpointError | None) -> None:
        """What came of trying a server that was down."""
        with self._lock:
            if error is None:
                if one.state == "down":
                    one.state = "trying"
            else:
                one.failures += 1
                one.last_error = str(error)
                self._drop(one, error)

    def another(self, failed: Mapping[Replica, int]) -> bool:
        """Whether a server is up where a question has not failed yet."""
        return any(one.state == "up" and not failed.get(one, 0) for one in self.all)

    def wait(self, failed: Mapping[Replica, int], error: EndpointError) -> float:
        """Seconds to wait before a question that failed is asked again."""
        if self.another(failed):
            return 0.0
        here = [failed.get(one, 0) for one in self.all if one.state != "down"]
        failures = min(here, default=0)
        return pause(failures, error) if failures else 0.0

    def lost(self, failed: Mapping[Replica, int]) -> bool:
        """Whether a question is to be given up."""
        return all(
            failed.get(one, 0) >= self.attempts
            or (one.state == "down" and one.drops >= self.attempts)
            for one in self.all
        )

    def begin(self) -> None:
        """Try all of them anew, should all have been given up."""
        if self.lost({}):
            for one in self.all:
                one.drops, one.due = 0, 0.0

    def _drop(self, one: Replica, error: EndpointError) -> None:
        one.state, one.streak, one.tried = "down", 0, False
        one.drops += 1
        one.epoch += 1
        one.due = time.monotonic() + pause(one.drops, error)

    def least(self, failed: Mapping[Replica, int]) -> Turn:
        """One to ask when none is up."""
        with self._lock:
            one = min(self.all, key=lambda one: failed.get(one, 0))
            one.in_flight += 1
            return Turn(one, one.epoch)
