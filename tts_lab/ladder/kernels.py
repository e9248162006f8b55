"""The few lines the engine's speed comes from: a matrix tile in vector IR, and exp.

A tile multiplies a few rows with 16 (or 32) columns and keeps the sums in registers.
It is written as LLVM vectors, which become AVX2, AVX-512 or NEON as the machine has
them. Every output element is the same chain of fused multiply-adds, whatever the
number of rows: so a row's result does not depend on the batch it is computed in, to
the last bit. BLAS does not promise that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

#: columns of a packed weight panel
PANEL = 16

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()


def _tile(rows: int, columns: int, chains: int = 1) -> Any:
    """A kernel: out[r, :columns] (+)= sum over k of x[r, k] * w[k, :columns].

    Arguments after the arrays are element offsets and row strides; `accumulate`
    starts from what `out` holds instead of zero. With several `chains` the sum over
    k runs in as many interleaved parts, which hides the latency of few rows.
    """
    vector = ir.VectorType(_F32, columns)
    splat = ir.Constant(ir.VectorType(_I32, columns), [0] * columns)
    undefined = ir.Constant(vector, ir.Undefined)
    zero = ir.Constant(vector, [0.0] * columns)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, x0, x_stride, w, w0, w_stride, depth, out, o0, o_stride, accumulate = args
        x_type, w_type, o_type = (signature.args[i] for i in (0, 3, 7))

        def integer(value: int) -> Any:
            return ir.Constant(_I64, value)

        def at(pointer: Any, offset: Any) -> Any:
            return builder.gep(pointer, [offset])

        def start(kind: Any, array: Any, offset: Any) -> Any:
            return at(context.make_array(kind)(context, builder, array).data, offset)

        def as_vector(pointer: Any) -> Any:
            return builder.bitcast(pointer, vector.as_pointer())

        fma = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fma.v{columns}f32",
        )
        x_at, w_at, o_at = (
            start(x_type, x, x0),
            start(w_type, w, w0),
            start(o_type, out, o0),
        )
        x_rows = [at(x_at, builder.mul(x_stride, integer(r))) for r in range(rows)]
        targets = [
            as_vector(at(o_at, builder.mul(o_stride, integer(r)))) for r in range(rows)
        ]

        def multiply_add(k: Any, sums: list[Any]) -> list[Any]:
            weights = builder.load(
                as_vector(at(w_at, builder.mul(k, w_stride))), align=4
            )
            result = []
            for x_row, total in zip(x_rows, sums, strict=True):
                value = builder.load(at(x_row, k))
                lane = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
                broadcast = builder.shuffle_vector(lane, undefined, splat)
                result.append(builder.call(fma, [broadcast, weights, total]))
            return result

        def loop(first: Any, step: int, sums: list[Any]) -> tuple[Any, list[Any]]:
            """k from `first` while a whole step fits; chain c takes k + c."""
            before = builder.block
            head, body, end = (builder.append_basic_block(n) for n in "kbe")
            builder.branch(head)
            builder.position_at_end(head)
            k = builder.phi(_I64)
            k.add_incoming(first, before)
            totals = [builder.phi(vector) for _ in sums]
            for total, value in zip(totals, sums, strict=True):
                total.add_incoming(value, before)
            following = builder.add(k, integer(step))
            builder.cbranch(builder.icmp_signed("<=", following, depth), body, end)
            builder.position_at_end(body)
            for c in range(step):
                mine = totals[c * rows : (c + 1) * rows]
                values = multiply_add(builder.add(k, integer(c)), mine)
                for total, value in zip(mine, values, strict=True):
                    total.add_incoming(value, body)
            k.add_incoming(following, body)
            builder.branch(head)
            builder.position_at_end(end)
            return k, totals

        first = [
            builder.select(accumulate, builder.load(t, align=4), zero) for t in targets
        ]
        k, sums = loop(integer(0), chains, first + [zero] * (rows * (chains - 1)))
        if chains > 1:
            _, sums[:rows] = loop(k, 1, sums[:rows])
        for r, target in enumerate(targets):
            total = sums[r]
            for c in range(1, chains):
                total = builder.fadd(total, sums[c * rows + r])
            builder.store(total, target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def kernel(
        typing, x, x0, x_stride, w, w0, w_stride, depth, out, o0, o_stride, accumulate
    ):
        i64 = types.int64
        signature = types.void(
            x, i64, i64, w, i64, i64, i64, out, i64, i64, types.boolean
        )
        return signature, codegen

    return kernel


_tile6, _tile4, _tile1 = _tile(6, PANEL), _tile(4, PANEL), _tile(1, PANEL)
#: one row times 32 columns: attention's sum of values
row32 = _tile(1, 32, chains=2)


@intrinsic
def dots32(typing, x, x0, w, w0, w_stride, count, out, o0, accumulate):
    """out[t] (+)= dot product of x[:32] and w[t, :32]: attention's scores."""
    vector = ir.VectorType(_F32, 32)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, x0, w, w0, w_stride, count, out, o0, accumulate = args

        def start(kind: Any, array: Any, offset: Any) -> Any:
            data = context.make_array(kind)(context, builder, array).data
            return builder.gep(data, [offset])

        def load(pointer: Any) -> Any:
            return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)

        sum_up = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_F32, [_F32, vector]),
            "llvm.vector.reduce.fadd.v32f32",
        )
        kinds = signature.args
        query = load(start(kinds[0], x, x0))
        w_at, o_at = start(kinds[2], w, w0), start(kinds[6], out, o0)
        zero = ir.Constant(_F32, 0.0)
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            key = load(builder.gep(w_at, [builder.mul(loop.index, w_stride)]))
            target = builder.gep(o_at, [loop.index])
            held = builder.select(accumulate, builder.load(target), zero)
            total = builder.call(
                sum_up, [held, builder.fmul(query, key)], fastmath=("reassoc",)
            )
            builder.store(total, target)
        return context.get_dummy_value()

    i64 = types.int64
    signature = types.void(x, i64, w, i64, i64, i64, out, i64, types.boolean)
    return signature, codegen


