"""The server behind `tts-lab app`: Voila over the package's own pages.

Promises: pages and what they load come from this server alone; a token guards them, as
JupyterLab's does; each open page has a kernel of its own, which ends with the page.
What is wrong is said before Voila is imported.

Not covered: Voila's configuration files. They are not read, so that the pages are the
same everywhere.
"""

from __future__ import annotations

import errno
import os
import socket

from tts_lab.app import FOLDER, page_path

THEMES = ("light", "dark")


def serve(
    page: str = "lab",
    *,
    ip: str = "localhost",
    port: int = 8866,
    theme: str = "light",
    browser: bool = True,
) -> None:
    """Serve the pages until Ctrl+C; prints the address.

    Parameters
    ----------
    page : str
        What the address alone opens: one of `tts_lab.app.PAGES`.
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
    check_port(ip, port)
    try:
        from tts_lab.app.voila_app import EXTENSIONS, App
    except ImportError as error:
        raise ImportError(
            f'the pages need Voila ({error}): pip install "tts-lab[lab]"'
        ) from error
    app = App(
        page=page,
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


def check_port(ip: str, port: int) -> None:
    """Raise an error that says what to do where the server could not listen.

    >>> check_port("localhost", 0)
    Traceback (most recent call last):
    ValueError: --port must be 1 to 65535, got 0
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"--port must be 1 to 65535, got {port}")
    try:
        for family, kind, _, _, address in socket.getaddrinfo(
            ip or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind) as probe:
                if os.name == "posix":  # as the server does: a port just left is free
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except socket.gaierror as error:
        raise OSError(
            f"--ip {ip!r} is no address of this machine; 127.0.0.1 is this machine "
            "alone, 0.0.0.0 all its networks"
        ) from error
    except OSError as error:
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
            f"cannot listen on {ip!r}, port {port}: {error.strerror}; 127.0.0.1 is "
            "this machine alone, 0.0.0.0 all its networks"
        ) from error
