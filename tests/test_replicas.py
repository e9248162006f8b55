"""Several servers of one model as one proposer: who is asked, dropped, taken back.

The servers are in this process (`fake_endpoint`), and one row is the same whichever of
them writes it; `test_replicas_vllm` kills a real one.
"""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, gather

from tts_lab import models
from tts_lab.bank import Bank
from tts_lab.problems import evaluation_set
from tts_lab.proposers import Job, balance, endpoint_errors
from tts_lab.proposers.endpoint import EndpointError
from tts_lab.proposers.server import Server
from tts_lab.proposers.streams import THREAD_NAME
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets import picker_panels
from tts_lab.widgets.picker_panels import Loaded

PROMPT = "89 60 78 21>92\n"
JOBS = [Job(PROMPT, "", stream, range(2), max_tokens=24) for stream in range(40)]
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_errors, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(endpoint_errors, "LONGEST_SECONDS", 0.05)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [t for t in threading.enumerate() if t.name == THREAD_NAME] == []


@contextmanager
def served(*fakes: FakeEndpoint, **options: Any) -> Iterator[Server]:
    with ExitStack() as stack:
        urls = [stack.enter_context(one).url for one in fakes]
        proposer = Server(urls, **options)
        stack.callback(proposer.close)
        yield proposer


