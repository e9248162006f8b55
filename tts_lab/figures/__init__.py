"""Figures: each function takes data and returns a matplotlib figure.

Promises: no global state (no pyplot, no change of rcParams); a line is told from its
neighbours by its own label, marker and dash and not by colour alone; log axes carry
plain numbers; a curve never comes without its interval, its number of samples and its
number of problems. A figure shows itself in a notebook, and `text(figure)` says the
same in rows.

Not covered: computing what is drawn. Fits and curves come from `tts_lab.coverage`
and `tts_lab.laws`.
"""

from tts_lab.figures.allocation import allocation_curves, bin_stability
from tts_lab.figures.budget import BUDGETS, Budget, log_ticks, plain, scaled, spent
from tts_lab.figures.curves import coverage, curve_shift, power_law
from tts_lab.figures.exchange import exchange, matched_budgets
from tts_lab.figures.picture import Picture, text
from tts_lab.figures.scaling import ablation, token_scaling
from tts_lab.figures.searches import bins, race, verifiers
from tts_lab.figures.shares import shares
from tts_lab.figures.spreads import distinct, tail
from tts_lab.figures.winners import bin_winners, winner_map

__all__ = [
    "BUDGETS",
    "Budget",
    "Picture",
    "ablation",
    "allocation_curves",
    "bin_stability",
    "bin_winners",
    "bins",
    "coverage",
    "curve_shift",
    "distinct",
    "exchange",
    "log_ticks",
    "matched_budgets",
    "plain",
    "power_law",
    "race",
    "scaled",
    "shares",
    "spent",
    "tail",
    "text",
    "token_scaling",
    "verifiers",
    "winner_map",
]
