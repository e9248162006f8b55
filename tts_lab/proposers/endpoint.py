"""A client of HTTP servers that speak JSON: retries, streams, clear errors.

Promises: what may pass (429, 5xx, silence, a broken connection) is asked again, with
exponential backoff, full jitter and the server's `Retry-After`; what will not (another
4xx, a web page) is an error at once. The key is read from the environment for each
request and kept nowhere: neither on the object nor in errors. Proxies of the
environment are used, but not for servers on this machine. Not covered: what the JSON
means (`tts_lab.proposers.server`).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING, Any

from tts_lab.proposers.endpoint_errors import (
    EndpointError,
    broken,
    failure,
    pause,
    quoted,
    refusal,
)
from tts_lab.proposers.endpoint_limits import HEADERS, Body, Lines, TooLarge, unpackable
from tts_lab.proposers.endpoint_url import is_loopback, root_of

if TYPE_CHECKING:
    import httpx

__all__ = ["Endpoint", "EndpointError"]
CONNECT_SECONDS = 10.0


class Endpoint:
    """One server, by its URL.

    Parameters
    ----------
    url : str
        `http://host:8000/v1`, also without `/v1`.
    key_variable : str
        Name of the environment variable with the key; none is sent if it is unset.
        The key goes to this URL only: redirects are not followed.
    timeout : float
        Seconds without a byte from the server, after which a request has failed.
    attempts : int
        Failures in a row after which a request is given up.

    Raises
    ------
    ValueError
        For a URL that is none, or has a password or a query in it, or a number out
        of range.
    ImportError
        Without httpx.

    >>> Endpoint("http://localhost:8000/v1/").root
    'http://localhost:8000'
    """

    def __init__(
        self,
        url: str,
        *,
        key_variable: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        attempts: int = 6,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout={timeout!r} seconds; accepted is more than 0")
        if attempts < 1:
            raise ValueError(f"attempts={attempts!r}; accepted is 1 or more")
        self.root = root_of(url)
        self.key_variable = key_variable
        self.timeout = timeout
        self.attempts = attempts
        self._client: httpx.Client | None = None
        _httpx()

    def __repr__(self) -> str:
        return f"Endpoint({self.root!r})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_client": None}

    def close(self) -> None:
        """Close the connections kept for the next question; asking opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def ask(
        self,
        path: str,
        payload: Any = None,
        *,
        attempts: int | None = None,
        cancel: Event | None = None,
    ) -> Any:
        """The JSON that the server answers; POST with a payload, GET without.

        Parameters
        ----------
        path : str
            From the root, such as `/v1/models`, `/tokenize` or `/pooling`.
        payload : JSON, optional
        attempts : int, optional
            Instead of the endpoint's.
        cancel : threading.Event, optional
            Ends the pauses between attempts, and no more are made.

        Raises
        ------
        EndpointError
            When the answer is an error that will stay, or the last attempt failed.
        """
        attempts = self.attempts if attempts is None else attempts
        failures = 0
        while True:
            answer, error = self._once(path, payload)
            if error is None:
                return answer
            failures += 1
            if not error.transient or failures >= attempts:
                raise error
            seconds = pause(failures, error)
            if cancel is None:
                time.sleep(seconds)
            elif cancel.wait(seconds):
                raise error

    def ask_all(
        self, path: str, payloads: Sequence[Any], *, concurrency: int = 16
    ) -> list[Any]:
        """The answers to many payloads, in order, so many of them at a time.

        Raises
        ------
        EndpointError
            The first one; nothing new is asked after it.
        """
        return ask_all(self.ask, [self], path, payloads, concurrency)

    def open_client(self) -> httpx.AsyncClient:
        """A client for `stream`; whoever opens it closes it."""
        client: httpx.AsyncClient = _httpx().AsyncClient(**self._settings())
        return client

    async def stream(
        self, client: httpx.AsyncClient, path: str, payload: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON objects of a streamed answer (server-sent events), as they come.

        POST with a payload, GET with None. A server that answers in one piece gives
        one object. Ends without error only after the server said that it is done.

        Raises
        ------
        EndpointError
            When the answer is an error or stops before its end; nothing is retried.
        """
        url, failed, done = self.root + path, None, False
        method = "GET" if payload is None else "POST"
        try:
            async with client.stream(
                method, url, json=payload, headers=self._headers()
            ) as response:
                kind = response.headers.get("content-type", "")
                unpackable(response.headers.get("content-encoding", ""))
                if response.status_code == 200 and "event-stream" in kind:
                    pieces, lines = response.aiter_bytes(), Lines()
                    async for piece in pieces:
                        for line in lines.add(piece):
                            done = done or line.strip() == b"data: [DONE]"
                            if line.startswith(b"data:") and not done:
                                yield self._event(url, line[5:])
                        if done:
                            break
                    with suppress(TimeoutError):  # read to the end, to be used again
                        async with asyncio.timeout(1):
                            async for _ in pieces:
                                pass
                    if not done:
                        failed = broken(url, "the stream stopped before its end")
                else:
                    body = Body()
                    async for piece in response.aiter_bytes():
                        body.add(piece)
                    answer, failed = self._read(url, response, body.whole())
                    if failed is None:
                        yield answer
        except _httpx().RequestError as error:
            failed = None if done else self._failed(url, error)
        except TooLarge as error:
            failed = broken(url, str(error), transient=False)
        if failed is not None:
            raise failed

    def _event(self, url: str, data: bytes) -> dict[str, Any]:
        event, said = None, ""
        with suppress(ValueError, RecursionError):
            event = json.loads(data)
        if not isinstance(event, dict) or event.get("error"):
            said = quoted(data.decode("utf-8", "replace"), self._key())
        if not isinstance(event, dict):
            raise broken(url, f"the stream has {said}, which is no JSON object")
        if error := event.get("error"):
            code = error.get("code") if isinstance(error, dict) else None
            refused = isinstance(code, int) and 400 <= code < 500 and code != 429
            raise broken(url, f"the stream has {said}", transient=not refused)
        return event

    def _once(self, path: str, payload: Any) -> tuple[Any, EndpointError | None]:
        url = self.root + path
        method = "GET" if payload is None else "POST"
        headers = self._headers()
        failed: EndpointError
        try:
            with self._http().stream(
                method, url, json=payload, headers=headers
            ) as response:
                unpackable(response.headers.get("content-encoding", ""))
                body = Body()
                for piece in response.iter_bytes():
                    body.add(piece)
            return self._read(url, response, body.whole())
        except _httpx().RequestError as error:
            failed = self._failed(url, error)
        except TooLarge as error:
            failed = broken(url, str(error), transient=False)
        # not raised in the handler: the client's error holds the request and its key
        return None, failed

    def _read(
        self, url: str, response: httpx.Response, body: bytes
    ) -> tuple[Any, EndpointError | None]:
        """The JSON of an answer, or what is wrong with it."""
        page = "text/html" in response.headers.get("content-type", "")
        if response.status_code == 200 and not page:
            with suppress(ValueError, RecursionError):
                return json.loads(body), None
        given = "is refused" if self._key() else "is not set"
        return None, refusal(
            url,
            response.status_code,
            quoted(
                response.headers.get("location") or body.decode("utf-8", "replace"),
                self._key(),
            ),
            page=page,
            retry_after=response.headers.get("retry-after", ""),
            key=f"the key in the environment variable {self.key_variable} {given}",
        )

    def _failed(self, url: str, error: Exception) -> EndpointError:
        httpx = _httpx()
        connecting = isinstance(error, httpx.ConnectTimeout | httpx.ConnectError)
        silent = isinstance(error, httpx.TimeoutException)
        return failure(
            url, error, connecting=connecting, silent=self.timeout if silent else None
        )

    def _http(self) -> httpx.Client:
        if self._client is None:
            self._client = _httpx().Client(**self._settings())
            weakref.finalize(self, self._client.close)
        return self._client

    def _settings(self) -> dict[str, Any]:
        httpx = _httpx()
        connect = min(self.timeout, CONNECT_SECONDS)
        return {
            "timeout": httpx.Timeout(self.timeout, connect=connect, pool=None),
            "limits": httpx.Limits(max_connections=None),
            "trust_env": not is_loopback(self.root),
            "verify": _tls(),
            "headers": HEADERS,
            "follow_redirects": False,
        }

    def _key(self) -> str:
        key = os.environ.get(self.key_variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError(  # the client's own error would quote it
                f"the key in the environment variable {self.key_variable} has other "
                "characters than printable ASCII, which no key has"
            )
        return key

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"Authorization": f"Bearer {key}"} if key else {}


def ask_all(
    ask: Callable[..., Any],
    endpoints: Sequence[Endpoint],
    path: str,
    payloads: Sequence[Any],
    concurrency: int,
) -> list[Any]:
    """The answers to many payloads, in order, so many at a time; see `Endpoint`."""
    for one in endpoints:
        one._http()  # made once, before many threads want it
    stop = Event()
    with ThreadPoolExecutor(max_workers=max(1, concurrency)) as pool:
        asked = [pool.submit(ask, path, p, cancel=stop) for p in payloads]
        try:
            return [one.result() for one in asked]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@cache
def _httpx() -> Any:
    try:
        return import_module("httpx")
    except ImportError:
        raise ImportError(
            'endpoints need httpx: pip install "tts-lab[server]"'
        ) from None  # fmt: skip


@cache
def _tls() -> Any:
    return _httpx().create_ssl_context()  # some 20 ms: once for all clients