@pytest.fixture(scope="module")
def alone() -> dict[tuple[int, int], Any]:
    with served(FakeEndpoint()) as proposer:
        return gather(proposer, JOBS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def states(proposer: Server) -> list[str]:
    return [one.state for one in proposer.replicas]


# Spreading


@pytest.mark.parametrize("vllm", [True, False])
def test_requests_are_spread_and_samples_are_those_of_one_server(
    vllm: bool, alone: dict[tuple[int, int], Any]
) -> None:
    if not vllm:
        with served(FakeEndpoint(vllm=False)) as proposer:
            alone = gather(proposer, JOBS)
    fakes = [FakeEndpoint(vllm=vllm, seconds_per_token=0.002) for _ in range(3)]
    with served(*fakes, concurrency=2) as proposer:
        assert gather(proposer, JOBS) == alone
        found = proposer.replicas
    asked = [len(one.completions()) for one in fakes]
    assert sum(asked) == (40 if vllm else 80)
    assert min(asked) > 0
    assert max(one.most_open for one in fakes) == 2
    assert all(one.requests >= n for one, n in zip(found, asked, strict=True))
    assert [(one.state, one.failures, one.last_error) for one in found] == (
        [("up", 0, "")] * 3
    )


def test_a_bank_knows_no_difference(tmp_path: Any) -> None:
    some = evaluation_set("chains", 3, 3)

    def go(proposer: Server, bank: Bank) -> list[Any]:
        return run(
            lambda problem: repeated_sampling(problem, n=8), some,
            proposer=proposer, verifier=Exact(), seed=3, bank=bank,
        )  # fmt: skip

    with Bank(tmp_path / "bank.sqlite") as bank:
        with served(FakeEndpoint()) as proposer:
            first = go(proposer, bank)
        others = FakeEndpoint(), FakeEndpoint()
        with served(*others) as proposer:
            again = go(proposer, bank)
        assert [one.completions() for one in others] == [[], []]
    assert [one.value for one in again] == [one.value for one in first]


def test_one_text_may_name_several_wherever_a_url_is_accepted() -> None:
    with FakeEndpoint() as one, FakeEndpoint() as other:
        opened = models.open_policy(f"{one.url}, {other.url}")
        assert isinstance(opened, Server)
        roots = [fake.url.removesuffix("/v1") for fake in (one, other)]
        assert [replica.url for replica in opened.replicas] == roots
        opened.close()


@pytest.mark.parametrize(
    "urls, said",
    [
        ([], r"\[\] names no server"),
        ("http://a:1,http://a:1/v1/", "'http://a:1' is there twice"),
        ("http://a:1,", "'' is no server's URL"),
        (["http://a:1", "b:1"], "'b:1' is no server's URL"),
    ],
)
def test_urls_that_are_not_accepted(urls: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Server(urls)


def test_a_pickled_proposer_asks_again(alone: dict[tuple[int, int], Any]) -> None:
    with served(FakeEndpoint(), FakeEndpoint()) as proposer:
        again = pickle.loads(pickle.dumps(proposer))
        assert gather(again, JOBS) == alone
        again.close()


# What must be the same


@pytest.mark.parametrize(
    "other, said",
    [
        ({"models": ("107k",)}, "model '105k' and '107k'"),
        ({"context": 128}, "context 256 and 128"),
        ({"template": True}, "chat template's tokens None and"),
        ({"tokenizes": False}, "they make the tokens"),
        ({"vllm": False}, "origin '/models/105k' and '105k'"),
    ],
    ids=str,
)
def test_servers_of_different_models_are_refused(
    other: dict[str, Any], said: str
) -> None:
    fakes = FakeEndpoint(), FakeEndpoint(**other)
    wrong = pytest.raises(ValueError, match="no replicas of one model")
    with wrong as caught, served(*fakes):
        pass
    assert said in str(caught.value)
    for fake in fakes:
        assert f"http://127.0.0.1:{fake.port}" in str(caught.value)


def test_a_wrong_address_among_them_is_told_at_once() -> None:
    wrong = FakeEndpoint()
    wrong.always = (404, {}, b"{}")
    error = pytest.raises(EndpointError, match="is that the server's address")
    with error, served(FakeEndpoint(), wrong):
        pass


# Dying and coming back


def test_one_that_dies_is_dropped_and_taken_back(
    alone: dict[tuple[int, int], Any],
) -> None:
    """It dies with requests in flight; once nobody else has work left, it is back."""
    stays, dies = FakeEndpoint(seconds_per_token=0.002), FakeEndpoint()
    dies.dies_after = 6
    with served(stays, dies, concurrency=2) as proposer:
        found: dict[tuple[int, int], Any] = {}
        dead = threading.Event()

        def watch(_: Any) -> None:
            if "down" in states(proposer) and not dead.is_set():
                dead.set()
                assert proposer.status == (
                    f"1 of 2 servers answers, not http://127.0.0.1:{dies.port}"
                )
                stays.seconds_per_token = 0.02  # there is time to come back
                dies.dies_after = None

        proposer.watch = watch
        found = gather(proposer, JOBS)
        proposer.watch = None
        assert found == alone
        assert dead.is_set()
        up, back = proposer.replicas
        assert up.failures == 0
        assert back.state == "up"
        assert back.failures > 0
        assert f"http://127.0.0.1:{dies.port}" in back.last_error
        assert proposer.status == ""
        assert proposer.notes == [
            f"{back.url}: {back.requests} requests answered, {back.failures} failed, "
            f"up; last: {back.last_error}"
        ]
        asked = len(dies.completions())
        assert gather(proposer, JOBS) == alone
        assert len(dies.completions()) > asked


def test_one_dead_at_the_start_is_taken_in_later(
    alone: dict[tuple[int, int], Any],
) -> None:
    port = free_port()
    with FakeEndpoint() as there:
        proposer = Server(f"{there.url},http://127.0.0.1:{port}/v1", concurrency=2)
        single = Server(there.url)
        assert proposer.fingerprint == single.fingerprint
        single.close()
        assert states(proposer) == ["up", "down"]
        assert "is the server started" in proposer.replicas[1].last_error
        assert gather(proposer, JOBS) == alone
        with FakeEndpoint(port=port) as late:
            there.seconds_per_token = 0.02
            assert gather(proposer, JOBS) == alone
            assert states(proposer) == ["up", "up"]
            assert late.completions()
            there.released.set()
        proposer.close()


def test_one_that_comes_back_as_another_model_is_left_alone(
    alone: dict[tuple[int, int], Any],
) -> None:
    port = free_port()
    with FakeEndpoint(seconds_per_token=0.01) as there:
        proposer = Server([there.url, f"http://127.0.0.1:{port}"], concurrency=4)
        for options, said in (
            ({"context": 128}, "context 256 and 128"),
            ({"models": ("other",)}, "has no model '105k'; it has 'other'"),
        ):
            with FakeEndpoint(port=port, **options) as late:
                assert gather(proposer, JOBS) == alone
                assert late.completions() == []
                assert proposer.replicas[1].state == "down"
                assert said in proposer.replicas[1].last_error
        there.released.set()
        proposer.close()


def test_an_error_comes_when_none_is_left_and_what_finished_before_it() -> None:
    fakes = [FakeEndpoint(), FakeEndpoint()]
    with served(*fakes, attempts=3, concurrency=2) as proposer:
        for one in fakes:
            one.dies_after = 8
        rows = 0
        with pytest.raises(EndpointError) as caught:
            for samples in proposer.propose(JOBS):
                rows += len(samples.row)
        assert rows >= 8
        assert states(proposer) == ["down", "down"]
        assert proposer.status.startswith("0 of 2 servers answer, not http://127")
        assert str(caught.value).startswith("none of 2 servers answers: http://127")
        for one in fakes:
            assert f"http://127.0.0.1:{one.port}" in str(caught.value)
            one.dies_after = None
        assert len(gather(proposer, JOBS)) == 80  # asked again, all are tried again


def test_a_question_is_asked_of_who_is_there(
    alone: dict[tuple[int, int], Any],
) -> None:
    """Prompts are counted by a server too."""
    with FakeEndpoint() as stays:
        with FakeEndpoint() as goes:
            proposer = Server([goes.url, stays.url])
        assert proposer.count_tokens("47+38\n") == 7
        assert gather(proposer, JOBS) == alone
        assert states(proposer) == ["down", "up"]
        proposer.close()


# Refusals


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"Retry-After": "100000000"}, b"slow down"),
        (429, {"Retry-After": "100"}, b"slow down"),
        (401, {}, b"{key}"),
        (404, {}, b"{}"),
        500,
        "drop",
    ],
    ids=str,
)
def test_what_one_refuses_another_is_asked(
    fault: Any, alone: dict[tuple[int, int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    wrong, right = FakeEndpoint(), FakeEndpoint(seconds_per_token=0.002)
    with served(wrong, right) as proposer:
        wrong.faults.extend([fault] * 1000)
        assert gather(proposer, JOBS) == alone
        assert len(wrong.completions()) < 60
        one, other = proposer.replicas
        assert one.failures > other.failures == 0
        assert KEY not in f"{proposer.notes} {proposer.replicas}"


def test_a_request_that_is_wrong_is_an_error_at_once() -> None:
    fakes = [FakeEndpoint(), FakeEndpoint()]
    with served(*fakes) as proposer:
        for one in fakes:
            one.always = (400, {}, b'{"error": {"message": "too long"}}')
        with pytest.raises(EndpointError, match="too long"):
            gather(proposer, JOBS[:1])
        assert sum(len(one.completions()) for one in fakes) == 1


def test_what_fails_everywhere_is_given_up_after_the_attempts_at_each() -> None:
    fakes = [FakeEndpoint(), FakeEndpoint()]
    with served(*fakes, attempts=2) as proposer:
        for one in fakes:
            one.always = 500
        with pytest.raises(EndpointError, match="answered 500"):
            gather(proposer, JOBS[:1])
        assert [len(one.completions()) for one in fakes] == [2, 2]


# Stopping


def test_cancel_does_not_wait_for_a_server_that_is_tried() -> None:
    """One hangs where it is tried, the other has nothing but pauses."""
    with socket.create_server(("127.0.0.1", 0)) as mute, FakeEndpoint() as busy:
        proposer = Server(
            [busy.url, f"http://127.0.0.1:{mute.getsockname()[1]}"], timeout=0.2
        )
        assert states(proposer) == ["up", "down"]
        for one in proposer.endpoint.all:
            one.endpoint.timeout = 1e6
        busy.always = (429, {"Retry-After": "100"}, b"")
        cancel = threading.Event()
        threading.Timer(0.5, cancel.set).start()
        assert gather(proposer, JOBS, cancel=cancel) == {}
        proposer.close()


def test_closing_the_iterator_ends_all_requests() -> None:
    fakes = [FakeEndpoint(seconds_per_token=0.05) for _ in range(2)]
    with served(*fakes) as proposer:
        proposer.watch = lambda _: None
        slow = [replace(job, max_tokens=100) for job in JOBS]
        chunks = proposer.propose([replace(JOBS[0], max_tokens=1), *slow])
        assert len(next(chunks).row) > 0
        chunks.close()
        assert all(fake.hung_up.wait(30) for fake in fakes)
        assert [one.in_flight for one in proposer.endpoint.all] == [0, 0]
        for fake in fakes:
            fake.released.set()


def test_an_error_in_who_minds_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: Any) -> None:
        raise LookupError("as ordered")

    monkeypatch.setattr(balance.Balance, "_mind", fail)
    fakes = [FakeEndpoint(), FakeEndpoint()]
    with served(*fakes) as proposer, pytest.raises(LookupError, match="as ordered"):
        gather(proposer, JOBS)


def test_the_picker_shows_which_servers_do_not_answer() -> None:
    port = free_port()
    with FakeEndpoint() as there:
        spec = f"{there.url},http://127.0.0.1:{port}/v1"
        proposer = models.open_policy(spec)
        facts = dict(picker_panels.facts(Loaded("", proposer, models.plan(spec), "")))
        models.close(proposer)
    assert facts["runs on"] == spec
    assert facts["servers"] == f"1 of 2 servers answers, not http://127.0.0.1:{port}"
