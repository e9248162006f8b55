"""The addresses of endpoints: what is accepted, and what is on this machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

ACCEPTED = "http://host:8000/v1"


def root_of(url: str) -> str:
    """A server's address without the API's `/v1` and without a slash at its end.

    Raises
    ------
    ValueError
        For what is no address, or has a name and password or a query in it.

    >>> root_of("http://localhost:8000/v1/"), root_of("https://example.com/api")
    ('http://localhost:8000', 'https://example.com/api')
    """
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        parts = urlsplit("")
    whole = parts.scheme in ("http", "https") and parts.hostname
    secret = "@" in parts.netloc or parts.query or parts.fragment
    if secret or (not whole and any(sign in url for sign in "@?#")):
        raise ValueError(  # not quoted: it may hold a secret
            "the URL has a name and password, or a query, in it; accepted is "
            f"{ACCEPTED}, and the key goes into an environment variable "
            "(key_variable=)"
        )
    if not whole:
        raise ValueError(f"{url!r} is no server's URL; accepted is {ACCEPTED}")
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_loopback(url: str) -> bool:
    """Whether a server is on this machine itself.

    >>> is_loopback("http://127.0.0.2:8000"), is_loopback("http://10.0.0.1")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
