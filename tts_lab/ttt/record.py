"""Adaptations recorded once, to be looked at where there is no torch.

`python -m tts_lab.ttt.record` records one task of every held-out family and every
composition with the shipped policy, in about a minute, and writes the file that
`shipped` reads. Not covered: measuring what adapting is worth (`tts_lab.ttt.ablate`);
one task is a picture, not a figure.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from tts_lab.ladder.model_folder import Model
from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT
from tts_lab.ttt.frames import Frame, Plan, from_json
from tts_lab.ttt.watch import POLICY, base, watch

SHIPPED = Path(__file__).parent.parent / "data" / "adaptations.json"
#: one task of each family that pretraining never saw
PLANS: tuple[Plan, ...] = tuple(Plan(name) for name in (*HELD_OUT, *COMPOSITIONS))


@cache
def shipped(path: Path = SHIPPED) -> dict[str, Frame]:
    """The last frame of every recorded adaptation, by family."""
    found = [from_json(one) for one in json.loads(path.read_text("utf-8"))]
    return {frame.plan.family: frame for frame in found}


def record(
    policy: str | Model = POLICY,
    plans: Iterable[Plan] | None = None,
    *,
    on_frame: Callable[[Frame], object] = lambda last: None,
) -> list[Frame]:
    """Adapt a policy to one task after another, `PLANS` by default; the last frames.

    Each is also handed to `on_frame` as soon as there is one.

    Raises
    ------
    ImportError
        Without torch; the message has the line that installs it.
    """
    model = base(policy)
    found = []
    for plan in PLANS if plans is None else plans:
        *_, last = watch(model, plan)
        found.append(last)
        on_frame(last)
    return found


def save(frames: Iterable[Frame], path: Path = SHIPPED) -> None:
    """Write frames to a file, a line each."""
    lines = [json.dumps(frame.json(), separators=(",", ":")) for frame in frames]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tts_lab.ttt.record")
    parser.add_argument("--policy", default=POLICY, help="a policy's name, or a folder")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    chosen = parser.parse_args(arguments)
    done: list[Frame] = []

    def keep(last: Frame) -> None:
        done.append(last)
        save(done, chosen.out)
        print(f"{last.plan.caption()}: {last.training_seconds:.1f} s", flush=True)

    record(chosen.policy, on_frame=keep)


if __name__ == "__main__":
    main()
