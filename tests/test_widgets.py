"""The runner and the coverage explorer, driven as a front end would, without one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from xml.etree import ElementTree

import pytest

from tts_lab import problems as domains
from tts_lab.coverage import coverage
from tts_lab.figures import spent, text
from tts_lab.ledger import Ledger
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies import count_correct
from tts_lab.traces import Problem
from tts_lab.verifiers.exact import Exact
from tts_lab.widgets import CoverageExplorer, Runner
from tts_lab.widgets.tally import RESAMPLES, Tally

PROBLEMS = domains.evaluation_set("chains", 1, 6)
HOSTILE = '<img src=x onerror="alert(1)">&'
SECONDS = 60


@pytest.fixture(autouse=True)
def no_thread_and_no_print_is_left(capfd: pytest.CaptureFixture) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 10
    while running() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running() == []
    assert capfd.readouterr() == ("", "")


def running() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("tts-lab")]


def guess(prompt: str, text: str, row: int, stream: int) -> str:
    """The first problem always right, the next less often, the last never."""
    place = [problem.prompt for problem in PROBLEMS].index(prompt)
    right = place < 5 and (stream // 7 + 31 * row) % (1 + 4 * place) == 0
    return domains.domain("chains").solution(prompt) if right else "1+1=3\n#3"


def scripted(seconds: float = 0.0, rows: int = 64, **options) -> Scripted:
    script = options.pop("script", guess)
    return Scripted(script, seconds_per_chunk=seconds, rows_per_chunk=rows, **options)


def explorer(**options) -> CoverageExplorer:
    proposer = options.pop("proposer", None) or scripted()
    options = {"problems": PROBLEMS, "samples": 50} | options
    return CoverageExplorer(proposer=proposer, **options)


def finished(**options) -> CoverageExplorer:
    made = explorer(**options)
    made.controls.run.click()
    assert made.wait(SECONDS)
    return made


def until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# the runner


def test_a_run_that_another_thread_starts_can_be_waited_for():
    runner = Runner(interval=0.01)
    stop = threading.Event()

    def start_all_the_time() -> None:
        while not stop.is_set():
            runner.start(lambda task: None)

    starter = threading.Thread(target=start_all_the_time)
    starter.start()
    try:
        for _ in range(200):
            runner.wait(0.001)
    finally:
        stop.set()
        starter.join()
    assert runner.wait(SECONDS)


def test_updates_come_at_their_pace_and_the_last_state_always():
    seen = []
    runner = Runner(interval=0.02)
    runner.start(lambda task: time.sleep(0.5), seen.append)
    assert runner.wait(SECONDS)
    assert 5 <= len(seen) <= seen[-1].seconds / 0.02 + 3
    assert [status.phase for status in seen[:-1]] == ["running"] * (len(seen) - 1)
    assert seen[-1].phase == runner.status.phase == "done"
    assert seen[-1].seconds >= 0.5


def test_work_that_ends_at_once_still_shows_its_end():
    seen = []
    runner = Runner()
    runner.start(lambda task: "result", seen.append)
    assert runner.wait(SECONDS)
    assert (seen[-1].phase, runner.result) == ("done", "result")


def test_what_the_work_says_is_in_the_status():
    runner, said = Runner(interval=0.01), []
    gate = threading.Event()

    def work(task):
        task.say("loading\n")
        gate.wait(SECONDS)

    runner.start(work, lambda status: said.append(status.message))
    until(lambda: "loading" in said)
    gate.set()
    assert runner.wait(SECONDS)


def test_cancel_shows_stopping_then_cancelled():
    seen = []
    runner = Runner(interval=0.01)

    def work(task):
        task.cancel.wait(SECONDS)
        time.sleep(0.1)

    runner.start(work, lambda status: seen.append(status.phase))
    until(lambda: "running" in seen)
    runner.cancel()
    assert runner.wait(SECONDS)
    assert list(dict.fromkeys(seen)) == ["running", "stopping", "cancelled"]


def test_a_second_start_cancels_the_first_and_waits_for_it():
    runner, log = Runner(interval=0.01), []

    def work(name, task):
        log.append(f"{name} begins")
        task.cancel.wait(0.3 if name == "second" else SECONDS)
        time.sleep(0.05)
        log.append(f"{name} ends")

    def show(name, status):
        log.append(f"{name} {status.phase}")

    runner.start(partial(work, "first"), partial(show, "first"))
    until(lambda: "first begins" in log)
    runner.start(partial(work, "second"), partial(show, "second"))
    assert runner.wait(SECONDS)
    assert log.index("first ends") < log.index("first cancelled")
    assert log.index("first cancelled") < log.index("second begins")
    assert log[-1] == "second done"


def test_a_run_cancelled_before_it_began_does_nothing():
    runner, log = Runner(interval=0.01), []
    begun, gate = threading.Event(), threading.Event()

    def first(task):
        begun.set()
        gate.wait(SECONDS)

    runner.start(first)
    assert begun.wait(SECONDS)
    runner.start(lambda task: log.append("second"))
    runner.start(lambda task: log.append("third"))
    gate.set()
    assert runner.wait(SECONDS)
    assert log == ["third"]
    assert runner.status.phase == "done"


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ValueError("level 9 of chains"), "level 9 of chains", "Change that setting"),
        (RuntimeError("no GPU"), "RuntimeError: no GPU", "try again"),
        (KeyError(), "KeyError", "try again"),
        (SystemExit(3), "SystemExit: 3", "try again"),
    ],
)
def test_an_error_lands_in_the_status(error, message, hint):
    def work(task):
        raise error

    runner, seen = Runner(), []
    runner.start(work, seen.append)
    assert runner.wait(SECONDS)
    status = runner.status
    assert status is seen[-1]
    assert (status.phase, status.error) == ("failed", error)
    assert message in status.message
    assert hint in status.hint


def test_an_error_in_showing_cancels_the_run_and_is_kept():
    def show(status):
        raise RuntimeError("no picture")

    runner = Runner(interval=0.01)
    runner.start(lambda task: task.cancel.wait(SECONDS), show)
    assert runner.wait(10)
    assert runner.status.phase == "failed"
    assert "no picture" in runner.status.message
    assert "what was measured is kept" in runner.status.hint


def test_an_error_in_the_last_showing_is_kept():
    def show(status):
        if not status.active:
            raise RuntimeError("no picture")

    runner = Runner()
    runner.start(lambda task: None, show)
    assert runner.wait(SECONDS)
    assert "no picture" in runner.status.message


def test_wait_is_also_for_a_run_that_the_one_waited_for_has_started():
    """As the model picker's look at the machine starts another."""
    gate, ended = threading.Event(), []
    runner = Runner(interval=0.01)

    def second(task):
        assert gate.wait(SECONDS)
        ended.append(True)

    runner.start(lambda task: runner.start(second))
    timer = threading.Timer(0.2, gate.set)
    timer.start()
    assert runner.wait(SECONDS)
    assert ended and runner.status.phase == "done"
    timer.join()


