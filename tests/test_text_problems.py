"""Text problems: where an answer stands, what it equals, and hostile answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tts_lab import problems, select
from tts_lab.prm import labels
from tts_lab.problems import equivalence, text
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.exact import Exact

pytest.importorskip("math_verify", reason="text problems need the extra [text]")

HALF = Problem("text", "What is half of one?", answer=r"\frac{1}{2}")

HOSTILE = {
    "a tower of powers": "9^{9^{9^{9}}}",
    "Python's powers": "9**9**9**9",
    "a large factorial": "10000000!",
    "a large expansion": "(x+1)^{5000}",
    "open braces": "{" * 900,
    "100 kB of braces": "{" * 100_000,
    "deep roots": r"\sqrt{" * 140 + "2" + "}" * 140,
    "deep brackets": "(" * 60 + "1" + ")" * 60,
    "half a fraction": r"\frac{" * 100,
    "Python": "__import__('os').system('echo')",
    "half a surrogate pair": "\ud800",
    "a null": "\x00",
    "only backslashes": "\\" * 500,
    "only dollars": "$" * 500,
    "too long": "1+" * 50_000 + "1",
}


def finished(answer: str) -> Trace:
    return Trace(HALF, answer, 9, True)


@pytest.fixture(scope="module")
def impatient() -> Iterator[equivalence.Judge]:
    """A judge that gives an answer two seconds."""
    judge = equivalence.Judge(seconds=2)
    yield judge
    judge.close()


@pytest.fixture
def quick(
    impatient: equivalence.Judge, monkeypatch: pytest.MonkeyPatch
) -> equivalence.Judge:
    """The same, asked by `tts_lab.problems.text`."""
    monkeypatch.setattr(text, "judge", lambda: impatient)
    return impatient


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (r"So $x=\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\boxed{a_{1}+\{2\}} and more", r"a_{1}+\{2\}"),
        (r"first \boxed{1}, then \boxed {2}", "2"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{5} cut off \boxed{6", "5"),
        (r"$\boxed 5$ is it", "5"),
        (r"\boxed{6}, no: $\boxed \frac12$.", r"\frac12"),
        (r"\fbox{3} or \framebox{4}", "4"),
        ("3*4=12\n#### 12", "12"),
        ("#### 1,000\nQuestion: what else?", "1,000"),
        (r"#### 3" "\n" r"\boxed{4}", "4"),
        ("The final answer is $[2,5)$. I hope it is correct.", "[2,5)"),
        ("Final Answer: The final answer is $16$. I hope it is correct.", "16"),
        ("The answer is 3.14, I think.", "3.14"),
        ("the answer is: **42**", "42"),
        ("**Answer:** 12 dollars", "12"),
        ("The answer is 7. I hope the answer is correct.", "7"),
        (r"The answer is \(x = 3\).", "x = 3"),
        ("The answer is\n$$x^2$$", "x^2"),
    ],
)
def test_where_an_answer_stands(written: str, answer: str) -> None:
    assert text.stated(written) == answer


@pytest.mark.parametrize(
    "written",
    ["", "hm", "42", r"\boxed{}", r"\boxed{ }", r"\boxed{\text{ }}", r"\boxed{$$}",
     r"\boxed{", "####", "#### \n", "\\boxed{1}\n\\boxed{}", r"\boxed{.}",
     "I hope the answer is correct."],
)  # fmt: skip
def test_no_answer_is_none_and_never_right(written: str) -> None:
    assert text.extract_answer(written) is None
    assert not text.check(HALF, written)
    assert select.canonical(finished(written)) is None


def test_an_empty_answer_never_wins() -> None:
    """Design, section 9: an empty box is no vote, however many there are."""
    traces = [finished(r"\boxed{}")] * 5 + [finished(r"\boxed{3}")]
    choice = select.majority(traces)
    assert choice is not None
    assert choice.weights == {"3": 1.0}
    assert select.majority(traces[:5]) is None


def test_forms_of_one_number_vote_together() -> None:
    """Design, section 9: `0.5` and `\\frac{1}{2}` are one answer."""
    written = [r"\boxed{0.5}", r"\boxed{\frac{1}{2}}", "#### 1/2", r"\boxed{\dfrac12}"]
    traces = [finished(r"\boxed{2}")] * 3 + [finished(one) for one in written]
    choice = select.majority(traces)
    assert choice is not None
    assert choice.weights == {"2": 3.0, "1/2": 4.0}
    assert Exact().verify(traces) == [0.0] * 3 + [1.0] * 4


@pytest.mark.parametrize(
    "same",
    [
        ["1/2", "0.5", r"\frac{1}{2}", r"\dfrac12", r"\tfrac{2}{4}", ".5", "0.50"],
        ["1000", "1,000", "1{,}000", r"1\,000", r"\$1000", "1000.00", "1 000", "+1000"],
        ["5", r"5\text{ cm}", "5 cm", "5 apples", "$5$", "x=5", "x = 2+3 = 5", "5."],
        ["-3", "- 3", r"-\frac{6}{2}"],
        ["50", r"50\%", "50%", "50 percent"],
        ["2*sqrt(2)", r"2\sqrt{2}", r"\sqrt{8}", r"\frac{4}{\sqrt 2}"],
        ["3*pi", r"3\pi", r"\pi \cdot 3"],
        ["a", "A", "(A)", r"\text{A}", r"\textbf{(A)}"],
        ["tuesday", "Tuesday", r"\text{Tuesday}", r"\mathrm{Tuesday}."],
        ["no", "No", r"\text{No}"],
        ["2*x + 2", "2x+2", "2(x+1)", "y = 2x + 2"],
        ["(1, 2)", "(1,2)", r"\left(1, \frac{4}{2}\right)"],
        ["(1/2, 3]", r"(0.5, 3]", r"\left(\tfrac12,3\right]"],
        ["(3, pi/2)", r"\left( 3, \frac{\pi}{2} \right)"],
        ["{-3, 3}", "3,-3", r"\pm 3", r"\{-3, 3\}", r"-3 \text{ and } 3"],
        ["(-oo, 2] U [3, 4)", r"(-\infty,2]\cup[3,4)", r"[3,4) \cup (-\infty,2]"],
        ["[[1, 2], [3, 1/2]]", r"\begin{pmatrix}1&2\\3&0.5\end{pmatrix}",
         r"\begin{bmatrix} 1 & 2 \\ 3 & \frac12 \end{bmatrix}"],
        ["3 - x < 0", "x>3", "3<x"],
        ["x + y - 3 == 0", "x+y=3", "3=y+x"],
    ],
)  # fmt: skip
def test_one_answer_however_it_is_written(same: list[str]) -> None:
    assert set(text.canonical_many(same[1:])) == {same[0]}
    gold = Problem("text", "?", answer=same[1])
    assert all(text.check_many(gold, [rf"\boxed{{{one}}}" for one in same[1:]]))


def test_different_answers_stay_apart() -> None:
    different = [
        "0", "1", "-1", "1/3", "0.333333", "10", "100", "1,000", "(1,2)", "[1,2]",
        "[1,2)", "(2,1)", "1,2", "(1,2,3)", r"\sqrt2", "1.41421356", "x", "x+1", "x>1",
        r"x\ge 1", "b", "yes", "no", r"\begin{pmatrix}1\\2\end{pmatrix}", r"\emptyset",
        r"\begin{pmatrix}1&2\end{pmatrix}", r"\pi", "3.14", "2^x", "x^2", r"\infty",
    ]  # fmt: skip
    assert len(set(text.canonical_many(different))) == len(different)


def test_what_needs_no_parser_reads_as_the_parser_reads_it() -> None:
    worker = pytest.importorskip("tts_lab.problems.math_worker")
    numbers = ["0.5", "1/2", "-1/2", r"\frac12", r"-\frac{3}{6}", "007", "1,000",
               r"\frac{-3}{6}", "1,000.50", "+5", ".5", "-0", "0.10", "12,345,678",
               "4/2", "A", "(A)", r"\text{(B)}", "x", r"\text{Evelyn}",
               "-0.125", "(1,2)", "(2, 1)", r"(0.5, -\frac{1}{3})", "(3,3)",
               "(1,2,3)", "(-1, 2000)", "(1200, 3)"]  # fmt: skip
    for answer in numbers:
        assert text._plain(answer) == worker.form(answer), answer


@pytest.mark.parametrize(
    "gold",
    ["18", "#### 18", "9 + 9 = 18 eggs.\n#### 18", r"So it is $\boxed{18}$.", " $18$ ",
     "18.0", r"\$18", "36/2"],
)  # fmt: skip
def test_the_right_answer_may_be_a_solution(gold: str) -> None:
    problem = Problem("text", "How many?", answer=gold)
    given = [r"\boxed{18}", "#### 18 eggs", "#### 19", "18"]
    assert text.check_many(problem, given) == [True, True, False, False]


@pytest.mark.parametrize(
    ("gold", "given", "right"),
    [
        (r"\frac{1}{3}", "0.333333", True),  # math-verify rounds to six places
        (r"\frac{1}{3}", "0.33", False),
        ("0.5", r"50\%", True),
        ("x=1", "1", True),
        ("5", "x+5", False),
        (r"\frac{1}{x+1}", r"\frac{x}{x^2+x}", True),
        (r"1+\sqrt2", r"\sqrt{3+2\sqrt2}", True),
    ],
)
def test_what_math_verify_knows_beyond_forms(
    gold: str, given: str, right: bool
) -> None:
    problem = Problem("text", "?", answer=gold)
    assert text.check(problem, rf"\boxed{{{given}}}") is right


@pytest.mark.parametrize("answer", [None, "", "  ", r"\boxed{}"])
def test_a_problem_without_answer_cannot_be_checked(answer: str | None) -> None:
    with pytest.raises(ValueError, match=r"'text:What\?' has answer=.*answer=\.\.\."):
        text.check(Problem("text", "What?", answer=answer), "#### 1")


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_answers_neither_hang_nor_kill(
    name: str, quick: equivalence.Judge
) -> None:
    answer = HOSTILE[name]
    form, after = text.canonical_many([answer, r"\sqrt{18}"])
    assert form == text.as_text(text.clean(answer)) or len(form) <= 2000
    assert after == "3*sqrt(2)"
    assert not text.check(HALF, rf"\boxed{{{answer}}}")
    assert text.check(HALF, rf"\boxed{{{answer}}} no: \boxed{{1/2}}")


def test_nothing_is_run_as_python(tmp_path: Path, quick: equivalence.Judge) -> None:
    target = tmp_path / "made"
    code = f"__import__('pathlib').Path('{target}').touch()"
    for written in (code, rf"\text{{{code}}}", f"1+{code}", f"[{code}]"):
        text.extract_answer(rf"\boxed{{{written}}}")
        text.check(HALF, rf"\boxed{{{written}}}")
    assert not target.exists()


def test_an_answer_that_takes_too_long_is_text_and_is_asked_once(
    quick: equivalence.Judge,
) -> None:
    tower = HOSTILE["a tower of powers"]
    assert text.canonical(tower) == tower
    asked = quick.asked
    assert text.canonical(tower) == tower
    assert not text.check(Problem("text", "?", answer="1"), rf"\boxed{{{tower}}}")
    assert quick.asked == asked + 1


def test_a_worker_that_is_killed_is_replaced() -> None:
    judge = equivalence.Judge()
    assert judge.forms([r"\sqrt{8}"]) == ["2*sqrt(2)"]
    process = judge._worker._process
    assert process is not None
    process.kill()
    process.wait()
    assert judge.forms([r"\sqrt{12}", r"\sqrt{18}"])[1] == "3*sqrt(2)"
    judge.close()
    assert judge.forms([r"\sqrt{20}"]) == ["2*sqrt(5)"]
    judge.close()
    judge.close()


def test_many_at_once_and_from_many_threads() -> None:
    judge = equivalence.Judge()
    answers = [rf"{i}\sqrt{{3}}" for i in range(2, 302)]
    right = [f"{i}*sqrt(3)" for i in range(2, 302)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(judge.forms, [answers, answers[:150], answers[150:]]))
    assert parts == [right, right[:150], right[150:]]
    assert judge.asked == 300
    assert judge.equal([("2", "2.0"), ("2", "3"), ("2", "2.0")]) == [True, False, True]
    judge.close()


def test_the_memory_of_results_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "_REMEMBERED", 3)
    judge = equivalence.Judge()
    for i in range(2, 8):
        assert judge.forms([rf"{i}\pi", rf"{i + 1}\pi"])[0] == f"{i}*pi"
    assert len(judge._known) == 3
    judge.close()


def test_it_ends_with_its_caller_and_warns_of_nothing(tmp_path: Path) -> None:
    code = (
        "import threading\n"
        "from tts_lab.problems import equivalence, text\n"
        "t = threading.Thread(target=text.canonical, args=[r'\\sqrt{8}'])\n"
        "t.start(); t.join()\n"
        "print(equivalence.judge()._worker._process.pid)\n"
    )
    (tmp_path / "sympy.py").write_text("raise SystemExit('a module of this folder')")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(Path(problems.__file__).parents[2])},
    )  # fmt: skip
    assert ended.stderr == ""
    if sys.platform == "linux":
        assert not Path(f"/proc/{int(ended.stdout)}").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_its_parents_worker_alone() -> None:
    code = (
        "import os, sys\n"
        "from tts_lab.problems import equivalence, text\n"
        "text.canonical(r'\\sqrt{8}')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit(text.canonical(r'\\sqrt{12}') != '2*sqrt(3)')\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert text.canonical(r'\\sqrt{18}') == '3*sqrt(2)'\n"
        "assert equivalence.judge().asked == 2\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_math_verify_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(equivalence, "_installed", lambda: False)
    for call in (
        lambda: text.check(HALF, "hm"),
        lambda: text.extract_answer("#### 5"),
        lambda: Exact().verify([finished("#### 5")]),
    ):
        with pytest.raises(ImportError, match=r'pip install "tts-lab\[text\]"'):
            call()


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"does not start: .*tts-lab\[text\]"):
        equivalence.Judge().forms(["1"])


def test_steps_have_no_truth_but_can_be_shown() -> None:
    trace = Trace(HALF, "One and one is two.\n\n#### 1/2", 9, True)
    with pytest.raises(ValueError, match=r"'text' .* not known"):
        labels.exact([trace])
    [outcome] = labels.outcome([trace])
    assert outcome.tolist() == [1.0] * len(trace.steps)
    shown = text.render(HALF, trace.text)
    assert shown.startswith("What is half of one?\n  One and one")
    assert "✓" not in shown and "✗" not in shown


def test_a_question_is_its_own_key_and_a_blank_one_is_refused() -> None:
    assert text.key(" What?\n") == text.key("What?")
    assert problems.split_of("text", "What?") in problems.SPLITS
    assert text.parse("What?") == "What?"
    with pytest.raises(ValueError, match=r"' \\n' is not a question"):
        text.parse(" \n")
