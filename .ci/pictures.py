"""Take the pictures that stand in the notebooks where a front end shows widgets.

    python .ci/pictures.py [NOTEBOOK ...]

A code host and the pages show no widgets. Of those that have no figure of their own
to store before they are run, a picture is taken in JupyterLab in headless Chromium,
after Run, and kept in docs/widgets with its words inside. `.ci/render.py` puts it
beside the text of the cell. To be run again when a widget looks different.
"""

from __future__ import annotations

import sys
import tempfile
from io import BytesIO
from pathlib import Path

import matplotlib
import nbformat
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import LabNotebook, LabServer, write_fresh  # noqa: E402

PICTURES = ROOT / "docs" / "widgets"
#: of each picture: notebook, and the last line of the cell that shows the widget
WIDGETS = (
    ("00_start_here", "explorer"),
    ("01_repeated_sampling", "explorer"),
    ("03_choosing_an_answer", "race"),
    ("05_search", "lab"),
    ("10_test_time_training", "adaptation"),
    ("12_your_own_model", "picker"),
    ("12_your_own_model", "lab"),
)
NOTE = "A picture of the widget{after}. Run this cell to get the widget itself."
COLOURS = 128
MARK = "in words: "


def scenario(name: str, variable: str) -> tuple[nbformat.NotebookNode, int, bool]:
    """The notebook up to a widget, which then runs; which code cell that is."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    at = next(
        i for i, cell in enumerate(cells) if cell.source.split("\n")[-1] == variable
    )
    runs = variable != "picker"
    start = f"{variable}.run()\nassert {variable}.wait(300)\n" if runs else ""
    words = nbformat.v4.new_code_cell(f"{start}print({MARK!r} + {variable}.text())")
    notebook.cells = [*cells[: at + 1], words]
    return notebook, at, runs


def take(
    server: LabServer, folder: Path, name: str, variable: str
) -> tuple[bytes, str]:
    """A widget as JupyterLab shows it, as PNG, and its words."""
    notebook, at, runs = scenario(name, variable)
    path = folder / f"{name}-{variable}.ipynb"
    count = write_fresh(notebook, path)
    with LabNotebook(server, path.name, code_cells=count) as lab:
        lab.page.set_viewport_size({"width": 1280, "height": 2000})
        lab.page.keyboard.press("Control+b")  # the page is the notebook alone
        lab.run_all(seconds=600)
        cells = lab.page.locator(".jp-CodeCell")
        said = cells.nth(at + 1).locator(".jp-OutputArea").inner_text()
        lab.page.wait_for_timeout(1500)
        shown = cells.nth(at).locator(".jp-OutputArea-output").last
        shown.scroll_into_view_if_needed()
        words = said.split(MARK, 1)[1].strip()
        return shown.screenshot(animations="disabled"), NOTE.format(
            after=" after Run" if runs else ""
        ) + "\n" + words


def framed(png: bytes, note: str) -> Image.Image:
    """The picture with a line on top that says what it is."""
    taken = Image.open(BytesIO(png)).convert("RGB")
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(fonts / "DejaVuSans-Oblique.ttf", 13)
    line = 28
    whole = Image.new("RGB", (taken.width, taken.height + line), "#e8eef2")
    ImageDraw.Draw(whole).text((8, 5), note, "#333333", font)
    whole.paste(taken, (0, line))
    return whole.quantize(COLOURS, dither=Image.Dither.NONE)


def main(names: list[str]) -> int:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "notebooks"
        folder.mkdir()
        with LabServer.serve(folder, Path(place)) as server:
            server.wait()
            for name, variable in WIDGETS:
                if names and name not in names:
                    continue
                png, words = take(server, folder, name, variable)
                inside = PngInfo()
                inside.add_itxt("Description", words)
                path = PICTURES / f"{name}-{variable}.png"
                framed(png, words.split("\n", 1)[0]).save(
                    path, optimize=True, pnginfo=inside
                )
                server.shut_down_kernels()
                print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
