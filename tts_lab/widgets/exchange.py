"""The exchange explorer: spend a larger model's FLOPs on a smaller one's inference.

Promises: everything is computed from the shipped grid, at once, with the settings
that stand above it; it can be driven without a front end (set `controls`, read
`text`). Not covered: running a model.
"""

from __future__ import annotations

from html import escape
from typing import Any, cast

import ipywidgets as widgets

from tts_lab import figures
from tts_lab.exchange import RATIOS, Exchange, longer_training
from tts_lab.exchange_curves import BinCurve
from tts_lab.figures.budget import plain
from tts_lab.figures.exchange_words import SCALES, Scale
from tts_lab.grid import matched
from tts_lab.widgets import exchange_chart
from tts_lab.widgets.closing import close_all
from tts_lab.widgets.exchange_controls import ExchangeControls
from tts_lab.widgets.exchange_settings import (
    OVERLAYS,
    Exchanged,
    Settings,
    exchanged,
    multiplier_words,
    overlay,
    rows,
    training_words,
    warnings,
    winners,
)
from tts_lab.widgets.sheet import sheet


class ExchangeExplorer(widgets.VBox):  # type: ignore[misc]
    """Move R and M and see which model wins where, at matched FLOPs.

    Parameters
    ----------
    pair : str
        Of `tts_lab.grid.matched.PAIRS`.
    domain : str
    rule : str
        Of `tts_lab.subsets.RULES`; "coverage" is a verifier that is never wrong.
    r : float
        Inference tokens for each pretraining token, 0.01 to 100.
    m : float, optional
        Parameters of the larger model by those of the smaller, 1.5 to 100; default
        the pair's own.
    bins : int
        Of difficulty, 1 to 5.
    counted : bool
        Whether the verifier's FLOPs are.
    scale : str
        "relative" or "absolute" differences.
    published : str
        The panel of Snell et al. Fig. 1 that is laid over the bars: "prm_search",
        "revisions" or "none".
    verifier : str

    Raises
    ------
    ValueError
        For a setting out of range, or samples that the grid does not have; the message
        quotes it and lists what is accepted.

    References
    ----------
    Snell et al. (2408.03314) sec. 7 and Fig. 1.

    Examples
    --------
    >>> ExchangeExplorer(r=0)
    Traceback (most recent call last):
        ...
    ValueError: r=0; accepted is 0.01 to 100
    """

    def __init__(
        self,
        *,
        pair: str = "105k and 1.5m",
        domain: str = "chains",
        rule: str = "weighted vote",
        r: float = RATIOS[1],
        m: float | None = None,
        bins: int = 3,
        counted: bool = False,
        scale: str = "relative",
        published: str = "prm_search",
        verifier: str = matched.VERIFIER,
    ) -> None:
        for name, value, known in (
            ("scale", scale, list(SCALES)),
            ("published", published, list(OVERLAYS)),
        ):
            if value not in known:
                raise ValueError(f"{name}={value!r}; accepted are {known}")
        m = matched.times_larger(pair) if m is None else m
        start = Settings(pair, domain, rule, r, m, bins, counted, verifier)
        self._result: Exchanged | None = exchanged(start)
        self._failure = ""
        self.controls = ExchangeControls(start, scale=scale, published=published)
        self.status_line, self.tiles = widgets.HTML(), widgets.HTML()
        self.bars, self.budgets = widgets.HTML(), widgets.HTML()
        *settings, looks = self.controls.boxes
        super().__init__(
            [sheet(), *settings, self.status_line, self.tiles, looks, self.bars,
             self.budgets]
        )  # fmt: skip
        for name in ("tts-widget", "tts-exchange-widget"):
            self.add_class(name)
        self.controls.on_change(self._moved)
        self._draw()

    @property
    def settings(self) -> Settings:
        """Where the controls stand."""
        return self.controls.settings()

    @property
    def found(self) -> list[Exchange]:
        """What the bars show: the ratios of Snell et al. and the R that is set."""
        return list(self._shown().found)

    @property
    def curves(self) -> list[BinCurve]:
        """What the panels show."""
        return list(self._shown().curves)

    def text(self) -> str:
        """The settings, who wins, and every bar in rows."""
        if self._result is None:
            return f"{self.settings.caption()}\n{self._failure}"
        s, scale = self._result.settings, self._scale
        laid = overlay(s, scale, self.controls.published.value)
        return "\n".join([
            s.caption(), winners(self._result), *warnings(self._result),
            multiplier_words(s), training_words(s), *rows(self._result, scale, laid),
        ])  # fmt: skip

    def figure(self) -> figures.Picture:
        """The bars as a matplotlib figure."""
        result = self._shown()
        small, large = result.settings.names
        panel = self.controls.published.value
        return figures.exchange(
            result.found, scale=self._scale,
            published=overlay(result.settings, self._scale, panel),
            title=f"{small} against {large} on {result.settings.domain}",
        )  # fmt: skip

    def budgets_figure(self) -> figures.Picture:
        """The curves and the stars as a matplotlib figure."""
        result = self._shown()
        return figures.matched_budgets(
            result.curves, result.found, names=result.settings.names
        )

    def close(self) -> None:
        """Take the widget and all that is in it away."""
        close_all(self, super().close)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.settings.caption()}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # the picture is for readers without a kernel
        shown = self.figure()._repr_mimebundle_() if self._result else ({}, {})
        bundle = super()._repr_mimebundle_(**kwargs)
        return shown[0] | bundle | {"text/plain": self.text()}, shown[1]

    @property
    def _scale(self) -> Scale:
        return cast(Scale, self.controls.scale.value)

    def _shown(self) -> Exchanged:
        if self._result is None:
            raise ValueError(self._failure)
        return self._result

    def _moved(self) -> None:
        """Compute anew where the settings are others, and draw."""
        settings = self.settings
        if self._result is None or self._result.settings != settings:
            try:
                self._result, self._failure = exchanged(settings), ""
            except ValueError as error:  # the grid lacks it
                self._result, self._failure = None, str(error)
        self._draw()

    def _draw(self) -> None:
        result = self._result
        if result is None:
            words = f"{escape(self._failure)}. Choose another pair or domain."
            self.status_line.value = (
                '<div class="tts-status tts-failed" role="status"><b>⚠ This did not '
                f"work.</b> {words}</div>"
            )
            self.tiles.value = self.bars.value = self.budgets.value = ""
            return
        panel = self.controls.published.value
        laid = overlay(result.settings, self._scale, panel)
        self.status_line.value = _status(result)
        self.tiles.value = _tiles(result)
        self.bars.value = exchange_chart.bars(result, self._scale, laid) + _under(
            _about_bars(result, panel, bool(laid))
        )
        self.budgets.value = exchange_chart.curves(result) + _under(
            _about_curves(result)
        )


