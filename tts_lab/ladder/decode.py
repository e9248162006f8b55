"""The engine's compiled part: forward pass, sampling, and the loop over slots.

A slot holds one row while it is written: its place in the key-value cache and its
state. Rows that finish free their slot at once and the next row takes it, so a block
stays full. Prompts are computed once and shared by all rows that start from them.
Nothing here allocates per row, and no row can see another.
"""

from __future__ import annotations

import math

import numpy as np
from numba import config, njit

from tts_lab.ladder import compiled
from tts_lab.ladder.kernels import PANEL, dots32, exp, matmul, row32

# numba reads the cache folder when it decorates; ours must not become everybody's
_folder, config.CACHE_DIR = config.CACHE_DIR, str(compiled.folder())
_entry = njit(nogil=True, error_model="numpy", cache=compiled.can_keep())

#: lets sums and maxima vectorise; their order then depends on the length alone
_SUMS = {"contract", "reassoc", "nsz", "nnan"}


@njit(nogil=True, error_model="numpy", fastmath=_SUMS)
def _normalise(x, weight, epsilon, out, rows):
    size = weight.shape[0]
    for i in range(rows):
        total = np.float32(0.0)
        for j in range(size):
            total += x[i, j] * x[i, j]
        scale = np.float32(1.0) / np.sqrt(total / np.float32(size) + epsilon)
        for j in range(size):
            out[i, j] = x[i, j] * scale * weight[j]


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _rotate_and_store(w, buffers, own, layer, heads, rows):
    """Rotary embedding of queries and keys; keys and values go to the cache."""
    half = w.cos.shape[1]
    size = 2 * half
    hidden = heads * size
    scale = np.float32(1.0 / math.sqrt(size))
    for i in range(rows):
        row = buffers.qkv[i]
        cos, sin = w.cos[buffers.place[0, i]], w.sin[buffers.place[0, i]]
        entry, t = buffers.place[3, i], buffers.place[4, i]
        for h in range(heads):
            q, k, v = h * size, hidden + h * size, 2 * hidden + h * size
            left, right = row[q : q + half], row[q + half : q + size]
            for j in range(half):
                a, b = left[j], right[j]
                left[j] = (a * cos[j] - b * sin[j]) * scale
                right[j] = (b * cos[j] + a * sin[j]) * scale
            left, right = row[k : k + half], row[k + half : k + size]
            keys = own.keys[entry, layer, h, t]
            for j in range(half):
                keys[j] = left[j] * cos[j] - right[j] * sin[j]
            for j in range(half):
                keys[half + j] = right[j] * cos[j] + left[j] * sin[j]
            values, new = own.values[entry, layer, h, t], row[v : v + size]
            for j in range(size):
                values[j] = new[j]


@njit(nogil=True, error_model="numpy", fastmath=_SUMS)
def _softmax(scores, length):
    largest = scores[0]
    for t in range(1, length):
        largest = max(largest, scores[t])
    total = np.float32(0.0)
    for t in range(length):
        e = exp(scores[t] - largest)
        scores[t] = e
        total += e
    scale = np.float32(1.0) / total
    for t in range(length):
        scores[t] *= scale