def test_wait_has_a_limit_and_is_not_for_updates():
    gate, caught = threading.Event(), []
    runner = Runner(interval=0.01)
    assert runner.wait(0)  # nothing was started

    def show(status):
        try:
            runner.wait()
        except RuntimeError as error:
            caught.append(error)

    runner.start(lambda task: gate.wait(SECONDS), show)
    assert not runner.wait(0.05)
    gate.set()
    assert runner.wait(SECONDS)
    assert caught
    with pytest.raises(ValueError, match="interval"):
        Runner(interval=0)


# the tally


def test_counts_and_costs_are_those_of_the_same_strategy_in_the_driver():
    n = 137  # no round number
    made = finished(samples=n, seed=5)
    outcomes = run(
        partial(count_correct, n=n),
        PROBLEMS,
        proposer=scripted(),
        verifier=Exact(),
        seed=5,
    )
    assert made.counts.n == n
    assert made.counts.c.tolist() == [outcome.value.correct for outcome in outcomes]
    ledgers = made._session.tally.ledgers()
    for mine, outcome in zip(ledgers, outcomes, strict=True):
        for name in ("prompt_tokens", "generated_tokens", "context_tokens", "calls"):
            assert getattr(mine, name) == getattr(outcome.ledger, name)


def test_the_curve_is_the_one_of_the_coverage_module():
    made = finished()
    curve, counts = made.curve(), made.counts
    same = coverage(counts.n, counts.c, curve.k, resamples=RESAMPLES)
    for name in ("k", "mean", "low", "high", "per_problem"):
        assert getattr(curve, name) == pytest.approx(getattr(same, name))
    assert (curve.n_problems, curve.n_samples) == (6, 50)


