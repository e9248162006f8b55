"""Make the student and the solution notebooks from their sources.

    python exercises/build.py             write what is not up to date
    python exercises/build.py --execute   the same, and run the solutions anew

A source, `source/<assignment>/<assignment>.ipynb`, is in nbgrader's format and the
single truth. `student/<assignment>.ipynb` is what `nbgrader generate_assignment` would
release, but for checksums: solutions replaced by stubs, hidden tests removed, cells
locked. `solutions/<assignment>.ipynb` has the solutions in place and nothing of the
grader. nbgrader is not needed here; a test compares with it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent
CODE_STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
TEXT_STUB = ("YOUR ANSWER HERE",)
METADATA = {
    "kernelspec": {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
_MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")


def sources(root: Path = ROOT) -> list[Path]:
    """The source notebooks, in the order of the course."""
    return [
        path
        for path in sorted(root.glob("source/*/*.ipynb"))
        if path.stem == path.parent.name
    ]


def student(source: NotebookNode) -> NotebookNode:
    """The notebook to fill in: stubs for solutions, no hidden tests, no outputs."""
    made = _bare(source)
    for cell in made.cells:
        is_solution, is_test = _is(cell, "solution"), _is(cell, "grade")
        stub = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
        stubbed = _without(cell.source, "SOLUTION", stub)
        if is_solution and stubbed == cell.source:  # no markers: all is the solution
            stubbed = "\n".join(stub)
        visible = _without(stubbed, "HIDDEN TESTS", ())
        unmarked = stubbed != cell.source and not is_solution
        if unmarked or (visible != stubbed and not is_test):
            raise ValueError(f"a cell is not marked for nbgrader: {cell.source!r}")
        cell.source = visible
        if is_solution or is_test or _is(cell, "locked"):
            cell.metadata["deletable"] = False
            if not is_solution:
                cell.metadata["editable"] = False
    return made


def solution(source: NotebookNode) -> NotebookNode:
    """The notebook with solutions and hidden tests in place, not executed."""
    made = _bare(source)
    for cell in made.cells:
        lines = cell.source.split("\n")
        cell.source = "\n".join(line for line in lines if not _MARKER.search(line))
        cell.metadata.pop("nbgrader", None)
    return made


def versions(root: Path = ROOT) -> Iterator[tuple[Path, NotebookNode]]:
    """Where each version belongs, and what it should be."""
    for path in sources(root):
        source = nbformat.read(path, as_version=4)
        yield root / "student" / path.name, student(source)
        yield root / "solutions" / path.name, solution(source)


def is_current(path: Path, made: NotebookNode) -> bool:
    """Whether the stored notebook has the same cells, whatever its outputs are."""
    if not path.exists():
        return False
    return _bare(nbformat.read(path, as_version=4)) == _bare(made)


def build(root: Path = ROOT) -> list[Path]:
    """Write every version that is not up to date; outputs of the others stay."""
    written = []
    for path, made in versions(root):
        if not is_current(path, made):
            write(made, path)
            written.append(path)
    return written


def execute(path: Path, *, kernel: str = "python3", timeout: int = 300) -> None:
    """Run a notebook in its folder and store its outputs, all of them or none.

    Parameters
    ----------
    path : Path
    kernel : str
        The kernelspec to run it with; the one it names stays.
    timeout : int
        Seconds per cell.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails; the stored notebook is then as before.
    """
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name=kernel,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        timeout=timeout,
    ).execute(env=os.environ | {"TTS_LAB_PROGRESS": "off"})
    notebook.metadata = nbformat.from_dict(METADATA)
    write(notebook, path)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a valid notebook in one step, so a reader never finds half of it."""
    nbformat.validate(notebook)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    try:
        nbformat.write(notebook, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _bare(notebook: NotebookNode) -> NotebookNode:
    """A copy without outputs, counts and what depends on who saved it."""
    made = nbformat.from_dict(notebook)
    made.metadata = nbformat.from_dict(METADATA)
    made.nbformat, made.nbformat_minor = 4, 5
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            for key in ("collapsed", "scrolled", "execution"):
                cell.metadata.pop(key, None)
    return made


def _is(cell: NotebookNode, key: str) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get(key, False))


def _without(text: str, region: str, stub: tuple[str, ...]) -> str:
    """The text with each region, markers included, replaced by an indented stub."""
    kept: list[str] = []
    inside = False
    for line in text.split("\n"):
        if f"BEGIN {region}" in line:
            if inside:
                raise ValueError(f"a {region} begins inside another: {text!r}")
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            kept += [indent + one for one in stub]
        elif f"END {region}" in line:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"a {region} is not ended: {text!r}")
    return "\n".join(kept)


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--execute"}:
        print(__doc__)
        return 2
    for path in build():
        print(f"==> wrote {path.relative_to(ROOT)}")
    if "--execute" in arguments:
        for path in (path for path, _ in versions() if path.parent.name == "solutions"):
            print(f"==> running {path.relative_to(ROOT)}", flush=True)
            execute(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
