"""What an endpoint tells of its model, and what it does not."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from tts_lab.ladder.rungs import EVERY
from tts_lab.proposers import Size, checkpoints
from tts_lab.proposers.endpoint import Endpoint, EndpointError

#: of a model whose size nobody told: its FLOPs are unknown, not nothing
UNKNOWN = Size(0, 0, 0)


def small(seed: int) -> int:
    """A seed below 2**31, as every server accepts.

    >>> small(2**62), small(2**62 + 1)
    (1860166115, 2113992453)
    """
    digest = blake2b(seed.to_bytes(8, "little"), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def card(
    endpoint: Endpoint, model: str | None, keyword: str = "model="
) -> dict[str, Any]:
    """What the server says of the model."""
    try:  # a wrong address is told at once; a server that starts may take its time
        answer = endpoint.ask("/v1/models", attempts=1)
    except EndpointError as error:
        if error.absent or not error.transient:
            raise
        answer = endpoint.ask("/v1/models")
    return chosen(answer, endpoint.root, model, keyword)


def chosen(
    answer: Any, root: str, model: str | None, keyword: str = "model="
) -> dict[str, Any]:
    """The model's card among those that `/v1/models` of a server has."""
    listed = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and "id" in one for one in listed
    ):
        raise EndpointError(
            f"{root}/v1/models lists no models; accepted is the URL of an "
            "OpenAI-compatible server, such as http://host:8000/v1",
            url=root,
        )
    names = [str(one["id"]) for one in listed]
    shown = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
    if model is None and len(names) != 1:
        raise ValueError(f"{root} serves {len(names)} models; choose one with "
                         f"{keyword}: {shown}")  # fmt: skip
    if model is not None and model not in names:
        raise ValueError(f"{root} has no model {model!r}; it has {shown}")
    found: dict[str, Any] = listed[0 if model is None else names.index(model)]
    return found


def context(told: object, given: int | None, name: str) -> int:
    if given is not None and given < 2:
        raise ValueError(f"context={given!r}; accepted is 2 tokens or more")
    if isinstance(told, int) and told > 1:
        return told if given is None else min(told, given)
    if given is None:
        raise ValueError(
            f"the server does not say how many tokens {name!r} reads; give context="
        )
    return given


def size(tokenizer: Any) -> Size:
    """That of the model a tokenizer belongs to, if its weights are here."""
    name = str(tokenizer)
    if name not in EVERY and not Path(name).expanduser().is_dir():
        return UNKNOWN
    try:
        return checkpoints.size_of(checkpoints.locate(name))
    except ValueError:
        return UNKNOWN