def test_rounds_grow_when_the_model_is_fast_and_not_when_it_is_slow():
    tally = Tally(PROBLEMS, 1000)
    assert tally._round(0) == 1
    tally.begin(scripted().size, [1] * 6)
    tally.rows = 10**6
    assert [tally._round(i) for i in (1, 2, 3)] == [2, 4, 8]
    slow = Tally(PROBLEMS, 1000)
    slow.begin(scripted().size, [1] * 6)
    slow._round(0)
    slow._began -= 100
    slow.rows = 6
    assert slow._round(1) == 1


@pytest.mark.parametrize("given", [{"problems": [], "target": 1}, {"target": 0}])
def test_a_tally_of_nothing_is_refused(given):
    with pytest.raises(ValueError, match="got"):
        Tally(**({"problems": PROBLEMS} | given))


# the explorer


def test_it_updates_while_it_runs():
    made = explorer(proposer=scripted(0.02, rows=6), samples=60)
    seen = {"chart": [], "tiles": [], "progress": [], "squares": []}
    for name, values in seen.items():
        getattr(made, name).observe(
            lambda change, to=values: to.append(change), "value"
        )
    made.controls.run.click()
    assert made.wait(SECONDS)
    for name, changes in seen.items():
        assert len(changes) >= (1 if name == "squares" else 5), name
    progress = [change["new"] for change in seen["progress"]]
    assert progress == sorted(progress)
    assert progress[-1] == 1.0


def test_the_last_state_is_shown():
    made = finished(samples=64)
    curve = made.curve()
    svg = charts(made.chart.value)[0]
    label = svg.get("aria-label")
    assert f"{curve.mean[0]:.1%} with one sample" in label
    assert f"{curve.mean[-1]:.1%} with 64 samples" in label
    assert "× 64 samples · temperature 1 · seed 0" in made.chart.value
    assert "<b>384</b> of 384" in made.tiles.value
    assert "<b>5</b> of 6" in made.tiles.value
    assert "Done in" in made.status_line.value
    assert made.progress.value == 1.0


def test_buttons_say_what_can_be_done():
    made = explorer(proposer=scripted(0.01, rows=2), samples=10_000)
    run_, cancel = made.controls.run, made.controls.cancel
    assert (run_.description, cancel.disabled) == ("Run", True)
    run_.click()
    until(lambda: not cancel.disabled)
    assert run_.description == "Restart"
    cancel.click()
    assert made.wait(SECONDS)
    assert (run_.description, cancel.disabled) == ("Run", True)


def test_cancel_keeps_the_complete_rounds():
    made = explorer(proposer=scripted(0.01, rows=6), samples=10_000)
    made.controls.run.click()
    until(lambda: made._session is not None and "tts-curve" in made.chart.value)
    began = time.monotonic()
    made.controls.cancel.click()
    assert made.wait(SECONDS)
    assert time.monotonic() - began < 1
    assert made.status.phase == "cancelled"
    n, c = made.counts
    assert 0 < n < 10_000
    assert f"Cancelled after {n} sample" in made.status_line.value
    assert f"× {n} samples" in made.chart.value
    same = explorer(samples=n)  # a run that was asked for n draws the same samples
    same.run()
    assert same.wait(SECONDS)
    assert same.counts.c.tolist() == c.tolist()


def test_a_second_run_cancels_the_first():
    made = explorer(proposer=scripted(0.01, rows=6), samples=10_000)
    made.controls.run.click()
    until(lambda: made._session is not None and "tts-curve" in made.chart.value)
    made.controls.samples.value = 20
    made.controls.seed.value = 3
    made.controls.run.click()
    assert made.wait(SECONDS)
    assert made.status.phase == "done"
    assert made.counts.n == 20
    assert made.counts.c.tolist() == finished(samples=20, seed=3).counts.c.tolist()