@njit(nogil=True, error_model="numpy")
def _is_idle(w, layer, first, size):
    """Whether a head has no weights for its values: then it adds nothing."""
    for p in range(first // PANEL, (first + size) // PANEL):
        if w.qkv.spans[layer, p, 1] > 0:
            return False
    return True


@njit(nogil=True, error_model="numpy")
def _attend(w, buffers, shared, own, layer, heads, rows):
    """Attention of each row over its shared prefix, then its own tokens."""
    layers, size = own.keys.shape[1], own.keys.shape[4]
    stride = heads * size
    scores = buffers.scores
    for i in range(rows):
        before, after = buffers.place[2, i], buffers.place[4, i] + 1
        for h in range(heads):
            if _is_idle(w, layer, 2 * stride + h * size, size):
                buffers.mixed[i, h * size : (h + 1) * size] = 0
                continue
            at = (buffers.place[1, i] * layers + layer) * heads + h
            prefix = at * shared.keys.shape[3] * size
            at = (buffers.place[3, i] * layers + layer) * heads + h
            entry = at * own.keys.shape[3] * size
            for j in range(0, size, 32):
                q, more = i * 3 * stride + h * size + j, j > 0
                dots32(
                    buffers.qkv, q, shared.keys, prefix + j, size, before,
                    scores, 0, more,
                )  # fmt: skip
                dots32(
                    buffers.qkv, q, own.keys, entry + j, size, after,
                    scores, before, more,
                )  # fmt: skip
            _softmax(scores, before + after)
            for j in range(0, size, 32):
                out = i * stride + h * size + j
                row32(
                    scores, 0, 0, shared.values, prefix + j, size, before,
                    buffers.mixed, out, 0, False,
                )  # fmt: skip
                row32(
                    scores, before, 0, own.values, entry + j, size, after,
                    buffers.mixed, out, 0, True,
                )  # fmt: skip


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _gate(gate_up, product, rows):
    size = product.shape[1]
    for i in range(rows):
        gate, up, out = gate_up[i, :size], gate_up[i, size : 2 * size], product[i]
        for j in range(size):
            out[j] = gate[j] / (np.float32(1.0) + exp(-gate[j])) * up[j]


@njit(nogil=True, error_model="numpy")
def through(x, matrix, layer, out, rows, accumulate):
    """out[:rows] (+)= x[:rows] @ the layer's matrix."""
    matmul(x, matrix.panels[layer], matrix.spans[layer], out, rows, accumulate)


@njit(nogil=True, error_model="numpy")
def forward(w, buffers, shared, own, rows):
    """One token of each row through all layers; `normed` then holds the last state."""
    heads = own.keys.shape[2]
    for i in range(rows):
        buffers.x[i] = w.embed[buffers.token[i]]
    for layer in range(w.norm1.shape[0]):
        _normalise(buffers.x, w.norm1[layer], w.epsilon, buffers.normed, rows)
        through(buffers.normed, w.qkv, layer, buffers.qkv, rows, False)
        _rotate_and_store(w, buffers, own, layer, heads, rows)
        _attend(w, buffers, shared, own, layer, heads, rows)
        through(buffers.mixed, w.out, layer, buffers.x, rows, True)
        _normalise(buffers.x, w.norm2[layer], w.epsilon, buffers.normed, rows)
        through(buffers.normed, w.gate_up, layer, buffers.gate_up, rows, False)
        _gate(buffers.gate_up, buffers.product, rows)
        through(buffers.product, w.down, layer, buffers.x, rows, True)
    _normalise(buffers.x, w.norm, w.epsilon, buffers.normed, rows)


@_entry
def prefill(w, buffers, shared, tokens, starts, known, logits, states):
    """Compute the prefixes' cache from position `known` on, and their last logits.

    `states` gets the last state of every token read, unless it is empty.
    """
    keep = states.shape[0] > 0
    block = buffers.x.shape[0]
    prefixes = len(starts) - 1
    p, t = 0, known[0]
    while p < prefixes:
        rows = 0
        while p < prefixes and rows < block:
            buffers.token[rows] = tokens[starts[p] + t]
            buffers.place[0, rows] = t
            buffers.place[1, rows] = 0
            buffers.place[2, rows] = 0
            buffers.place[3, rows] = p
            buffers.place[4, rows] = t
            rows += 1
            t += 1
            if starts[p] + t == starts[p + 1]:
                p += 1
                t = known[p] if p < prefixes else 0
        forward(w, buffers, shared, shared, rows)
        last = 0
        for i in range(rows):
            entry, place = buffers.place[3, i], buffers.place[4, i]
            if keep:
                states[starts[entry] + place] = buffers.normed[i]
            if starts[entry] + place + 1 == starts[entry + 1]:
                buffers.normed[last] = buffers.normed[i]
                buffers.place[1, last] = entry
                last += 1
        through(buffers.normed, w.head, 0, buffers.logits, last, False)
        for i in range(last):
            logits[buffers.place[1, i]] = buffers.logits[i, : logits.shape[1]]


@njit(nogil=True, error_model="numpy")
def mix(z):
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, error_model="numpy")
def uniform(key, t):
    """Random number `t` of a stream, in [0, 1): a hash, so no state is kept."""
    z = mix(key + np.uint64(t + 1) * np.uint64(0x9E3779B97F4A7C15))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@njit(nogil=True, error_model="numpy", fastmath=_SUMS)
