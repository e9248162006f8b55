"""A proxy on this machine that spoils some of what a server answers.

What becomes of a request is drawn from the seed, what is asked, and how often it was
asked before: the order in which threads arrive does not matter, so a failure can be
repeated. An answer is read whole before it is spoilt. Not covered: bytes that change
and leave the JSON whole, which nobody can see.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

#: what can go wrong, and how often relative to each other
KINDS = {
    "reset": 3,  # the connection, before an answer
    "drop": 3,  # the connection, within the answer
    "429": 3,
    "500": 3,
    "stall": 1,  # silence, then the answer
    "half": 3,  # an event cut, and a clean end after it
    "json": 3,  # an event that is none
    "twice": 6,  # an event that comes again, now or later
    "split": 6,  # any boundaries between pieces
}
WRONG = (b'data: {"choices": [{"index": 0, "text": "1', b"data: []", b"data: nonsense",
         b'data: {"choices": 7}', b'data: {"choices": [{"index": 99}]}')  # fmt: skip


class FaultProxy:
    """Stands before `url`; `injected` counts what it did.

    Parameters
    ----------
    url : str
    seed : int
    share : float
        Of the requests, those that something happens to.
    stall_seconds : float
    retry_after : str
        What a 429 asks for.
    """

    def __init__(
        self,
        url: str,
        *,
        seed: int,
        share: float,
        stall_seconds: float = 10.0,
        retry_after: str = "0.05",
    ) -> None:
        self.target = urlsplit(url).netloc
        self.seed, self.share = seed, share
        self.stall_seconds, self.retry_after = stall_seconds, retry_after
        self.injected: Counter[str] = Counter()
        self.asked: Counter[bytes] = Counter()
        self.lock = threading.Lock()
        self.released = threading.Event()

    def __enter__(self) -> FaultProxy:
        outer = self

        class Bound(_Handler):
            proxy = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = False  # joined at the end
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def draw(self, path: str, body: bytes) -> tuple[str, random.Random]:
        """What happens to a request, and the chances of its details."""
        key = path.encode() + b" " + body
        with self.lock:
            times = self.asked[key]
            self.asked[key] += 1
        chance = random.Random(b"%d %d " % (self.seed, times) + key)
        if chance.random() >= self.share:
            return "", chance
        [kind] = chance.choices(list(KINDS), list(KINDS.values()))
        with self.lock:
            self.injected[kind] += 1
        return kind, chance


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    timeout = 60

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.relay(b"")

    def do_POST(self) -> None:
        self.relay(self.rfile.read(int(self.headers["content-length"])))

    def relay(self, body: bytes) -> None:
        kind, chance = self.proxy.draw(self.path, body)
        if kind == "reset":
            return self.hang_up()
        if kind in ("429", "500"):  # a careless server repeats what it was sent
            said = {"error": {"message": f"no {self.headers.get('Authorization')}"}}
            headers = {"Retry-After": self.proxy.retry_after} if kind == "429" else {}
            return self.whole(int(kind), json.dumps(said).encode(), headers)
        status, kept, content = self.fetch(body)
        if kind == "stall":
            self.proxy.released.wait(self.proxy.stall_seconds)
        if "event-stream" in kept["content-type"]:
            return self.events(content, kept, kind, chance)
        if kind in ("drop", "half", "json"):
            cut = content[: chance.randrange(len(content))]
            if kind != "drop":  # at its end, and no JSON any more
                return self.whole(status, b"{" + cut, kept)
            self.head(status, kept | {"content-length": str(len(content))})
            self.wfile.write(cut)
            return self.hang_up()
        self.whole(status, content, kept)

    def fetch(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the server answers."""
        upstream = http.client.HTTPConnection(self.proxy.target, timeout=120)
        try:
            kept = ("content-type", "authorization")
            headers = {k: v for k, v in self.headers.items() if k.lower() in kept}
            upstream.request(self.command, self.path, body or None, headers)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        kind = answer.headers.get("content-type", "")
        return answer.status, {"content-type": kind}, content

    def events(
        self, content: bytes, kept: dict[str, str], kind: str, chance: random.Random
    ) -> None:
        events = [one + b"\n\n" for one in content.split(b"\n\n") if one]
        at = chance.randrange(len(events))
        part = events[at][: chance.randrange(1, len(events[at]) - 2)]
        pieces = list(events)
        if kind in ("drop", "half"):
            pieces = [*events[:at], part]
        elif kind == "json":
            pieces[at] = chance.choice(WRONG) + b"\n\n"
        elif kind == "twice":
            pieces.insert(chance.randrange(at, len(events)) + 1, events[at])
        elif kind == "split":
            pieces, rest = [], content
            while rest:
                size = chance.randrange(1, 60)
                pieces.append(rest[:size])
                rest = rest[size:]
        self.head(200, kept | {"transfer-encoding": "chunked"})
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if kind == "drop":
            return self.hang_up()
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = kind == "half"

    def whole(self, status: int, content: bytes, headers: dict[str, Any]) -> None:
        self.head(status, headers | {"content-length": str(len(content))})
        self.wfile.write(content)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def hang_up(self) -> None:
        """Reset the connection."""
        self.close_connection = True
        with suppress(OSError):
            now = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
            self.connection.shutdown(socket.SHUT_RDWR)