def test_the_model_gets_the_temperature_that_was_set():
    asked = set()

    class Asked(Scripted):
        def propose(self, jobs, *, cancel=None):
            asked.update(job.temperature for job in jobs)
            return super().propose(jobs, cancel=cancel)

    made = finished(proposer=Asked(guess), temperature=0.35, samples=5)
    assert made.counts.n == 5
    assert asked == {0.35}


def test_settings_moved_during_a_run_do_not_change_it():
    made = explorer(proposer=scripted(0.01, rows=6), samples=20)
    made.controls.run.click()
    until(lambda: made._session is not None)
    made.controls.samples.value = 10_000
    made.controls.temperature.value = 0.5
    assert made.wait(SECONDS)
    assert made.counts.n == 20
    assert "temperature 1 ·" in made.chart.value


def test_an_unknown_prompt_is_an_error_in_the_status():
    made = explorer(proposer=Scripted({"1+1\n": [f"#{HOSTILE}"]}))
    made.controls.run.click()
    assert made.wait(SECONDS)
    assert made.status.phase == "failed"
    assert "the script has nothing after" in made.status_line.value
    assert "Change that setting and press Run again." in made.status_line.value
    assert "the script has nothing after" in made.text()
    assert made.controls.cancel.disabled
    with pytest.raises(ValueError, match="no round"):
        made.curve()


def test_a_model_that_breaks_keeps_what_was_measured():
    def breaks(prompt: str, text: str, row: int, stream: int) -> str:
        if row == 7:
            raise RuntimeError(f"out of memory {HOSTILE}")
        return guess(prompt, text, row, stream)

    made = explorer(proposer=scripted(0.001, rows=1, script=breaks))
    made.controls.run.click()
    assert made.wait(SECONDS)
    assert made.status.phase == "failed"
    assert isinstance(made.status.error, RuntimeError)
    assert "RuntimeError: out of memory" in made.status_line.value
    assert HOSTILE not in made.status_line.value
    assert 1 <= made.counts.n <= 7
    assert "tts-curve" in made.chart.value
    made.controls.run.click()  # and it can run again
    assert made.wait(SECONDS)
    assert made.status.phase == "failed"


def test_a_missing_rung_is_an_error_in_the_status(monkeypatch, tmp_path):
    monkeypatch.setattr("tts_lab.ladder.WEIGHTS", tmp_path)
    made = CoverageExplorer(n_problems=2, samples=2)
    made.controls.run.click()
    assert made.wait(SECONDS)
    assert made.status.phase == "failed"
    assert "is not a model folder" in made.text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rung": "7b"}, "'7b'.*105k"),
        ({"domain": "poetry"}, "'poetry'.*chains"),
        ({"level": 99}, "99.*1, 2"),
        ({"domain": "countdown", "level": 9}, "9.*1, 2"),
        ({"n_problems": 0}, "n_problems=0; accepted is 1 to 200"),
        ({"n_problems": 201}, "n_problems=201"),
        ({"samples": 0}, "samples=0; accepted is 1 to 10,000"),
        ({"samples": 10_001}, "samples=10001"),
        ({"temperature": -0.1}, "temperature=-0.1; accepted is 0 to 2"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"seed": -1}, "seed=-1"),
        ({"problems": []}, "at least one problem"),
    ],
)
def test_bad_settings_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        CoverageExplorer(**options)


def test_an_odd_number_is_among_the_choices():
    made = CoverageExplorer(n_problems=37, samples=123)
    assert (made.controls.n_problems.value, made.controls.samples.value) == (37, 123)
    assert (
        made.controls.settings()
        .caption()
        .startswith("105k · countdown level 4 · 37 problems × 123 samples")
    )