def _exponentials(logits, scale):
    """Turn logits into exp((logit - largest) * scale) in place; returns their sum."""
    largest = logits[0]
    for j in range(len(logits)):
        largest = max(largest, logits[j])
    total = np.float32(0.0)
    for j in range(len(logits)):
        e = exp((logits[j] - largest) * scale)
        logits[j] = e
        total += e
    return total


@njit(nogil=True, error_model="numpy")
def _choose(logits, temperature, u):
    """A token drawn at a temperature, and its log-probability.

    Below 1e-6, where float32 cannot tell the exponentials apart, the likeliest.
    """
    greedy = temperature < np.float32(1e-6)
    total = _exponentials(logits, np.float32(1.0 if greedy else 1.0 / temperature))
    goal = np.float32(u) * total
    reached = np.float32(0.0)
    token = len(logits)
    for j in range(len(logits)):
        reached += logits[j]
        if (logits[j] == np.float32(1.0)) if greedy else (reached > goal):
            token = j
            break
    while token == len(logits) or logits[token] == 0:  # the sum's last rounding
        token -= 1
    return token, math.log(logits[token] / total)


@njit(nogil=True, error_model="numpy")
def _write(w, rows, row, logits, stops, end):
    """Draw the row's next token and note it; returns why the row is finished, or 0."""
    t = rows.length[row]
    token, logprob = _choose(
        logits[: w.embed.shape[0]], rows.temperature[row], uniform(rows.key[row], t)
    )
    rows.logprob[row] += logprob
    rows.text[row, t] = token
    rows.length[row] = t + 1
    if token == end:
        return 1
    for s in range(stops.shape[0]):
        if s == 0 and not rows.until_step[row]:
            continue
        size = stops[s, 0]
        if size > t + 1:
            continue
        same = True
        for j in range(size):
            same &= rows.text[row, t + 1 - size + j] == stops[s, 1 + j]
        if same:
            return 2
    return 3 if t + 1 >= rows.limit[row] else 0


@njit(nogil=True, error_model="numpy")
def _finish(rows, slots, row, reason):
    rows.reason[row] = reason
    rows.finished[slots.counts[2]] = row
    slots.counts[2] += 1


@_entry
def advance(w, buffers, shared, lengths, first, own, rows, slots, stops, end, steps):
    """Write up to `steps` tokens per slot; returns whether rows are left to finish.

    `lengths` and `first` are the prefixes' lengths and next-token logits.
    """
    total = len(rows.key)
    for _ in range(steps):
        while slots.counts[0] < len(slots.active) and slots.counts[1] < total:
            row = slots.counts[1]
            slots.counts[1] += 1
            buffers.logits[0, : first.shape[1]] = first[rows.prefix[row]]
            reason = _write(w, rows, row, buffers.logits[0], stops, end)
            if reason:
                _finish(rows, slots, row, reason)
            else:
                slots.row[slots.active[slots.counts[0]]] = row
                slots.counts[0] += 1
        count = slots.counts[0]
        if count == 0:
            return False
        for i in range(count):
            slot = slots.active[i]
            row = slots.row[slot]
            written = rows.length[row]
            prefix = rows.prefix[row]
            buffers.token[i] = rows.text[row, written - 1]
            buffers.place[0, i] = lengths[prefix] + written - 1
            buffers.place[1, i] = prefix
            buffers.place[2, i] = lengths[prefix]
            buffers.place[3, i] = slot
            buffers.place[4, i] = written - 1
        forward(w, buffers, shared, own, count)
        through(buffers.normed, w.head, 0, buffers.logits, count, False)
        for i in range(count - 1, -1, -1):
            slot = slots.active[i]
            row = slots.row[slot]
            reason = _write(w, rows, row, buffers.logits[i], stops, end)
            if reason:
                _finish(rows, slots, row, reason)
                slots.counts[0] -= 1
                slots.active[i] = slots.active[slots.counts[0]]
                slots.active[slots.counts[0]] = slot
    return slots.counts[0] > 0 or slots.counts[1] < total


config.CACHE_DIR = _folder
