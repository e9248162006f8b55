"""The server proposer against a really started vLLM server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from fake_endpoint import gather

from tts_lab import ladder, problems
from tts_lab.bank import Bank
from tts_lab.formats import Format
from tts_lab.proposers import Job
from tts_lab.proposers.endpoint import EndpointError
from tts_lab.proposers.server import Server
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Sampled
from tts_lab.verifiers.exact import Exact

pytestmark = pytest.mark.vllm

PROMPT = "89 60 78 21>92\n"


CHAT = Format("chat of the tests", True, "\n", "line")
TEMPLATE = "{{ bos_token }}{% for one in messages %}{{ one['content'] }}={% endfor %}"


@pytest.fixture(scope="module")
def url(vllm_server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A rung that is served with a chat template."""
    template = tmp_path_factory.mktemp("template") / "template.jinja"
    template.write_text(TEMPLATE)
    return vllm_server(ladder.path("105k"), "--chat-template", str(template))


@contextmanager
def served(url: str, **options: Any) -> Iterator[Server]:
    proposer = Server(url, **{"format": "plain"} | options)
    try:
        yield proposer
    finally:
        proposer.close()


class Relay:
    """Passes connections on to a server until so many bytes came back, then is gone."""

    def __init__(self, url: str, most_bytes: int) -> None:
        self.target = url.removeprefix("http://").split(":")
        self.left = most_bytes
        self.open: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.run(self.accept)

    def run(self, what: Any, *given: Any) -> None:
        thread = threading.Thread(target=what, args=given, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((self.target[0], int(self.target[1])))
                self.open += [near, far]
                self.run(self.pump, near, far, False)
                self.run(self.pump, far, near, True)

    def pump(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                self.left -= len(data) if back else 0
                if self.left < 0:
                    return self.die()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def die(self) -> None:
        for one in [self.listener, *self.open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.die()
        for thread in self.threads:
            thread.join()
        for one in [self.listener, *self.open]:
            one.close()


def test_it_writes_steps_and_whole_rows(url: str) -> None:
    engine = ladder.load("105k")
    some = [p.prompt for p in problems.evaluation_set("chains", 3, 3)]
    greedy = [Job(prompt, "", 0, range(2), temperature=0.0) for prompt in some]
    steps = [Job(prompt, "", 1, range(70), until="step") for prompt in some]
    with served(url) as proposer:
        found = gather(proposer, greedy)
        for key, row in gather(engine, greedy).items():
            assert found[key][:3] == row[:3]
        for text, tokens, finished, logprob in gather(proposer, steps).values():
            assert tokens == len(text) + finished
            assert text.endswith("\n") != finished
            assert logprob < 0
        assert proposer.count_tokens(some[0]) == engine.count_tokens(some[0])


def test_a_chat_goes_through_its_template(url: str) -> None:
    jobs = [Job("47+38", text, 0, range(1), temperature=0.0) for text in ("", "8")]
    plain = [Job("47+38=", text, 0, range(1), temperature=0.0) for text in ("", "8")]
    with served(url, format=CHAT) as proposer:
        found = gather(proposer, jobs)
        assert proposer.count_tokens("47+38") == 1 + len("47+38=")
        assert proposer.count_tokens("47+38", "8") == 1 + len("47+38=8")
    for key, row in gather(ladder.load("105k"), plain).items():
        assert found[key][:3] == row[:3]
    unasked = Server(url, format=None)
    assert unasked.format.name == "chat"
    unasked.close()


def test_what_it_cannot_read_or_lacks_is_told(url: str) -> None:
    with served(url) as proposer:
        with pytest.raises(ValueError, match=r"cannot read '1\+é"):
            proposer.count_tokens("1+é\n")
        with pytest.raises(EndpointError, match=r"answered 400.*stop"):
            asked = {"model": "105k", "prompt": "1", "stop": 1}
            proposer.endpoint.ask("/v1/completions", asked)
    with pytest.raises(ValueError, match="it has '105k'"):
        Server(url, model="another")


def test_cancel_leaves_it_ready_for_the_next(url: str) -> None:
    cancel = threading.Event()
    jobs = [Job(PROMPT, "", s, range(300)) for s in range(8)]
    with served(url) as proposer:
        threading.Timer(0.3, cancel.set).start()
        assert len(gather(proposer, jobs, cancel=cancel)) < 2400
        assert len(gather(proposer, [Job(PROMPT, "", 7, range(40))])) == 40


def test_a_run_goes_on_where_the_connection_died(url: str, tmp_path: Any) -> None:
    """Some rows had finished then; with a bank they are not asked for again."""
    some = problems.evaluation_set("chains", 3, 6)
    n, rows = 48, {True: 0, False: 0}

    def note(event: Any) -> None:
        if isinstance(event, Sampled):
            rows[event.from_bank] += len(event.traces)

    go = partial(
        run, partial(repeated_sampling, n=n), some, verifier=Exact(), seed=3
    )  # fmt: skip
    relay = Relay(url, most_bytes=250_000)
    try:
        with (
            Bank(tmp_path / "bank.sqlite") as bank,
            served(relay.url, attempts=2, concurrency=2) as dying,
            pytest.raises(EndpointError),
        ):
            go(proposer=dying, bank=bank, on_event=note)
    finally:
        relay.close()
    kept = rows[False]
    assert 0 < kept < n * len(some)
    with Bank(tmp_path / "bank.sqlite") as bank, served(url) as proposer:
        rows[False] = 0
        outcomes = go(proposer=proposer, bank=bank, on_event=note)
    assert rows == {True: kept, False: n * len(some) - kept}
    for outcome in outcomes:
        assert len(outcome.value) == n
        for trace, _ in outcome.value:
            assert trace.tokens == len(trace.text) + trace.finished
