"""Hostile answers, traces and problems: never a crash, a hang or code that runs."""

from __future__ import annotations

import ast
import builtins
import math
from pathlib import Path

import pytest
from hostile import few, texts
from hypothesis import given
from hypothesis import strategies as st

import tts_lab
from tts_lab import problems, select
from tts_lab.problems import chains, countdown, expressions, grids, programs, text
from tts_lab.traces import Problem, Trace

PACKAGE = Path(tts_lab.__file__).parent
PROBLEMS = [problems.evaluation_set(name, 1, 1)[0] for name in problems.DOMAINS]


@few
@given(st.sampled_from(PROBLEMS), texts)
def test_any_text_is_judged(problem, written):
    domain = problems.domain(problem.domain)
    answer = domain.extract_answer(written)
    assert answer is None or (isinstance(answer, str) and answer)
    assert domain.check(problem, written) in (True, False)
    steps = [step.text for step in Trace(problem, written).steps]
    assert all(domain.check_step(problem, steps, i) in (True, False)
               for i in range(len(steps)))  # fmt: skip
    assert domain.render(problem, written)


@few
@given(st.sampled_from([m for m in problems.DOMAINS.values()]), texts, texts)
def test_any_prompt_is_judged_or_refused_in_words(domain, prompt, written):
    for use in (
        lambda: domain.parse(prompt),
        lambda: domain.check(Problem(domain.NAME, prompt, 1, "7"), written),
        lambda: domain.check_step(Problem(domain.NAME, prompt, 1, "7"), [written], 0),
    ):
        try:
            use()
        except ValueError as error:
            assert str(error)


@few
@given(
    st.lists(st.tuples(texts, st.floats(), st.booleans()), max_size=5),
    st.sampled_from(PROBLEMS),
)
def test_any_traces_are_voted_on(drawn, problem):
    traces = [Trace(problem, written, 5, end) for written, _, end in drawn]
    scores = [score for _, score, _ in drawn]
    answers = {select.canonical(trace) for trace in traces} - {None}
    majority = select.majority(traces)
    assert (majority is None) == (not answers)
    for rule in (select.best_of_n, select.weighted_vote):
        try:
            choice = rule(traces, scores)
        except ValueError as error:
            assert any(math.isnan(s) or s < 0 for s in scores) and str(error)
        else:
            assert (choice.answer in answers) if choice else not answers


@few
@given(st.one_of(texts, st.text("x0123456789+-*/%()", max_size=80)))
def test_an_expression_has_a_bounded_value_or_an_error(written):
    try:
        program = expressions.parse(written)
        values = [expressions.evaluate(program, x) for x in range(24)]
    except expressions.ExpressionError as error:
        assert str(error)
    else:
        assert max(map(abs, values)) <= expressions.MAGNITUDE


@few
@given(texts)
def test_any_text_states_an_answer_or_none(written):
    answer = text.stated(written)
    assert answer is None or answer
    assert isinstance(text.clean(written), str)
    assert isinstance(text.as_text(written), str)
    assert text._plain(written) is None or text._plain(written)


LONG = ["\\boxed{", "{", "the answer is ", "\\(", "\\[x", "\\text{", "1,", "\\frac{1}{",
        "a ", "\u00a0", "\n", ".", "ки ", "1 ", "9", "#", "x+", "("]  # fmt: skip


