"""Formulas as MathML, which browsers and screen readers read without a script."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

SIZE = re.compile(r"\\[bB]igg?(?![a-zA-Z])")  # \Big/ and the like: the size is left out


def convert(formula: str, *, as_block: bool) -> str:
    """LaTeX as MathML; docutils' MathError for a command that it does not know."""
    return str(tex2mathml(SIZE.sub("", formula), as_block=as_block))


def inline(self: Any, node: nodes.math) -> None:
    """A formula in a line of text."""
    self.body.append(convert(node.astext(), as_block=False))
    raise nodes.SkipNode


def block(self: Any, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    self.body.append(f'<div class="math">{convert(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
