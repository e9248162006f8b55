"""The last entry of a dropdown of models: "another model…", which unfolds a picker.

Promises: what the picker loads is added to the dropdown and chosen, and goes from it
when it is unloaded. Not covered: using it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from tts_lab.found import Role
from tts_lab.widgets.parts import offer
from tts_lab.widgets.picker import ModelPicker
from tts_lab.widgets.picker_panels import Loaded

OTHER = "another model…"


class Another:
    """A dropdown's picker, made when it is first needed.

    Parameters
    ----------
    control : Dropdown
        Of names; gets one entry more.
    role : str
        "policy" or "verifier".
    on_unload : callable
        Called before a model is closed: to stop what uses it.
    offered : bool
        Without, the dropdown keeps its entries.

    Attributes
    ----------
    box : widget
        Where the picker is; to be placed below the dropdown.
    """

    def __init__(
        self,
        control: widgets.Dropdown,
        role: Role,
        *,
        on_unload: Callable[[], object] = lambda: None,
        offered: bool = True,
    ) -> None:
        self.control, self.role, self.offered = control, role, offered
        self.on_unload = on_unload
        self.box = widgets.VBox([], layout=widgets.Layout(display="none"))
        self._names = [str(name) for name in control.options]
        self._picker: ModelPicker | None = None
        if offered:
            self.offer(self._names)
            control.observe(self._chosen, "value")

    @property
    def picker(self) -> ModelPicker:
        """The picker itself."""
        if self._picker is None:
            self._picker = ModelPicker(self.role)
            self._picker.on_loaded(self._loaded)
            self._picker.on_unload(self._unload)
            self.box.children = [self._picker]
        return self._picker

    def offer(self, names: Sequence[str]) -> None:
        """Give the dropdown other names; what was loaded stays in it."""
        self._names = list(names)
        others = [*self._labels(), OTHER] if self.offered else []
        offer(self.control, [*names, *others], names[0])

    def get(self, name: str) -> Any:
        """The loaded model of a name; None if it is none of the picker's.

        Raises
        ------
        ValueError
            When "another model…" is chosen and none is loaded.
        """
        if name == OTHER:
            raise ValueError(
                f"{self.role} is {OTHER!r} and none is loaded: choose one in the "
                "picker and press Load there"
            )
        return next((one.model for one in self._all() if one.label == name), None)

    def owns(self, name: str) -> bool:
        """Whether a name of the dropdown is the picker's."""
        return name == OTHER or name in self._labels()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the picker, if there is one."""
        return self._picker is None or self._picker.wait(timeout)

    def close(self) -> None:
        """Close the picker and what it loaded."""
        if self._picker is not None:
            self._picker.close()

    def _all(self) -> list[Loaded]:
        return self._picker.loaded if self._picker else []

    def _labels(self) -> list[str]:
        return [one.label for one in self._all()]

    def _loaded(self, loaded: Loaded) -> None:
        self.offer(self._names)
        self.control.value = loaded.label

    def _unload(self, loaded: Loaded) -> None:
        self.on_unload()
        self.offer(self._names)

    def _chosen(self, change: dict[str, Any]) -> None:
        shown = self.owns(change["new"])
        if shown:
            self.picker  # noqa: B018 (made by looking)
        self.box.layout.display = "" if shown else "none"