@pytest.mark.parametrize("piece", LONG)
def test_long_answers_are_read_in_time_that_grows_with_their_length(piece):
    """A pattern that tried all ways to match would not come back from these."""
    written = piece * (60_000 // len(piece))
    for tail in ("", "}", "!"):
        text.stated(written + tail)
        text.as_text(written + tail)
        for domain in (chains, countdown, grids, programs):
            domain.extract_answer(written + tail)
            with pytest.raises(ValueError):
                domain.parse(written + tail)


def test_a_countdown_of_more_numbers_than_can_be_searched_is_refused():
    with pytest.raises(ValueError, match="2 to 6 positive numbers"):
        countdown.parse("17 23 37 51 64 79 98>999999")
    assert not countdown.check_step(
        Problem("countdown", "17 23 37 51 64 79>999999\n"), ["23-17=6|37 51 64 79 6"], 0
    )


def test_no_answer_is_evaluated(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("code of an answer was about to run")

    for name in ("eval", "exec", "compile"):
        monkeypatch.setattr(builtins, name, refuse)
    hostile = "__import__('os').system('touch hit')"
    for problem in PROBLEMS:
        domain = problems.domain(problem.domain)
        for written in (hostile, f"#{hostile}", f"1+1={hostile}\n#2"):
            assert not domain.check(problem, written)
            domain.render(problem, written)


def test_the_worker_runs_no_answer_and_ends(tmp_path, monkeypatch):
    pytest.importorskip("math_verify")
    from tts_lab.problems.equivalence import Judge

    monkeypatch.chdir(tmp_path)
    judge = Judge(seconds=1)
    hostile = [
        "__import__('os').system('touch hit')",
        r"\operatorname{exec}(\text{open('hit','w')})",
        "9^{9^{9^{9}}}",
        "(" * 400,
        "\\frac{" * 150,
        "{1}" * 300,
        "1" * 999,
        "\x00\ud800\u202e",
        "\\sqrt[" * 100,
    ]
    try:
        forms = judge.forms(hostile)
        assert len(forms) == len(hostile)
        assert all(one is None or isinstance(one, str) for one in forms)
        assert judge.equal([(one, "7") for one in hostile[:2]]) == [False] * 2
        assert judge.forms(["1/2"]) == ["1/2"]  # it still answers
    finally:
        judge.close()
    assert list(tmp_path.iterdir()) == []


BANNED = {
    "pickle", "cPickle", "cloudpickle", "marshal", "shelve", "dill", "joblib", "yaml",
    "code", "codeop", "pty", "imp",
}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv",
    "os.execve", "os.execvp", "os.spawnv", "subprocess.getoutput", "pd.read_pickle",
    "subprocess.getstatusoutput", "pandas.read_pickle", "runpy.run_path",
    "runpy.run_module", "np.fromregex", "sympy.sympify", "sympify", "parse_expr",
}  # fmt: skip


def wrong(tree: ast.AST) -> list[tuple[int, str]]:
    """What in some source evaluates, unpickles or goes through a shell."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = [one.name for one in node.names]
            bad = BANNED & {name.split(".")[0] for name in [*names, module]}
            bad |= CALLS & {f"{module}.{name}" for name in names}
            found += [(node.lineno, one) for one in bad]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {one.arg: ast.unparse(one.value) for one in node.keywords}
        first = ast.unparse(node.args[0]).strip("'\"") if node.args else ""
        if (
            called in CALLS
            or (called.endswith("import_module") and first.split(".")[0] in BANNED)
            or any(options.get(name, "False") != "False"
                   for name in ("shell", "allow_pickle", "trust_remote_code"))
            or (called.endswith("torch.load") and options.get("weights_only") != "True")
        ):  # fmt: skip
            found.append((node.lineno, called))
        # without it a library's own default could load a pickle
        if called.endswith(".from_pretrained") and "Auto" in called:
            safe = options.get("trust_remote_code") == "False"
            weights = "Model" not in called or options.get("use_safetensors") == "True"
            found += [] if safe and weights else [(node.lineno, called)]
    return found


def test_the_library_evaluates_nothing_and_unpickles_nothing():
    """In the source: no eval, no exec, no pickle, no shell, no code of a model's."""
    found = {
        str(path.relative_to(PACKAGE)): wrong(ast.parse(path.read_text("utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    assert {path: one for path, one in found.items() if one} == {}


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "exec(x)", "compile(x, y, z)", "import pickle", "from yaml import load",
     "from os import system", "import torch\ntorch.load(x)", "__import__('os')",
     "torch.load(x, weights_only=False)", "np.load(x, allow_pickle=True)",
     "subprocess.run(x, shell=True)", "subprocess.run(x, shell=y)",
     "importlib.import_module('pickle')", "AutoModel.from_pretrained(x)",
     "transformers.AutoModelForCausalLM.from_pretrained(x, trust_remote_code=False)",
     "transformers.AutoTokenizer.from_pretrained(x, trust_remote_code=True)",
     "vllm.LLM(x, trust_remote_code=y)", "import xml, marshal"],
)  # fmt: skip
def test_the_search_finds_it(source):
    assert wrong(ast.parse(source))
