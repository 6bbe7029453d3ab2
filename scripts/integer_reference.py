#!/usr/bin/env python3
"""Trains networks in integers, slowly: the second implementation of docs/integer.md.

Written from that page alone, one formula at a time, index by index, in Python's unbounded integers; that 32 bits suffice is
asserted on the way. It makes the test vectors that the kernels are held against, which need nothing but Python:

    python3 scripts/integer_reference.py            # all of tests/fixtures/integer
    python3 scripts/integer_reference.py separable  # one
"""

import json
import struct
import sys
import zlib
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "integer"
U32 = (1 << 32) - 1


# --- notation ---------------------------------------------------------------------------------------------


def i32(v):
    """v, which 32 bits must hold."""
    assert -(1 << 31) <= v < 1 << 31, f"{v} exceeds 32 bits"
    return v


def rnd(v, s):
    return (v + (1 << (s - 1))) >> s if s > 0 else v << -s


def sat(v, limit):
    return max(-limit, min(limit, v))


def mix(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & U32
    x ^= x >> 15
    x = x * 0x846CA68B & U32
    return x ^ x >> 16


def dither(step, layer, row, r):
    return mix(mix((step * 0x9E3779B9 + layer) & U32) + row * 0x2545F491 & U32) >> (32 - r)


E2 = [int(32768 * 2 ** (-j / 256) + 0.5) for j in range(256)]


def ceil_log2(n):
    return (n - 1).bit_length()


def f32(v):
    """The nearest float of 32 bits."""
    return struct.unpack("<f", struct.pack("<f", v))[0]


def encode_rate(rate):
    assert rate < 0.5
    k = next((k for k in range(17) if rate * 2**k >= 0.25), 16)
    return min(int(rate * 2 ** (15 + k) + 0.5), 16383), k


def draw(seed, i):
    return mix(mix(seed) + i * 0x9E3779B9 & U32)


def uniform(seed, i, a):
    return ((draw(seed, i) >> 16) * (2 * a + 1) >> 16) - a


# --- networks ---------------------------------------------------------------------------------------------


class Layer:
    """A layer with its shapes, constants and state."""

    def __init__(self, spec, shapes, previous):
        self.spec, self.op, self.name = spec, spec["op"], spec["name"]
        self.sources = spec.get("from", [previous])
        self.input = shapes[self.sources[0]]
        self.relu = spec.get("relu", False)
        self.weighted = self.op in ("dense", "conv", "depthwise")
        self.trained = self.weighted and spec.get("trained", True)
        self.pool = tuple(spec.get("pool", (1, 1)))
        h, w, c = self.input
        if self.op == "dense":
            self.full = (1, 1, spec["units"])
            self.rows, self.outputs = h * w * c, spec["units"]
            self.reach = self.outputs
        elif self.op in ("conv", "depthwise", "max_pool", "average_pool"):
            self.kernel, self.stride = tuple(spec["kernel"]), tuple(spec.get("stride", (1, 1)))
            self.pad, out = (0, 0), [0, 0]
            if spec.get("padding", "valid") == "same":
                out = [-(-n // s) for n, s in zip((h, w), self.stride)]
                total = [max((o - 1) * s + k - n, 0) for o, s, k, n in zip(out, self.stride, self.kernel, (h, w))]
                self.pad = (total[0] // 2, total[1] // 2)
            else:
                out = [(n - k) // s + 1 for n, k, s in zip((h, w), self.kernel, self.stride)]
            self.outputs = spec["filters"] if self.op == "conv" else c
            self.full = (*out, self.outputs)
            taps = self.kernel[0] * self.kernel[1]
            self.rows = taps * c if self.op == "conv" else taps
            self.reach = taps * self.outputs if self.op == "conv" else taps
        else:
            assert self.op == "add"
            self.full = self.input
        self.output = (self.full[0] // self.pool[0], self.full[1] // self.pool[1], self.full[2])
        self.size = self.output[0] * self.output[1] * self.output[2]
        self.fa = 7 if self.op == "average_pool" else 5
        if self.weighted:
            if spec["class"] == "i8":
                self.bw = 7
            else:
                self.bw = next(b for b in range(15, 0, -1) if self.rows * ((1 << b) - 1) * 127 + (1 << 26) < 1 << 31)
            self.limit = (1 << self.bw) - 1
            assert self.rows * self.limit * 127 + (1 << 26) < 1 << 31
            self.range = next(r for r in range(-7, 8) if 4.0**r * self.rows >= (20 if spec["class"] == "i8" else 50))
            self.fw = self.bw - self.range

    def positions(self):
        """Every position of the output before pooling."""
        return [(y, x) for y in range(self.full[0]) for x in range(self.full[1])]

    def taps(self, oy, ox):
        """(tap, index of the input's pixel) of what of the window at (oy, ox) falls on the input."""
        found = []
        for ky in range(self.kernel[0]):
            for kx in range(self.kernel[1]):
                y, x = oy * self.stride[0] + ky - self.pad[0], ox * self.stride[1] + kx - self.pad[1]
                if 0 <= y < self.input[0] and 0 <= x < self.input[1]:
                    found.append((ky * self.kernel[1] + kx, y * self.input[1] + x))
        return found

    def pairs(self, oy, ox, o):
        """(index of the weight, index of the input) of every product in output channel o at (oy, ox)."""
        c = self.input[2]
        if self.op == "dense":
            return [(i * self.outputs + o, i) for i in range(self.rows)]
        if self.op == "depthwise":
            return [(tap * c + o, pixel * c + o) for tap, pixel in self.taps(oy, ox)]
        return [
            ((tap * c + ci) * self.outputs + o, pixel * c + ci) for tap, pixel in self.taps(oy, ox) for ci in range(c)
        ]


class Network:
    def __init__(self, case):
        self.case = case
        self.loss, self.batch = case["loss"], case.get("batch", 1)
        self.layers, shapes, previous = [], {"input": tuple(case["input"])}, "input"
        for spec in case["layers"]:
            layer = Layer(spec, shapes, previous)
            self.layers.append(layer)
            previous, shapes[layer.name] = layer.name, layer.output
        self.shapes = shapes
        self.last = self.layers[-1]
        assert self.last.op == "dense" and not self.last.relu
        self.of = {layer.name: layer for layer in self.layers}
        for number, layer in enumerate(layer for layer in self.layers if layer.weighted):
            layer.number = number
            layer.w = [uniform(1000 + number, i, layer.spec["amplitude"]) for i in range(layer.rows * layer.outputs)]
            assert all(abs(w) <= layer.limit for w in layer.w)
            layer.b = [uniform(2000 + number, i, layer.spec["bias"]) for i in range(layer.outputs)]
            layer.acc_w, layer.acc_b = [0] * len(layer.w), [0] * len(layer.b)
        # Who needs a delta: every tensor on a way from a trained layer to the output.
        self.needs = set()
        for layer in self.layers:
            if layer.trained or any(s in self.needs for s in layer.sources):
                self.needs.add(layer.name)
        self.extra = self.extra_fractions()
        self.step = 1
        self.clipped = {layer.name: 0 for layer in self.layers}
        rate = f32(f32(case["rate"]) * f32(1 / self.batch))
        rate = f32(rate * f32(2 / self.last.outputs if self.loss == "mse" else 1))
        self.lrm, self.k = encode_rate(rate)
        self.decay = None
        if case.get("decay", 0):
            rate, decay = f32(case["rate"]), f32(case["decay"])
            self.period = max((m for m in range(13) if f32(2**m * rate * decay) <= 2**-9), default=0)
            d = f32(2**self.period * rate * decay)
            dk = next((k for k in range(16) if d * 2**k >= 0.5), 15)
            self.decay = min(int(d * 2 ** (15 + dk) + 0.5), 32767), dk

    def extra_fractions(self):
        extra = {self.last.name: 0}
        for layer in reversed(self.layers):
            e = extra.get(layer.name)
            if e is None:
                continue
            if layer.op == "average_pool":
                e = min(8, e + (layer.kernel[0] * layer.kernel[1]).bit_length() - 1)
            for source in layer.sources:
                extra[source] = min(extra.get(source, e), e)
        return extra

    def fraction(self, name):
        """The fraction of a tensor."""
        if name == "input":
            return self.case["fx"]
        layer = self.of[name]
        return self.fraction(layer.sources[0]) if layer.op == "max_pool" else layer.fa

    # --- forward

    def forward(self, x):
        """Logits. Keeps activations, winners and how many outputs were clipped."""
        self.a, self.winner, self.now = {"input": x}, {}, {}
        for layer in self.layers:
            a = self.a[layer.sources[0]]
            fin = self.fraction(layer.sources[0])
            out, clipped = [], 0

            def finish(r):
                nonlocal clipped
                clipped += r > 127 or (r < -127 and not layer.relu)
                return min(127, max(0, r)) if layer.relu else sat(r, 127)

            if layer.weighted:

                def accumulate(y, x, o):
                    acc = i32(rnd(layer.b[o], 10 - fin))
                    for weight, source in layer.pairs(y, x, o):
                        acc = i32(acc + layer.w[weight] * a[source])
                    return acc

                if layer is self.last:
                    self.zf = layer.fw + fin
                    return [accumulate(0, 0, o) for o in range(layer.outputs)]
                winners = []
                ph, pw = layer.pool
                for py in range(layer.output[0]):
                    for px in range(layer.output[1]):
                        for o in range(layer.outputs):
                            window = [accumulate(py * ph + y, px * pw + x, o) for y in range(ph) for x in range(pw)]
                            best = max(window)
                            winners.append(window.index(best))
                            out.append(finish(rnd(best, layer.fw + fin - layer.fa)))
                self.winner[layer.name] = winners
            elif layer.op in ("max_pool", "average_pool"):
                winners, c = [], layer.input[2]
                for y, x in layer.positions():
                    taps = layer.taps(y, x)
                    for o in range(c):
                        window = [a[pixel * c + o] for _, pixel in taps]
                        if layer.op == "max_pool":
                            winners.append(taps[window.index(max(window))][1] * c + o)
                            out.append(max(window))
                        else:
                            m = (65536 + len(taps) // 2) // len(taps)
                            out.append(finish(rnd(i32(m * sum(window)), 16 + fin - layer.fa)))
                self.winner[layer.name] = winners
            else:
                b, fb = self.a[layer.sources[1]], self.fraction(layer.sources[1])
                f = max(fin, fb)
                for v, u in zip(a, b):
                    out.append(finish(rnd((v << (f - fin)) + (u << (f - fb)), f - layer.fa)))
            self.a[layer.name] = out
            self.now[layer.name] = clipped

    # --- loss

    def output_delta(self, z, label):
        """The delta of the logits; None if the sample is left out."""
        if self.loss == "mse":
            delta = []
            for i, v in enumerate(z):
                target = label if len(z) == 1 else i == label
                d = sat(rnd(v, self.zf - 15) - (target << 15), 65535)
                delta.append(rnd(i32(d * self.lrm), 15))
            return delta
        m, e = max(z), []
        for v in z:
            d = m - v
            d = d >> (self.zf - 12) if self.zf >= 12 else d << (12 - self.zf)
            t = (min(d, 65536) * 5909 + (1 << 15)) >> 16
            e.append(0 if t >= 4096 else E2[t & 255] >> (t >> 8))
        r = ((1 << 31) - 1) // sum(e)
        p = [(v * r + (1 << 15)) >> 16 for v in e]
        assert all(v * r + (1 << 15) <= U32 for v in e)
        if p[label] > self.case.get("confident", 1 << 16):
            return None
        return [rnd(i32((v - ((i == label) << 15)) * self.lrm), 15) for i, v in enumerate(p)]

    # --- backward and update

    def contribute(self, name, contributions):
        """Adds (index, value) to the delta of a tensor, masked, in order."""
        mask = self.of[name].relu
        g = self.g.setdefault(name, [0] * len(self.a[name]))
        for i, v in contributions:
            if not mask or self.a[name][i] > 0:
                g[i] = sat(g[i] + sat(v, 32767), 32767)

    def at(self, layer, index):
        """Where the delta at `index` belongs before pooling: row, column, channel."""
        pixel, o = divmod(index, layer.outputs)
        py, px = divmod(pixel, layer.output[1])
        wy, wx = divmod(self.winner[layer.name][index], layer.pool[1])
        return py * layer.pool[0] + wy, px * layer.pool[1] + wx, o

    def places(self, layer):
        """(delta, row of the map as it is added, row, column, channel) of every delta of a layer with weights."""
        g = self.g[layer.name]
        if layer.op == "dense":
            return [(v, 0, 0, 0, o) for o, v in enumerate(g)]
        return [(v, i // layer.outputs // layer.output[1], *self.at(layer, i)) for i, v in enumerate(g)]

    def backward(self, layer):
        g = self.g[layer.name]
        for source in layer.sources:
            if source not in self.needs:
                continue
            delta = self.extra[source] - self.extra[layer.name]
            if layer.weighted:
                q = max(0, ceil_log2(layer.reach) + layer.bw - 15)
                if layer is self.last and self.loss == "cross_entropy":
                    q = 0
                s = [0] * len(self.a[source])
                for v, _, y, x, o in self.places(layer):
                    for weight, i in layer.pairs(y, x, o):
                        s[i] = i32(s[i] + rnd(i32(layer.w[weight] * v), q))
                contributions = [(i, rnd(v, layer.fw - q - delta)) for i, v in enumerate(s)]
            elif layer.op == "max_pool":
                contributions = [(w, rnd(v, -delta)) for w, v in zip(self.winner[layer.name], g)]
            elif layer.op == "average_pool":
                contributions, c = [], layer.input[2]
                for index, (y, x) in enumerate(layer.positions()):
                    taps = layer.taps(y, x)
                    m = (65536 + len(taps) // 2) // len(taps)
                    for _, pixel in taps:
                        for o in range(c):
                            contributions.append((pixel * c + o, rnd(i32(g[index * c + o] * m), 16 - delta)))
            else:
                contributions = [(i, rnd(v, -delta)) for i, v in enumerate(g)]
            self.contribute(source, contributions)

    def gradient(self, layer):
        """G and B of one sample."""
        x = self.a[layer.sources[0]]
        total, row_sum, row_of = [0] * len(layer.w), [0] * len(layer.w), 0
        bias = [0] * layer.outputs
        for v, row, y, ox, o in self.places(layer):
            if row != row_of:
                total = [sat(t + i32(s), 1 << 30) for t, s in zip(total, row_sum)]
                row_sum, row_of = [0] * len(layer.w), row
            bias[o] = i32(bias[o] + v)
            if v:
                for weight, i in layer.pairs(y, ox, o):
                    row_sum[weight] += v * x[i]
        return [sat(t + i32(s), 1 << 30) for t, s in zip(total, row_sum)], bias

    def update(self, layer, gradient, bias):
        e, fin = self.extra[layer.name], self.fraction(layer.sources[0])
        full = 15 + self.k + e + fin - layer.fw
        for i, g in enumerate(gradient):
            r = full
            if r > 30:
                g, r = rnd(g, r - 30), 30
            if r >= 1:
                u = i32(g + dither(self.step, layer.number, i // layer.outputs, r)) >> r
            else:
                u = sat(g, 65536) << -r
            layer.w[i] = sat(layer.w[i] - u, layer.limit)
        for o, g in enumerate(bias):
            layer.b[o] = sat(layer.b[o] - rnd(g, 5 + self.k + e - layer.fw), (1 << 29) - 1)
        if self.decay and self.step % (1 << self.period) == 0:
            dm, dk = self.decay
            for i, w in enumerate(layer.w):
                d = dither(self.step, layer.number + (1 << 31), i // layer.outputs, 15 + dk)
                layer.w[i] = w - (i32(w * dm + d) >> (15 + dk))

    def learn(self, x, label, last_of_batch):
        """One sample; returns its logits."""
        z = self.forward(x)
        delta = self.output_delta(z, label)
        if delta is None:
            return z
        for name, clipped in self.now.items():
            self.clipped[name] += clipped
        self.g = {self.last.name: delta}
        for layer in reversed(self.layers):
            if layer.name not in self.g:
                continue
            self.backward(layer)
            if layer.trained:
                gradient, bias = self.gradient(layer)
                if self.batch > 1:
                    layer.acc_w = [sat(a + g, 1 << 30) for a, g in zip(layer.acc_w, gradient)]
                    layer.acc_b = [sat(a + g, 1 << 30) for a, g in zip(layer.acc_b, bias)]
                    gradient, bias = layer.acc_w, layer.acc_b
                if last_of_batch:
                    self.update(layer, gradient, bias)
                    layer.acc_w, layer.acc_b = [0] * len(layer.w), [0] * len(layer.b)
        if last_of_batch:
            for layer in self.layers:
                if 64 * self.clipped[layer.name] > layer.size * self.batch and layer.fa > 0:
                    layer.fa -= 1
                self.clipped[layer.name] = 0
            self.step += 1
        return z


# --- vectors ----------------------------------------------------------------------------------------------


def dense(name, units, kind="i16", amplitude=4000, bias=1000000, **more):
    return dict(op="dense", name=name, units=units, **{"class": kind}, amplitude=amplitude, bias=bias, **more)


def conv(name, filters, kernel, kind="i16", amplitude=4000, bias=1000000, **more):
    return dict(op="conv", name=name, filters=filters, kernel=[kernel, kernel], **{"class": kind}, amplitude=amplitude, bias=bias, **more)


def depthwise(name, kernel, kind="i16", amplitude=4000, bias=1000000, **more):
    return dict(op="depthwise", name=name, kernel=[kernel, kernel], **{"class": kind}, amplitude=amplitude, bias=bias, **more)


def case(layers, input, samples, loss="cross_entropy", rate=0.01, fx=7, signed=False, **more):
    return dict(input=input, fx=fx, signed=signed, loss=loss, rate=rate, samples=samples, layers=layers, **more)


CASES = {
    # Small enough to follow by hand: every value is in the file.
    "small": case([dense("hidden", 5, relu=True), dense("out", 3)], [1, 1, 6], 12, rate=0.05, values=True),
    "mlp": case([dense("hidden", 32, "i8", 22, relu=True), dense("out", 10, amplitude=7000)], [28, 28, 1], 100),
    "mlp_int16": case([dense("hidden", 32, amplitude=2800, relu=True), dense("out", 10, amplitude=7000)], [28, 28, 1], 100),
    # Hidden layers with many outputs, so that products are rounded before they are added.
    "deep": case(
        [dense("a", 40, relu=True), dense("b", 300, relu=True), dense("c", 20, "i8", 30), dense("out", 7)],
        [1, 1, 30], 30, signed=True, fx=5),
    "thesis_cnn": case(
        [conv("conv1", 4, 3, amplitude=6000, relu=True, pool=[2, 2]), conv("conv2", 8, 3, amplitude=6000, relu=True, pool=[2, 2]),
         dense("out", 10, "i8", 40)],
        [28, 28, 1], 16),
    # Standardised data, strides, padding, a residual block, depthwise and pointwise layers, a global average.
    "separable": case(
        [conv("stem", 6, 3, stride=[2, 2], padding="same", relu=True),
         depthwise("deep", 3, padding="same", relu=True),
         conv("point", 6, 1, "i8", 25),
         dict(op="add", name="join", **{"from": ["point", "stem"]}, relu=True),
         depthwise("deep2", 3, "i8", 50, stride=[2, 2], padding="same"),
         conv("point2", 9, 1, amplitude=5000, relu=True),
         dict(op="average_pool", name="mean", kernel=[3, 3]),
         dense("out", 5, amplitude=12000)],
        [11, 11, 2], 30, signed=True, fx=5, rate=0.01),
    # Pools as layers of their own, overlapping and padded; a map wide enough that rows are added with saturation.
    "pools": case(
        [conv("wide", 3, 3, padding="same"),
         dict(op="max_pool", name="max", kernel=[3, 3], stride=[2, 2], padding="same"),
         conv("next", 4, 2, "i8", 60, relu=True),
         dict(op="average_pool", name="mean", kernel=[3, 3], stride=[2, 2], padding="same"),
         dense("out", 4, amplitude=6000)],
        [19, 18, 1], 12, rate=0.05),
    "mse": case([dense("hidden", 9, relu=True), dense("out", 4)], [1, 1, 12], 40, "mse", rate=0.1, signed=True),
    "mse_single": case([dense("hidden", 9, "i8", 40, relu=True), dense("out", 1)], [1, 1, 12], 40, "mse", rate=0.1),
    "batch_decay": case(
        [conv("conv", 3, 3, relu=True, pool=[2, 2]), dense("hidden", 8, "i8", 30, relu=True), dense("out", 3)],
        [8, 8, 1], 60, batch=5, decay=0.01, rate=0.1),
    "decay": case([dense("hidden", 8, "i8", 60, relu=True), dense("out", 3, amplitude=20000)], [1, 1, 10], 40, decay=0.05, rate=0.1),
    "confident": case([dense("hidden", 8, relu=True), dense("out", 3, amplitude=16000)], [1, 1, 10], 60, confident=14000, rate=0.05),
    "frozen": case(
        [conv("conv", 4, 3, amplitude=30000, bias=16000000, relu=True, pool=[2, 2], trained=False), dense("out", 6, "i8", 30)],
        [10, 10, 1], 30),
    # Everything at its limit: weights saturate, activations clip, exponents fall to zero, deltas saturate.
    "extreme": case(
        [conv("conv", 5, 3, amplitude=32767, bias=536870911, padding="same"), dense("a", 20, "i8", 127, relu=True),
         dense("b", 20, amplitude=32767, relu=True), dense("out", 4, amplitude=32767, bias=536870911)],
        [17, 17, 1], 40, signed=True, rate=0.49),
    "slow": case([dense("hidden", 8, "i8", 60, relu=True), dense("out", 3)], [1, 1, 3], 40, rate=0.0000078),
}


def tensor_bytes(values, size):
    return b"".join(v.to_bytes(size, "little", signed=True) for v in values)


def sample(case, network, n):
    h, w, c = case["input"]
    if case["signed"]:
        x = [uniform(3000 + n, i, 127) for i in range(h * w * c)]
    else:
        x = [0 if u & 1 else u >> 25 for u in (draw(3000 + n, i) for i in range(h * w * c))]
    return x, draw(4000, n) % max(network.last.outputs, 2)


def run(name):
    case = CASES[name]
    network = Network(case)
    steps = []
    for n in range(case["samples"]):
        x, label = sample(case, network, n)
        z = network.learn(x, label, (n + 1) % network.batch == 0)
        steps.append(z)
    weighted = [layer for layer in network.layers if layer.weighted]
    result = dict(
        updates=network.step - 1,
        steps=steps,
        exponents={layer.name: layer.fa for layer in network.layers[:-1] if layer.op != "max_pool"},
        delta_crc32={
            name: zlib.crc32(tensor_bytes(g, 2)) for name, g in network.g.items()
        },
        crc32={
            layer.name: [zlib.crc32(tensor_bytes(layer.w, 1 if layer.spec["class"] == "i8" else 2)), zlib.crc32(tensor_bytes(layer.b, 4))]
            for layer in weighted
        },
    )
    if case.get("values"):
        result["weights"] = {layer.name: [layer.w, layer.b] for layer in weighted}
        result["deltas"] = network.g
    constants = {layer.name: dict(bw=layer.bw, fw=layer.fw, e=network.extra[layer.name]) for layer in weighted if layer.name in network.extra}
    (FIXTURES / f"{name}.json").write_text(dumps(dict(case=case, constants=constants, result=result)))
    print(f"{name}: {network.step - 1} updates, exponents {result['exponents']}, saturated "
          + str({layer.name: sum(abs(w) == layer.limit for w in layer.w) for layer in weighted}))


def dumps(value):
    """JSON with a line for every element of the second level, so that a difference can be read."""
    parts = []
    for key, inner in value.items():
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in inner.items())
        parts.append(f"{json.dumps(key)}: {{\n{lines}\n}}")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        run(name)
