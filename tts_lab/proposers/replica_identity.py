"""What servers must have in common to be replicas of one model.

Name, origin, context, whether it is vLLM, and what they make of two short texts: token
ids, also through the chat template, where they tokenise. Not covered: the weights.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from tts_lab.proposers import served_model
from tts_lab.proposers.endpoint import Endpoint
from tts_lab.proposers.endpoint_errors import EndpointError

PROBE = "47+38\n"
#: (path, payload), and what the server answered or why it did not
Question = tuple[str, dict[str, Any] | None]
Answer = Any


class Identity(NamedTuple):
    """What is compared; token ids are None where the server does not tokenise."""

    model: str
    origin: str
    context: int | None
    vllm: bool
    tokens: tuple[int, ...] | None
    chat: tuple[int, ...] | None


class Met(NamedTuple):
    """A server that has answered."""

    root: str
    card: dict[str, Any]
    identity: Identity


def message(text: str) -> dict[str, Any]:
    """What asks for a text's token ids in the chat template."""
    return {
        "messages": [{"role": "user", "content": text}],
        "add_generation_prompt": True,
    }


def questions(
    root: str, model: str | None, keyword: str = "model="
) -> Generator[Question, Answer | EndpointError, Met]:
    """Ask who a server is: yields what to ask, is sent the answers, returns a `Met`.

    Raises
    ------
    EndpointError
        For an answer that does not tell; errors sent in that do not mean "I do not
        tokenise" are raised again.
    """
    listed = yield "/v1/models", None
    if isinstance(listed, EndpointError):
        raise listed
    card = served_model.chosen(listed, root, model, keyword)
    name = str(card["id"])
    found: list[tuple[int, ...] | None] = []
    for asked in ({"prompt": PROBE}, message(PROBE)):
        answer = yield "/tokenize", {"model": name} | asked
        if isinstance(answer, EndpointError):
            if answer.transient and answer.status != 501:
                raise answer
            found.append(None)
        else:
            ids = answer.get("tokens") if isinstance(answer, dict) else None
            found.append(tuple(ids) if isinstance(ids, list) else None)
    told = card.get("max_model_len")
    context = told if isinstance(told, int) else None
    origin, vllm = str(card.get("root") or name), card.get("owned_by") == "vllm"
    return Met(root, card, Identity(name, origin, context, vllm, found[0], found[1]))


def meet(endpoint: Endpoint, model: str | None, keyword: str = "model=") -> Met:
    """Ask a server who it is.

    Raises
    ------
    EndpointError
        If it cannot be reached, or does not answer as one.
    ValueError
        If it has no such model.
    """
    asking = questions(endpoint.root, model, keyword)
    question = next(asking)
    try:
        while True:
            answer: Any
            try:
                first = question[0] == "/v1/models"
                answer = endpoint.ask(*question, attempts=1 if first else None)
            except EndpointError as error:
                answer = error
            question = asking.send(answer)
    except StopIteration as end:
        met: Met = end.value
        return met


def difference(one: Identity, other: Identity) -> str:
    """In what two servers differ; empty if in nothing.

    >>> a = Identity("m", "/models/m", 4096, True, (1, 2), None)
    >>> difference(a, a._replace(context=2048))
    'context 4096 and 2048'
    """
    if one.tokens != other.tokens:
        return f"of {PROBE!r} they make the tokens {one.tokens} and {other.tokens}"
    for field, a, b in zip(Identity._fields, one, other, strict=True):
        if a != b:
            said = "chat template's tokens" if field == "chat" else field
            return f"{said} {a!r} and {b!r}"
    return ""


def changed(before: Identity | None, met: Met) -> EndpointError | None:
    """The error for a server that came back as another model's, if it did."""
    why = before and difference(before, met.identity)
    if not why:
        return None
    return EndpointError(
        f"{met.root} came back as another model's: {why}; accepted is a server that "
        "was started as before",
        url=met.root,
        transient=True,
    )
