"""The server behind `tts-lab app`: Voila over the package's own pages.

Promises: pages and what they load come from this server alone; a token guards them, as
JupyterLab's does; each open page has a kernel of its own, which ends with the page.
What is wrong is said before Voila is imported. Nothing is printed: the address goes to
a callback, once the server listens.

Not covered: Voila's configuration files. They are not read, so that the pages are the
same everywhere. JUPYTER_TOKEN and JUPYTER_TOKEN_FILE are.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import shlex
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from urllib.parse import urlencode

from tts_lab.app import FOLDER, page_path

THEMES = ("light", "dark")


def serve(
    page: str = "lab",
    *,
    say: Callable[[str], object],
    ip: str = "localhost",
    port: int = 8866,
    theme: str = "light",
    browser: bool = True,
) -> None:
    """Serve the pages until Ctrl+C.

    Parameters
    ----------
    page : str
        What the address alone opens: one of `tts_lab.app.PAGES`.
    say : callable
        Gets the address and how to stop, a line at a time, once the server listens.
    ip : str
        The address to listen on.
    port : int
        1 to 65535.
    theme : str
        "light" or "dark".
    browser : bool
        Whether to open the page in a browser.

    Raises
    ------
    ValueError
        For a page, a theme or a port that is none.
    OSError
        When the port is taken or not allowed, or the address is not this machine's.
    ImportError
        Without Voila.
    """
    page_path(page)
    if theme not in THEMES:
        raise ValueError(f"theme {theme!r} is unknown; there are {', '.join(THEMES)}")
    try:
        check_port(ip, port)
        from tts_lab.app.voila_app import EXTENSIONS, App
    except ImportError as error:
        raise ImportError(
            f"the pages need Voila ({error}): {quoted(sys.executable)} -m pip install "
            '"tts-lab[lab]"'
        ) from error
    app = App(
        page=page,
        say=say,
        ip=ip,
        port=port,
        port_retries=0,
        open_browser=browser,
        auto_token=True,
        root_dir=str(FOLDER / "pages"),
        config_file_paths=[],
        tornado_settings={"ws_ping_timeout": 30_000},  # ms; more is a warning
        log_level="ERROR",
    )
    app.initialize(
        [
            "--template=lab",
            f"--theme={theme}",
            # a window that closes ends its kernel; one that was lost, after a while
            "--MappingKernelManager.cull_idle_timeout=600",
            "--MappingKernelManager.cull_interval=60",
            *(f"--VoilaConfiguration.extension_allowlist={e}" for e in EXTENSIONS),
        ]
    )
    app.start()


def address(ip: str, port: int, token: str) -> str:
    """What to open in a browser on this machine.

    A server of all networks is reached by its own machine under a loopback address; the
    machine's name need not resolve. Tornado's `::` is IPv6 alone: not every localhost.

    >>> address("0.0.0.0", 8866, "a1")
    'http://localhost:8866/?token=a1'
    >>> address("::", 8866, "a1")
    'http://[::1]:8866/?token=a1'
    """
    try:
        number = ipaddress.ip_address(ip)
    except ValueError:
        host = ip or "localhost"
    else:
        host = f"[{ip}]" if number.version == 6 else ip
        if number.is_unspecified:
            host = "[::1]" if number.version == 6 else "localhost"
    return f"http://{host}:{port}/?{urlencode({'token': token})}"


def quoted(path: str) -> str:
    """A path as one word of this system's command line."""
    return subprocess.list2cmdline([path]) if os.name == "nt" else shlex.quote(path)


def check_port(ip: str, port: int) -> None:
    """Raise an error that says what to do where the server could not listen.

    What Tornado skips when it listens, such as `::1` where IPv6 is off, is no error.

    >>> check_port("localhost", 0)
    Traceback (most recent call last):
    ValueError: --port must be 1 to 65535, got 0
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port must be 1 to 65535, got {port}")
    from tornado.netutil import bind_sockets

    accepted = "127.0.0.1 is this machine alone, 0.0.0.0 all its networks"
    try:
        sockets = bind_sockets(port, ip)
        for probe in sockets:
            probe.close()
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(
            f"--ip {ip!r} is no address of this machine; {accepted}"
        ) from error
    except OSError as error:
        with warnings.catch_warnings():  # Tornado leaves those before the error open
            warnings.simplefilter("ignore", ResourceWarning)
            traceback.clear_frames(error.__traceback__)
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} of {ip} is taken: end what uses it, or choose another "
                f"with --port {port + 1 if port < 65535 else port - 1}"
            ) from error
        if error.errno == errno.EACCES:
            raise OSError(
                f"port {port} of {ip} is not allowed; those from 1024 are: --port 8866"
            ) from error
        raise OSError(
            f"cannot listen on {ip!r}, port {port}: {error.strerror}; {accepted}"
        ) from error
