"""The served proposer through a proxy that spoils answers: the samples stay the same.

The server is in this process; `test_faults_vllm` does the same to a real one.
"""

from __future__ import annotations

import logging
from typing import Any

import fault_proxy
import pytest
from fake_endpoint import FakeEndpoint, gather
from fault_proxy import KINDS, FaultProxy

from tts_lab.proposers import Job, endpoint_errors
from tts_lab.proposers.choices import Ask, Choice, check
from tts_lab.proposers.server import Server

PROMPTS = ["89 60 78 21>92\n", "47+38\n", "15 98 56 50>596\n"]
JOBS = [Job(PROMPTS[s % 3], "", s, range(1 + s % 2), max_tokens=12) for s in range(120)]
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_errors, "FIRST_SECONDS", 0.01)


def through(
    fake: FakeEndpoint, jobs: list[Job], seed: int = 1, **options: Any
) -> tuple[dict[tuple[int, int], Any], FaultProxy]:
    """The rows that arrive through the proxy, and the proxy."""
    proxy = FaultProxy(fake.url, seed=seed, share=0.4, stall_seconds=1.5)
    with proxy:
        proposer = Server(proxy.url, attempts=50, **options)
        try:
            return gather(proposer, jobs), proxy
        finally:
            assert KEY not in f"{proposer.notes}"
            proposer.close()


def direct(fake: FakeEndpoint, jobs: list[Job]) -> dict[tuple[int, int], Any]:
    proposer = Server(fake.url)
    try:
        return gather(proposer, jobs)
    finally:
        proposer.close()


@pytest.mark.parametrize(
    "server",
    [{}, {"running_counts": False}, {"vllm": False}],
    ids=["vLLM", "vLLM that counts at the end", "another"],
)
def test_what_arrives_is_right(
    server: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A timeout shorter than a stall, and a longer one."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with FakeEndpoint(**server) as fake:
        expected = direct(fake, JOBS)
        found, proxy = through(fake, JOBS, timeout=1.0)
        assert found == expected
        assert set(proxy.injected) == set(KINDS)
        found, proxy = through(fake, JOBS, seed=2, timeout=60.0)
        assert found == expected
        assert proxy.injected["stall"] > 0
        sent = {
            name.lower(): value for *_, all in fake.asked for name, value in all.items()
        }
        assert sent["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


def test_replicas_may_be_faulty_too() -> None:
    with FakeEndpoint() as fake, FakeEndpoint() as other:
        expected = direct(fake, JOBS)
        proxy = FaultProxy(fake.url, seed=3, share=0.6, stall_seconds=0.2)
        with proxy:
            proposer = Server([proxy.url, other.url], attempts=50)
            assert gather(proposer, JOBS) == expected
            bad, good = proposer.replicas
            proposer.close()
    assert bad.failures > good.failures == 0


def test_an_error_while_a_prompt_is_counted_says_nothing_of_the_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """vLLM answers 500 to a prompt that it cannot read; anyone, when it is busy."""
    monkeypatch.setattr(fault_proxy, "KINDS", {"500": 1})
    with FakeEndpoint() as fake, FaultProxy(fake.url, seed=4, share=0.3) as proxy:
        proposer = Server(proxy.url, attempts=50)
        for number in range(10, 30):
            assert proposer.count_tokens(f"{number}+1\n") == 6
        assert proxy.injected["500"] > 3
        proposer.close()


def test_one_that_cannot_be_reached_shows_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeEndpoint() as fake:
        proposer = Server(fake.url, attempts=2)
        fake.always = (500, {}, b'{"error": {"message": "no {key}"}}')
        with pytest.raises(endpoint_errors.EndpointError, match=r"\*\*\*") as caught:
            gather(proposer, JOBS[:3])
        proposer.close()
    assert KEY not in f"{caught.value} {proposer.notes}"


# One row, event by event

ASK = Ask(0, range(1), lambda first, count: {})


def taken(*events: tuple[int, int | None, str | None]) -> Choice:
    """A row after events with so many tokens, a count, and a reason to end."""
    choice = Choice()
    for ids, counted, reason in events:
        piece = {"text": "x" * ids, "token_ids": [1] * ids, "finish_reason": reason}
        choice.take(piece, ASK, counted)
    return choice


A, B, END = (2, 2, None), (3, 5, None), (1, 6, "stop")


@pytest.mark.parametrize(
    "events",
    [(A, B, END), (A, A, B, END), (A, B, A, END), (A, B, END, END), (A, B, END, A)],
    ids=str,
)
def test_an_event_that_came_before_adds_nothing(events: Any) -> None:
    choice = taken(*events)
    assert (choice.text, choice.token_ids) == ("x" * 6, 6)
    assert choice.over
    assert choice.sure


@pytest.mark.parametrize("events", [(A, END), (B,), (B, A), (END,)], ids=str)
def test_a_missing_event_is_an_error(events: Any) -> None:
    with pytest.raises(ValueError, match="tokens came, the server counts"):
        taken(*events)


def test_without_running_counts_a_row_is_sure_at_the_end_alone() -> None:
    choice = taken((2, None, None), (2, None, None), (1, None, "stop"))
    assert choice.over
    assert not choice.sure
    check([choice], 5)
    check([choice], None)
    for counted in (3, 6):
        with pytest.raises(ValueError, match=f"5 tokens came, the server .* {counted}"):
            check([choice], counted)
