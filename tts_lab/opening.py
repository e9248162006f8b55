"""Making the model that a plan names, in the background where it can be cancelled.

Not covered: deciding what a plan is (`tts_lab.models`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Literal

from tts_lab import hub
from tts_lab.hub import Cancelled

SpecKind = Literal["name", "rung", "folder", "hub", "endpoint"]

_LOADING = Lock()  # one load at a time, also when it was left alone


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model would be opened.

    Attributes
    ----------
    spec : str
        As typed, without spaces around it.
    kind : str
        "name" (a verifier of the package), "rung", "folder", "hub" or "endpoint".
    backend : str
        "engine", "transformers", "vllm" or "server".
    """

    spec: str
    kind: SpecKind
    backend: str

    @property
    def path(self) -> str | Path:
        """What a backend is given: a folder as its full path."""
        return Path(self.spec).expanduser() if self.kind == "folder" else self.spec


def policy(
    way: Plan, format: str | None, served: str | None, tokenizer: str | None
) -> Any:
    """The proposer of a plan."""
    if way.backend == "engine":
        from tts_lab import ladder

        return ladder.load(way.path)
    if way.backend == "server":
        from tts_lab.proposers.server import Server

        return Server(way.spec, format=format, model=served, tokenizer=tokenizer)
    if way.backend == "vllm":
        from tts_lab.proposers.vllm import VLLM

        return VLLM(way.path, format=format)
    from tts_lab.proposers.transformers import Transformers

    return Transformers(way.path, format=format)


def verifier(
    way: Plan, family: str | None, served: str | None, tokenizer: str | None
) -> Any:
    """The verifier of a plan."""
    if way.kind == "name":
        from tts_lab.verifiers import library

        return library.load(way.spec)
    if way.backend == "engine":
        from tts_lab.verifiers.prm import PRM

        return PRM(way.path)
    from tts_lab.verifiers.public import PublicPRM

    if way.backend != "server":
        return PublicPRM(way.path, family=family, backend=way.backend)
    model = tokenizer or _origin(way.spec, served)
    if not (tokenizer or Path(model).is_dir() or model.count("/") == 1):
        raise ValueError(
            f"the endpoint serves {model!r}, which is neither a folder here nor a hub "
            "id; give tokenizer=, the reward model's folder or hub id"
        )
    return PublicPRM(model, family=family, backend=way.spec, served=served)


def _origin(url: str, served: str | None) -> str:
    """What an endpoint says that it was started with: a folder or a hub id."""
    from tts_lab.proposers.replicas import Replicas

    replicas = Replicas(url)
    try:
        card = replicas.connect(served)
    finally:
        replicas.close()
    return str(card.get("root") or card["id"])


def made(
    make: Callable[[], Any],
    way: Plan,
    *,
    name: str,
    say: Callable[[str], object],
    cancel: Event | None,
) -> Any:
    """What `make` makes, fetched first; on cancel it is left to end by itself.

    Raises
    ------
    Cancelled
        At once when `cancel` is set; what is being loaded is closed when it is there.
    """
    if way.backend == "engine":
        from tts_lab.ladder.compiled import ensure

        ensure(say)
    if way.kind == "hub":
        say(f"looking for {name}")
        hub.fetch(way.spec, say=say, cancel=cancel)
    made: list[Any] = []
    failed: list[BaseException] = []
    done, left, handing = Event(), Event(), Lock()

    def work() -> None:
        with _LOADING:
            if left.is_set():
                return
            say(f"loading {name} ({way.backend})")
            try:
                model = make()
            except BaseException as error:  # told by who waits
                failed.append(error)
            else:
                with handing:
                    if left.is_set():
                        _close(model)
                    else:
                        made.append(model)
        done.set()

    if cancel is None:
        work()
    else:
        if _LOADING.locked():
            say("waiting for another load to end")
        Thread(target=work, name="tts-lab-load", daemon=True).start()
        while not (done.wait(0.05) or cancel.is_set()):
            pass
        if cancel.is_set():
            with handing:
                left.set()
                for model in made:
                    _close(model)
            raise Cancelled(way.spec)
    if failed:
        raise failed[0]
    return made[0]


def _close(model: object) -> None:
    """Give back what a model holds, if it can."""
    if callable(end := getattr(model, "close", None)):
        end()