def test_the_levels_follow_the_domain():
    made = CoverageExplorer(domain="chains", level=8)
    made.controls.domain.value = "countdown"
    levels = list(domains.domain("countdown").LEVELS)
    assert list(made.controls.level.options) == levels
    assert made.controls.level.value == levels[-1]
    first = domains.evaluation_set("countdown", levels[-1], 1)[0]
    assert first.prompt.strip().replace(">", "&gt;") in made.controls.example.value
    assert made.controls.settings().domain == "countdown"


def test_sliders_wait_until_they_are_let_go():
    controls = CoverageExplorer().controls
    for slider in (controls.n_problems, controls.samples, controls.temperature):
        assert slider.continuous_update is False
    assert controls.samples.options[-1][1] == 10_000


@pytest.mark.parametrize("domain", ["chains", "essays"])
def test_hostile_texts_are_escaped(domain):
    problem = Problem(domain, f"47+38{HOSTILE}\n", 1)
    script = {problem.prompt: [f"{HOSTILE}\n#85", HOSTILE]}
    made = finished(
        proposer=Scripted(script, name=HOSTILE),
        problems=[problem],
        verifier=Half(),
        samples=4,
    )
    assert made.status.phase == "done", made.status.message
    shown = [made.texts, made.chart, made.squares, made.status_line, made.tiles]
    for widget in shown:
        assert "<img" not in widget.value
    assert "&lt;img" in made.texts.value
    assert "&lt;img" in made.chart.value
    assert "&lt;img" in made.squares.value
    for widget in (made.chart, made.squares):
        charts(widget.value)  # and it is well-formed


class Half:
    """Finds the first script right and the other wrong, without parsing."""

    name = "half"

    def verify(self, traces):
        return [float(trace.text.endswith("#85")) for trace in traces]

    def tokens(self, trace):
        return 0


def test_a_hostile_text_of_a_rendered_domain_is_escaped():
    script = {PROBLEMS[0].prompt: [f"{HOSTILE}\n#85"]}
    made = finished(proposer=Scripted(script), problems=PROBLEMS[:1], samples=2)
    assert '<span class="tts-no">✗</span> &lt;img' in made.texts.value
    assert "<img" not in made.texts.value


def test_samples_are_marked_step_by_step():
    made = finished(samples=30)
    made.pick.value = 0  # always right
    assert "right: 30 of 30 samples" in made.texts.value
    assert "none so far" in made.texts.value
    made.pick.value = 5  # never right
    assert "right: 0 of 30 samples" in made.texts.value
    assert '<span class="tts-no">✗</span> 1+1=3' in made.texts.value
    made.pick.value = 1
    assert '<span class="tts-ok">✓</span> #' in made.texts.value
    assert "tts-picked" in made.squares.value
    made.pick.value = -1  # the rarest
    rarest = min((c, i) for i, c in enumerate(made.counts.c.tolist()) if c)
    assert f"right: {rarest[0]} of 30 samples" in made.texts.value


def test_a_text_of_an_unknown_domain_is_shown_as_it_is():
    problem = Problem("essays", "Write.\n")
    made = finished(
        proposer=Scripted({problem.prompt: ["One line.\n#85"]}),
        problems=[problem],
        verifier=Half(),
        samples=2,
    )
    assert "One line.\n#85" in made.texts.value


def test_the_axis_switch_changes_the_axis():
    made = finished(samples=100)
    labels, ticks = {}, {}
    for budget in ("samples", "tokens", "flops"):
        made.controls.budget.value = budget
        svg = charts(made.chart.value)[0]
        labels[budget] = next(find(svg, "text", "tts-x")).text
        ticks[budget] = [one.text for one in find(svg, "text", "tts-tick")]
        assert made.figure().axes[0].get_xlabel() == labels[budget]
    assert labels == {
        "samples": "samples per problem",
        "tokens": "tokens per problem",
        "flops": "FLOPs per problem",
    }
    assert "100" in ticks["samples"]
    assert len({tuple(one) for one in ticks.values()}) == 3
    made.controls.budget.value = "tokens"
    tally = made._session.tally
    cost = spent([100], tally.ledgers(), samples=100, size=tally.size, budget="tokens")
    reading = list(find(charts(made.chart.value)[0], "g", "tts-reading"))[-1]
    words = "".join(reading.itertext())
    assert f"{round(cost[0]):,} tokens per problem" in words
    total = sum(tally.ledgers(), Ledger())
    assert cost[0] == (total.prompt_tokens + total.generated_tokens) / 6


