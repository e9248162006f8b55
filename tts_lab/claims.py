"""The findings that the course measures: what each says, who says it, what they found.

Promises: ids are those of the notebooks; a published value stands with its source, and
where there is none, nothing is put in its place. Not covered: our own measurements
(`tts_lab.scoreboard`).
"""

from __future__ import annotations

from dataclasses import dataclass

MONKEYS = "Brown et al., 2407.21787"
SNELL = "Snell et al., 2408.03314"
LIU = "Liu et al., 2502.06703"
SCHAEFFER = "Schaeffer et al., 2502.17578"
TTT = "Akyürek et al., 2411.07279"


@dataclass(frozen=True)
class Claim:
    """One finding.

    Attributes
    ----------
    id : str
    finding : str
    notebook : str
        The number of the notebook that measures it.
    source : str
    published : str
        The published value; empty where the paper prints none.
    """

    id: str
    finding: str
    notebook: str
    source: str
    published: str = ""


CLAIMS: dict[str, Claim] = {
    claim.id: claim
    for claim in (
        Claim("M1", "coverage grows over four orders of magnitude of samples; a weak "
              "model gains 100x and more on a hard set", "01", MONKEYS,
              "Gemma-2B on CodeContests: 0.02% at 1, 7.1% at 10,000"),
        Claim("M2", "coverage follows exp(a k^b)", "02", MONKEYS),
        Claim("M3", "curves of one family have one shape, shifted in log k", "02",
              f"{MONKEYS} v1, sec. 3.2"),
        Claim("H1", "each problem alone is exponential; the power law comes from the "
              "heavy tail of pass@1", "02", SCHAEFFER),
        Claim("M4", "a weak model sampled k times beats a strong one once, cheaper",
              "01, 09", f"{MONKEYS} v3, Table 1",
              "5 DeepSeek-Coder-V2 samples 29.62% at $10.8, GPT-4o 24.00% at $39"),
        Claim("M5", "at equal FLOPs the small model wins on some tasks and the large "
              "on others", "08", MONKEYS),
        Claim("M6", "majority and reward models level off near 100 samples while "
              "coverage keeps rising", "03", f"{MONKEYS} v3",
              "Llama-3-8B on MATH, 100 to 10,000 samples: coverage 82.9% to 98.44%, "
              "best selector 40.5% to 41.41%"),
        Claim("M7", "imperfect verifiers cap what coverage becomes", "03", MONKEYS,
              "11.3% of SWE-bench Lite's test suites are flaky"),
        Claim("M8", "samples start to repeat", "01", MONKEYS),
        Claim("S1", "which strategy is best depends on difficulty", "05, 07", SNELL),
        Claim("S2", "beam search wins at small budgets and falls below best-of-n at "
              "large ones", "05", SNELL),
        Claim("S3", "lookahead costs n(k+1) and is worst at equal budget", "05", SNELL),
        Claim("S4", "a PRM beats an ORM, more so with more samples; best-of-n weighted "
              "beats best-of-n; the last step's score beats minimum and product", "04",
              f"{SNELL}, appendices"),
        Claim("S5", "sequential revision raises pass@1 step by step, and spoils right "
              "answers", "06", SNELL, "38% of right answers turned wrong"),
        Claim("S6", "the best ratio of sequential to parallel depends on difficulty",
              "06", SNELL),
        Claim("S7", "compute-optimal choice needs about 4x less than best-of-n", "07",
              SNELL, "16 against 64 generations (search), 64 against 256 (revisions)"),
        Claim("S8", "against a 14x larger model at matched FLOPs test-time compute "
              "wins on easy problems or small R, pretraining on hard ones or large R",
              "08",
              f"{SNELL}, Fig. 1", "revisions, easy / medium / hard: +21.6 / +27.8 / "
              "+11.8% at R << 1, +5.4 / -24.3 / -37.2% at R >> 1"),
        Claim("L1", "a PRM trained on another policy's samples generalises poorly",
              "09", LIU),
        Claim("L2", "absolute difficulty thresholds serve better than quantiles", "07",
              LIU),
        Claim("L3", "best-of-n suits small policies on easy problems and large ones "
              "everywhere, search small ones on hard problems", "09", LIU),
        Claim("L4", "scoring times voting matters for some PRMs and not for others",
              "04", f"{LIU}, Table 2", "MATH-500, six cells: Skywork-PRM-7B 83.0 to "
              "87.0%, Qwen2.5-Math-PRM-7B 87.4 to 87.8%"),
        Claim("L5", "PRMs are biased by step and response length", "04",
              f"{LIU}, Table 1", "average training response: 236.9 and 333.1 tokens"),
        Claim("L6", "a small model with test-time compute passes a far larger one at a "
              "hundredth of the total FLOPs", "09", f"{LIU}, FLOPs table",
              "Llama-3.2-3B with TTS 1.62e23, Llama-3.1-405B 3.65e25"),
        Claim("L7", "the gain over chain of thought and majority shrinks as the policy "
              "grows", "09", f"{LIU}, Table 5",
              "gain 154.6% (1B) to 9.5% (72B); up to 256x less compute than majority"),
        Claim("L8", "against long chain-of-thought training, test-time compute helps "
              "more on easy than on hard problems", "11", f"{LIU}, Table 6",
              "7B: MATH-500 91.0% (TTS), 92.4% (R1 distilled); AIME24 36.7, 63.3%"),
        Claim("T1", "accuracy is about log-linear in test-time compute, then flattens",
              "11", "Muennighoff et al. (s1), 2501.19393, Fig. 1",
              "MATH-500: 64.0% at 499 thinking tokens, 93.2% at 3,200"),
        Claim("T2", "test-time training multiplies accuracy on novel tasks", "10", TTT,
              "ARC, 1B: 5 to 29 of 80 tasks"),
        Claim("T3", "tree search and self-improvement against a verifier", "05, 10",
              "no published value"),
        Claim("X1", "adaptive stopping beats a fixed number of samples", "07",
              "beyond the papers"),
    )
}  # fmt: skip
