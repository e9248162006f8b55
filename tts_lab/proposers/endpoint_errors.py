"""What goes wrong with endpoints, in words, and how long to wait after it."""

from __future__ import annotations

import json
import random
import socket
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from tts_lab.proposers.endpoint_url import ACCEPTED

FIRST_SECONDS = 0.5  # the first delay is at most this; it doubles with each failure
LONGEST_SECONDS = 30.0
PATIENCE_SECONDS = 120.0  # a server that asks for a longer pause is not waited for
QUOTED = 200  # characters of a body in an error
_jitter = random.Random()


class EndpointError(ConnectionError):
    """A server could not be reached, or did not answer as it should.

    Attributes
    ----------
    url : str
    status : int or None
        HTTP status; None when there was no answer.
    transient : bool
        Whether asking again may help.
    wait : float
        Seconds the server asked to wait.
    absent : bool
        Whether nobody was there: no connection, or silence.
    """

    def __init__(
        self,
        message: str,
        *,
        url: str = "",
        status: int | None = None,
        transient: bool = False,
        wait: float = 0.0,
        absent: bool = False,
    ) -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.transient = transient
        self.wait = wait
        self.absent = absent


def pause(failures: int, error: EndpointError) -> float:
    """Seconds to wait after so many failures in a row, the last one being `error`.

    References
    ----------
    "Full jitter" of M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog,
    2015; on top of what the server asks for.

    >>> 7 <= pause(3, EndpointError("busy", wait=7.0)) <= 7 + 4 * FIRST_SECONDS
    True
    """
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (failures - 1))
    return error.wait + _jitter.uniform(0, ceiling)


def quoted(body: str, secret: str = "") -> str:
    """The beginning of what a server said, without a secret that it repeats.

    Of JSON with a message, as servers send with errors, it is the message.

    >>> quoted('{"error": {"message": "Incorrect API key: sk-1"}}', "sk-1")
    "'Incorrect API key: ***'"
    """
    found: Any = None
    with suppress(ValueError, AttributeError, RecursionError):
        found = json.loads(body)
        found = found.get("error", found.get("detail", found.get("message")))
        found = found.get("message", found)
    said = found if isinstance(found, str) else body
    if secret:
        in_json = json.dumps(secret)[1:-1]
        for form in (secret, quote(secret, safe=""), in_json,
                     in_json.replace("/", "\\/")):  # fmt: skip
            said = said.replace(form, "***")
    return repr(said.strip()[:QUOTED])


def refusal(
    url: str,
    status: int,
    said: str,
    *,
    page: bool,
    retry_after: str = "",
    key: str = "",
) -> EndpointError:
    """The error for an answer that is none.

    Parameters
    ----------
    url : str
    status : int
    said : str
        The body, quoted.
    page : bool
        Whether it is a web page.
    retry_after : str
        The header of that name.
    key : str
        What is wrong with the key, should that be it.

    >>> print(refusal("http://a/v1/models", 404, "'no'", page=False))
    http://a/v1/models answered 404: 'no'; is that the server's address? accepted is
    http://host:8000/v1
    """
    transient, wait = status == 429 or status >= 500, 0.0
    if page and not transient:
        advice = f"that is a web page, not an API; accepted is {ACCEPTED}"
    elif status == 200:
        advice, transient = "that is not JSON; look at the server's log", True
    elif status in (401, 403):
        advice = key
    elif status == 404:
        advice = f"is that the server's address? accepted is {ACCEPTED}"
    elif 300 <= status < 400:
        advice = "it points elsewhere; give that address"
    elif status == 429:
        advice = "ask less at a time (concurrency=), or later"
    elif transient:
        advice = "the server failed; look at its log, then run again"
    else:
        advice = "the server does not accept the request"
    if transient:
        wait = _seconds(retry_after)
        if wait > PATIENCE_SECONDS:
            transient = False
            advice = f"it asks to wait {wait:.0f} seconds; run again then"
    return EndpointError(
        f"{url} answered {status}: {said}; {advice}",
        url=url,
        status=status,
        transient=transient,
        wait=wait,
    )


def broken(url: str, said: str, *, transient: bool = True) -> EndpointError:
    """The error for a stream that did not come to its end."""
    return EndpointError(
        f"{url}: {said}; look at the server's log, then run again",
        url=url,
        status=200,
        transient=transient,
    )


def failure(
    url: str, error: Exception, *, connecting: bool, silent: float | None
) -> EndpointError:
    """The error for a request that got no whole answer.

    Parameters
    ----------
    url : str
    error : Exception
        The client's.
    connecting : bool
        Whether there was no connection yet.
    silent : float or None
        Seconds without a byte, if that was it.
    """
    causes: list[BaseException] = [error]
    while (under := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(under)
    words = str(error) or type(error).__name__
    unknown = any(isinstance(one, socket.gaierror) for one in causes)
    if unknown:
        said = f"the host's name is not known ({words}); accepted is {ACCEPTED}"
    elif connecting:
        said = (
            f"nothing can be reached there ({words}); is the server started, and the "
            f"port right? accepted is {ACCEPTED}"
        )
    elif silent is not None:
        said = (
            f"no answer for {silent:g} seconds; ask less at a time (concurrency=) or "
            "allow more (timeout=)"
        )
    else:
        said = (
            f"the connection broke ({words}); look at the server's log, then run again"
        )
    absent = unknown or connecting or silent is not None
    return EndpointError(f"{url}: {said}", url=url, transient=True, absent=absent)


def _seconds(retry_after: str) -> float:
    """What a `Retry-After` header asks for, given as seconds or as a date."""
    with suppress(ValueError):
        return max(0.0, float(retry_after))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0