def pack(weight: np.ndarray) -> np.ndarray:
    """A (depth, columns) matrix as panels: (columns/16, depth, 16), zero padded."""
    depth, columns = weight.shape
    panels = -(-columns // PANEL)
    padded = np.zeros((depth, panels * PANEL), np.float32)
    padded[:, :columns] = weight
    return np.ascontiguousarray(padded.reshape(depth, panels, PANEL).transpose(1, 0, 2))


def spans(panels: np.ndarray) -> np.ndarray:
    """From which input to which each panel has weights at all: (..., panels, 2).

    >>> spans(pack(np.diag([0, 5, 7, 0])))
    array([[1, 3]])
    """
    used = (panels != 0).any(axis=-1)
    depth = used.shape[-1]
    some = used.any(axis=-1)
    first = np.where(some, used.argmax(axis=-1), 0)
    last = np.where(some, depth - used[..., ::-1].argmax(axis=-1), 0)
    return np.stack([first, last], axis=-1)


@njit(nogil=True, error_model="numpy")
def matmul(x, panels, spans, out, rows, accumulate):
    """out[:rows] (+)= x[:rows] @ weight, the weight packed in panels.

    Inputs outside of a panel's span have no weights and are not looked at: most of a
    verifier's, whose layers were built for a few of the states each.
    """
    count, whole, _ = panels.shape
    x_stride, o_stride = x.shape[1], out.shape[1]
    for p in range(count):
        first, depth = spans[p, 0], spans[p, 1] - spans[p, 0]
        w0, o0 = (p * whole + first) * PANEL, p * PANEL
        i = 0
        while i + 6 <= rows:
            _tile6(
                x, i * x_stride + first, x_stride, panels, w0, PANEL, depth,
                out, i * o_stride + o0, o_stride, accumulate,
            )  # fmt: skip
            i += 6
        if i + 4 <= rows:
            _tile4(
                x, i * x_stride + first, x_stride, panels, w0, PANEL, depth,
                out, i * o_stride + o0, o_stride, accumulate,
            )  # fmt: skip
            i += 4
        while i < rows:
            _tile1(
                x, i * x_stride + first, x_stride, panels, w0, PANEL, depth,
                out, i * o_stride + o0, o_stride, accumulate,
            )  # fmt: skip
            i += 1


#: e**r - 1 - r over r**2 on half an octave, highest power first (Cephes expf)
_POLYNOMIAL = (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
    4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
)  # fmt: skip


@intrinsic
def exp(typing, x):
    """e**x in float32 to about 2 units in the last place; loops of it vectorise.

    Written as LLVM, so that no fast-math flag of a caller can touch its rounding.
    Arguments are cut to [-87, 88].
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def number(value: float) -> Any:
            return ir.Constant(_F32, float(np.float32(value)))

        def call(name: str, *values: Any) -> Any:
            kind = ir.FunctionType(_F32, [_F32] * len(values))
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, values)

        def fma(a: Any, b: Any, c: Any) -> Any:
            return call("llvm.fma.f32", a, b, c)

        x = args[0]
        for limit, worse in ((88.0, ">"), (-87.0, "<")):
            beyond = builder.fcmp_ordered(worse, x, number(limit))
            x = builder.select(beyond, number(limit), x)
        n = call("llvm.rint.f32", builder.fmul(x, number(1.44269504)))
        r = fma(n, number(-0.693359375), x)
        r = fma(n, number(2.12194440e-4), r)
        p = number(_POLYNOMIAL[0])
        for coefficient in _POLYNOMIAL[1:]:
            p = fma(p, r, number(coefficient))
        p = builder.fadd(fma(p, builder.fmul(r, r), r), number(1.0))
        biased = builder.add(builder.fptosi(n, _I32), ir.Constant(_I32, 127))
        power = builder.bitcast(builder.shl(biased, ir.Constant(_I32, 23)), _F32)
        return builder.fmul(p, power)

    return types.float32(types.float32), codegen
