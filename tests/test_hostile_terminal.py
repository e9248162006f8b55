"""What a model, a file or a server says moves no cursor and makes no Markdown."""

from __future__ import annotations

import re

import pytest
from hostile import MARKUP, few, texts
from hypothesis import given

from tts_lab import cli, cli_compare, doctor, ladder, scoreboard
from tts_lab.compare import compare
from tts_lab.comparison_report import markdown as report
from tts_lab.printable import markdown, printable
from tts_lab.problems import evaluation_set
from tts_lab.proposers.scripted import Scripted
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier

#: clears the screen, sets the window's title, goes to a line, a C1 code, hides text,
#: turns it around, and cannot be encoded
ESCAPES = "\x1b[2J\x1b]0;pwned\x07\r\x08\x9b31m\u200b\u202e\ud800\x00"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\ud800-\udfff]")


@few
@given(texts)
def test_any_text_can_be_printed_and_is_on_the_lines_it_was(text):
    shown = printable(text)
    assert not CONTROL.search(shown)
    assert (shown.encode() and True) or not text
    assert shown.count("\n") == text.count("\n")
    assert printable(shown) == shown
    line = markdown(text)
    assert "\n" not in line and not re.search(r"(?<!\\)(?:\\\\)*[<>\[\]`!]", line)


def test_what_can_be_read_stays_as_it_is():
    for text in ("47+38=85\n#85\n", "½·√2 ≥ 1 000", "Grüße, 你好 🙂", "a\tb"):
        assert printable(text) == text


@pytest.fixture
def hostile_model(monkeypatch):
    model = Scripted(lambda *_: f"47+38={ESCAPES}\n#85", name=ESCAPES)
    monkeypatch.setattr(ladder, "load", lambda name: model)


def test_a_sample_is_printed_without_escapes(hostile_model, capsys):
    assert cli.main(["sample", "105k", "--problem", "47+38", "-n", "2"]) == 0
    said = capsys.readouterr().out
    assert "\\x1b[2J\\x1b]0;pwned\\x07" in said
    assert not CONTROL.search(said)


@pytest.mark.parametrize("error", [ValueError, OSError, ImportError])
def test_an_error_is_printed_without_escapes(error, monkeypatch, capsys):
    def fails(*_):
        raise error(f"server says {ESCAPES}")

    monkeypatch.setattr(scoreboard, "shipped", fails)
    assert cli.main(["scoreboard"]) == 2
    said = capsys.readouterr().err
    assert "server says \\x1b[2J" in said and not CONTROL.search(said)


def test_what_is_said_on_the_way_is_printed_without_escapes(capsys):
    cli_compare._say(f"trying {ESCAPES}")
    said = capsys.readouterr().err
    assert "trying \\x1b" in said and not CONTROL.search(said)


def test_the_doctor_names_models_without_escapes(monkeypatch, capsys):
    found = [doctor.Finding("endpoint", f"serves {ESCAPES}")]
    monkeypatch.setattr(doctor, "examine", lambda: found)
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "serves \\x1b" in said and not CONTROL.search(said)


def test_names_in_a_report_are_names():
    name = f"{MARKUP[1]} ![x](http://h/x.png) [a](javascript:b)\n# b {ESCAPES}"
    found = compare(
        ["best_of_n"], evaluation_set("chains", 1, 2),
        proposer=Scripted(lambda *_: "#85", name=name),
        verifier=ScriptedVerifier(lambda trace: 0.5, name=name),
        n=[2], seed=0,
    )  # fmt: skip
    title, *rest = report(found, notes={"policy": name}).split("\n")
    assert title.startswith("# \\<img src=x onerror=")
    for line in (title, next(one for one in rest if one.startswith("- policy"))):
        assert "\\<img" in line and "\\!\\[x\\](http" in line
        assert "\\[a\\](javascript:b) \\# b" in line
        assert not CONTROL.search(line)
