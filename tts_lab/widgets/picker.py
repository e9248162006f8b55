"""The model picker: choose a model, see whether it fits, load it in the background.

Promises: a load that fails or is cancelled leaves the models that were loaded, and the
picker, as they were; memory is looked at before anything is loaded; no key is shown and
every text is escaped; it can be driven without a front end (`load`, `wait`, `text`).
Not covered: what is done with the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

import ipywidgets as widgets

from tts_lab import models
from tts_lab.found import Found, Role
from tts_lab.memory import Memory
from tts_lab.proposers import Proposer
from tts_lab.verifiers import Verifier
from tts_lab.widgets import picker_panels as panels
from tts_lab.widgets.picker_controls import Choice, PickerControls
from tts_lab.widgets.picker_panels import Loaded
from tts_lab.widgets.picker_trial import families, kind_of, trial
from tts_lab.widgets.runner import Runner, Status, Task
from tts_lab.widgets.running import Running, in_turn
from tts_lab.widgets.sheet import sheet

HINT = "Change that and press Load again."
AGAIN = "Then press Load again."


class ModelPicker(Running):
    """Pick any model: a rung, a local folder, a hub id, or the URL of an endpoint.

    Parameters
    ----------
    role : str
        "policy" for a model that writes, "verifier" for one that scores.

    Raises
    ------
    ValueError
        For another role.

    Examples
    --------
    >>> picker = ModelPicker()
    >>> picker.load("105k")
    >>> picker.wait(120), picker.status.phase, picker.proposer.name
    (True, 'done', '105k')
    >>> picker.close()
    """

    def __init__(self, role: Role = "policy") -> None:
        self._runner, self._looker = Runner(), Runner()
        self._drawing = RLock()
        self._held: list[Loaded] = []
        self._closed = False
        if role not in ("policy", "verifier"):
            raise ValueError(f"role={role!r}; accepted are 'policy' and 'verifier'")
        self.role: Role = role
        self.here: list[Found] | None = None
        self._on_loaded: list[Callable[[Loaded], object]] = []
        self._on_unload: list[Callable[[Loaded], object]] = []
        self.controls = PickerControls(role, families() if role == "verifier" else ())
        self.machine = widgets.HTML(panels.machine(None))
        self.memory = widgets.HTML()
        self.status_line = widgets.HTML(panels.status(Status(), []))
        self.card = widgets.HTML()
        controls = self.controls
        super().__init__(
            [
                sheet(), widgets.HTML(panels.title(role)), controls.kind, controls.box,
                self.machine, self.memory,
                controls.buttons, self.status_line, self.card,
            ],
            "tts-picker",
        )  # fmt: skip
        controls.load.on_click(lambda _: self.load())
        controls.cancel.on_click(lambda _: self.cancel())
        controls.unload.on_click(lambda _: self.unload())
        for control in (controls.found, controls.typed, controls.backend):
            control.observe(lambda _: self._look(), "value")
        self._look()

    @property
    def loaded(self) -> list[Loaded]:
        """Everything that is loaded, the last one last."""
        return list(self._held)

    @property
    def proposer(self) -> Proposer | None:
        """The policy loaded last; None before there is one."""
        return self._held[-1].model if self._held and self.role == "policy" else None

    @property
    def verifier(self) -> Verifier | None:
        """The verifier loaded last; None before there is one."""
        return self._held[-1].model if self._held and self.role == "verifier" else None

    @property
    def status(self) -> Status:
        """How the load is doing; after a failure also why, and what to do."""
        status = self._runner.status
        if status.phase != "failed":
            return status
        message = status.message
        own = type(status.error).__module__.startswith("tts_lab.")
        if own or isinstance(status.error, ImportError):  # they say what to do
            message = str(status.error)
        hint = HINT if isinstance(status.error, ValueError) else AGAIN
        if "OutOfMemory" in type(status.error).__name__:
            hint = "Choose a smaller model or unload another, and press Load again."
        return replace(status, message=models.hidden(message), hint=hint)

    def load(
        self,
        spec: str | Path | None = None,
        *,
        backend: str | None = None,
        format: str | None = None,
        served: str | None = None,
        tokenizer: str | None = None,
        anyway: bool = False,
    ) -> None:
        """Load what is given, or what the controls stand at; returns at once.

        Parameters
        ----------
        spec : str or path, optional
            Rung or verifier of the package, folder, owner/name, or URL.
        backend : str, optional
            See `tts_lab.models.plan`.
        format : str, optional
            Of a policy, see `tts_lab.formats`; of a verifier its family.
        served, tokenizer : str, optional
            Of an endpoint, see `tts_lab.models.open_policy`.
        anyway : bool
            Also when the memory that it needs is not free.
        """
        if spec is not None:
            choice = Choice(str(spec), backend, format, served, tokenizer, anyway)
            self._looker.cancel()
            self.controls.choose(choice, kind_of(choice.spec, self.role))
        else:
            choice = self.controls.choice()
        self._runner.start(partial(self._work, choice), self._show)

    def unload(self) -> None:
        """Close the model loaded last; the one before it takes its place."""
        with self._drawing:
            if not self._held or self._runner.status.active:
                return
            gone = self._held.pop()
        self._release(gone)
        self._show(self._runner.status)
        self._look()

    def on_loaded(self, callback: Callable[[Loaded], object]) -> None:
        """Call a function with every model that was loaded, in the runner's thread."""
        self._on_loaded.append(callback)

    def on_unload(self, callback: Callable[[Loaded], object]) -> None:
        """Call a function with a model just before it is closed."""
        self._on_unload.append(callback)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the load and the look at this machine have ended."""
        return in_turn((self._runner.wait, self._looker.wait), timeout)

    def close(self) -> None:
        """Stop, close every model, and take the widget away."""
        self._closed = True
        self._looker.cancel()
        with self._drawing:  # a model that is opened now is not held any more
            self._runner.cancel()
        super().close()
        while self._held:
            self._release(self._held.pop())

    def text(self) -> str:
        """Status, memory and what is loaded, in words."""
        lines = [panels.status_words(self.status, self._labels())]
        if self._held:
            facts = panels.facts(self._held[-1])
            lines += [f"{name}: {value}" for name, value in facts]
        return models.hidden("\n".join(lines))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/plain": self.text()}

    def _labels(self) -> list[str]:
        return [one.label for one in self._held]

    def _release(self, gone: Loaded) -> None:
        for callback in self._on_unload:
            callback(gone)
        models.close(gone.model)

    def _work(self, choice: Choice, task: Task) -> None:
        """In the runner's thread: look at memory, open, try."""
        try:
            made = self._open(choice, task)
        except models.Cancelled:
            return
        except BaseException:
            if task.cancel.is_set():  # what a load says when it is interrupted
                return
            raise
        with self._drawing:
            kept = not task.cancel.is_set()  # `close` cancels with this lock
            again = [one for one in self._held if kept and one.label == made.label]
            if kept:
                self._held = [one for one in self._held if one not in again] + [made]
        if not kept:
            models.close(made.model)
            return
        for one in again:
            self._release(one)
        for callback in self._on_loaded:
            callback(made)
        task.say(panels.loaded_words(made.label))

    def _open(self, choice: Choice, task: Task) -> Loaded:
        task.say("looking at the model and this machine")
        plan = models.plan(choice.spec, self.role, backend=choice.backend)
        needed = models.memory_of(plan)
        if needed is not None and needed.fits is False and not choice.anyway:
            raise ValueError(panels.refusal(plan.spec, needed, self._labels()))
        how = {"format" if self.role == "policy" else "family": choice.format}
        opens: Callable[..., Any] = (
            models.open_policy if self.role == "policy" else models.open_verifier
        )
        model = opens(
            plan.spec, backend=plan.backend, served=choice.served,
            tokenizer=choice.tokenizer, say=task.say, cancel=task.cancel, **how,
        )  # fmt: skip
        try:
            task.say(f"trying {models.hidden(plan.spec)}")
            tried = trial(model, task.cancel)
        except BaseException:
            models.close(model)
            raise
        ways = ", ".join(filter(None, [plan.backend, choice.format]))
        return Loaded(f"{model.name} ({ways})", model, plan, tried)

    def _show(self, status: Status) -> None:
        """In the runner's thread, ten times a second."""
        with self._drawing:
            self.controls.running(status.active, loaded=bool(self._held))
            shown = self.status if status.phase == "failed" else status
            self.status_line.value = panels.status(shown, self._labels())
            self.card.value = panels.card(self._held[-1] if self._held else None)
        if status.phase == "done":
            self._look()  # memory is another now

    def _look(self) -> None:
        """Look at this machine and at what the chosen model needs, in a thread."""
        if self._closed:
            return
        choice = self.controls.choice()
        self._looker.start(partial(self._survey, choice))

    def _survey(self, choice: Choice, task: Task) -> None:
        if self.here is None:
            here = models.found(self.role)
            with self._drawing:
                self.here = here
                self.controls.here(here)
                self.machine.value = panels.machine(here)
            choice = self.controls.choice()
        needed = self._needed(choice)
        if not task.cancel.is_set():
            with self._drawing:
                self.memory.value = panels.memory(needed)

    def _needed(self, choice: Choice) -> Memory | str | None:
        """What the memory panel says of a choice; a hub id is not looked up."""
        if not choice.spec:
            return None
        try:
            plan = models.plan(choice.spec, self.role, backend=choice.backend)
            if plan.kind == "endpoint":
                return "An endpoint: nothing is loaded on this machine."
            if plan.kind == "hub" and models.in_cache(plan.spec) is None:
                return "Not in the cache: its size is looked up before it is fetched."
            return models.memory_of(plan)
        except (ValueError, ImportError) as error:
            return str(error)
