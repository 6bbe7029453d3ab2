#!/usr/bin/env python3
"""Makes the fixtures that 8-bit inference is compared with: TensorFlow Lite Micro's reference kernels, one layer at a time.

    python3 -m venv target/int8 && target/int8/bin/pip install tflite-micro==0.dev20261023182759 flatbuffers numpy
    target/int8/bin/python scripts/int8_fixtures.py             # all of tests/fixtures/int8
    target/int8/bin/python scripts/int8_fixtures.py conv_ties   # some

A model of one layer is built, and run on drawn inputs. Weights, biases and inputs are drawn as docs/integer.md says of its test vectors, so that
a fixture holds seeds, scales and zero points, the first output and the CRC-32 of all outputs, of a million bytes together. In cases called *ties*
scales are powers of two, so that an accumulator in 2^n lies exactly between two outputs: there single and double rounding, and
rounding up or away from zero, give different bytes.
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import flatbuffers
import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "int8"


# --- draws ------------------------------------------------------------------------------------------------


def mix(x):
    x = np.asarray(x, np.uint32).copy()
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def draw(seed, n):
    with np.errstate(over="ignore"):
        return mix(mix(np.uint32(seed)) + np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B9))


def uniform(seed, n, amplitude):
    return (((draw(seed, n) >> np.uint32(16)).astype(np.int64) * (2 * amplitude + 1) >> 16) - amplitude).astype(np.int64)


def input_bytes(run, which, n):
    """The input: any byte, -128 and 127 twice as often."""
    u = draw(3000 + 2 * run + which, n)
    x = ((u >> np.uint32(16)) % np.uint32(258)).astype(np.int64) - 129
    return np.clip(x, -128, 127).astype(np.int8)


# --- models -----------------------------------------------------------------------------------------------

TYPES = {"i8": schema.TensorType.INT8, "i32": schema.TensorType.INT32, "f32": schema.TensorType.FLOAT32}
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}


class Model:
    """A model of one operator."""

    def __init__(self):
        self.tensors, self.buffers = [], [schema.BufferT()]

    def tensor(self, shape, kind, scales=None, zero=0, data=None, axis=0):
        t = schema.TensorT()
        t.name, t.shape, t.type = f"t{len(self.tensors)}".encode(), list(shape), TYPES[kind]
        if scales is not None:
            q = schema.QuantizationParametersT()
            q.scale, q.zeroPoint, q.quantizedDimension = list(scales), [zero] * len(scales), axis
            t.quantization = q
        buffer = schema.BufferT()
        if data is not None:
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.buffers.append(buffer)
        t.buffer = len(self.buffers) - 1
        self.tensors.append(t)
        return len(self.tensors) - 1

    def finish(self, operator, version, options_type, options, inputs, outputs, fed):
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = operator, min(operator, 127), version
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = 0, inputs, outputs
        op.builtinOptionsType, op.builtinOptions = options_type, options
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, [op], fed, outputs
        model = schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


OPS, OPTIONS = schema.BuiltinOperator, schema.BuiltinOptions


def window_options(options, case):
    options.padding = 0 if case["padding"] == "same" else 1
    options.strideH, options.strideW = case["stride"]
    options.fusedActivationFunction = ACTIVATIONS[case["activation"]]
    return options


def build(case):
    m, op = Model(), case["op"]
    sx, zx, so, zo = case["x_scale"], case["x_zero"], case["out_scale"], case["out_zero"]
    x = m.tensor([1, *case["input"]], "f32" if op == "quantise" else "i8", None if op == "quantise" else [sx], zx)
    h, w, c = case["input"]
    act = ACTIVATIONS[case.get("activation", "none")]
    out_shape = [1, *case["output"]]
    if op in ("conv", "depthwise", "dense"):
        scales, outputs = case["w_scales"], case["output"][2]
        kh, kw = case.get("kernel", (1, 1))
        count = {"conv": kh * kw * c * outputs, "depthwise": kh * kw * outputs, "dense": h * w * c * outputs}[op]
        weights = uniform(1000, count, case.get("amplitude", 127)).astype(np.int8)
        # Drawn in the layout of the kernels under test; TensorFlow Lite wants the outputs first.
        if op == "conv":
            weights, shape, axis = weights.reshape(kh * kw * c, outputs).T, [outputs, kh, kw, c], 0
        elif op == "depthwise":
            shape, axis = [1, kh, kw, outputs], 3
        else:
            weights, shape, axis = weights.reshape(h * w * c, outputs).T, [outputs, h * w * c], 0
        wt = m.tensor(shape, "i8", scales, 0, weights, axis)
        bias_scales = [float(np.float32(sx) * np.float32(s)) for s in scales]
        b = m.tensor([outputs], "i32", bias_scales, 0, uniform(2000, outputs, case["bias"]).astype(np.int32))
        out = m.tensor([1, outputs] if op == "dense" else out_shape, "i8", [so], zo)
        if op == "dense":
            o = schema.FullyConnectedOptionsT()
            o.fusedActivationFunction = act
            return m.finish(OPS.FULLY_CONNECTED, 4, OPTIONS.FullyConnectedOptions, o, [x, wt, b], [out], [x])
        if op == "conv":
            o = window_options(schema.Conv2DOptionsT(), case)
            o.dilationHFactor = o.dilationWFactor = 1
            return m.finish(OPS.CONV_2D, 3, OPTIONS.Conv2DOptions, o, [x, wt, b], [out], [x])
        o = window_options(schema.DepthwiseConv2DOptionsT(), case)
        o.dilationHFactor = o.dilationWFactor = 1
        o.depthMultiplier = outputs // c
        return m.finish(OPS.DEPTHWISE_CONV_2D, 3, OPTIONS.DepthwiseConv2DOptions, o, [x, wt, b], [out], [x])
    if op in ("add", "mul", "concat"):
        y = m.tensor([1, h, w, case.get("other", c)], "i8", [case["y_scale"]], case["y_zero"])
        out = m.tensor(out_shape, "i8", [so], zo)
        if op == "concat":
            o = schema.ConcatenationOptionsT()
            o.axis = 3
            return m.finish(OPS.CONCATENATION, 2, OPTIONS.ConcatenationOptions, o, [x, y], [out], [x, y])
        o = schema.AddOptionsT() if op == "add" else schema.MulOptionsT()
        o.fusedActivationFunction = act
        code, kind = (OPS.ADD, OPTIONS.AddOptions) if op == "add" else (OPS.MUL, OPTIONS.MulOptions)
        return m.finish(code, 2, kind, o, [x, y], [out], [x, y])
    if op in ("average_pool", "max_pool"):
        out = m.tensor(out_shape, "i8", [so], zo)
        o = window_options(schema.Pool2DOptionsT(), case)
        o.filterHeight, o.filterWidth = case["kernel"]
        code = OPS.AVERAGE_POOL_2D if op == "average_pool" else OPS.MAX_POOL_2D
        return m.finish(code, 2, OPTIONS.Pool2DOptions, o, [x], [out], [x])
    if op == "mean":
        axes = m.tensor([2], "i32", data=np.array([1, 2], np.int32))
        out = m.tensor(out_shape, "i8", [so], zo)
        o = schema.ReducerOptionsT()
        o.keepDims = True
        return m.finish(OPS.MEAN, 2, OPTIONS.ReducerOptions, o, [x, axes], [out], [x])
    if op == "pad":
        top, left, bottom, right = case["pad"]
        paddings = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        p = m.tensor([4, 2], "i32", data=paddings)
        out = m.tensor(out_shape, "i8", [so], zo)
        return m.finish(OPS.PAD, 2, OPTIONS.PadOptions, schema.PadOptionsT(), [x, p], [out], [x])
    out = m.tensor(out_shape, "f32" if op == "dequantise" else "i8", None if op == "dequantise" else [so], zo)
    simple = {
        "relu": (OPS.RELU, 2, 0, None),
        "relu6": (OPS.RELU6, 2, 0, None),
        "softmax": (OPS.SOFTMAX, 2, OPTIONS.SoftmaxOptions, schema.SoftmaxOptionsT()),
        "quantise": (OPS.QUANTIZE, 1, OPTIONS.QuantizeOptions, schema.QuantizeOptionsT()),
        "requantise": (OPS.QUANTIZE, 2, OPTIONS.QuantizeOptions, schema.QuantizeOptionsT()),
        "dequantise": (OPS.DEQUANTIZE, 2, OPTIONS.DequantizeOptions, schema.DequantizeOptionsT()),
    }
    code, version, kind, options = simple[op]
    if op == "softmax":
        options.beta = case["beta"]
    return m.finish(code, version, kind, options, [x], [out], [x])


# --- cases ------------------------------------------------------------------------------------------------


def f32(v):
    return float(np.float32(v))


def spread(seed, n, low, high):
    """n scales between low and high."""
    u = draw(seed, n).astype(np.float64) / 2**32
    return [f32(low * (high / low) ** v) for v in u]


def case(op, input, output, x=(0.05, 3), out=(0.05, -5), runs=20, **more):
    return dict(op=op, input=list(input), output=list(output), x_scale=f32(x[0]), x_zero=x[1], out_scale=f32(out[0]), out_zero=out[1], runs=runs, **more)


def window(kernel, stride=(1, 1), padding="valid", activation="none"):
    return dict(kernel=list(kernel), stride=list(stride), padding=padding, activation=activation)


def cases():
    tie = 2.0**-4
    yield "conv", case("conv", (9, 9, 5), (7, 7, 12), out=(0.9, -5), runs=60, w_scales=spread(1, 12, 0.001, 0.02), bias=20000, **window((3, 3)))
    yield "conv_same", case("conv", (10, 9, 3), (5, 5, 7), out=(0.1, -128), runs=150, w_scales=spread(2, 7, 0.001, 0.01), bias=9000, **window((3, 3), (2, 2), "same", "relu"))
    yield "conv_relu6", case("conv", (8, 8, 4), (8, 8, 8), x=(0.02, -128), out=(6 / 255, -128), runs=60, w_scales=spread(3, 8, 0.001, 0.01), bias=9000, **window((5, 3), (1, 1), "same", "relu6"))
    yield "conv_point", case("conv", (6, 6, 16), (6, 6, 16), out=(0.4, 127), runs=60, w_scales=[f32(0.011)] * 16, bias=9000, **window((1, 1)))
    # Multipliers from 2^-8 on: 2^-4 · 2^-s by 2^-1.
    yield "conv_ties", case("conv", (9, 9, 4), (7, 7, 8), x=(tie, 0), out=(0.5, 0), runs=200, w_scales=[2.0**-s for s in (4, 5, 6, 7, 5, 6, 7, 8)], bias=4000, **window((3, 3)))
    # Odd multipliers close to ties: three quarters of a power of two.
    yield "conv_near_ties", case("conv", (9, 9, 4), (7, 7, 8), x=(tie, 0), out=(0.5, 7), runs=200, w_scales=[1.5 * 2.0**-s for s in (4, 5, 6, 7, 5, 6, 7, 8)], bias=4000, **window((3, 3)))
    # A multiplier above 1: shifted to the left first.
    yield "conv_large", case("conv", (4, 4, 1), (4, 4, 4), x=(1.0, 0), out=(0.1, 0), runs=60, w_scales=spread(4, 4, 0.11, 0.9), bias=9, amplitude=1, **window((1, 1)))
    yield "depthwise", case("depthwise", (9, 8, 6), (9, 8, 6), out=(0.25, 4), runs=60, w_scales=spread(5, 6, 0.001, 0.02), bias=9000, **window((3, 3), (1, 1), "same"))
    yield "depthwise_ties", case("depthwise", (9, 8, 6), (4, 3, 6), x=(tie, -1), out=(0.5, 0), runs=400, w_scales=[2.0**-s for s in (3, 4, 5, 6, 7, 4)], bias=900, **window((3, 3), (2, 2), "valid", "relu6"))
    yield "depthwise_twice", case("depthwise", (7, 7, 3), (5, 5, 6), out=(0.2, 4), runs=60, w_scales=spread(6, 6, 0.001, 0.02), bias=9000, **window((3, 3)))
    yield "dense", case("dense", (1, 1, 100), (1, 1, 40), out=(0.7, -3), runs=400, w_scales=[f32(0.0123)], bias=20000, activation="none")
    yield "dense_channels", case("dense", (7, 7, 16), (1, 1, 33), out=(1.5, -128), runs=200, w_scales=spread(7, 33, 0.001, 0.02), bias=20000, activation="relu")
    yield "dense_ties", case("dense", (1, 1, 64), (1, 1, 64), x=(tie, 5), out=(1.0, 0), runs=500, w_scales=[2.0**-4], bias=4000, activation="none")
    yield "add", case("add", (8, 8, 8), (8, 8, 8), out=(0.08, 9), runs=100, y_scale=f32(0.031), y_zero=-17, activation="none")
    yield "add_relu", case("add", (8, 8, 8), (8, 8, 8), x=(0.02, -128), out=(0.04, -128), runs=100, y_scale=f32(0.05), y_zero=12, activation="relu")
    yield "add_ties", case("add", (8, 8, 8), (8, 8, 8), x=(0.25, 0), out=(1.0, 0), runs=200, y_scale=0.125, y_zero=0, activation="none")
    yield "mul", case("mul", (8, 8, 8), (8, 8, 8), out=(0.08, 9), runs=100, y_scale=f32(0.031), y_zero=-17, activation="none")
    yield "mul_scalar", case("mul", (8, 8, 8), (8, 8, 8), x=(0.5, 0), out=(0.5, 0), runs=1, y_scale=0.25, y_zero=3, activation="relu", other=8)
    yield "mul_ties", case("mul", (8, 8, 8), (8, 8, 8), x=(0.25, 0), out=(1.0, 0), runs=200, y_scale=0.125, y_zero=1, activation="relu6")
    yield "average_pool", case("average_pool", (9, 9, 7), (5, 5, 7), out=(0.05, 3), runs=200, **window((3, 3), (2, 2), "same"))
    yield "average_pool_two", case("average_pool", (8, 8, 7), (4, 4, 7), out=(0.05, 3), runs=200, **window((2, 2), (2, 2), "valid", "relu"))
    yield "global_average", case("average_pool", (7, 7, 30), (1, 1, 30), out=(0.05, 3), runs=200, **window((7, 7)))
    yield "max_pool", case("max_pool", (9, 9, 7), (5, 5, 7), out=(0.05, 3), runs=100, **window((3, 3), (2, 2), "same", "relu6"))
    yield "mean", case("mean", (5, 6, 40), (1, 1, 40), out=(0.031, -9), runs=300)
    yield "mean_ties", case("mean", (4, 4, 40), (1, 1, 40), x=(0.25, -3), out=(0.25, 6), runs=300)
    yield "pad", case("pad", (5, 4, 3), (8, 6, 3), out=(0.05, 3), runs=10, pad=[1, 0, 2, 2])
    yield "concat", case("concat", (5, 4, 3), (5, 4, 8), out=(0.05, 3), runs=10, y_scale=f32(0.05), y_zero=3, other=5)
    yield "relu", case("relu", (4, 4, 32), (4, 4, 32), out=(0.033, -100), runs=60)
    yield "relu6", case("relu6", (4, 4, 32), (4, 4, 32), x=(0.03, -100), out=(0.03, -100), runs=20)
    yield "requantise", case("requantise", (4, 4, 32), (4, 4, 32), out=(0.0333, -20), runs=100)
    yield "requantise_ties", case("requantise", (4, 4, 32), (4, 4, 32), x=(0.25, 1), out=(1.0, -20), runs=100)
    yield "quantise", case("quantise", (4, 4, 32), (4, 4, 32), x=(0, 0), out=(0.25, -20), runs=100)
    yield "dequantise", case("dequantise", (4, 4, 32), (4, 4, 32), x=(0.0371, 13), out=(0, 0), runs=4)
    for name, scale, beta, n in (("softmax", 0.1, 1.0, 10), ("softmax_wide", 1.0, 1.0, 30), ("softmax_beta", 0.01, 0.7, 5), ("softmax_many", 0.06, 1.0, 300), ("softmax_flat", 0.002, 1.0, 12)):
        yield name, case("softmax", (1, 1, n), (1, 1, n), x=(scale, 7), out=(1 / 256, -128), runs=400, beta=beta)


def main():
    FIXTURES.mkdir(exist_ok=True)
    total = 0
    for name, case in cases():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        interpreter = runtime.Interpreter.from_bytes(build(case), arena_size=1 << 20)
        crc, first, count = 0, None, 0
        for run in range(case["runs"]):
            h, w, c = case["input"]
            x = input_bytes(run, 0, h * w * c).reshape(1, h, w, c)
            if case["op"] == "quantise":
                # Steps of 1/8 of a quantum, so that halves occur.
                x = (x.astype(np.float32) * np.float32(case["out_scale"] / 8) * np.float32(6)).astype(np.float32)
            interpreter.set_input(x, 0)
            if "y_scale" in case:
                other = case.get("other", c)
                interpreter.set_input(input_bytes(run, 1, h * w * other).reshape(1, h, w, other), 1)
            interpreter.invoke()
            y = np.asarray(interpreter.get_output(0)).reshape(-1)
            crc, count = zlib.crc32(y.tobytes(), crc), count + y.size
            first = y if first is None else first
        total += count
        result = dict(crc32=crc, first=[int(v) for v in first[:64].view(np.int32 if first.dtype == np.float32 else first.dtype)])
        body = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in {**case, **result}.items())
        (FIXTURES / f"{name}.json").write_text("{" + body + "}\n")
        print(f"{name}: {count} outputs, {len(np.unique(first))} different in the first")
    print(f"{total} outputs")


if __name__ == "__main__":
    main()
