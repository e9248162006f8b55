"""Run notebooks from a fresh kernel and store their outputs in place.

    python .ci/render.py [NOTEBOOK ...]

Without names it renders every notebook under `notebooks/` and
`exercises/solutions/`. A notebook that fails keeps the outputs it had. What differs
between two machines or two runs without meaning anything is left out: timings, the
Python version, widget state and widget views. Of a widget its text stays, and its
figure or the picture that `.ci/pictures.py` took of it.
"""

from __future__ import annotations

import os
import sys
import time
from base64 import b64encode
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("notebooks", "exercises/solutions")
CELL_TIMEOUT = 300  # seconds
PICTURES = ROOT / "docs" / "widgets"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def found() -> list[Path]:
    """All notebooks whose outputs are kept."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )


def show(output: nbformat.NotebookNode, path: Path) -> None:
    """Put the picture of a widget and its words into an output."""
    with Image.open(path) as picture:
        words, (width, height) = picture.text["Description"], picture.size
    png = b64encode(path.read_bytes()).decode()
    output.data |= {"image/png": png, "text/plain": words}
    output.metadata["image/png"] = {"width": width, "height": height}


def pictures(notebook: nbformat.NotebookNode, name: str) -> None:
    """Put pictures in the place of widgets that have no figure of their own."""
    for cell in notebook.cells:
        variable = cell.source.split("\n")[-1]
        path = PICTURES / f"{name}-{variable}.png"
        for output in cell.get("outputs", [])[-1:] if variable.isidentifier() else []:
            if path.exists() and "image/png" not in output.get("data", {}):
                show(output, path)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Remove what does not belong in a committed notebook."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)


def render(path: Path) -> None:
    """Execute one notebook in its own folder and write it back."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        timeout=CELL_TIMEOUT,
    )
    client.execute(env=os.environ | {"TTS_LAB_PROGRESS": "off"})
    tidy(notebook)
    nbformat.validate(notebook)
    pictures(notebook, path.stem)
    nbformat.write(notebook, path)


def main(names: list[str]) -> int:
    failed = []
    for path in [Path(name).resolve() for name in names] or found():
        began = time.monotonic()
        print(f"==> rendering {path.name}", end=" ", flush=True)
        try:
            render(path)
        except CellExecutionError as error:
            print(f"failed; its stored outputs are as before\n{error}")
            failed.append(path.name)
        else:
            print(f"{time.monotonic() - began:.0f} s")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
