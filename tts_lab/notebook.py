"""The set-up line of every notebook: `setup()`.

Promises: it may run any number of times; it says nothing where all is well; it never
fails where a part is missing, and imports no framework. In Google Colab it switches on
the widget manager that knows ipywidgets 8, and says what the runtime has.

Not covered: installing anything. `docs/front_ends.md` has the one line for that.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

#: the first with every trait and message that the widgets use, as in pyproject.toml
IPYWIDGETS = (8, 1, 9)
#: drops messages of widgets
BROKEN_KERNEL = "7.0.0"
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def setup() -> None:
    """Make the notebook ready wherever it runs, and say what is still to do.

    Nothing is shown where nothing is to do: in JupyterLab, Notebook 7, Voila and
    VS Code with everything installed. Messages are shown in a notebook only.

    Examples
    --------
    >>> setup()
    >>> setup()
    """
    lines = advice()
    if in_colab():
        switch_on_colab_widgets()
        lines.insert(0, runtime())
    if lines:
        _show("\n".join(lines))


def in_colab() -> bool:
    """Whether this is a kernel of Google Colab.

    >>> in_colab()
    False
    """
    try:
        return importlib.util.find_spec("google.colab") is not None
    except (ImportError, ValueError):  # no google; or a module without a spec
        return "google.colab" in sys.modules


def advice() -> list[str]:
    """What should be installed or done before the first run, a line each.

    >>> [line for line in advice() if "ipywidgets" in line]
    []
    """
    lines = []
    installed, loaded = _installed("ipywidgets"), sys.modules.get("ipywidgets")
    running = str(getattr(loaded, "__version__", installed))
    wanted = ".".join(map(str, IPYWIDGETS))
    if installed is None or _numbers(installed) < IPYWIDGETS:
        lines.append(
            f"The widgets need ipywidgets {wanted} or later, here is "
            f'{installed or "none"}: %pip install -q "ipywidgets>={wanted}", then '
            "restart the kernel."
        )
    elif _numbers(running) < IPYWIDGETS:
        lines.append(
            f"ipywidgets {installed} is installed, but {running} is loaded: restart "
            "the kernel."
        )
    if _installed("ipykernel") == BROKEN_KERNEL:
        lines.append(
            f"ipykernel {BROKEN_KERNEL} drops messages of widgets: "
            "%pip install -q -U ipykernel, then restart the kernel."
        )
    if not _engine_is_compiled():
        lines.append(
            "The engine is not compiled yet: the first run does it, in about 20 s, "
            f"{_how_often()}."
        )
    return lines


def runtime() -> str:
    """One line about this machine: cores, and its GPU if it has one.

    >>> "core" in runtime() and "GPU" in runtime()
    True
    """
    from tts_lab.ladder.cores import cores

    count, name = cores(), gpu()
    of_cores = f"{count} core{'s' if count != 1 else ''}"
    if name:
        what = f"GPU {name}, for models of your own; the course itself needs none"
    else:
        what = "no GPU, and the course needs none"
    return f"tts_lab: {of_cores}; {what}."


def gpu() -> str | None:
    """The name of the first NVIDIA GPU; None without one. torch is not asked."""
    for info in sorted(_NVIDIA.glob("*/information")):
        try:
            found = re.search(r"^Model:\s*(.+)$", info.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return found[1].strip()
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        listed = subprocess.run(
            [command, "-L"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", listed, re.MULTILINE)
    return found[1] if found else None


def switch_on_colab_widgets() -> None:
    """Let Colab show widgets of ipywidgets 8.

    Colab's own manager is made for ipywidgets 7; its manager for custom widgets knows
    the controls of 8. It is named in the metadata of what `display` publishes, and a
    cell's last value is not published so: a formatter sends widgets that way.
    """
    shell = _shell()
    if shell is None:
        return
    try:
        output = importlib.import_module("google.colab.output")
        output.enable_custom_widget_manager()  # a second call changes nothing
        from ipywidgets import Widget, __version__
    except Exception:  # another Colab: its own manager is left to show the widgets
        return
    if _numbers(__version__) < IPYWIDGETS:  # `advice` says what to do
        return
    shell.display_formatter.ipython_display_formatter.for_type(Widget, _publish)


def _publish(widget: Any) -> None:
    from IPython.display import display

    bundle = widget._repr_mimebundle_()
    data, extra = bundle if isinstance(bundle, tuple) else (bundle, {})
    display(data, metadata=extra, raw=True)


def _show(text: str) -> None:
    """As the cell's output; outside a notebook nobody is to read it."""
    if _shell() is not None:
        from IPython.display import display

        display({"text/plain": text}, raw=True)


def _shell() -> Any:
    """IPython's shell, if this runs in one."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _engine_is_compiled() -> bool:
    try:
        from tts_lab.ladder.compiled import is_cached
    except ImportError:  # no engine to compile
        return True
    return is_cached()


def _how_often() -> str:
    from tts_lab.ladder.compiled import can_keep, folder

    if can_keep():
        return "once on this machine"
    return f"at every start, for {folder()} cannot be written (see tts-lab doctor)"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers, to compare by.

    >>> _numbers("8.1.10rc1") > (8, 1, 9) > _numbers("7.7.1")
    True
    """
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
