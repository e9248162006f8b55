"""Servers that send without end, bombs, or nonsense: an error, in bounded memory.

The server stops when the client hangs up; what it could send by then is counted.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socketserver
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import repeat

import pytest

from tts_lab.proposers import choices, endpoint_limits, streams
from tts_lab.proposers.endpoint import Endpoint, EndpointError
from tts_lab.proposers.endpoint_limits import Lines
from tts_lab.proposers.replicas import Replicas
from tts_lab.proposers.server import Server

KEY = "sk-do-not-show-me-0123"
BLOCK = b"x" * 65_536
LIMIT = 1 << 20
#: what the two systems hold between client and server, and some blocks
BUFFERS = 16 << 20
OK = b"HTTP/1.1 200 OK\r\n"
STREAM = b"Content-Type: text/event-stream\r\n"


class Hostile:
    """Answers every request with the same bytes, as many as the client takes."""

    def __init__(self, head: bytes, body: Iterator[bytes]) -> None:
        self.head, self.body, self.sent = head, body, 0
        self.requests: list[bytes] = []

    def __enter__(self) -> Hostile:
        owner = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                asked = b""
                while line := self.rfile.readline():
                    asked += line
                    if line == b"\r\n":
                        break
                owner.requests.append(asked)
                with suppress(OSError):
                    self.wfile.write(owner.head)
                    for piece in owner.body:
                        self.wfile.write(piece)
                        owner.sent += len(piece)

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    monkeypatch.setattr(endpoint_limits, "LARGEST", LIMIT)
    monkeypatch.setattr(endpoint_limits, "LONGEST", LIMIT)
    monkeypatch.setattr(choices, "LONGEST_ROW", LIMIT)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def asked(server: Hostile) -> str:
    """What an endpoint says of the server's one answer."""
    endpoint = Endpoint(server.url, timeout=20, attempts=1)
    with pytest.raises(EndpointError) as caught:
        endpoint.ask("/v1/models")
    endpoint.close()
    return told(caught.value, server)


def streamed(server: Hostile) -> str:
    """What it says of a stream."""
    endpoint = Endpoint(server.url, timeout=20, attempts=1)

    async def every() -> int:
        async with endpoint.open_client() as client:
            events = endpoint.stream(client, "/v1/completions", {})
            return sum([1 async for _ in events])

    with pytest.raises(EndpointError) as caught:
        asyncio.run(every())
    return told(caught.value, server)


def told(error: EndpointError, server: Hostile) -> str:
    assert server.sent <= BUFFERS
    assert len(server.requests) == 1  # it would be as large the next time
    assert KEY not in str(error) + repr(error) and error.__cause__ is None
    assert len(str(error)) < 1000
    return str(error)


def packed(size: int) -> bytes:
    """So many bytes of JSON text, packed a thousandfold."""
    return gzip.compress(b'"' + b"x" * size + b'"')


BODIES = {
    "endless": (b"", repeat(BLOCK)),
    "a length of an exabyte": (b"Content-Length: 1000000000000000000\r\n",
                               repeat(BLOCK)),
    "a gzip bomb": (b"Content-Encoding: gzip\r\n", [packed(8 * LIMIT)]),
    "a deflate bomb": (b"Content-Encoding: deflate\r\n",
                       [zlib.compress(b"x" * (8 * LIMIT))]),
}  # fmt: skip


@pytest.mark.parametrize("how", BODIES)
@pytest.mark.parametrize("status", [b"200 OK", b"401 No", b"500 Broken"])
def test_an_answer_without_end_is_cut_off(how, status):
    headers, body = BODIES[how]
    head = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n" + headers + b"\r\n"
    with Hostile(head, iter(body)) as server:
        assert "the answer has more than 1,048,576 bytes" in asked(server)
    with Hostile(head, iter(body)) as server:
        assert "the answer has more than 1,048,576 bytes" in streamed(server)


@pytest.mark.parametrize("encoding", [b"gzip, gzip", b"br", b"zstd", b"gzip,deflate"])
def test_what_unpacks_to_any_size_is_not_unpacked(encoding):
    twice = gzip.compress(packed(8 * LIMIT))
    head = OK + b"Content-Encoding: " + encoding + b"\r\nConnection: close\r\n\r\n"
    for use in (asked, streamed):
        with Hostile(head, iter([twice])) as server:
            assert f"is packed as '{encoding.decode()}'" in use(server)


@pytest.mark.parametrize("head", [b"", b"Content-Encoding: gzip\r\n"])
def test_a_line_without_end_is_cut_off(head):
    body = repeat(BLOCK) if not head else iter([packed(8 * LIMIT)])
    with Hostile(OK + STREAM + head + b"\r\n", body) as server:
        said = streamed(server)
    assert "the stream has a line of more than 1,048,576 bytes" in said


def test_headers_without_end_are_cut_off():
    with Hostile(OK, repeat(b"X-A: " + b"x" * 1000 + b"\r\n")) as server:
        assert "the connection broke" in asked(server)


def test_a_sample_without_end_is_cut_off(monkeypatch):
    event = {"choices": [{"index": 0, "text": "x" * 60_000, "finish_reason": None}]}
    line = b"data: " + json.dumps(event).encode() + b"\n\n"
    with Hostile(OK + STREAM + b"\r\n", repeat(line)) as server:
        replicas = Replicas(server.url, timeout=20, attempts=1)
        ask = choices.Ask(0, range(1), lambda first, count: {})
        with pytest.raises(EndpointError, match="a sample of more than 1,048,576"):
            list(streams.write(
                replicas, [ask], concurrency=1, progress=streams.Progress()
            ))  # fmt: skip
        assert server.sent <= BUFFERS


@pytest.mark.parametrize(
    "body", [b"[" * 500_000, b'{"data":' * 100_000, b"1" * 500_000, b"\xff\xfe", b"NaN"]
)
def test_an_answer_that_is_hardly_json_is_an_error(body):
    head = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    with Hostile(head, iter([body])) as server, pytest.raises(EndpointError):
        Server(server.url, attempts=1)


def test_lines_are_those_of_the_whole_text():
    text = b"".join(b"data: %d\r\n\n" % i for i in range(300)) + b"rest"
    for size in (1, 2, 7, 100, 10_000):
        lines = Lines()
        found = [
            line
            for a in range(0, len(text), size)
            for line in lines.add(text[a : a + size])
        ]
        assert found == text.split(b"\n")[:-1]
