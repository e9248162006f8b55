"""`tts-lab app`: the pages in a browser, and one clear line for bad input."""

from __future__ import annotations

import errno
import html
import json
import os
import queue
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil
import pytest
from browser import free_port, jupyter_environment
from browser_page import PATIENCE, Browser

from tts_lab.app import FOLDER, PAGES, page_path
from tts_lab.app.server import address, check_port, quoted
from tts_lab.cli import main

LAB = ".tts-lab"
NODES = f"{LAB} g[role=treeitem]"
VISITOR = str(Path(__file__).with_name("app_visitor.py"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes what it does not print."""
    return tmp_path_factory.mktemp("app") / "log"


@pytest.fixture(scope="module")
def app(log: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that a running `tts-lab app --theme dark` prints, and its process."""
    command = [sys.executable, "-m", "tts_lab.cli", "app", "--no-browser"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--port", str(free_port()), "--theme", "dark"],
            env=os.environ | jupyter_environment(log.parent),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            said = process.stdout.readline()
            found = re.search(r"http://\S+", said)
            assert found, said + log.read_text()
            yield found[0], process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.browser
def test_a_search_is_stepped_cancelled_and_run_on_a_page_of_its_own(
    app: tuple[str, subprocess.Popen[str]], artifacts: Path
) -> None:
    url, process = app
    with Browser() as window:
        page = window.page
        page.goto(url)
        page.wait_for_selector(f"{LAB} button:has-text('Step')")
        assert page.locator("h1").inner_text().strip("¶ ") == "Strategy lab"
        assert page.title() == "Strategy lab · tts_lab"

        page.click(f"{LAB} button:has-text('Step')")
        page.wait_for_selector(f"{LAB} .tts-status:has-text('Waiting')")
        first = page.locator(NODES).count()
        page.click(f"{LAB} button:has-text('Step')")
        page.wait_for_function(f"document.querySelectorAll('{NODES}').length > {first}")
        page.click(f"{LAB} button:has-text('Cancel')")
        page.wait_for_selector(f"{LAB} .tts-status:has-text('Cancelled')")
        assert page.locator(NODES).count() > first > 1
        assert page.locator(f"{NODES}.tts-chosen").count() == 0

        page.click(f"{LAB} button:has-text('Run')")
        page.wait_for_selector(f"{LAB} .tts-status:has-text('Done')")
        assert page.locator(f"{NODES}.tts-chosen").count() >= 2
        window.screenshot(artifacts / "app_strategy_lab.png")

        [kernel] = psutil.Process(process.pid).children()
        page.click("a:has-text('Coverage explorer')")
        page.wait_for_selector(".tts-coverage button:has-text('Run')")
        kernel.wait(PATIENCE)  # of the page that was left
        window.screenshot(artifacts / "app_coverage.png")
        window.assert_clean()


def test_without_the_token_there_is_no_page(
    app: tuple[str, subprocess.Popen[str]],
) -> None:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    url, _ = app
    server = url.partition("/?")[0]
    for path in (page_path("lab"), "/voila/api/contents/"):
        try:
            with urlopen(server + path, timeout=60) as answer:
                assert "/login" in answer.url
        except HTTPError as error:
            with error:
                assert error.code == 403


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_it(app: tuple[str, subprocess.Popen[str]], log: Path) -> None:
    _, process = app
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


def test_a_token_of_the_user_is_said_once_it_serves_and_opens_the_page(
    tmp_path: Path,
) -> None:
    token, port = tmp_path / "token", free_port()
    token.write_text("the users own\n")
    environment = os.environ | jupyter_environment(tmp_path)
    environment.pop("JUPYTER_TOKEN", None)
    done = subprocess.run(
        [sys.executable, VISITOR, str(port)],
        env=environment | {"JUPYTER_TOKEN_FILE": str(token)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)  # and nothing else was printed
    url = f"http://127.0.0.1:{port}/?token=the+users+own"
    assert seen["said"] == [f"lab runs at {url}", "Stop it with Ctrl+C."]
    assert seen["status"] == 200 and "login" not in seen["url"]
    assert not seen["left"]


@pytest.mark.parametrize("token", ["", " \n", "set by the user\n"])
def test_there_is_always_a_token(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from voila.app import Voila

    from tts_lab.app.voila_app import App

    settings = {"identity_provider": SimpleNamespace(token=token)}
    monkeypatch.setattr(Voila, "init_settings", lambda app: settings)
    found = App().init_settings()["identity_provider"].token
    assert found == token.strip() if token.strip() else len(found) == 48


def test_the_browser_gets_a_file_for_this_user_alone_and_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tts_lab.app.voila_app import App

    opened: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("webbrowser.open", opened.put)
    app = App(ip="::1", port=9000)
    app.connection_dir = str(tmp_path)
    app.identity_provider = SimpleNamespace(token='se"cret', token_generated=False)
    assert app.display_url == "http://[::1]:9000/?token=se%22cret"
    app.launch_browser()
    url = opened.get(timeout=60)
    assert url.startswith("file:") and "cret" not in url
    file = Path(url2pathname(urlsplit(url).path))
    assert file.parent == tmp_path  # Voila's own folder, which it removes
    refresh = f'http-equiv="refresh" content="0; url={html.escape(app.display_url)}"'
    assert refresh in file.read_text()
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600


def test_the_first_address_goes_to_the_page_for_now() -> None:
    from tts_lab.app.voila_app import App

    app = App(page="race")
    app.server_url = "/"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voila.app.Voila.init_handlers", lambda app: [])
        [start, _] = app.init_handlers()
    assert start[2]["url"] == page_path("race")
    assert start[2]["permanent"] is False


@pytest.mark.parametrize(
    ("ip", "host"),
    [
        ("localhost", "localhost"),
        ("lab.example", "lab.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "localhost"),
        ("", "localhost"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
        ("0:0::0", "[::1]"),
    ],
)
def test_the_address_is_one_that_this_machine_can_open(ip: str, host: str) -> None:
    assert address(ip, 8866, "a&b") == f"http://{host}:8866/?token=a%26b"


def test_every_page_names_its_widget_and_the_other_pages() -> None:
    found = {path.name for path in (FOLDER / "pages").glob("*.ipynb")}
    assert found == set(PAGES.values())
    for name in found:
        heading, *rest = json.loads((FOLDER / "pages" / name).read_text())["cells"]
        text = "".join(heading["source"])
        assert text.startswith("# ") and "*Run*" in text
        assert set(re.findall(r"\((\w+\.ipynb)\)", text)) == found - {name}
        assert [cell["outputs"] for cell in rest] == [[]]


@pytest.mark.parametrize(
    ("arguments", "quoted", "accepted"),
    [
        (["tree"], "'tree'", "lab, race, coverage"),
        (["--theme", "blue"], "'blue'", "light, dark"),
        (["--port", "70000"], "70000", "1 to 65535"),
        (["--ip", "203.0.113.7"], "'203.0.113.7'", "127.0.0.1"),
        (["--ip", "nowhere.invalid"], "'nowhere.invalid'", "127.0.0.1"),
    ],
)
def test_bad_input_is_quoted_with_what_is_accepted(
    arguments: list[str],
    quoted: str,
    accepted: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["app", "--no-browser", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and quoted in said and accepted in said


def test_a_port_that_is_taken_is_named_with_another_to_choose(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert re.search(r"--port \d+\n", said)


@pytest.mark.parametrize("families", [[4, 6], [6]])
def test_localhost_is_fine_without_ipv6_while_ipv4_is_there(
    families: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, bind = free_port(), socket.socket.bind
    stream = (socket.SOCK_STREAM, 0, "")
    hosts = {
        4: (socket.AF_INET, *stream, ("127.0.0.1", port)),
        6: (socket.AF_INET6, *stream, ("::1", port, 0, 0)),
    }

    def refuse(probe: socket.socket, where: tuple[str, int]) -> None:
        if probe.family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        bind(probe, where)

    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [hosts[family] for family in families]
    )
    if 4 in families:
        check_port("localhost", port)
    else:
        with pytest.raises(OSError, match=r"'localhost'.*; 127\.0\.0\.1 is this"):
            check_port("localhost", port)


def test_without_voila_the_line_to_install_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "voila.app", None)
    monkeypatch.delitem(sys.modules, "tts_lab.app.voila_app", raising=False)
    port = f"--port={free_port()}"
    monkeypatch.setattr(sys, "executable", str(Path("my course", "python")))
    assert main(["app", "--no-browser", port]) == 2
    line = f'{quoted(sys.executable)} -m pip install "tts-lab[lab]"'
    assert line in capsys.readouterr().err
    if os.name == "posix":
        assert shlex.split(line)[0] == sys.executable