def _status(result: Exchanged) -> str:
    """Who wins, and what to mind; announced by screen readers when it changes."""
    parts = [f"<b>{escape(winners(result))}</b>"]
    parts += [f"⚠ {escape(words)}" for words in warnings(result)]
    return f'<div class="tts-status" role="status">{"<br>".join(parts)}</div>'


def _tiles(result: Exchanged) -> str:
    """The numbers that move, and what they mean in words."""
    s = result.settings
    last = result.curves[0].budget[-1]
    values = (
        ("matched inference", plain(result.budget), "×"),
        ("or training tokens", plain(longer_training(s.m, s.r)), "×"),
        ("larger model", plain(s.m), "× parameters"),
        ("measured up to", plain(last), "×"),
    )
    boxes = "".join(
        f"<div><span>{name}</span><br><b>{value}</b> {unit}</div>"
        for name, value, unit in values
    )
    words = f"{multiplier_words(s)} {training_words(s)}"
    return f'<div class="tts-tiles">{boxes}</div>{_under(words)}'


def _about_bars(result: Exchanged, panel: str, laid: bool) -> str:
    small, large = result.settings.names
    words = (
        f"{result.settings.caption()}. Above 0 (blue) {small} wins, below (orange) "
        f"{large}; pale: the 95% interval over problems includes 0; ▲ beyond the axis. "
        "Shaded: your R. "
    )
    if laid:
        return words + (
            f"◆ published, Snell et al. Fig. 1, {OVERLAYS[panel]}, PaLM 2-S* "
            "on MATH, M about 14; ◇ ? unresolved: two readings of the figure disagree."
        )
    if panel != "none":
        words += "The published values are relative and of 3 bins: not shown here."
    return words


def _about_curves(result: Exchanged) -> str:
    small, large = result.settings.names
    return (
        f"Line: {small} by what it spends; dashed: {large}, one greedy answer; bands: "
        "95% interval over problems. ★ a matched budget, the large one at your R; "
        "hollow where it was not measured."
    )


def _under(words: str) -> str:
    return f'<div class="tts-under">{escape(words)}</div>'
