"""The head of a learned verifier: a state to the probability that all is right so far.

Fitting is logistic regression, so it has one optimum and takes seconds. Labels may be
probabilities (Monte-Carlo estimates): the loss is cross-entropy either way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy.optimize import minimize

from tts_lab.ladder.model_folder import Model

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """What turns states into logits: `states @ weight + bias`."""

    weight: Floats  # (hidden,)
    bias: float

    def probability(self, states: npt.ArrayLike) -> Floats:
        """(..., hidden) states to (...) probabilities."""
        logits = np.asarray(states, np.float32) @ self.weight + self.bias
        found: Floats = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
        return found

    def on(self, model: Model, name: str) -> Model:
        """The model with this head."""
        weights = model.weights | {
            "score.weight": self.weight[None],
            "score.bias": np.array([self.bias], np.float32),
        }
        return replace(model, name=name, weights=weights)


@dataclass(frozen=True)
class Fit:
    """A head and how it was found: the mean loss (nats) and the steps it took."""

    head: Head
    loss: float
    iterations: int


def fit(states: npt.ArrayLike, labels: npt.ArrayLike, *, ridge: float = 1e-5) -> Fit:
    """The head that predicts the labels best.

    Parameters
    ----------
    states : (N, hidden) float array
    labels : (N,) float array
        0 to 1.
    ridge : float
        Penalty on the squared weights, each for a state of unit variance.

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is not a probability, or all are equal.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> states = rng.normal(size=(400, 3))
    >>> found = fit(states, states[:, 1] > 0)
    >>> int(np.abs(found.head.weight).argmax()), found.loss < 0.1
    (1, True)
    """
    x, y = np.asarray(states, np.float32), np.asarray(labels, np.float32)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"states {x.shape} and labels {y.shape}: accepted are (N, "
                         "hidden) and (N,)")  # fmt: skip
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"labels from {y.min()} to {y.max()}; accepted are 0 to 1")
    if y.min() == y.max():
        raise ValueError(f"all {len(y)} labels are {y[0]}; accepted are different ones")
    scale = x.std(axis=0)
    varying = scale > 1e-6 * np.abs(x).max(axis=0).clip(1e-12)
    scaled = x[:, varying] / scale[varying]
    positive, n = y > 0, len(y)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = scaled @ weights[:-1].astype(np.float32) + np.float32(weights[-1])
        entropy = np.logaddexp(0, logits) - np.where(positive, y * logits, 0)
        wrong = (1 / (1 + np.exp(-np.clip(logits, -80, 80))) - y) / n
        slope = np.append(wrong @ scaled, wrong.sum()).astype(np.float64)
        penalty = ridge * weights
        penalty[-1] = 0.0
        value = float(entropy.mean(dtype=np.float64)) + float(penalty @ weights)
        return value, slope + 2 * penalty

    found = minimize(
        loss, np.zeros(int(varying.sum()) + 1), jac=True, method="L-BFGS-B",
        options={"maxiter": 300},
    )  # fmt: skip
    weight = np.zeros(x.shape[1], np.float32)
    weight[varying] = found.x[:-1] / scale[varying]
    return Fit(Head(weight, float(found.x[-1])), float(found.fun), int(found.nit))
