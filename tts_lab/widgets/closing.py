"""Closing a widget with everything in it, so that nothing of it is left in memory.

ipywidgets keeps every widget that is not closed, and the handlers of a child keep the
box that made it. Not covered: stopping what runs (`tts_lab.widgets.running`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import ipywidgets as widgets


def close_all(box: widgets.Widget, close: Callable[[], object]) -> None:
    """Close a widget by `close`, and all that it holds: children, layouts, styles.

    >>> box = widgets.VBox([widgets.HTML("one")])
    >>> [inner] = box.children
    >>> close_all(box, box.close)
    >>> inner.comm is inner.layout.comm is None
    True
    """
    inside = [] if box.comm is None else list(_held(box))
    close()
    close_each(inside)


def close_each(every: Iterable[object]) -> None:
    """Close those of them that are widgets, with all that they hold."""
    for one in every:
        if isinstance(one, widgets.Widget) and one.comm is not None:
            close_all(one, one.close)


def _held(widget: widgets.Widget) -> Iterator[object]:
    for name in widget.trait_names():
        if widget.trait_has_value(name):  # a default need not be made for this
            value = getattr(widget, name)
            yield from value if isinstance(value, list | tuple) else [value]
