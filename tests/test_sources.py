"""Where text problems come from: files of every kind, named sets, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tts_lab.problems import rows, sources, text
from tts_lab.traces import Problem

pytest.importorskip("math_verify", reason="text problems need the extra [text]")

SOLUTION = "She sells 16 - 3 - 4 = 9 eggs.\n#### 9"


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    return path


def test_a_file_of_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"problem": "Wie viele Äpfel?", "answer": "4", "level": 2}\n\n'
        '{"question": "How many eggs?", "answer": ' + json.dumps(SOLUTION) + "}\n"
        '{"problem": "Wie viele Äpfel?", "answer": "4", "level": "Level 2"}\r\n'
        '{"problem": "Half?", "solution": "So $\\\\boxed{\\\\frac12}$", "answer": null}'
        '\n  \n{"problem": "Three?", "answer": 3.0, "extra": [1]}',
        "utf-8",
    )
    apples = Problem("text", "Wie viele Äpfel?", 2, "4", "\n\n")
    assert sources.load(path) == [
        apples,
        Problem("text", "How many eggs?", None, "9", "\n\n"),
        apples,
        Problem("text", "Half?", None, r"\frac12", "\n\n"),
        Problem("text", "Three?", None, "3", "\n\n"),
    ]
    assert sources.load(str(path), n=1, delimiter="\n") == [
        Problem("text", "Wie viele Äpfel?", 2, "4")
    ]
    assert sources.load(path, level=2) == [apples, apples]
    assert text.check(sources.load(path)[1], "She sells \\boxed{9} eggs.")


def test_json_needs_no_library(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.json", [{"problem": "6*7?", "answer": 42}])
    code = (
        "import sys\n"
        "from tts_lab.problems.sources import load\n"
        f"assert load({str(path)!r})[0].answer == '42'\n"
        "heavy = {'datasets', 'pyarrow', 'pandas', 'sympy', 'math_verify'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_parquet_and_saved_data_sets_read_the_same(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    table = [{"problem": "6*7?", "answer": "42", "level": 1}] * 2
    made = datasets.Dataset.from_list(table)
    made.to_parquet(tmp_path / "mine.parquet")
    made.save_to_disk(str(tmp_path / "saved"))
    both = datasets.DatasetDict({"train": made.select([0]), "test": made})
    both.save_to_disk(str(tmp_path / "both"))
    expected = [Problem("text", "6*7?", 1, "42", "\n\n")] * 2
    for name in ("mine.parquet", "saved", "both"):
        assert sources.load(tmp_path / name) == expected, name
    assert len(sources.load(tmp_path / "both", split="train")) == 1
    with pytest.raises(ValueError, match=r"split 'dev' .* \['test', 'train'\]"):
        sources.load(tmp_path / "both", split="dev")


@pytest.mark.parametrize("name", ["gsm8k", "math-500", "aime24", "someone/theirs"])
def test_named_sets_come_through_datasets(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    row: dict[str, Any] = {
        "gsm8k": {"question": "How many eggs?", "answer": SOLUTION},
        "math-500": {"problem": "How many eggs?", "answer": "9", "level": 4,
                     "solution": r"\boxed{9}", "subject": "Algebra"},
        "aime24": {"problem": "How many eggs?", "answer": "9", "url": "", "id": 60},
        "someone/theirs": {"question": "How many eggs?", "solution": r"\boxed{9}"},
    }[name]  # fmt: skip
    asked = []

    def load_dataset(*what: object) -> object:
        asked.append(what)
        split = "train" if name == "aime24" else "test"
        return datasets.DatasetDict({split: datasets.Dataset.from_list([row])})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    level = row.get("level")
    expected = [Problem("text", "How many eggs?", level, "9", "\n\n")]
    assert sources.load(name) == expected
    assert asked == [{
        "gsm8k": ("openai/gsm8k", "main"),
        "math-500": ("HuggingFaceH4/MATH-500", None),
        "aime24": ("HuggingFaceH4/aime_2024", None),
        "someone/theirs": ("someone/theirs", None),
    }[name]]  # fmt: skip
    with pytest.raises(ValueError, match="split 'dev'"):
        sources.load(name, split="dev")


def test_without_network_the_error_names_the_way_out(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    code = (
        "from tts_lab.problems.sources import load\n"
        "try:\n    load('gsm8k')\n"
        "except ValueError as error:\n    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )  # fmt: skip
    assert "'openai/gsm8k' could not be had" in ended.stdout
    assert "a local .jsonl" in ended.stdout


def test_without_datasets_the_error_has_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'pip install "tts-lab\[text\]".*\.jsonl'):
        sources.load("gsm8k")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"problem": "?", "answer": "1"}\n\n{"problem": "?", "x": 1}',
         r"line 3: no 'answer' or 'solution'; its columns are \['problem', 'x'\]"),
        ('{"prompt": "?", "answer": "1"}',
         r"line 1: no 'problem' or 'question'; .*\['answer', 'prompt'\]"),
        ('{"problem": "?", "answer": "1"}\n{"problem": ', r"line 2 is not JSON"),
        ('{"problem": "?", "answer": "1"}\n[1, 2]', r"line 2: list instead of an obj"),
        ('[{"problem": "?", "answer": "1"}', r"is not JSON"),
        ('[{"problem": "?", "answer": "1"}, 7]', r"row 2: int instead of an object"),
        ("", "has no rows"),
        ("\n \n", "has no rows"),
        ("[]", "has no rows"),
        ('{"problem": " ", "answer": "1"}', r"line 1: the question is ' ', no text"),
        ('{"problem": 7, "answer": "1"}', r"line 1: the question is 7, no text"),
        ('{"problem": "?", "answer": " "}', r"line 1: the answer is ' '"),
        ('{"problem": "?", "answer": true}', r"line 1: the answer is True"),
        ('{"problem": "?", "answer": {"a": 1}}', r"line 1: the answer is \{'a': 1\}"),
        ('{"problem": "?", "solution": "We see that it holds."}',
         r"line 1: no 'answer', and the solution states none"),
    ],
)  # fmt: skip
def test_errors_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        sources.load(path)
    assert "mine.jsonl" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, r"n=0 problems; accepted is a whole number from 1"),
        ({"n": -1}, r"n=-1"),
        ({"n": 2.5}, r"n=2\.5"),
        ({"n": True}, r"n=True"),
        ({"n": 3}, r"n=3: .* has 2 problems"),
        ({"n": 2, "level": 5}, r"n=2: .* has 1 problems of level 5"),
        ({"level": 9}, r"no problems of level 9"),
        ({"delimiter": ""}, r"delimiter must be a text .* got ''"),
        ({"split": "test"}, r"split='test': a file .* has no splits"),
    ],
)
def test_options_out_of_range(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    one = {"problem": "?", "answer": "1"}
    path = write(tmp_path / "mine.jsonl", one, one | {"level": 5})
    with pytest.raises(ValueError, match=message):
        sources.load(path, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gsm8", r"'gsm8' is no source, .*\['gsm8k', 'math-500', 'aime24'\]"),
        ("nowhere.jsonl", r"'nowhere\.jsonl' is no file"),
        ("a/b/c", r"'a/b/c' is no source"),
    ],
)
def test_names_that_are_nothing(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sources.load(name)


def test_files_that_are_not_what_they_seem(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "mine.csv").write_text("problem,answer\n?,1\n")
    (tmp_path / "mine.parquet").write_text("no")
    (tmp_path / "latin.jsonl").write_bytes(b'{"problem": "\xe4", "answer": "1"}')
    (tmp_path / "folder").mkdir()
    for name, message in [
        ("mine.csv", r"mine\.csv' cannot be read; accepted are \.jsonl, \.json"),
        ("mine.parquet", r"mine\.parquet is not Parquet"),
        ("latin.jsonl", r"latin\.jsonl is not UTF-8"),
        ("folder", r"folder' is no folder saved by datasets"),
    ]:
        with pytest.raises(ValueError, match=message):
            list(rows.read_rows(tmp_path / name))
