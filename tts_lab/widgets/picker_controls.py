"""The widgets of the model picker: which model, how to open it, Load and Cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ipywidgets as widgets

from tts_lab import formats
from tts_lab.found import BACKENDS, Found, Role, missing
from tts_lab.widgets.parts import SIZE, button
from tts_lab.widgets.picker_panels import label

AUTO = "auto"
ANYWAY = "Load even if it may not fit"
TYPED = "type it below"

#: kind -> its button, and what could be typed
KINDS: dict[str, tuple[str, str]] = {
    "rung": ("Ladder rung", ""),
    "name": ("Of the package", ""),
    "folder": ("Local folder", "path of a folder with config.json and safetensors"),
    "hub": ("Hugging Face id", "owner/name, e.g. Qwen/Qwen2.5-Math-1.5B-Instruct"),
    "endpoint": ("Endpoint URL", "http://localhost:8000/v1; replicas with commas"),
}


@dataclass(frozen=True)
class Choice:
    """What the picker stands at: None leaves a thing to the model."""

    spec: str
    backend: str | None = None
    format: str | None = None
    served: str | None = None
    tokenizer: str | None = None
    anyway: bool = False


class PickerControls:
    """Kind, model, backend, format; Load, Cancel, Unload.

    Parameters
    ----------
    role : str
        "policy" or "verifier".
    families : sequence of str
        Of verifiers: what the last dropdown offers instead of formats.
    """

    def __init__(self, role: Role, families: Sequence[str] = ()) -> None:
        first = "rung" if role == "policy" else "name"
        kinds = [first, "folder", "hub", "endpoint"]
        self._found: list[Found] = []
        self.kind = widgets.ToggleButtons(
            options=[(KINDS[kind][0], kind) for kind in kinds], value=first,
            description="Kind", tooltips=[f"Choose a {role} by this"] * len(kinds),
            style={"button_width": "132px", "description_width": "84px"},
        )  # fmt: skip
        self.found = widgets.Dropdown(
            options=[("looking …", "")], value="", description="Found here",
            tooltip="Models found on this machine", **SIZE,
        )  # fmt: skip
        self.typed = widgets.Text(
            description="Or type it", continuous_update=False,
            tooltip="Path, owner/name or URL", **SIZE,
        )  # fmt: skip
        self.backend = widgets.Dropdown(
            options=self._backends(), value=AUTO, description="Backend",
            tooltip="What runs the model; auto is the fastest that fits it", **SIZE,
        )  # fmt: skip
        options = formats.names() if role == "policy" else list(families)
        self.format = widgets.Dropdown(
            options=[AUTO, *options], value=AUTO,
            description="Format" if role == "policy" else "Family",
            tooltip="How the model is asked; auto goes by its name and chat template"
            if role == "policy" else "Whose step markers and scoring rule it has",
            **SIZE,
        )  # fmt: skip
        self.served = widgets.Text(
            description="Served as", placeholder="if it serves several models",
            tooltip="The model's name on the endpoint", continuous_update=False, **SIZE,
        )  # fmt: skip
        self.tokenizer = widgets.Text(
            description="Tokenizer", placeholder="its folder or hub id",
            tooltip="Of the served model, where the server does not tokenise",
            continuous_update=False, **SIZE,
        )  # fmt: skip
        self.anyway = widgets.Checkbox(
            value=False, description=ANYWAY, indent=False,
            tooltip="The estimate is rough", layout={"width": "auto"},
        )  # fmt: skip
        self.load = button("Load", "download", "success", f"Open this {role}")
        self.cancel = button("Cancel", "stop", "", "Stop; what was loaded stays")
        self.unload = button("Unload", "trash", "", "Give its memory back")
        self.cancel.disabled = self.unload.disabled = True
        self.box = widgets.GridBox(
            [self.found, self.backend, self.typed, self.format, self.served,
             self.tokenizer],
            layout=widgets.Layout(
                grid_template_columns="minmax(300px, 2fr) minmax(210px, 1fr)",
                grid_gap="0 12px",
            ),
        )  # fmt: skip
        self.buttons = widgets.HBox([self.load, self.cancel, self.unload, self.anyway])
        self.buttons.add_class("tts-row")
        self.kind.observe(lambda _: self._offer(), "value")
        self.found.observe(lambda _: self._filled(), "value")
        self._offer()

    def choice(self) -> Choice:
        """Where the widgets stand."""
        spec = self.found.value or self.typed.value.strip()
        backend = None if self.backend.value == AUTO else self.backend.value
        how = None if self.format.value == AUTO else self.format.value
        served = tokenizer = None
        if self.kind.value == "endpoint":
            served = self.served.value.strip() or None
            tokenizer = self.tokenizer.value.strip() or None
        return Choice(spec, backend, how, served, tokenizer, self.anyway.value)

    def choose(self, choice: Choice, kind: str) -> None:
        """Stand at a choice; one that was not found is typed."""
        self.kind.value = kind
        known = [value for _, value in self.found.options]
        if choice.spec in known:
            self.found.value = choice.spec
        else:
            self.found.value, self.typed.value = "", choice.spec
        self.backend.value = choice.backend or AUTO
        self.format.value = choice.format or AUTO
        self.served.value = choice.served or ""
        self.tokenizer.value = choice.tokenizer or ""
        self.anyway.value = choice.anyway

    def here(self, found: Sequence[Found]) -> None:
        """Offer what was found."""
        self._found = list(found)
        self._offer()

    def running(self, active: bool, *, loaded: bool) -> None:
        """Let Cancel be pressed while there is something to cancel."""
        self.cancel.disabled = not active
        self.load.disabled = active
        self.unload.disabled = active or not loaded

    def _backends(self) -> list[tuple[str, str]]:
        """Missing ones say so, and how to get them; choosing one is refused so too."""
        some = [(AUTO, AUTO)]
        for name in BACKENDS:
            line = missing(name)
            some.append((f"{name} – missing: {line}" if line else name, name))
        return some

    def _offer(self) -> None:
        kind, before = self.kind.value, self.found.value
        some = [(label(one), one.name) for one in self._found if one.kind == kind]
        hint = KINDS[kind][1]
        options = [*some, (TYPED if some else f"none – {TYPED}", "")] if hint else some
        self.found.options = options or [("looking …", "")]
        values = [value for _, value in self.found.options]
        self.found.value = before if before in values else values[0]
        self.typed.placeholder = hint
        self._filled()

    def _filled(self) -> None:
        """The text box is there for what was not found."""
        needed = bool(KINDS[self.kind.value][1]) and not self.found.value
        self.typed.layout.visibility = "visible" if needed else "hidden"
        shown = None if self.kind.value == "endpoint" else "none"
        self.served.layout.display = self.tokenizer.layout.display = shown
