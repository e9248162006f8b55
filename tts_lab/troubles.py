"""The common failures of the first five minutes, one look each.

Every function looks at one thing and returns a `Finding`: what was looked at, what was
found, and in `need` what to do about it. `trouble` says that the course does not run
well until that is done; otherwise `need` is an offer. What is looked at can be given,
so each failure can be tried out. Nothing is changed, and nothing is asked of a network.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PORT = 8888  # where JupyterLab starts unless told otherwise
MEGABYTES_FREE = 200  # of disk, for machine code, verdicts and saved notebooks
MEMORY_FREE = 500_000_000  # bytes: the largest notebook's kernel and its server


class Finding(NamedTuple):
    """One line of the report: `need` is empty when nothing is missing."""

    what: str
    found: str
    need: str = ""
    trouble: bool = False


def interpreter(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python's version and size.

    >>> interpreter((3, 9, 1)).need
    'install Python 3.11, 3.12 or 3.13, then: make lab PYTHON=/path/to/python3.12'
    """
    found = f"{'.'.join(map(str, version))} ({sys.platform}, {platform.machine()})"
    wanted = "install Python 3.11, 3.12 or 3.13, then: make lab PYTHON=/path/to/"
    if not (3, 11) <= version[:2] <= (3, 13):
        return Finding("Python", found, wanted + "python3.12", trouble=True)
    if sys.maxsize < 2**32:
        bits = f"{found}, 32 bits"
        return Finding("Python", bits, "install a 64-bit Python", trouble=True)
    return Finding("Python", found)


def packages(
    version: Callable[[str], str] = metadata.version,
) -> list[Finding]:
    """The versions of what the course imports, against the bounds of its own metadata.

    Old ipywidgets are found here: their sliders and buttons stay blank.

    Parameters
    ----------
    version : callable
        From a distribution's name to its version, raising `PackageNotFoundError`.
    """
    from packaging.requirements import Requirement

    found = []
    for line in metadata.requires("tts-lab") or []:
        wanted = Requirement(line)
        core = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        lab = wanted.marker is not None and wanted.marker.evaluate({"extra": "lab"})
        if not core and not lab:
            continue
        cure = f'{pip()} "{wanted.name}{wanted.specifier}"'
        try:
            present = version(wanted.name)
        except metadata.PackageNotFoundError:
            cure = cure if core else f'{pip()} "tts-lab[lab]"'
            found.append(Finding(wanted.name, "missing", cure, trouble=core))
            continue
        if wanted.specifier.contains(present, prereleases=True):
            found.append(Finding(wanted.name, present))
            continue
        cure += ", then restart the kernel and reload the page in the browser"
        found.append(
            Finding(wanted.name, f"{present}, unfit", cure, trouble=True),
        )
    return found


def writable(what: str, folder: Path, *, cure: str) -> Finding:
    """Whether a file can really be written into a folder, or what of it exists.

    An attempt, because neither permission bits nor the user's name tell it for sure
    (network drives, read-only mounts, a full disk).

    >>> writable("cache", Path(os.devnull) / "cache", cure="choose another").trouble
    True
    """
    existing = next(p for p in (folder, *folder.parents) if os.path.exists(p))
    try:
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"\0" * 4096)
        free = shutil.disk_usage(existing).free // 10**6
    except OSError as error:
        reason = error.strerror or type(error).__name__
        found = f"{short(folder)} cannot be written: {reason}"
        return Finding(what, found, cure, trouble=True)
    if free < MEGABYTES_FREE:
        found = f"{short(folder)}, {free} MB free"
        need = f"make room: {MEGABYTES_FREE} MB are wanted"
        return Finding(what, found, need, trouble=True)
    return Finding(what, short(folder))


def port(number: int = PORT) -> Finding:
    """Whether a server of this machine holds the port that JupyterLab takes."""
    with socket.socket() as probe:
        probe.settimeout(1)
        taken = probe.connect_ex(("127.0.0.1", number)) == 0
    if not taken:
        return Finding(f"port {number}", "free")
    need = (
        "JupyterLab takes the next free one and prints its address; "
        "or choose: make lab ARGS=--port=9000"
    )
    return Finding(f"port {number}", "taken by another server", need)


