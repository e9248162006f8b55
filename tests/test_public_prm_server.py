"""Public reward models behind a server: what is asked, and what answers are accepted.

The server here speaks as vLLM's `/pooling` does and gives each token logits that its
id says, so a score that is read at another place is seen. A real one is asked in
`test_public_prm_vllm.py`.
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from tts_lab.proposers import checkpoints
from tts_lab.proposers.endpoint import EndpointError
from tts_lab.verifiers.prm_families import FAMILIES, Solution
from tts_lab.verifiers.prm_tokens import Tokens
from tts_lab.verifiers.public import PublicPRM

pytest.importorskip("httpx")
pytest.importorskip("torch")
pytest.importorskip("transformers")

from prm_models import QUESTION, STEPS, make, trace

pytestmark = pytest.mark.hf


def rows_of(ids: list[int]) -> list[list[float]]:
    return [[id / 200, (id * 7 % 100) / 50] for id in ids]


class Pooling:
    """A server; `answer` makes the rows of one input, `asked` is what came."""

    def __init__(self) -> None:
        self.models = ["prm"]
        self.limit = 400
        self.asked: list[tuple[dict[str, Any], str | None]] = []
        self.answer = rows_of
        self.failures = 0
        self.lost = 0

    def __enter__(self) -> Pooling:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                card = {"max_model_len": outer.limit}
                self.reply(200, {"data": [{"id": m} | card for m in outer.models]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path != "/pooling":
                    return self.reply(404, {"detail": "Not Found"})
                if outer.failures:
                    outer.failures -= 1
                    return self.reply(503, {"error": "busy"})
                outer.asked.append((body, self.headers.get("authorization")))
                data = [
                    {"index": i, "data": outer.answer(ids)}
                    for i, ids in enumerate(body["input"])
                ]
                self.reply(200, {"data": data[outer.lost :][::-1]})

            def reply(self, status: int, content: Any) -> None:
                sent = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    with Pooling() as one:
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Configuration and tokenizer alone, as for a model that only the server holds."""
    made = make("qwen2.5-math-prm", tmp_path_factory.mktemp("served"))
    for path in made.glob("*.safetensors"):
        path.unlink()
    return made


@pytest.fixture
def prm(folder, server):
    one = PublicPRM(folder, backend=server.url, batch=2)
    yield one
    one.close()


TRACES = [trace(STEPS), trace(STEPS[:1]), trace([]), trace(STEPS[::-1]), trace(["a"])]


def test_scores_are_read_where_the_markers_are(folder, server, prm, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    found = prm.steps(TRACES)
    tokens = Tokens(folder)
    for one, scores in zip(TRACES, found, strict=True):
        steps = [step.text for step in one.steps]
        assert scores.shape == (len(steps),)
        if steps:
            reading = FAMILIES[prm.family.name].render(
                tokens, Solution(QUESTION, steps)
            )
            bad, good = np.array(rows_of(list(reading.ids)))[list(reading.at)].T
            np.testing.assert_allclose(scores, 1 / (1 + np.exp(bad - good)), atol=1e-6)
    assert sorted(len(body["input"]) for body, _ in server.asked) == [2, 2]
    for body, key in server.asked:
        assert key == "Bearer secret"
        assert (body["model"], body["task"]) == ("prm", "token_classify")
        assert body["use_activation"] is False
    assert prm.size.layers == 2 and prm.size.hidden == 64


def test_a_server_that_answers_with_the_steps_alone_is_understood(folder, server, prm):
    whole = prm.steps(TRACES)
    marker = Tokens(folder).id("<extra_0>")
    server.answer = lambda ids: rows_of([id for id in ids if id == marker])
    for scores, expected in zip(prm.steps(TRACES), whole, strict=True):
        np.testing.assert_array_equal(scores, expected)


def test_other_answers_are_errors_that_say_what_came(server, prm):
    server.answer = lambda ids: rows_of(ids[:-1])
    with pytest.raises(RuntimeError, match=r"/pooling answered \d+ rows of scores for"):
        prm.steps(TRACES)
    server.answer, server.lost = rows_of, 1
    with pytest.raises(RuntimeError, match="answered 1 of 2 solutions"):
        prm.steps(TRACES)


def test_a_busy_server_is_asked_again(server, prm):
    server.failures = 1
    assert len(prm.verify(TRACES)) == 5
    assert len(server.asked) == 2


def test_replicas_share_the_work_and_one_that_dies_loses_nothing(folder, prm):
    expected = prm.steps(TRACES)
    with Pooling() as one:
        with Pooling() as other:
            both = PublicPRM(folder, backend=f"{one.url},{other.url}", batch=1)
            for found, scores in zip(both.steps(TRACES), expected, strict=True):
                np.testing.assert_array_equal(found, scores)
            assert len(one.asked) + len(other.asked) == 4
        for found, scores in zip(both.steps(TRACES), expected, strict=True):
            np.testing.assert_array_equal(found, scores)
        both.close()
        with Pooling() as third:
            third.limit = 70
            with pytest.raises(ValueError, match="context 400 and 70"):
                PublicPRM(folder, backend=f"{one.url},{third.url}")


def test_the_servers_limit_counts(folder, server):
    server.limit = 70
    prm = PublicPRM(folder, backend=server.url)
    assert prm.max_length == 70
    with pytest.raises(ValueError, match="reads at most 70"):
        prm.steps([trace(STEPS * 3)])
    prm.close()


def test_the_model_is_the_only_one_or_the_one_named(folder, server):
    server.models = ["a", "b"]
    with pytest.raises(
        ValueError, match=r"2 models; choose one with served=: 'a', 'b'"
    ):
        PublicPRM(folder, backend=server.url)
    prm = PublicPRM(folder, backend=server.url, served="b")
    prm.steps(TRACES[:1])
    assert server.asked[0][0]["model"] == "b"
    prm.close()
    with pytest.raises(ValueError, match="no model 'c'; it has 'a', 'b'"):
        PublicPRM(folder, backend=server.url, served="c")


def test_no_server_and_no_url(folder):
    with pytest.raises(ValueError, match="is no server's URL; accepted is"):
        PublicPRM(folder, backend="ftp://nowhere")


@pytest.mark.parametrize("family", ["math-shepherd", "skywork"])
def test_the_size_without_weights_is_that_of_the_trunk(tmp_path, server, family):
    folder = make(family, tmp_path)
    size = PublicPRM(folder).size
    remote = PublicPRM(folder, backend=server.url)
    heads = sum(
        int(np.prod(tensor["shape"]))
        for name, tensor in checkpoints.headers(folder).items()
        if name.startswith(("lm_head", "v_head"))
    )
    assert remote.size == replace(size, parameters=size.parameters - heads)
    remote.close()


def test_a_server_that_is_not_there_is_an_error_at_once(folder):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EndpointError, match="is the server started"):
            PublicPRM(folder, backend=url)
