"""The server proposer against a server in this process, with every fault in turn.

The shared promises of all proposers are in `test_conformance`; here is what only a
network can do: refuse, stall, break off, die half-way, and see a key.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, gather

from tts_lab import ladder, problems
from tts_lab.bank import Bank
from tts_lab.ladder import tokenizer
from tts_lab.proposers import Job, Size, Writing, endpoint, endpoint_errors
from tts_lab.proposers.checkpoints import seed_of
from tts_lab.proposers.endpoint import Endpoint, EndpointError
from tts_lab.proposers.endpoint_url import root_of
from tts_lab.proposers.server import ROWS_PER_REQUEST, WATCHED, Server
from tts_lab.proposers.streams import THREAD_NAME
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.verifiers.exact import Exact

PROMPT = "89 60 78 21>92\n"
JOB = Job(PROMPT, "", 7, range(40))
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_errors, "FIRST_SECONDS", 0.01)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [t for t in threading.enumerate() if t.name == THREAD_NAME] == []


@contextmanager
def served(fake: FakeEndpoint | None = None, **options: Any) -> Iterator[Any]:
    """A fake server and a proposer on it."""
    with fake or FakeEndpoint() as running:
        proposer = Server(running.url, **options)
        try:
            yield running, proposer
        finally:
            proposer.close()


@pytest.fixture(scope="module")
def undisturbed() -> dict[tuple[int, int], Any]:
    with served() as (_, proposer):
        return gather(proposer, [JOB])


# What is asked


def test_consecutive_rows_are_one_request_with_the_first_ones_seed() -> None:
    with served() as (fake, proposer):
        gather(proposer, [Job(PROMPT, "8", 5, range(10, 110), max_tokens=3)])
        asked = sorted(fake.completions(), key=lambda body: body["seed"])
    assert [body["n"] for body in asked] == [ROWS_PER_REQUEST, 100 - ROWS_PER_REQUEST]
    seeds = [seed_of(5, 10), seed_of(5, 10 + ROWS_PER_REQUEST)]
    assert [body["seed"] for body in asked] == seeds
    for body in asked:
        assert body["prompt"] == [tokenizer.BOS, *tokenizer.encode(PROMPT + "8")]
        assert body["max_tokens"] == 3
        assert "stop" not in body


def test_sampling_is_plain_whatever_the_server_defaults_to() -> None:
    with served() as (fake, proposer):
        gather(proposer, [Job(PROMPT, "", 5, range(2), temperature=0.7)])
        [body] = fake.completions()
    expected = {
        "temperature": 0.7, "top_p": 1.0, "top_k": 0, "min_p": 0.0,
        "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
        "max_tokens": 256 - proposer.count_tokens(PROMPT),
    }  # fmt: skip
    assert {name: body[name] for name in expected} == expected


def test_of_an_unknown_server_each_row_is_asked_for_alone() -> None:
    fake = FakeEndpoint(vllm=False, tokenizes=False)
    with served(fake) as (_, proposer):
        gather(proposer, [Job(PROMPT, "", s, range(20), max_tokens=2) for s in (1, 2)])
        asked = [body for body in fake.completions() if body.get("stream")]
    assert {body["n"] for body in asked} == {1}
    assert {body["prompt"] for body in asked} == {PROMPT}
    seeds = {body["seed"] for body in asked}
    assert len(seeds) == 40
    assert all(0 <= seed < 2**31 for seed in seeds)
    known = {
        "model", "prompt", "max_tokens", "temperature", "top_p", "frequency_penalty",
        "presence_penalty", "stream", "stream_options", "logprobs", "n", "seed",
    }  # fmt: skip
    assert set(asked[0]) == known


@pytest.mark.parametrize("tokenizes", [True, False])
@pytest.mark.parametrize("counts", [True, False])
def test_an_unknown_server_is_read_to_the_token(tokenizes: bool, counts: bool) -> None:
    """Without a count in the stream, the tokens that the text adds are counted."""
    fake = FakeEndpoint(vllm=False, tokenizes=tokenizes, counts=counts)
    jobs = [
        Job(PROMPT, "", 1, range(4)),
        Job(PROMPT, "8", 2, range(4), until="step"),
        Job(PROMPT, "", 3, range(4), max_tokens=5),
    ]
    with served(fake) as (_, proposer):
        assert proposer.count_tokens(PROMPT, "8") == len(PROMPT) + 2
        for (job, _), (text, tokens, finished, _) in gather(proposer, jobs).items():
            assert tokens == len(text) + finished
            if job == 1 and not finished:
                assert text.index("\n") == len(text) - 1
            if job == 2 and not finished:
                assert tokens == 5


def test_a_server_that_leaves_out_the_stop_text_gets_it_appended() -> None:
    jobs = [Job(PROMPT, "", 1, range(8), until="step")]
    with served(FakeEndpoint(includes_stop=False)) as (_, proposer):
        without = gather(proposer, jobs)
    with served() as (_, proposer):
        assert gather(proposer, jobs) == without


def test_requests_in_flight_are_bounded_and_of_all_problems_together() -> None:
    jobs = [Job(PROMPT, "", s, range(3), max_tokens=20) for s in range(12)]
    with served(FakeEndpoint(seconds_per_token=0.002), concurrency=4) as (fake, one):
        gather(one, jobs)
    assert fake.most_open == 4


# What breaks and is asked again


BREAKS = [
    (429, {"Retry-After": "0.01"}, b"slow down"), 500, 503, "drop", "truncate",
    "garbage", "error", "abort", ("drop", 1), ("drop", 700), ("truncate", 700),
]  # fmt: skip


@pytest.mark.parametrize("fault", BREAKS, ids=str)
@pytest.mark.parametrize("vllm", [True, False])
def test_what_breaks_is_asked_again_and_nothing_is_doubled(
    fault: Any, vllm: bool, undisturbed: dict[tuple[int, int], Any]
) -> None:
    with served(FakeEndpoint(vllm=vllm)) as (fake, proposer):
        alone = undisturbed if vllm else gather(proposer, [JOB])
        before = len(fake.completions())
        fake.faults.extend([fault, None, fault])
        assert gather(proposer, [JOB]) == alone
        assert not fake.faults or len(fake.completions()) - before < 3


def test_of_a_broken_request_only_what_had_not_finished_is_asked_again(
    undisturbed: dict[tuple[int, int], Any],
) -> None:
    lengths = {row: tokens for (_, row), (_, tokens, _, _) in undisturbed.items()}
    median = sorted(lengths.values())[20]
    # choices take turns, so the rows that have finished by then are the short ones
    events = sum(min(length, median) for length in lengths.values())
    with served() as (fake, proposer):
        fake.faults.append(("drop", events))
        assert gather(proposer, [JOB]) == undisturbed
        first, *again = fake.completions()
    assert first["n"] == 40
    asked = {
        body["seed"] + i - seed_of(7, 0) for body in again for i in range(body["n"])
    }
    assert asked == {row for row, length in lengths.items() if length > median}


def test_silence_is_a_failure_after_the_timeout(
    undisturbed: dict[tuple[int, int], Any],
) -> None:
    with served(timeout=2.0) as (fake, proposer):
        fake.faults.append("stall")
        assert gather(proposer, [JOB]) == undisturbed
        assert len(fake.completions()) > 1
        fake.released.set()


def test_ends_of_lines_inside_json_break_nothing(
    undisturbed: dict[tuple[int, int], Any],
) -> None:
    with served() as (fake, proposer):
        fake.faults.append("separators")
        assert gather(proposer, [JOB]) == undisturbed
        assert len(fake.completions()) == 1


def test_rows_that_a_server_leaves_out_are_asked_for_again(
    undisturbed: dict[tuple[int, int], Any],
) -> None:
    """Attempts are failures in a row: a request that gives a row is none."""
    with served(attempts=1) as (fake, proposer):
        fake.always = "one choice"
        assert gather(proposer, [JOB]) == undisturbed
        assert [body["n"] for body in fake.completions()] == list(range(40, 0, -1))


# What does not pass


def failure_of(proposer: Server, jobs: list[Job]) -> tuple[EndpointError, int]:
    """The error, and how many rows came before it."""
    rows = 0
    with pytest.raises(EndpointError) as caught:
        for samples in proposer.propose(jobs):
            rows += len(samples.row)
    return caught.value, rows


@pytest.mark.parametrize(
    "fault, said",
    [
        ((400, {}, b'{"error": {"message": "too long"}}'), "too long"),
        ((401, {}, b"{}"), "key in the environment variable OPENAI_API_KEY is not set"),
        ((404, {}, b"{}"), "accepted is http://host:8000/v1"),
        ((200, {"content-type": "text/html"}, b"<html>Hi</html>"), "is a web page"),
        ((404, {"content-type": "text/html"}, b"<html>Hi</html>"), "is a web page"),
        ((302, {"Location": "/other"}, b""), "'/other'; it points elsewhere"),
        ((429, {"Retry-After": "3600"}, b"quota"), "asks to wait 3600 seconds"),
    ],
    ids=str,
)
def test_what_will_not_pass_is_an_error_at_once(fault: Any, said: str) -> None:
    with served() as (fake, proposer):
        fake.always = fault
        error, rows = failure_of(proposer, [JOB])
        assert rows == 0
        assert len(fake.completions()) == 1
    assert said in str(error)
    assert f"{fake.url}/completions answered {fault[0]}" in str(error)
    assert error.status == fault[0]
    assert str(error).count("Hi") <= 1


def test_after_the_last_attempt_the_error_says_what_and_where() -> None:
    with served(attempts=3) as (fake, proposer):
        fake.always = (500, {}, b"x" * 1000)
        error, _ = failure_of(proposer, [JOB])
        assert len(fake.completions()) == 3
    assert f"{fake.url}/completions answered 500: '{'x' * 200}'; the server failed" in (
        str(error)
    )


def test_json_that_is_no_completion_is_an_error() -> None:
    with served(attempts=2) as (fake, proposer):
        fake.always = (200, {}, b'{"hello": 1}')
        error, _ = failure_of(proposer, [JOB])
    assert "the answer is no completion" in str(error)


def test_all_that_finished_is_yielded_before_the_error() -> None:
    """A request that is refused does not take the others with it."""
    jobs = [Job(PROMPT, "", s, range(3)) for s in range(8)]
    with served(concurrency=4) as (fake, proposer):
        fake.faults.extend([None, None, (400, {}, b"no"), None])
        _, rows = failure_of(proposer, jobs)
    assert rows >= 9


@pytest.mark.parametrize("dies_after", [1, 70, 150])
def test_a_run_goes_on_from_where_the_server_died(
    dies_after: int, tmp_path: Any
) -> None:
    some = problems.evaluation_set("chains", 3, 6)
    strategy = partial(repeated_sampling, n=32)

    def texts(outcomes: Any) -> list[list[str]]:
        return [[trace.text for trace, _ in one.value] for one in outcomes]

    go = partial(run, strategy, some, verifier=Exact(), seed=3)
    with served() as (whole, proposer):
        expected = texts(go(proposer=proposer))
    with Bank(tmp_path / "bank.sqlite") as bank:
        with served(attempts=2, concurrency=2) as (fake, proposer):
            fake.dies_after = dies_after
            with pytest.raises(EndpointError):
                go(proposer=proposer, bank=bank)
        with served() as (again, proposer):  # elsewhere, but the same model
            outcomes = go(proposer=proposer, bank=bank)
    assert texts(outcomes) == expected
    banked = sum(one.ledger.banked_tokens for one in outcomes)
    asked = sum(body["n"] for body in again.completions())
    kept = sum(body["n"] for body in whole.completions()) - asked
    assert (kept > 0) == (banked > 0)
    assert kept <= fake.rows_finished
    if dies_after > 100:
        assert kept > 0


# Wrong addresses


@pytest.mark.parametrize(
    "url",
    ["http://a:1/v1", "http://a:1/v1/", "http://a:1", "http://a:1/", " http://a:1"],
)
def test_urls_are_accepted_with_and_without_v1(url: str) -> None:
    assert root_of(url) == "http://a:1"


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://a/v1", "", "http://", "http://a:port/", "105k"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="accepted is http://host:8000/v1") as caught:
        Server(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@a/v1", "https://hunter2@a", "http://a/v1?key=hunter2"]
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="environment variable") as caught:
        Server(url)
    assert "hunter2" not in str(caught.value)


def test_nothing_there_is_told_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(EndpointError, match="is the server started") as caught:
        Server(f"http://127.0.0.1:{port}/v1")
    assert f"http://127.0.0.1:{port}/v1/models" in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_an_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(EndpointError, match="the host's name is not known"):
        Server("http://no-such-host.invalid:8000/v1")


@pytest.mark.parametrize(
    "answer, said",
    [
        ((200, {"content-type": "text/html"}, b"<html>Jupyter</html>"), "a web page"),
        ((404, {}, b'{"detail": "Not Found"}'), "is that the server's address"),
        ((200, {}, b'{"object": "list"}'), "lists no models"),
    ],
    ids=str,
)
def test_another_server_is_told(answer: Any, said: str) -> None:
    with FakeEndpoint() as fake:
        fake.always = answer
        with pytest.raises(EndpointError, match=said) as caught:
            Server(fake.url)
    assert "http://host:8000/v1" in str(caught.value)
    assert len(fake.asked) == 1


def test_a_server_that_starts_is_waited_for() -> None:
    with FakeEndpoint() as fake:
        fake.always = (503, {"Retry-After": "0.2"}, b"loading")
        threading.Timer(0.1, setattr, (fake, "always", None)).start()
        proposer = Server(fake.url)
        assert proposer.name == "105k"
        proposer.close()


def test_proxies_are_not_asked_about_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with served() as (_, proposer):
        assert proposer.name == "105k"
    with pytest.raises(EndpointError, match=r"http://192\.0\.2\.1/v1/models"):
        Server("http://192.0.2.1")  # an address for documentation: the proxy fails


# The model


def test_of_several_models_one_is_to_be_chosen() -> None:
    with FakeEndpoint(models=("a", "105k")) as fake:
        with pytest.raises(ValueError, match=r"2 models; choose one .*'a', '105k'"):
            Server(fake.url)
        with pytest.raises(ValueError, match="no model 'b'; it has 'a', '105k'"):
            Server(fake.url, model="b")
        proposer = Server(fake.url, model="105k")
        assert proposer.name == "105k"
        proposer.close()


def test_the_fingerprint_is_of_the_model_and_format_not_of_the_address() -> None:
    with served() as (_, one), served() as (_, other):
        assert one.fingerprint == other.fingerprint
        formatted = Server(other.endpoint.root, format="gsm8k")
        assert formatted.fingerprint != one.fingerprint
        formatted.close()
    with served(FakeEndpoint(models=("107k",))) as (_, other):
        assert other.fingerprint != one.fingerprint


def test_size_is_that_of_the_tokenizers_folder_or_unknown() -> None:
    with served() as (fake, proposer):
        assert proposer.size == Size(0, 0, 0)
        known = Server(fake.url, size=Size(7, 1, 1))
        assert known.size == Size(7, 1, 1)
        known.close()


def test_context_can_be_less_than_the_server_reads() -> None:
    with served(context=30) as (_, proposer):
        rows = gather(proposer, [JOB]).values()
        assert max(tokens for _, tokens, _, _ in rows) == 30 - len(PROMPT) - 1
    with FakeEndpoint() as fake, pytest.raises(ValueError, match="context=1"):
        Server(fake.url, context=1)


# Chats


def test_a_chat_goes_through_the_servers_template() -> None:
    with served(FakeEndpoint(template=True)) as (fake, proposer):
        assert proposer.format.name == "chat"
        gather(proposer, [Job("1+1", "1+", 1, range(2), max_tokens=2)])
        [body] = fake.completions()
        asked = tokenizer.decode(bytes(body["prompt"][1:]))
    assert body["prompt"].count(tokenizer.BOS) == 1
    assert asked.startswith("1+1\n\nplease reason step by step")
    assert asked.endswith(".\n1+")
    assert proposer.count_tokens("1+1", "1+") == len(body["prompt"])


@pytest.mark.parametrize(
    "fake, why",
    [
        ({}, "the server has no chat template"),
        ({"tokenizes": False}, "the server does not tokenise"),
    ],
)
def test_a_chat_without_a_template_says_what_to_give(fake: Any, why: str) -> None:
    said = f"{why}.*tokenizer=.*'gsm8k'"
    with FakeEndpoint(**fake) as running, pytest.raises(ValueError, match=said):
        Server(running.url, format="llama-3")


class Characters:
    """The ladder's tokenizer as transformers' looks from outside."""

    name_or_path = "characters"
    bos_token, bos_token_id, eos_token, eos_token_id = "<bos>", 1, "<eos>", 2
    unk_token = None
    chat_template: str | None = "a template"
    shift = 0

    def __call__(self, text: str, *, add_special_tokens: bool = True, **_: Any) -> Any:
        front = [self.bos_token_id] * (add_special_tokens or text[:5] == "<bos>")
        ids = tokenizer.encode(text.removeprefix("<bos>"))
        return type("Out", (), {"input_ids": front + [i + self.shift for i in ids]})

    def apply_chat_template(self, messages: Any, **_: Any) -> str:
        return "<bos>" + messages[-1]["content"][:3] + "="


@pytest.mark.parametrize("tokenizes", [True, False])
def test_a_chat_goes_through_the_given_tokenizers_template(tokenizes: bool) -> None:
    """With one token in front, which servers add to texts themselves."""
    fake = FakeEndpoint(tokenizes=tokenizes)
    with served(fake, tokenizer=Characters()) as (_, proposer):
        assert proposer.format.name == "chat"
        gather(proposer, [Job("1+1", "2", 1, range(2), max_tokens=2)])
        [body] = fake.completions()
        assert fake.ids(body["prompt"]) == [1, *tokenizer.encode("1+1=2")]
        assert proposer.count_tokens("1+1", "2") == 6


def test_a_tokenizer_of_another_model_is_refused() -> None:
    other = Characters()
    other.shift = 1
    said = "is not that of '105k'"
    with FakeEndpoint() as fake, pytest.raises(ValueError, match=said):
        Server(fake.url, tokenizer=other)


@pytest.mark.hf
def test_a_rungs_own_tokenizer_counts_without_asking() -> None:
    pytest.importorskip("transformers")
    with served(tokenizer="105k") as (fake, proposer):
        assert proposer.size == ladder.load("105k").size
        before = len(fake.asked)
        assert proposer.count_tokens(PROMPT, "8") == len(PROMPT) + 2
        assert len(fake.asked) == before
        with pytest.raises(ValueError, match="'nowhere' is no rung"):
            Server(fake.url, tokenizer="nowhere")


# The key


def test_the_key_is_sent_and_kept_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    with served(key_variable="MY_KEY") as (fake, proposer):
        gather(proposer, [JOB])
        sent = {headers.get("Authorization") for _, _, headers in fake.asked}
        assert sent == {f"Bearer {KEY}"}
        fake.always = (401, {}, b'{"error": "you sent {key}"}')
        error, _ = failure_of(proposer, [JOB])
        with pytest.raises(EndpointError) as caught:
            proposer.endpoint.ask("/v1/completions", {"prompt": "1"})
        seen = [
            repr(proposer), repr(proposer.endpoint), proposer.fingerprint,
            repr(vars(proposer)), repr(vars(proposer.endpoint)), caplog.text,
            pickle.dumps(proposer).decode("latin-1"), *everything(error),
            *everything(caught.value),
        ]  # fmt: skip
        assert "MY_KEY is refused" in str(error)
        assert "you sent Bearer ***" in str(error)
    assert [text for text in seen if KEY in text] == []
    assert KEY in repr(sent)  # the search can find it


def everything(error: BaseException) -> Iterator[str]:
    """An error and all that hangs on it: causes, contexts, and what they hold."""
    one: BaseException | None = error
    while one is not None:
        yield from (str(one), repr(one), repr(vars(one)))
        request = getattr(one, "_request", None)
        yield repr(getattr(request, "headers", {}).items())
        one = one.__cause__ or one.__context__


def test_a_key_that_is_none_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret\nX-Other: 1")
    with FakeEndpoint() as fake, pytest.raises(ValueError, match="MY_KEY") as caught:
        Server(fake.url, key_variable="MY_KEY")
    assert "secret" not in str(caught.value)
    assert fake.asked == []


def test_a_pickled_proposer_asks_again(undisturbed: dict[Any, Any]) -> None:
    with served() as (_, proposer):
        again = pickle.loads(pickle.dumps(proposer))
        assert gather(again, [JOB]) == undisturbed
        again.close()


# Stopping and watching


def slow(rows: int = 200) -> tuple[FakeEndpoint, list[Job]]:
    fake = FakeEndpoint(seconds_per_token=0.05)
    return fake, [Job(PROMPT, "", s, range(rows)) for s in range(4)]


def test_cancel_closes_the_streams_at_once() -> None:
    fake, jobs = slow()
    cancel = threading.Event()
    with served(fake) as (_, proposer):
        threading.Timer(0.3, cancel.set).start()
        assert len(gather(proposer, jobs, cancel=cancel)) < 800
        assert fake.hung_up.wait(30)
        asked = len(fake.completions())
        assert asked <= 16
        fake.released.set()
        assert len(fake.completions()) == asked


@pytest.fixture
def endless_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, dict[str, str], bytes]:
    """A fault after which a client would wait for years."""
    monkeypatch.setattr(endpoint_errors, "PATIENCE_SECONDS", 1e9)
    return 429, {"Retry-After": "100000000"}, b""


def test_cancel_does_not_wait_for_a_pause_between_attempts(endless_pauses: Any) -> None:
    cancel = threading.Event()
    with served() as (fake, proposer):
        fake.always = endless_pauses
        threading.Timer(0.2, cancel.set).start()
        assert gather(proposer, [JOB], cancel=cancel) == {}


def test_an_error_does_not_wait_for_a_pause_of_another_request(
    endless_pauses: Any,
) -> None:
    with served(concurrency=2) as (fake, proposer):
        fake.faults.extend([endless_pauses, 400])
        error, _ = failure_of(proposer, [replace(JOB, stream=s) for s in (1, 2, 3)])
    assert error.status == 400


def test_closing_the_iterator_closes_the_streams() -> None:
    fake, jobs = slow()
    with served(fake) as (_, proposer):
        chunks = proposer.propose([replace(JOB, max_tokens=1), *jobs])
        assert len(next(chunks).row) > 0
        chunks.close()
        assert fake.hung_up.wait(30)
        fake.released.set()


def test_an_error_of_who_watches_closes_the_streams() -> None:
    def fail(writing: Writing) -> None:
        if writing.tokens:
            raise LookupError("as ordered")

    fake, jobs = slow()
    with served(fake) as (_, proposer):
        proposer.watch = fail
        with pytest.raises(LookupError, match="as ordered"):
            gather(proposer, jobs)
        assert fake.hung_up.wait(30)
        fake.released.set()


def test_an_event_loop_that_runs_already_is_no_obstacle(
    undisturbed: dict[tuple[int, int], Any],
) -> None:
    async def in_a_notebook() -> dict[tuple[int, int], Any]:
        with served() as (_, proposer):
            return gather(proposer, [JOB])

    assert asyncio.run(in_a_notebook()) == undisturbed


def test_who_watches_sees_tokens_grow_and_the_last_state() -> None:
    seen: list[Writing] = []
    threads: set[int] = set()

    def watch(writing: Writing) -> None:
        seen.append(writing)
        threads.add(threading.get_ident())

    with served(FakeEndpoint(seconds_per_token=0.0005)) as (fake, proposer):
        proposer.watch = watch
        fake.faults.append(("drop", 300))  # what was lost is not counted
        found = gather(proposer, [JOB])
    assert threads == {threading.get_ident()}
    assert len(seen) > 1
    assert [w.rows for w in seen] == sorted(w.rows for w in seen)
    assert {w.of for w in seen} == {40}
    assert seen[-1].rows == 40
    assert {body["stream_interval"] for body in fake.completions()} == {WATCHED}
    assert seen[-1].tokens == sum(tokens for _, tokens, _, _ in found.values())
    whole = [text for text, _, _, _ in found.values()]
    assert all(any(t.startswith(w.text) for t in whole) for w in seen)


# The client for others


def test_many_questions_are_answered_in_order() -> None:
    with FakeEndpoint() as fake:
        client = Endpoint(fake.url)
        payloads = [{"prompt": str(i)} for i in range(50)]
        found = client.ask_all("/tokenize", payloads, concurrency=4)
        assert found == [{"tokens": fake.ids(str(i))} for i in range(50)]
        with pytest.raises(EndpointError, match="character 'É' in"):
            client.ask_all("/tokenize", [*payloads, {"prompt": "É"}], concurrency=4)
        client.close()


def test_retry_after_is_honoured_as_seconds_and_as_a_date() -> None:
    for value, low, high in (
        ("7", 7.0, 7.0),
        (formatdate(time.time() + 60, usegmt=True), 30.0, 61.0),
        ("soon", 0.0, 0.0),
        ("-5", 0.0, 0.0),
    ):
        error = endpoint_errors.refusal(
            "http://a", 429, "''", page=False, retry_after=value
        )
        assert low <= error.wait <= high
        assert error.transient
        assert endpoint_errors.pause(1, error) >= error.wait


def test_delays_double_and_are_spread_out() -> None:
    error = EndpointError("")
    drawn = [[endpoint_errors.pause(n, error) for _ in range(200)] for n in (1, 2, 5)]
    for delays, ceiling in zip(drawn, (0.01, 0.02, 0.16), strict=True):
        assert 0.5 * ceiling < max(delays) <= ceiling
        assert min(delays) < 0.5 * ceiling
    assert endpoint_errors.pause(60, error) <= endpoint_errors.LONGEST_SECONDS


def test_without_httpx_the_pip_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    endpoint._httpx.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "tts-lab\[server\]"'):
        Server("http://127.0.0.1:1")
    endpoint._httpx.cache_clear()


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"timeout": 0}, {"attempts": 0}], ids=str
)
def test_numbers_out_of_range_are_quoted(options: dict[str, int]) -> None:
    [(name, value)] = options.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Server("http://127.0.0.1:1", **options)