def proxy(environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether a proxy stands between this machine and itself.

    Names and passwords in a proxy's address are not shown.

    >>> finding = proxy({"HTTPS_PROXY": "http://me:secret@proxy.example:3128"})
    >>> finding.found, finding.trouble
    ('proxy.example:3128, also for this machine itself', True)
    >>> proxy({"https_proxy": "http://proxy.example:3128", "no_proxy": "localhost,"
    ...        "127.0.0.1"}).found
    'proxy.example:3128, not for this machine itself'
    """
    # As urllib does, the lower-case name counts where both are set.
    given = sorted(environment.items(), key=lambda item: item[0].islower())
    lower = {name.lower(): value for name, value in given if value}
    names = ("http_proxy", "https_proxy", "all_proxy")
    address = next((lower[name] for name in names if name in lower), None)
    if address is None:
        return Finding("proxy", "none")
    shown = re.sub(r"^\w+://", "", address).rpartition("@")[2].rstrip("/")
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d+)?", shown):
        shown = "set, but no address"
    proxies = {"no": lower.get("no_proxy", "")}
    bypassed = all(
        urllib.request.proxy_bypass_environment(host, proxies)  # type: ignore[attr-defined]
        for host in ("localhost", "127.0.0.1")
    )
    if bypassed:
        return Finding("proxy", f"{shown}, not for this machine itself")
    need = (
        "export NO_PROXY=localhost,127.0.0.1 before `make lab`: else the page stays "
        "empty, or a model served on this machine is not found"
    )
    return Finding("proxy", f"{shown}, also for this machine itself", need, True)


def kernel() -> Finding:
    """Whether notebooks run in this environment, where tts_lab is installed."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return Finding("kernel", "no Jupyter here", f'{pip()} "tts-lab[lab]"')
    try:
        chosen = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        need = f'{pip()} "tts-lab[lab]"'
        return Finding("kernel", "python3 not found", need, trouble=True)
    return same_environment(chosen)


def same_environment(chosen: str, here: str = sys.executable) -> Finding:
    """The same for a kernel that is started by `chosen`.

    >>> same_environment("/usr/bin/python3", "/home/me/.venv/bin/python").trouble
    True
    """
    # A bare name is replaced by the server's own interpreter.
    known = not os.path.isabs(chosen) or Path(chosen).parent == Path(here).parent
    if known:
        return Finding("kernel", "python3, of this environment")
    need = f"{quoted(here)} -m ipykernel install --sys-prefix, then choose that kernel"
    return Finding("kernel", f"python3 is {chosen}, elsewhere", need, trouble=True)


def memory(free: int | None) -> Finding:
    """Free memory in bytes, a container's limit counted; None if unknown.

    >>> memory(100_000_000).need
    'close other notebooks and programs: 0.50 GB are wanted'
    """
    from tts_lab.memory import size

    if free is None:
        return Finding("memory", "unknown")
    if free >= MEMORY_FREE:
        return Finding("memory", f"{size(free)} free")
    need = f"close other notebooks and programs: {size(MEMORY_FREE)} are wanted"
    return Finding("memory", f"{size(free)} free", need, trouble=True)


def pip() -> str:
    """The command that installs into this environment, whatever is activated."""
    return f"{quoted(sys.executable)} -m pip install"


def quoted(path: str) -> str:
    """A path as a shell takes it.

    >>> quoted("/home/me/my course/python")
    '"/home/me/my course/python"'
    """
    return f'"{path}"' if " " in path else path


def short(path: Path) -> str:
    """A path with ~ for the home folder."""
    try:
        home = Path.home()
    except RuntimeError:  # nobody's
        return str(path)
    if home == Path(home.anchor) or not path.is_relative_to(home):
        return str(path)
    return str(Path("~", path.relative_to(home)))