def test_the_drawn_curve_has_the_measured_shape():
    made = finished(samples=40)
    curve = made.curve()
    svg = charts(made.chart.value)[0]
    path = next(find(svg, "path", "tts-curve")).get("d")
    points = [tuple(map(float, p.split())) for p in path[1:].split("L")]
    assert len(points) == len(curve.k)
    heights = [y for _, y in points]
    span = 316 - 26  # pixels from 100% to 0%
    for mean, y in zip(curve.mean, heights, strict=True):
        assert y == pytest.approx(316 - span * mean, abs=0.06)
    assert points[0][0] == 56
    assert points[-1][0] == pytest.approx(512, abs=0.06)


def test_the_text_twin_has_the_numbers_of_the_curve():
    made = finished(samples=50)
    lines = made.text().split("\n")
    assert lines[0] == "scripted · 6 problems × 50 samples · temperature 1 · seed 0"
    assert lines[1].startswith("Done in")
    curve = made.curve()
    rows = {line.split()[0]: line for line in lines[3:]}
    assert list(rows) == ["1", "2", "5", "10", "20", "50"]
    for i, k in enumerate(curve.k.tolist()):
        if str(k) in rows:
            low, high = curve.low[i], curve.high[i]
            assert f" {curve.mean[i]:.3f}  {low:.3f} to {high:.3f}" in rows[str(k)]
    assert f"{curve.mean[-1]:.3f}" in text(made.figure())


def test_before_the_first_run_there_is_a_text_but_no_figure():
    made = explorer()
    assert "Press Run" in made.text()
    assert "nothing is measured yet" in made.chart.value
    for ask in (made.curve, made.figure, lambda: made.counts):
        with pytest.raises(ValueError, match="press Run"):
            ask()
    assert "image/png" not in made._repr_mimebundle_()[0]


def test_readers_without_a_kernel_get_a_picture_and_a_text():
    bundle, metadata = finished()._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["width"] == 720
    assert "coverage" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_earlier_curves_stay_when_they_are_wanted():
    made = finished(samples=20)
    made.controls.temperature.value = 0.5
    made.controls.run.click()
    assert made.wait(SECONDS)
    assert made.chart.value.count("tts-earlier") == 2  # the curve and its label
    assert "T 0.5" in made.chart.value
    assert len(made.figure().axes[0].texts) == 2
    made.controls.run.click()  # the same again takes the place of its like
    assert made.wait(SECONDS)
    assert made.chart.value.count("tts-earlier") == 2
    made.controls.compare.value = False
    assert "tts-earlier" not in made.chart.value
    assert len(made.figure().axes[0].texts) == 1


def test_closing_stops_the_run():
    made = explorer(proposer=scripted(0.01, rows=6), samples=10_000)
    made.controls.run.click()
    until(lambda: made.status.active)
    made.close()
    assert made.wait(10)


def test_a_rung_of_the_ladder_runs():
    made = CoverageExplorer(rung="27k", level=1, n_problems=10, samples=20)
    made.controls.run.click()
    assert made.wait(300)
    assert made.status.phase == "done", made.status.message
    assert made.counts.n == 20
    assert made.counts.c.sum() > 20
    assert made.problems == domains.evaluation_set("countdown", 1, 10)
    again = CoverageExplorer(rung="27k", level=1, n_problems=10, samples=20)
    again.run()
    assert again.wait(300)
    assert again.counts.c.tolist() == made.counts.c.tolist()


def charts(html: str) -> list[ElementTree.Element]:
    """The SVGs of some HTML, parsed: they have to be well-formed XML."""
    pieces = html.split("</svg>")[:-1]
    return [
        ElementTree.fromstring(one[one.index("<svg") :] + "</svg>") for one in pieces
    ]


def find(
    svg: ElementTree.Element, tag: str, name: str
) -> Iterator[ElementTree.Element]:
    return (one for one in svg.iter(tag) if one.get("class") == name)
