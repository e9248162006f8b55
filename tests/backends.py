"""The proposers of the package, each over the same rung, for the tests they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint
from vllm_server import require_vllm, start

from tts_lab import ladder
from tts_lab.proposers.checkpoints import size_of

RUNG = "105k"


@contextmanager
def _ladder() -> Iterator[Any]:
    yield ladder.load(RUNG)


@contextmanager
def _server_fake() -> Iterator[Any]:
    from tts_lab.proposers.server import Server

    with FakeEndpoint() as fake:
        proposer = Server(fake.url, size=size_of(ladder.path(RUNG)))
        try:
            yield proposer
        finally:
            proposer.close()


@contextmanager
def _server() -> Iterator[Any]:
    """The mode of log-probabilities is that of the other backends."""
    from tts_lab.proposers.server import Server

    with TemporaryDirectory() as folder:
        log = Path(folder) / "vllm.log"
        mode = ("--logprobs-mode", "processed_logprobs")
        with start(ladder.path(RUNG), log, *mode) as url:
            proposer = Server(url, size=size_of(ladder.path(RUNG)))
            try:
                yield proposer
            finally:
                proposer.close()


@contextmanager
def _transformers() -> Iterator[Any]:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tts_lab.proposers.transformers import Transformers

    proposer = Transformers(RUNG, device="cpu")
    try:
        yield proposer
    finally:
        proposer.close()


@contextmanager
def _vllm() -> Iterator[Any]:
    require_vllm()
    from tts_lab.proposers.vllm import VLLM

    proposer = VLLM(RUNG)
    try:
        yield proposer
    finally:
        proposer.close()


#: name -> a context manager that yields a proposer over `RUNG`
OPEN: dict[str, Callable[[], Any]] = {
    "ladder": _ladder,
    "server": _server,
    "server-fake": _server_fake,
    "transformers": _transformers,
    "vllm": _vllm,
}

#: the tier each belongs to
MARKS: dict[str, tuple[pytest.MarkDecorator, ...]] = {
    "ladder": (),
    "server": (pytest.mark.vllm,),
    "server-fake": (),
    "transformers": (pytest.mark.hf,),
    "vllm": (pytest.mark.vllm,),
}


def params() -> list[Any]:
    """For `pytest.fixture(params=...)`: one entry a backend, with its marks."""
    return [pytest.param(name, marks=MARKS[name]) for name in OPEN]
