"""The text twin of each picture in a notebook, folded under it.

A figure of `tts_lab` is stored as a picture and in words. The first line of the words
becomes the picture's alternative text, all of them a fold-out below it.
"""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from sphinx.transforms import SphinxTransform


class Twins(SphinxTransform):
    """Keeps the words that the choice of one output format would drop."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        for bundle in list(self.document.findall(is_bundle)):
            images = list(bundle.findall(nodes.image))
            words = [part.astext() for part in bundle if part.get("mime_type") == TEXT]
            if not images or not words or words[0].startswith("<"):
                continue
            title = words[0].split("\n", 1)[0]
            for image in images:
                image["alt"] = f"{title} (in words below)"
            bundle.parent.insert(
                bundle.parent.index(bundle) + 1,
                nodes.raw("", fold(words[0]), format="html"),
            )


TEXT = "text/plain"


def is_bundle(node: nodes.Node) -> bool:
    """Whether a node holds one output of a cell in all its formats."""
    return isinstance(node, nodes.container) and (
        node.get("nb_element") == "mime_bundle"
    )


def fold(words: str) -> str:
    """What is drawn, in a part of the page that opens."""
    return (
        '<details class="twin"><summary>The picture in words</summary>'
        f'<pre tabindex="0">{escape(words)}</pre></details>'
    )


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_transform(Twins)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
