"""Dropdowns, sliders and buttons as all widgets of the package have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from tts_lab.figures.budget import plain

SIZE: dict[str, Any] = {
    "layout": {"width": "auto"},
    "style": {"description_width": "84px"},
}


def dropdown(
    name: str, options: Sequence[Any], value: Any, tooltip: str
) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=options,
        value=value,
        description=name,
        tooltip=tooltip,
        disabled=len(options) == 1,
        **SIZE,
    )


def fitting(names: Callable[[str], list[str]], domain: str, value: str) -> list[str]:
    """What is made for a domain; with the ladder's own, if `value` is not of it."""
    found = names(domain)
    return found if value in found else list(dict.fromkeys([*names("chains"), *found]))


def offer(control: widgets.Dropdown, options: Sequence[Any], otherwise: Any) -> None:
    """Give a dropdown other options; it stays where it is, if that is one of them."""
    value = control.value if control.value in options else otherwise
    control.options, control.value = options, value
    control.disabled = len(options) == 1


def slider(
    name: str, options: Sequence[int], value: int, tooltip: str
) -> widgets.SelectionSlider:
    return widgets.SelectionSlider(
        options=[(plain(option), option) for option in sorted({*options, value})],
        value=value,
        description=name,
        tooltip=tooltip,
        continuous_update=False,
        **SIZE,
    )


def button(name: str, icon: str, style: str, tooltip: str) -> widgets.Button:
    return widgets.Button(
        description=name,
        icon=icon,
        button_style=style,
        tooltip=tooltip,
        layout=widgets.Layout(width="96px"),
    )


def within(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name}={value!r}; accepted is {plain(low)} to {plain(high)}")
