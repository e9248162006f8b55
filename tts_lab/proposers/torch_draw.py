"""Drawing tokens with the random numbers of the ladder's engine, for torch.

A row's numbers are a hash of its stream, its number and the place in the row, so what
it draws depends on neither batch nor order.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def uniform(keys: NDArray[np.uint64], t: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Random number `t` of each row's stream; see `reference.uniform`."""
    z = keys + (t + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    found: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found


def draw(
    logits: Tensor, temperature: NDArray[np.float64], u: NDArray[np.float64]
) -> tuple[list[int], list[float]]:
    """Where each row's random number falls in its distribution.

    Parameters
    ----------
    logits : (rows, vocabulary) tensor
    temperature, u : (rows,) float64
        Below 1e-6, where float32 cannot tell exponentials apart, the likeliest token.

    Returns
    -------
    tokens : list of int
    logprobs : list of float
        At that temperature; at 1 for the likeliest.
    """
    greedy = temperature < 1e-6
    z = logits.float()
    z = z - z.amax(-1, keepdim=True)
    if (temperature != 1).any():
        scale = np.where(greedy, 1.0, 1.0 / np.where(greedy, 1.0, temperature))
        z = z * torch.from_numpy(scale.astype(np.float32)).to(z.device)[:, None]
    p = z.exp()
    # a sum over 150,000 tokens wants float64, which MPS has not
    exact = torch.float32 if z.device.type == "mps" else torch.float64
    reached = p.cumsum(-1, dtype=exact)
    total = reached[:, -1:]
    if greedy.all():
        tokens = z.argmax(-1, keepdim=True)
    else:
        goal = torch.from_numpy(u).to(z.device, exact)[:, None] * total
        goal = torch.minimum(goal, torch.nextafter(total, torch.zeros_like(total)))
        tokens = torch.searchsorted(reached, goal, right=True)
        if greedy.any():
            chosen = torch.from_numpy(greedy).to(z.device)[:, None]
            tokens = torch.where(chosen, z.argmax(-1, keepdim=True), tokens)
    logprobs = z.gather(-1, tokens) - total.log().to(z.dtype)
    found = torch.cat([tokens.to(exact), logprobs.to(exact)], -1).tolist()
    return [int(token) for token, _ in found], [logprob for _, logprob in found]
