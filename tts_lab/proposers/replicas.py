"""Several servers of one model, asked as if they were one.

Promises: a question goes to the server with the fewest in flight; one that fails is
asked elsewhere at once. After `DROPPED_AFTER` failures in a row, or one that shows
that nobody is there, a server is down and asked nothing; it is tried with growing
pauses while requests are made, and taken back, one request first, once it answers as
the same model. With one server there is nothing to choose: it is never down.

Not covered: the text of answers. Servers with the same names and limits and other
weights are taken for the same.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from tts_lab.proposers import replica_identity as identity
from tts_lab.proposers import served_model
from tts_lab.proposers.endpoint import Endpoint, ask_all
from tts_lab.proposers.endpoint_errors import EndpointError, pause
from tts_lab.proposers.replica_identity import Identity
from tts_lab.proposers.turns import Replica, Standing, Turns


class Replicas:
    """The servers of one model.

    Parameters
    ----------
    urls : str or sequence of str
        One URL, several with commas between them, or a list.
    keyword : str
        What errors say that a model is chosen with.
    key_variable, timeout, attempts
        As of `Endpoint`; a request is given up when it failed so often at each server
        that has not itself failed so often in a row.

    Raises
    ------
    ValueError
        For no URL, one that is none, or one that is there twice.

    >>> Replicas("http://a:8000/v1, http://b:8000/v1").root
    'http://a:8000,http://b:8000'
    >>> Replicas(["http://a:8000", "http://a:8000/v1"])
    Traceback (most recent call last):
    ...
    ValueError: 'http://a:8000' is there twice; accepted is once
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        keyword: str = "model=",
        key_variable: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        attempts: int = 6,
    ) -> None:
        listed = urls.split(",") if isinstance(urls, str) else list(urls)
        if not listed:
            raise ValueError(f"{urls!r} names no server; accepted is one URL or more")
        servers = [
            Replica(
                Endpoint(
                    url, key_variable=key_variable, timeout=timeout, attempts=attempts
                )
            )
            for url in listed
        ]
        roots = [one.endpoint.root for one in servers]
        for root in roots:
            if roots.count(root) > 1:
                raise ValueError(f"{root!r} is there twice; accepted is once")
        self.root = ",".join(roots)
        self.turns = Turns(servers, attempts)
        self.model: str | None = None
        self.keyword = keyword
        self.identity: Identity | None = None

    def __repr__(self) -> str:
        return f"Replicas({self.root!r})"

    @property
    def all(self) -> list[Replica]:
        """The servers, in the order given."""
        return self.turns.all

    @property
    def attempts(self) -> int:
        """Failures in a row after which a question is given up."""
        return self.turns.attempts

    @attempts.setter
    def attempts(self, number: int) -> None:
        self.turns.attempts = number

    def close(self) -> None:
        """Close the connections kept for the next question."""
        for one in self.all:
            one.endpoint.close()

    def standing(self) -> tuple[Standing, ...]:
        """How each server is doing, in the order given."""
        return tuple(
            Standing(
                one.endpoint.root, one.state, one.requests, one.failures, one.last_error
            )
            for one in self.all
        )

    def status(self) -> str:
        """What is wrong, in a line; empty while every server is up."""
        off = [one for one in self.all if one.state == "down"]
        if not off:
            return ""
        up = len(self.all) - len(off)
        names = ", ".join(one.endpoint.root for one in off)
        return f"{up} of {len(self.all)} servers answer{'s' * (up == 1)}, not {names}"

    def connect(self, model: str | None) -> dict[str, Any]:
        """The model's card; several servers must agree on it.

        One that cannot be reached is down then, as long as another answers.

        Raises
        ------
        EndpointError
            When none can be reached, or one refuses.
        ValueError
            When they serve different models, or as of `served_model.card`.
        """
        self.model = model
        if len(self.all) == 1:
            return served_model.card(self.all[0].endpoint, model, self.keyword)
        for failures in range(1, self.attempts + 1):
            with ThreadPoolExecutor(len(self.all)) as pool:
                answers = list(pool.map(self._meet, self.all))
            met = [one for one in answers if not isinstance(one, EndpointError)]
            errors = [one for one in answers if isinstance(one, EndpointError)]
            for error in errors:
                if not error.transient:
                    raise error
            if met or all(error.absent for error in errors):
                break
            time.sleep(pause(failures, errors[0]))
        if not met:
            raise self.gone()
        self.identity = met[0].identity
        for one in met[1:]:
            if why := identity.difference(met[0].identity, one.identity):
                raise ValueError(
                    f"{met[0].root} and {one.root} are no replicas of one model: "
                    f"{why}; accepted are servers that were started alike"
                )
        self.model = str(met[0].card["id"])
        return met[0].card

    def ask(
        self,
        path: str,
        payload: Any = None,
        *,
        attempts: int | None = None,
        cancel: Event | None = None,
    ) -> Any:
        """As of `Endpoint.ask`, of whichever server answers."""
        attempts = self.attempts if attempts is None else attempts
        failed: Counter[Replica] = Counter()
        while True:
            turn = self.turns.take(failed) or self.turns.least(failed)
            try:
                if turn.replica.state == "down":
                    self._back(turn.replica)
                answer = turn.replica.endpoint.ask(path, payload, attempts=1)
            except EndpointError as caught:
                error = caught
            except BaseException:
                self.turns.end(turn)
                raise
            else:
                self.turns.end(turn, answered=True)
                return answer
            # a status may be about what was asked; silence is about the server
            self.turns.end(turn, None if error.status else error)
            failed[turn.replica] += 1
            here = [one for one in self.all if one.state != "down"] or self.all
            if not error.transient or all(failed[one] >= attempts for one in here):
                raise error
            seconds = self.turns.wait(failed, error)
            if cancel is None:
                time.sleep(seconds)
            elif cancel.wait(seconds):
                raise error

    def ask_all(
        self, path: str, payloads: Sequence[Any], *, concurrency: int = 16
    ) -> list[Any]:
        """As of `Endpoint.ask_all`, so many at a time of each server."""
        endpoints = [one.endpoint for one in self.all]
        return ask_all(self.ask, endpoints, path, payloads, concurrency * len(self.all))

    def gone(self) -> EndpointError:
        """The error when none is left."""
        said = "; ".join(one.last_error for one in self.all)
        return EndpointError(
            f"none of {len(self.all)} servers answers: {said}",
            url=self.root,
            transient=True,
        )

    def _meet(self, one: Replica) -> identity.Met | EndpointError:
        try:
            return identity.meet(one.endpoint, self.model, self.keyword)
        except EndpointError as error:
            self.turns.tried(one, error)
            return error

    def _back(self, one: Replica) -> None:
        """Look whether a server that is down answers as it should."""
        met = identity.meet(one.endpoint, self.model)
        if error := identity.changed(self.identity, met):
            raise error
        self.turns.tried(one, None)
