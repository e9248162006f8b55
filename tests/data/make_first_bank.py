"""Make `bank_version_1.sqlite` anew, with the code that wrote the first version.

    python tests/data/make_first_bank.py

The code comes from the history of this repository, so the file is what that version
wrote and not what a later one believes it did. `ROWS` is what went in.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

COMMIT = "3dc437e"  # the first that has a bank
PATH = Path(__file__).with_name("bank_version_1.sqlite")

#: key -> row -> text, tokens, finished, log-probability
ROWS = {
    key: {
        row: (f"{key.hex()[:4]} wrote {row}\n#{row} ✓", row % 1000, row % 2 == 0, -row)
        for row in numbers
    }
    for key, numbers in {
        b"first stream....": [*range(40), 2**40],
        b"second stream...": [*range(5), *range(9, 12)],
    }.items()
}


def main() -> None:
    from tts_lab.proposers import Samples

    code = subprocess.run(
        ["git", "show", f"{COMMIT}:tts_lab/bank.py"],
        cwd=PATH.parent, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    first = ModuleType("first_bank")
    sys.modules[first.__name__] = first
    exec(compile(code, "first_bank.py", "exec"), first.__dict__)
    PATH.unlink(missing_ok=True)
    flat = [(job, row) for job, key in enumerate(ROWS) for row in ROWS[key]]
    with first.Bank(PATH) as bank:
        for start in range(0, len(flat), 15):
            some = flat[start : start + 15]
            keys = list(ROWS)
            text, tokens, finished, logprob = zip(
                *(ROWS[keys[job]][row] for job, row in some), strict=True
            )
            job, row = zip(*some, strict=True)
            bank.put_many(
                keys,
                Samples(
                    np.array(job, np.int32), np.array(row, np.int64), list(text),
                    np.array(tokens, np.int32), np.array(finished, np.bool_),
                    np.array(logprob, np.float32),
                ),
            )  # fmt: skip


if __name__ == "__main__":
    main()
