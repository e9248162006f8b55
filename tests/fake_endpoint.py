"""An OpenAI-compatible server in this process, with faults to order.

Its samples are real: the built-in engine writes them, and a row is a function of the
prompt and its seed (choice i has the request's seed plus i, as in vLLM). It streams
one token an event and speaks as vLLM does, or as a server that knows only what OpenAI
has documented (`vllm=False`), with or without `/tokenize`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from tts_lab import ladder
from tts_lab.ladder import tokenizer
from tts_lab.ladder.rows import Request, row_keys

#: a row: its tokens' ids and texts, whether the model ended it, its log-probability
Written = tuple[list[int], list[str], bool, float]


class FakeEndpoint:
    """Serves a rung; faults are used up by the requests for completions, in order.

    A fault is None, a status code, `(status, headers, body)`, one of the names in
    `Handler.stream`, or such a name and the number of the event it comes with.
    `hung_up` is set when a client closed a stream before its end.
    """

    def __init__(
        self,
        *,
        vllm: bool = True,
        tokenizes: bool = True,
        template: bool = False,
        models: tuple[str, ...] = ("105k",),
        seconds_per_token: float = 0.0,
        counts: bool = True,
        includes_stop: bool = True,
        running_counts: bool = True,
        context: int | None = None,
        port: int = 0,
    ) -> None:
        self.vllm, self.tokenizes, self.template = vllm, tokenizes, template
        self.models, self.counts = models, counts
        self.includes_stop = includes_stop
        self.running_counts = running_counts and vllm
        self.seconds_per_token = seconds_per_token
        self.proposer = ladder.load("105k", threads=1)
        self.context = context or self.proposer.context
        self.port = port
        self.faults: deque[Any] = deque()
        self.always: Any = None  # the fault of every request that has no other
        self.lock = threading.Lock()
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.rows_finished = 0
        self.dies_after: int | None = None  # rows
        self.hung_up = threading.Event()
        self.released = threading.Event()  # ends what stalls
        self.open = 0  # streams
        self.most_open = 0

    def __enter__(self) -> FakeEndpoint:
        outer = self

        class Bound(Handler):
            fake = outer

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Bound)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
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

    @property
    def dead(self) -> bool:
        return self.dies_after is not None and self.rows_finished >= self.dies_after

    def completions(self) -> list[dict[str, Any]]:
        return [body for path, body, _ in self.asked if path == "/v1/completions"]

    def write(self, ids: list[int], body: dict[str, Any]) -> list[Written]:
        """The rows of a request; each the same for the same prompt, seed, options."""
        seeds = [body["seed"] + i for i in range(body.get("n", 1))]
        request = Request(
            prefix=bytes(ids),
            keys=np.concatenate([row_keys(s % 2**64, range(1)) for s in seeds]),
            temperature=body["temperature"],
            max_tokens=body["max_tokens"],
            until_step=body.get("stop") == ["\n"],
        )
        found: dict[int, Written] = {}
        with self.lock:
            for some in self.proposer._engine.write([request]):
                for row, tokens, ended, logprob in zip(
                    some.row.tolist(), some.tokens, some.ended.tolist(),
                    some.logprob.tolist(), strict=True,
                ):  # fmt: skip
                    ids, texts = list(tokens), list(tokenizer.decode(tokens))
                    if ended:
                        ids, texts = [*ids, tokenizer.EOS], [*texts, ""]
                    found[row] = ids, texts, ended, logprob
        return [found[row] for row in range(len(seeds))]

    def ids(self, prompt: str | list[int]) -> list[int]:
        if isinstance(prompt, str):
            return [tokenizer.BOS, *tokenizer.encode(prompt)]
        return prompt


class Handler(BaseHTTPRequestHandler):
    fake: FakeEndpoint
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionResetError):  # between two requests
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.fake.asked.append((self.path, {}, dict(self.headers)))
        if self.fake.dead:
            return self.hang_up()
        if self.path != "/v1/models":
            return self.reply(404, {"detail": "Not Found"})
        if isinstance(self.fake.always, tuple):
            status, headers, content = self.fake.always
            return self.refuse(status, headers, content)
        own: dict[str, Any] = {"owned_by": "someone"}
        if self.fake.vllm:
            own = {"owned_by": "vllm", "root": "/models/105k"}
        context = self.fake.context
        cards = [{"id": m, "max_model_len": context} | own for m in self.fake.models]
        self.reply(200, {"object": "list", "data": cards})

    def do_POST(self) -> None:
        fake = self.fake
        length = int(self.headers["content-length"])
        said = self.rfile.read(length)
        if len(said) < length:  # the client went away
            self.close_connection = True
            return
        body = json.loads(said)
        fake.asked.append((self.path, body, dict(self.headers)))
        if fake.dead:
            return self.hang_up()
        if self.path == "/v1/completions":
            with fake.lock:
                fault = fake.faults.popleft() if fake.faults else fake.always
            if isinstance(fault, int):
                fault = (fault, {}, b'{"error": {"message": "as ordered"}}')
            if isinstance(fault, tuple) and isinstance(fault[0], int):
                return self.refuse(*fault)
            with suppress(BrokenPipeError, ConnectionResetError):
                return self.complete(body, fault)
            fake.hung_up.set()
            self.close_connection = True
        elif self.path in ("/tokenize", "/detokenize") and fake.tokenizes:
            self.tokenize(body)
        else:
            self.reply(404, {"detail": "Not Found"})

    def refuse(self, status: int, headers: dict[str, str], content: bytes) -> None:
        content = content.replace(
            b"{key}", self.headers.get("Authorization", "").encode()
        )
        self.send(status, content, {"content-type": "application/json"} | headers)

    def tokenize(self, body: dict[str, Any]) -> None:
        if "tokens" in body:
            text = tokenizer.decode(bytes(body["tokens"])[1:])
            return self.reply(200, {"prompt": "<bos>" + text})
        if "messages" in body:
            if not self.fake.template:
                return self.reply(400, {"error": {"message": "no chat template"}})
            said = "".join(f"{m['content'].lower()}\n" for m in body["messages"])
            known = "".join(c for c in said if c in tokenizer.VOCABULARY)
            return self.reply(200, {"tokens": self.fake.ids(known)})
        prompt = body["prompt"]
        try:
            ids = self.fake.ids(prompt.removeprefix("<bos>"))
        except ValueError as error:
            return self.reply(400, {"error": {"message": str(error)}})
        special = body.get("add_special_tokens", True) or prompt.startswith("<bos>")
        self.reply(200, {"tokens": ids if special else ids[1:]})

    def complete(self, body: dict[str, Any], fault: Any) -> None:
        fake = self.fake
        ids = fake.ids(body["prompt"])
        if not body.get("stream"):
            usage = {"prompt_tokens": len(ids), "completion_tokens": 1}
            return self.reply(200, {"choices": [], "usage": usage})
        if body["temperature"] == 0 and body["n"] > 1:
            return self.reply(400, {"error": {"message": "n must be 1 when greedy"}})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        with fake.lock:
            fake.open += 1
            fake.most_open = max(fake.open, fake.most_open)
        try:
            self.stream(self.events(ids, body), fault)
        finally:
            with fake.lock:
                fake.open -= 1

    def stream(self, events: Iterator[dict[str, Any]], fault: Any) -> None:
        """Send the events, with what was ordered to go wrong after some of them."""
        kind, after = fault if isinstance(fault, tuple) else (fault, 0)
        after = after or 7
        for number, event in enumerate(events):
            line = b"data: " + json.dumps(event).encode() + b"\n\n"
            if kind == "one choice" and any(c["index"] for c in event["choices"]):
                continue
            if kind and number == after:
                if kind == "drop":
                    return self.hang_up()
                if kind == "truncate":
                    self.chunk(line[: len(line) // 2])
                    return self.chunk(b"")
                if kind == "garbage":
                    line = b"data: {'not': json}\n\n"
                if kind == "separators":  # which are no ends of lines in JSON
                    event["note"] = "a\u2028b\x85c"
                    text = json.dumps(event, ensure_ascii=False)
                    line = b"data: " + text.encode() + b"\n\n"
                if kind == "error":
                    line = b'data: {"error": {"message": "engine", "code": 500}}\n\n'
                if kind == "stall":
                    self.fake.released.wait()
                    return self.hang_up()
                if kind == "abort":
                    event["choices"][0]["finish_reason"] = "abort"
                    line = b"data: " + json.dumps(event).encode() + b"\n\n"
            if self.fake.dead:
                return self.hang_up()
            self.chunk(line)
            if self.fake.seconds_per_token:
                self.fake.released.wait(self.fake.seconds_per_token)
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def events(self, ids: list[int], body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """One token of each choice in turn."""
        fake = self.fake
        rows = fake.write(ids, body)
        options = body.get("stream_options") or {}
        for place in range(max(len(row[0]) for row in rows)):
            for index, (tokens, texts, ended, logprob) in enumerate(rows):
                if place >= len(tokens):
                    continue
                choice: dict[str, Any] = {
                    "index": index, "text": texts[place], "finish_reason": None,
                }  # fmt: skip
                each = logprob / len(tokens)
                if body.get("logprobs") is not None and fake.counts:
                    choice["logprobs"] = {"token_logprobs": [each]}
                if fake.vllm:
                    choice |= {"stop_reason": None, "token_ids": [tokens[place]]}
                if place == len(tokens) - 1:
                    stopped = not ended and "".join(texts).endswith("\n")
                    stopped &= body.get("stop") == ["\n"]
                    choice["finish_reason"] = "stop" if ended or stopped else "length"
                    if stopped and fake.vllm:
                        choice["stop_reason"] = "\n"
                        wanted = body.get("include_stop_str_in_output")
                        if not (wanted and fake.includes_stop):
                            choice["text"] = ""
                    with fake.lock:
                        fake.rows_finished += 1
                event: dict[str, Any] = {"choices": [choice]}
                if fake.running_counts and options.get("continuous_usage_stats"):
                    event["usage"] = {"completion_tokens": place + 1}
                yield event
        if fake.counts and body.get("stream_options"):
            total = sum(len(row[0]) for row in rows)
            yield {"choices": [], "usage": {"completion_tokens": total}}

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def reply(self, status: int, content: Any) -> None:
        headers = {"content-type": "application/json"}
        self.send(status, json.dumps(content).encode(), headers)

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def gather(proposer: Any, jobs: Any, **options: Any) -> dict[tuple[int, int], Any]:
    """(job, row) -> (text, tokens, finished, logprob); no row may come twice."""
    found: dict[tuple[int, int], Any] = {}
    for samples in proposer.propose(jobs, **options):
        for job, row, *rest in zip(
            *(np.array(x).tolist() for x in samples), strict=True
        ):
            assert (job, row) not in found
            found[job, row] = tuple(rest)
    return found
