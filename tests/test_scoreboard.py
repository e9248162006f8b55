"""The rule of the scoreboard, and that records come back as they went."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from html import unescape
from pathlib import Path

import nbformat
import pytest
from hostile import MARKUP

from tts_lab.claims import CLAIMS
from tts_lab.cli import main
from tts_lab.printable import printable
from tts_lab.scoreboard import Verdict, page, record, recorded, ship, shipped, table

ROOT = Path(__file__).resolve().parent.parent

ABOVE = Verdict(
    claim="M1",
    finding="the gain is more than 100x",
    effect=200,
    low=120,
    high=300,
    threshold=100,
    above=True,
    n_problems=100,
    n_samples=10_000,
    seed=1,
    cost="1e12 FLOPs",
)


@pytest.mark.parametrize(
    ("low", "high", "above", "word"),
    [
        (120, 300, True, "holds"),
        (120, 300, False, "does not hold here"),
        (50, 99, True, "does not hold here"),
        (50, 99, False, "holds"),
        (50, 300, True, "cannot be told at this n"),
        (50, 300, False, "cannot be told at this n"),
        (100, 300, True, "cannot be told at this n"),
    ],
)
def test_the_whole_interval_decides(
    low: float, high: float, above: bool, word: str
) -> None:
    verdict = replace(ABOVE, effect=(low + high) / 2, low=low, high=high, above=above)
    assert verdict.word == word


def test_an_effect_outside_its_interval_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside its interval"):
        _ = replace(ABOVE, effect=1.0).word


def test_records_come_back_and_later_ones_replace(tmp_path: Path) -> None:
    record(ABOVE, where=tmp_path)
    record(replace(ABOVE, claim="M4"), where=tmp_path)
    later = record(replace(ABOVE, effect=250), where=tmp_path)
    assert recorded(where=tmp_path) == {
        "M1": later,
        "M4": replace(ABOVE, claim="M4"),
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"claim": "M1", "find', "Unterminated"),
        (b"\xff\xfe\x00", "decode"),
        (b"[1, 2]", "a list instead of an object"),
        (b"{}", "lacks .*'effect'"),
        (b"[" * 100_000, "recursion"),
        ({"effect": "<script>"}, "effect is '<script>'"),
        ({"effect": None}, "effect is None"),
        ({"effect": 1e9}, "outside its interval"),
        ({"effect": math.nan}, "outside its interval"),
        ({"above": 1}, "above is 1"),
        ({"n_samples": True}, "n_samples is True"),
        ({"claim": 7}, "claim is 7"),
        ({"colour": "red"}, "has .*'colour'.* too much"),
    ],
)
def test_a_file_that_holds_no_verdict_is_left_out(
    content: bytes | dict[str, object], why: str, tmp_path: Path
) -> None:
    record(ABOVE, where=tmp_path)
    path = tmp_path / "M4.json"
    if isinstance(content, dict):
        content = json.dumps(asdict(replace(ABOVE, claim="M4")) | content).encode()
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=why) as said:
        assert recorded(where=tmp_path) == {"M1": ABOVE}
    assert len(said) == 1 and str(path) in str(said[0].message)
    assert path.read_bytes() == content


def test_a_folder_named_as_a_verdict_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "M4.json").mkdir()
    with pytest.warns(UserWarning, match=r"M4\.json holds no verdict"):
        assert recorded(where=tmp_path) == {}


def test_the_text_has_effect_interval_n_seed_and_cost() -> None:
    text = str(ABOVE)
    for part in ("M1 holds", "200", "120", "300", "100 problems", "10,000", "seed 1"):
        assert part in text
    assert "1e12 FLOPs" in text


def stored_outputs() -> str:
    """All that the rendered notebooks print."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                found.append(str(output.get("text", "")))
    return "\n".join(found)


def test_shipped_verdicts_are_those_that_the_notebooks_print():
    printed = stored_outputs()
    for verdict in shipped().values():
        first, second, *_ = str(verdict).split("\n")
        assert first in printed, first
        assert second in printed, (verdict.claim, second)


def test_every_verdict_of_the_notebooks_is_shipped():
    words = r"(holds|does not hold here|cannot be told at this n)"
    printed = set(re.findall(rf"^(\w+(?:-\w+)?) {words}: ", stored_outputs(), re.M))
    assert printed == {(name, one.word) for name, one in shipped().items()}


def test_the_page_is_written_from_the_shipped_verdicts():
    assert (ROOT / "docs" / "scoreboard.md").read_text() == page(shipped())


def test_every_claim_is_on_the_page_measured_or_not():
    text = table(shipped())
    for claim in CLAIMS.values():
        assert re.search(rf"^\| {claim.id}(-\w+)? \|", text, re.M), claim.id
    assert text.count("not measured yet") == len(
        CLAIMS.keys() - {name.split("-")[0] for name in shipped()}
    )
    assert {name.split("-")[0] for name in shipped()} <= CLAIMS.keys()


def test_verdicts_come_back_as_they_were_shipped(tmp_path):
    ship([ABOVE], tmp_path / "verdicts.json")
    [stored] = json.loads((tmp_path / "verdicts.json").read_text())
    assert Verdict(**stored) == ABOVE


def test_the_command_says_and_writes_it(tmp_path, capsys):
    assert main(["scoreboard", "--shipped"]) == 0
    out = capsys.readouterr().out
    assert "M1 holds: " in out and "0 of them measured on this machine" in out
    assert main(["scoreboard", "--shipped", "--out", str(tmp_path / "s.md")]) == 0
    assert (tmp_path / "s.md").read_text() == page(shipped())


def test_the_findings_of_the_first_nine_notebooks_are_measured():
    named = [f"{letter}{i}" for letter, last in (("M", 8), ("S", 8), ("L", 7))
             for i in range(1, last + 1)]  # fmt: skip
    measured = {name.split("-")[0] for name in shipped()}
    assert set(named) | {"H1", "X1"} <= measured


def test_markup_in_a_verdict_is_shown_as_text():
    """A notebook that was run here shows Markdown of its own without cleaning it."""
    evils = [one for one in MARKUP if "onmouseover" not in one]  # no markup of its own
    for evil in (*evils, "a\n\n# b", "[a]: javascript:b", "`a`", "<https://h>"):
        verdict = replace(ABOVE, note=evil)
        shown = verdict._repr_markdown_()
        assert shown.startswith("<pre>") and shown.endswith("</pre>"), evil
        assert not set("<>$\\") & set(shown[5:-6])
        assert unescape(shown[5:-6]) == printable(str(verdict))


def test_the_verdicts_of_the_package_are_markdown():
    for verdict in shipped().values():
        assert verdict._repr_markdown_().startswith("**")
