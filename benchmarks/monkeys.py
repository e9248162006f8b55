"""On paper: what the Large Language Monkeys experiment costs with a 70B model.

    python benchmarks/monkeys.py

By the ledger's formula (Brown et al., 2407.21787v3: attention counted, prompt paid
once), for their samples and problems (v1, their settings). Assumed, not measured: every
sample at half of their limit of tokens, prompts of 1,000 tokens, and what share of an
H100's 989 TFLOP/s (dense, bfloat16; NVIDIA's data sheet) generation reaches. Idle time
and failures are left out, and samples of one problem share their prompt's cache. Beside
it, what reading weights, keys and values at 3.35 TB/s a GPU takes at least, by how many
rows go on at once; what splitting a model over GPUs costs is left out.
"""

from __future__ import annotations

from tts_lab.ledger import Ledger
from tts_lab.proposers import Size

#: Llama 3 70B, by its published configuration
LLAMA = Size(parameters=70_553_706_496, layers=80, hidden=8192)
KEYS = 2 * 80 * 8 * 128 * 2  # bytes a token: keys and values, 8 heads of 128, bfloat16
H100, MEMORY = 989e12, 3.35e12  # FLOP/s, bytes/s
SAMPLES, PROMPT = 10_000, 1_000
#: problems and most tokens of a sample (Brown et al., v1)
SETS = {"GSM8K": (128, 512), "MATH": (128, 512), "MiniF2F": (130, 200),
        "CodeContests": (140, 1024)}  # fmt: skip
SHARES = (0.1, 0.2, 0.4)
ROWS = (64, 128, 256)


def ledger(problems: int, tokens: int) -> Ledger:
    """The books of so many problems with `SAMPLES` samples of `tokens` each."""
    context = PROMPT * (PROMPT + 1) // 2
    context += SAMPLES * (tokens * PROMPT + tokens * (tokens + 1) // 2)
    return Ledger(
        prompt_tokens=problems * PROMPT,
        generated_tokens=problems * SAMPLES * tokens,
        context_tokens=problems * context,
        calls=problems * SAMPLES,
    )


def main() -> None:
    """Print the table."""
    total = Ledger()
    rows = {name: ledger(n, most // 2) for name, (n, most) in SETS.items()}
    for name, one in rows.items():
        total += one
        print(f"{name:13} {one.generated_tokens:.2e} tokens {_of(one):.2e} FLOPs")
    print(f"{'all four':13} {total.generated_tokens:.2e} tokens {_of(total):.2e} FLOPs")
    for share in SHARES:
        hours = _of(total) / (H100 * share) / 3600
        each = ", ".join(f"{hours / n:,.1f} h on {n}" for n in (1, 8, 64))
        print(f"at {share:.0%} of the peak: {hours:,.0f} GPU hours: {each}")
    for rows in ROWS:
        hours = sum(reading(n, most // 2, rows) for n, most in SETS.values()) / 3600
        share = _of(total) / (H100 * hours * 3600)
        print(
            f"{rows:,} rows at once: {hours:,.0f} GPU hours of reading memory, so "
            f"{share:.0%} of the peak at most"
        )


def reading(problems: int, tokens: int, rows: int) -> float:
    """GPU seconds of reading weights, and keys and values, the prompt's once a step."""
    context = PROMPT + rows * (tokens + 1) / 2
    step = (2 * LLAMA.parameters + KEYS * context) / MEMORY
    return problems * SAMPLES * tokens / rows * step


def _of(one: Ledger) -> float:
    return one.flops_brown(LLAMA)


if __name__ == "__main__":
    main()
