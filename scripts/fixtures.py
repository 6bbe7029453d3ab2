#!/usr/bin/env python3
"""Makes the fixtures that the tests compare with: PyTorch for training, river for drift detection.

The references are computed here, once, and committed; the tests read them and need neither.

    python3 -m venv /tmp/fixtures && /tmp/fixtures/bin/pip install torch==2.15.0 river==0.26.1
    /tmp/fixtures/bin/python scripts/fixtures.py            # everything
    /tmp/fixtures/bin/python scripts/fixtures.py cnn adam    # some of tests/fixtures/torch

PyTorch works in float64 here, so that what the tests see as a difference is the rounding of the code under
test and not that of the reference. Initial weights are drawn by PyTorch and rounded to float32, which is
where both sides start.

A case is NAME.json (network, options, samples in hexadecimal, labels, losses, outputs) and NAME.f32: little-endian
float32, for each tensor in the order of "tensors" its values at the start, its first gradient (mean over the
first batch, neither clipped nor decayed; zeros where it is not trained) and its values at the end. Layouts are
those of the network under test: images height x width x channels, dense weights [inputs][outputs], convolutions
[ky][kx][ci][co], depthwise [ky][kx][c].
"""

import json
import math
import random
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
SAMPLES = 20
# Seeds of random networks that both accept, of which every trained tensor moves, and none of whose activations saturates
# (their derivative is taken from the output, which then has too few digits).
RANDOM = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13]


# --- networks ---------------------------------------------------------------------------------------------


def pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def borders(padding, input, kernel, stride):
    """(before, after) of one axis. What is odd of "same" goes after, as in TensorFlow."""
    if isinstance(padding, dict):
        return padding["explicit"], padding["explicit"]
    if padding == "same":
        total = max((math.ceil(input / stride) - 1) * stride + kernel - input, 0)
        return total // 2, total - total // 2
    return 0, 0


def pad(x, s, kernel, stride, value):
    kernel = [(k - 1) * d + 1 for k, d in zip(kernel, pair(s.get("dilation", 1)))]
    top, bottom = borders(s.get("padding", "valid"), x.shape[2], kernel[0], stride[0])
    left, right = borders(s.get("padding", "valid"), x.shape[3], kernel[1], stride[1])
    return F.pad(x, (left, right, top, bottom), value=value)


def activate(x, kind):
    if isinstance(kind, dict):
        ((kind, parameter),) = kind.items()
        return {"leaky_relu": F.leaky_relu, "elu": F.elu}[kind](x, parameter)
    return {
        "selu": F.selu,
        "linear": lambda x: x,
        "relu": F.relu,
        "relu6": F.relu6,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }[kind](x)


class Network:
    """A network written as for the program under test, run by PyTorch on a batch of N x C x H x W."""

    def __init__(self, layers, input, seed):
        torch.manual_seed(seed)
        self.layers, self.parameters, counts = [], {}, {}
        for layer in layers:
            ((kind, s),) = layer.items()
            counts[kind] = counts.get(kind, 0) + 1
            self.layers.append((s.get("name", f"{kind}_{counts[kind]}"), kind, s))
        # A first pass finds the shapes.
        self.drawing = True
        h, w, c = input
        with torch.no_grad():
            self.forward(torch.zeros(1, c, h, w, dtype=torch.float64))
        self.drawing = False

    def draw(self, name, shape, bias):
        if not self.drawing:
            return
        uniform = lambda shape, limit: torch.empty(shape).uniform_(-limit, limit).double().requires_grad_()
        self.parameters[name, "weights"] = uniform(shape, math.sqrt(3.0 / math.prod(shape[1:])))
        if bias:
            self.parameters[name, "bias"] = uniform(shape[:1], 0.2)

    def get(self, name):
        return self.parameters[name, "weights"], self.parameters.get((name, "bias"))

    def forward(self, x, logits=False):
        """With `logits`, without the softmax at the end that is part of a loss."""
        outputs, self.shapes = {}, []
        for name, kind, s in self.layers:
            if logits and len(self.shapes) == len(self.layers) - 1 and kind == "log_softmax":
                break
            x = self.layer(x, name, kind, s, outputs)
            x = activate(x, s.get("activation", "linear"))
            outputs[name] = x
            self.shapes.append(tuple(x.shape[1:]))
        return x.flatten(1)

    def layer(self, x, name, kind, s, outputs):
        flat = lambda x: x.permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
        if kind == "dense":
            x = flat(x)
            self.draw(name, (s["units"], x.shape[1]), s.get("bias", True))
            w, b = self.get(name)
            return F.linear(x[:, :, 0, 0], w, b)[:, :, None, None]
        if kind.endswith("1d"):
            # A series is an image of one row, above and below which nothing is padded.
            row = lambda size: [1, size]
            sizes = {key: row(s[key]) for key in ("kernel", "size", "stride", "dilation") if key in s}
            s, kind = {**s, **sizes}, kind.removesuffix("1d") + ("2d" if "conv" in kind else "")
            if isinstance(s.get("padding"), dict):
                side = s["padding"]["explicit"]
                x = F.pad(x, (side, side), value=-math.inf if kind == "max_pool" else 0.0)
                assert kind != "average_pool", "padding would count"
                s["padding"] = "valid"
            assert x.shape[2] == 1
        if kind in ("conv2d", "depthwise_conv2d"):
            kernel, stride, c = pair(s["kernel"]), pair(s.get("stride", 1)), x.shape[1]
            deep = kind == "depthwise_conv2d"
            groups, filters = (c, c * s.get("multiplier", 1)) if deep else (1, s["filters"])
            shape = (filters, c // groups, *kernel)
            self.draw(name, shape, s.get("bias", True))
            w, b = self.get(name)
            return F.conv2d(pad(x, s, kernel, stride, 0.0), w, b, stride, groups=groups, dilation=pair(s.get("dilation", 1)))
        if kind == "max_pool":
            kernel = pair(s["size"])
            stride = pair(s.get("stride", s["size"]))
            return F.max_pool2d(pad(x, s, kernel, stride, -math.inf), kernel, stride)
        if kind == "average_pool":
            kernel = pair(s["size"])
            stride = pair(s.get("stride", s["size"]))
            mean = lambda x: F.avg_pool2d(pad(x, s, kernel, stride, 0.0), kernel, stride)
            return mean(x) / mean(torch.ones_like(x))
        if kind == "global_average_pool":
            return x.mean((2, 3), keepdim=True)
        if kind == "activation":
            return activate(x, s["kind"])
        if kind == "add":
            return x + outputs[s["with"]]
        if kind == "flatten":
            return flat(x)
        if kind == "batch_norm":
            column = lambda key, d: torch.tensor(s.get(key, [d] * x.shape[1]), dtype=torch.float32).double()
            return F.batch_norm(
                x, column("mean", 0.0), column("variance", 1.0), column("gamma", 1.0), column("beta", 0.0),
                training=False, eps=s.get("epsilon", 1e-3),
            )
        if kind == "softmax":
            return torch.softmax(x, 1)
        if kind == "log_softmax":
            return torch.log_softmax(x, 1)
        if kind == "global_max_pool":
            return x.amax((2, 3), keepdim=True)
        if kind == "reshape":
            h, w, c = [1] * (3 - len(s["shape"])) + s["shape"]
            return flat(x).reshape(-1, h, w, c).permute(0, 3, 1, 2)
        if kind == "affine":
            column = lambda key, d: torch.tensor(s.get(key, [d]), dtype=torch.float32).double()[None, :, None, None]
            return x * column("scale", 1.0) + column("shift", 0.0)
        if kind == "multiply":
            return x * outputs[s["with"]]
        if kind == "concat":
            axis = {"height": 2, "width": 3, "channels": 1}[s.get("axis", "channels")]
            return torch.cat([x, *[outputs[name] for name in s["with"]]], axis)
        if kind == "pad":
            border = [s.get(axis, [0, 0]) for axis in ("width", "height", "channels")]
            return F.pad(x, sum(border, []), value=s.get("value", 0.0))
        if kind == "slice":
            for axis, dim in ("channels", 1), ("height", 2), ("width", 3):
                x = x.narrow(dim, *s.get(axis, [0, x.shape[dim]]))
            return x
        if kind == "transpose":
            order = ["height", "width", "channels"]
            images = x.permute(0, 2, 3, 1).permute(0, *[1 + order.index(axis) for axis in s["axes"]])
            return images.permute(0, 3, 1, 2)
        raise ValueError(kind)

    def trained(self, scheme):
        names = list(dict.fromkeys(name for name, _ in self.parameters))
        if scheme == "full":
            return list(self.parameters)
        if scheme == "bias":
            return [key for key in self.parameters if key[1] == "bias"]
        kind, rest = scheme.split(":")
        chosen = names[-int(rest):] if kind == "last" else rest.split(",")
        return [key for key in self.parameters if key[0] in chosen]


def to_layout(key, value):
    """From PyTorch's layout to the one under test."""
    value = value.detach()
    if key[1] == "weights":
        value = value.t() if value.dim() == 2 else value.permute(2, 3, 1, 0)
    return value.contiguous().flatten().numpy().astype("<f4")


def short(values):
    """As few digits as tell float32 numbers apart."""
    return [float(str(np.float32(x))) for x in values]


# --- losses -----------------------------------------------------------------------------------------------


class Damped(torch.autograd.Function):
    """Reports the cross-entropy, but its gradient is that of Ostrovan's thesis: p (1 - p) (p - t)."""

    @staticmethod
    def forward(context, logits, label):
        context.save_for_backward(logits, label)
        return F.cross_entropy(logits, label, reduction="none")

    @staticmethod
    def backward(context, delta):
        logits, label = context.saved_tensors
        p = torch.softmax(logits, 1)
        t = F.one_hot(label, p.shape[1])
        return delta[:, None] * p * (1 - p) * (p - t), None


def losses(kind, outputs, label, values=None):
    """One loss a sample, against its class or against values."""
    single = outputs.shape[1] == 1
    target = label[:, None].double() if single else F.one_hot(label, max(outputs.shape[1], 2)).double()
    target = target if values is None else values
    if kind == "cross_entropy":
        return F.cross_entropy(outputs, label, reduction="none")
    if kind == "damped":
        return Damped.apply(outputs, label)
    if isinstance(kind, dict):
        return F.huber_loss(outputs, target, reduction="none", delta=kind["huber"]).mean(1)
    mean = {"mse": F.mse_loss, "mae": F.l1_loss, "binary_cross_entropy": F.binary_cross_entropy_with_logits}[kind]
    return mean(outputs, target, reduction="none").mean(1)


# --- training ---------------------------------------------------------------------------------------------


def optimiser(parameters, training):
    lr, decay = training["learning_rate"], training.get("weight_decay", 0.0)
    kind = training.get("optimiser", "sgd")
    if kind == "sgd":
        return torch.optim.SGD(parameters, lr, weight_decay=decay)
    ((kind, s),) = kind.items()
    if kind == "momentum":
        return torch.optim.SGD(parameters, lr, momentum=s.get("momentum", 0.9), weight_decay=decay)
    betas = (s.get("beta1", 0.9), s.get("beta2", 0.999))
    return torch.optim.Adam(parameters, lr, betas, s.get("epsilon", 1e-8), weight_decay=decay)


def schedule(optimiser, training):
    kind = training.get("schedule", "constant")
    if kind == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0)
    ((kind, s),) = kind.items()
    if kind == "step":
        return torch.optim.lr_scheduler.StepLR(optimiser, s["period"], s["factor"])
    end = training["learning_rate"] * s.get("last", 0.0)
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, s["period"], end)


def make(name, case):
    seed = sum(map(ord, name))
    generator = random.Random(seed)
    h, w, c = case["input"]
    # Four in ten pixels are black: layers that skip zeros have something to skip.
    sample = lambda: bytes(generator.choice([0, 0, *[generator.randrange(256) for _ in range(3)]]) for _ in range(h * w * c))
    samples = [sample() for _ in range(SAMPLES)]
    labels = [generator.randrange(case["classes"]) for _ in samples]
    scale, shift = (np.array([pair[i] for pair in case["normalisation"]], "f4").astype("f8") for i in (0, 1))
    images = np.stack([np.frombuffer(s, "u1").reshape(h, w, c) * scale + shift for s in samples])
    images = torch.from_numpy(images).permute(0, 3, 1, 2).double()

    network = Network(case["layers"], case["input"], seed)
    trained = network.trained(case["scheme"])
    training = case["training"]
    batch = training.get("batch", 1)
    start = {key: to_layout(key, p) for key, p in network.parameters.items()}
    parameters = [network.parameters[key] for key in trained]
    rule = optimiser(parameters, training)
    rate = schedule(rule, training)
    target = torch.tensor(labels)

    logits = case["loss"] == "cross_entropy"
    first_outputs = network.forward(images, logits).detach()
    seen, gradients, clipped = [], None, False
    for update in range(20):
        chosen = [(update * batch + i) % SAMPLES for i in range(batch)]
        values = images[chosen].permute(0, 2, 3, 1).flatten(1) if case["target"] == "input" else None
        each = losses(case["loss"], network.forward(images[chosen]), target[chosen], values)
        seen += each.tolist()
        rule.zero_grad()
        each.mean().backward()
        if gradients is None:
            gradients = {key: to_layout(key, network.parameters[key].grad) for key in trained}
        before = [p.grad.clone() for p in parameters]
        if "clip_value" in training:
            torch.nn.utils.clip_grad_value_(parameters, training["clip_value"])
        if "clip_norm" in training:
            torch.nn.utils.clip_grad_norm_(parameters, training["clip_norm"])
        clipped |= any(bool((p.grad != g).any()) for p, g in zip(parameters, before))
        rule.step()
        rate.step()
    assert clipped == any(key.startswith("clip") for key in training), "a limit that nothing reaches tests nothing"
    end = {key: to_layout(key, p) for key, p in network.parameters.items()}

    parts = []
    for key in network.parameters:
        gradient = gradients.get(key, np.zeros_like(start[key]))
        parts += [start[key], gradient, end[key]]
    (FIXTURES / "torch" / f"{name}.f32").write_bytes(b"".join(p.tobytes() for p in parts))
    document = {
        "why": case["why"],
        "input": case["input"],
        "normalisation": case["normalisation"],
        "network": {"layers": case["layers"]},
        "scheme": case["scheme"],
        "loss": case["loss"],
        **({"target": case["target"]} if case["target"] != "class" else {}),
        "training": training,
        "samples": [s.hex() for s in samples],
        "labels": labels,
        "tensors": [{"layer": l, "part": p, "len": len(start[l, p]), "trained": (l, p) in trained} for l, p in start],
        "losses": short(seen),
        "outputs_at_start": [short(row) for row in first_outputs.tolist()],
        "outputs_at_end": [short(row) for row in network.forward(images, logits).tolist()],
        "torch": torch.__version__,
    }
    (FIXTURES / "torch" / f"{name}.json").write_text(json.dumps(document, indent=None) + "\n")
    moved = [float(np.abs(end[k] - start[k]).max()) for k in trained]
    print(f"{name:24} {sum(map(len, start.values())):6} parameters, loss {seen[0]:.4f} -> {seen[-1]:.4f}, least move {min(moved):.1e}")


# --- cases ------------------------------------------------------------------------------------------------

UNIT = [[1.0 / 255.0, 0.0]]
CENTRED = [[1.0 / 64.0, -1.0]]


def dense(units, activation="linear", **more):
    return {"dense": {"units": units, "activation": activation, **more}}


def conv(filters, kernel, activation="relu", **more):
    return {"conv2d": {"filters": filters, "kernel": kernel, "activation": activation, **more}}


def depthwise(kernel, activation="relu6", **more):
    return {"depthwise_conv2d": {"kernel": kernel, "activation": activation, **more}}


def norm(channels, seed, **more):
    g = random.Random(seed)
    row = lambda low, high: [round(g.uniform(low, high), 3) for _ in range(channels)]
    return {"batch_norm": {"gamma": row(0.6, 1.4), "beta": row(-0.3, 0.3), "mean": row(-0.4, 0.4), "variance": row(0.5, 2.0), **more}}


def pool(size, **more):
    return {"max_pool": {"size": size, **more}}


FLAT = {"flatten": {}}
MLP = [dense(12, "relu"), dense(9, "relu"), dense(5)]
CNN = [conv(4, 3), pool(2), conv(8, 3), pool(2), FLAT, dense(10)]


def case(why, layers, input=(12, 12, 1), classes=10, loss="cross_entropy", scheme="full", normalisation=UNIT, target="class", **training):
    training = {"learning_rate": 0.05, **training}
    return {"why": why, "layers": layers, "input": list(input), "classes": classes, "loss": loss, "target": target,
            "scheme": scheme, "normalisation": normalisation, "training": training}


def mlp(why, **more):
    return case(why, MLP, (6, 6, 1), 5, **more)


ADAM = {"adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}}
MOMENTUM = {"momentum": {"momentum": 0.9}}

CASES = {
    "mlp": mlp("dense layers, cross-entropy, SGD"),
    "cnn": case("the network of the thesis on 12x12 images", CNN),
    "lenet": case(
        "explicit padding, several dense layers",
        [conv(4, 5, padding={"explicit": 2}), pool(2), conv(6, 3, padding={"explicit": 1}), pool(2), FLAT, dense(12, "relu"), dense(8, "relu"), dense(10)],
        normalisation=CENTRED, learning_rate=0.03,
    ),
    "separable": case(
        "depthwise-separable blocks, stride 2, same padding on even and odd sizes, ReLU6, global average pooling, a scale for each channel",
        [conv(4, 3, "relu6", stride=2, padding="same"), depthwise(3, padding="same"), conv(6, 1, "relu6"), depthwise([3, 2], stride=2, padding="same"),
         conv(8, 1, "relu6"), {"global_average_pool": {}}, dense(6)],
        (11, 10, 3), 6, normalisation=[[1 / 90, -0.5], [1 / 50, -1.0], [1 / 70, 0.25]], learning_rate=0.2,
    ),
    "relu6_saturates": case(
        "ReLU6 where it is cut at six", [dense(14, "relu6"), dense(8, "relu6"), dense(4)], (4, 4, 1), 4, normalisation=[[1 / 16.0, -2.0]], learning_rate=0.01,
    ),
    "residual": case(
        "residual sums, one of a strided branch, and an activation behind the sum",
        [conv(4, 3, padding="same", name="stem"), conv(4, 3, padding="same"), conv(4, 3, "linear", padding="same"), {"add": {"with": "stem"}},
         {"activation": {"kind": "relu", "name": "first"}}, conv(4, 3, "relu", padding="same"), {"add": {"with": "first"}}, pool(3, stride=2, padding="same"), FLAT, dense(5)],
        (8, 8, 1), 5,
    ),
    "activations": case(
        "leaky ReLU, sigmoid, tanh, fused and as layers of their own",
        [conv(4, 3, {"leaky_relu": 0.1}), pool(2), conv(5, 3, "tanh"), FLAT, dense(9, "sigmoid"), dense(7), {"activation": {"kind": "tanh"}}, dense(5)],
        (10, 10, 1), 5, normalisation=CENTRED, learning_rate=0.1,
    ),
    "batch_norm": case(
        "frozen batch normalisation behind trained layers",
        [conv(4, 3, "linear", bias=False), norm(4, 1), {"activation": {"kind": "relu"}}, pool(2), depthwise(3, "linear"), norm(4, 2, epsilon=1e-5),
         {"activation": {"kind": "relu6"}}, FLAT, dense(5)],
        classes=5,
    ),
    "batch_norm_folded": case(
        "batch normalisation folded into a frozen prefix, with and without a bias to fold into",
        [conv(4, 3, "linear", bias=False), norm(4, 3), {"activation": {"kind": "relu"}}, pool(2), depthwise(3, "linear"), norm(4, 4),
         {"activation": {"kind": "relu"}}, FLAT, dense(8, "relu"), dense(5)],
        classes=5, scheme="last:2",
    ),
    "average_pool": case(
        "average pooling, padding left out of the mean",
        [conv(4, 3), {"average_pool": {"size": 2}}, conv(5, 2, "tanh"), {"average_pool": {"size": 3, "stride": 2, "padding": "same"}}, FLAT, dense(5)],
        classes=5, learning_rate=0.1,
    ),
    "overlapping_pool": case(
        "max pooling with overlap and padding, as a kernel of its own",
        [conv(4, 3, "tanh"), pool(3, stride=2, padding={"explicit": 1}), conv(5, 2, "relu"), pool(2, stride=1), FLAT, dense(5)],
        classes=5, learning_rate=0.1,
    ),
    "no_bias": case("layers without biases", [conv(4, 3, bias=False), pool(2), FLAT, dense(8, "relu", bias=False), dense(5, bias=False)], classes=5),
    "mse": mlp("mean squared error against one-hot targets", loss="mse", learning_rate=0.1),
    "mse_softmax": case("mean squared error on probabilities: a softmax that is differentiated", [dense(12, "tanh"), dense(5), {"softmax": {}}], (6, 6, 1), 5, loss="mse", learning_rate=0.5),
    "mse_single": case("mean squared error, one output", [dense(8, "tanh"), dense(1)], (6, 6, 1), 2, loss="mse"),
    "mae": mlp("mean absolute error", loss="mae", learning_rate=0.1),
    "huber": mlp("Huber's loss, on either side of its bend", loss={"huber": 0.3}, learning_rate=0.2),
    "huber_single": case("Huber's loss, one output", [dense(8, "tanh"), dense(1)], (6, 6, 1), 2, loss={"huber": 0.4}),
    "autoencoder": case(
        "an autoencoder: the sample is its own target", [dense(7, "tanh"), dense(4, {"elu": 1.0}), dense(7, "tanh"), dense(30)], (5, 6, 1), 2, loss="mse", target="input",
        normalisation=CENTRED, learning_rate=0.2,
    ),
    "autoencoder_mae": case(
        "an autoencoder of images, of which the last layers are trained, on the absolute error",
        [conv(3, 3, "selu", stride=2, padding="same"), FLAT, dense(6, "tanh"), dense(50)], (5, 5, 2), 2, loss="mae", target="input", scheme="last:2", normalisation=CENTRED, learning_rate=0.2,
    ),
    "bce": mlp("binary cross-entropy, an output a class", loss="binary_cross_entropy", learning_rate=0.2),
    "bce_single": case("binary cross-entropy, one output for two classes", [dense(8, "tanh"), dense(1)], (6, 6, 1), 2, loss="binary_cross_entropy"),
    "damped": case("the damped update of the thesis", CNN, loss="damped", learning_rate=0.5),
    "momentum": case("momentum", CNN, optimiser=MOMENTUM, learning_rate=0.01),
    "adam": case("Adam", CNN, optimiser=ADAM, learning_rate=0.005),
    "decay": mlp("weight decay with plain SGD", weight_decay=0.1),
    "momentum_decay": mlp("weight decay with momentum", optimiser=MOMENTUM, weight_decay=0.05, learning_rate=0.02),
    "adam_decay": mlp("weight decay with Adam, which is coupled", optimiser=ADAM, weight_decay=0.1, learning_rate=0.01),
    "clip_value": case("gradients cut to a value", CNN, clip_value=0.01, learning_rate=0.2),
    "clip_value_adam": mlp("gradients cut to a value, Adam", clip_value=0.01, optimiser=ADAM, learning_rate=0.01),
    "clip_norm": case("the whole gradient scaled to a norm", CNN, clip_norm=0.5, learning_rate=0.1),
    "clip_norm_batch": mlp("a norm over a batch, with momentum and decay", clip_norm=0.3, batch=4, optimiser=MOMENTUM, weight_decay=0.02),
    "batch": case("batches of four", CNN, batch=4, learning_rate=0.1),
    "batch_adam": mlp("batches of four, Adam", batch=4, optimiser=ADAM, learning_rate=0.01),
    "step": mlp("a rate that steps down", schedule={"step": {"period": 6, "factor": 0.5}}, learning_rate=0.2),
    "step_batch": mlp("steps count updates, not samples", schedule={"step": {"period": 3, "factor": 0.5}}, batch=4, learning_rate=0.2),
    "cosine": mlp("a rate that falls along a cosine", schedule={"cosine": {"period": 20, "last": 0.1}}, learning_rate=0.2),
    "last_1": case("only the last layer", CNN, scheme="last:1"),
    "last_2": case("the last two layers", CNN, scheme="last:2", optimiser=MOMENTUM, learning_rate=0.01),
    "bias": case("only biases", CNN, scheme="bias", learning_rate=0.1),
    "layers": case("a layer in the middle", [conv(4, 3, name="first"), pool(2), conv(8, 3, name="middle"), pool(2), FLAT, dense(10)], scheme="layers:middle"),
    "layers_apart": case("two layers with a frozen one between them", [dense(12, "relu", name="a"), dense(9, "relu"), dense(5, name="c")], (6, 6, 1), 5, scheme="layers:a,c"),
    "series": case(
        "a series: one-dimensional convolutions and pools, batch normalisation and constants between them, a global maximum",
        [{"reshape": {"shape": [24, 3]}}, {"conv1d": {"filters": 4, "kernel": 5, "padding": "same", "bias": False}}, norm(4, 5),
         {"activation": {"kind": {"elu": 1.0}}}, {"max_pool1d": {"size": 2}}, {"depthwise_conv1d": {"kernel": 3, "multiplier": 2, "stride": 2, "padding": "same"}},
         {"affine": {"scale": [1.5, 0.5, 1.0, 2.0, 0.25, 1.0, 0.75, 1.25], "shift": [0.1, 0, -0.1, 0, 0.2, 0, 0, -0.2]}},
         {"conv1d": {"filters": 6, "kernel": 3, "activation": "selu"}}, {"global_max_pool": {}}, dense(4)],
        (6, 4, 3), 4, normalisation=CENTRED, learning_rate=0.1,
    ),
    "branches": case(
        "branches that are joined along channels, rows and columns, one of them multiplied by another",
        [conv(3, 3, "selu", padding="same", name="a"), conv(3, 1, "sigmoid", name="gate"), {"multiply": {"with": "a", "name": "m"}},
         {"concat": {"with": ["a", "gate"], "name": "wide"}}, {"slice": {"channels": [2, 5], "height": [1, 4]}}, conv(3, [1, 2], "tanh", name="low"),
         {"pad": {"width": [0, 1], "height": [1, 1], "value": 0.25}}, {"concat": {"with": ["m"], "axis": "height"}},
         {"concat": {"with": ["concat_2"], "axis": "width"}}, {"transpose": {"axes": ["channels", "width", "height"]}}, pool(3), FLAT, dense(5)],
        (6, 6, 2), 5, normalisation=CENTRED, learning_rate=0.1,
    ),
    "dilated": case(
        "convolutions with holes, over images and series, strided and padded",
        [conv(3, [3, 2], "tanh", dilation=[2, 3], padding="same", stride=[1, 2]), conv(4, 2, {"elu": 0.5}, dilation=2),
         {"reshape": {"shape": [20, 4]}}, {"conv1d": {"filters": 3, "kernel": 4, "dilation": 2, "activation": "tanh"}}, FLAT, dense(5)],
        (7, 11, 2), 5, normalisation=CENTRED, learning_rate=0.1,
    ),
    "multiplier": case(
        "several filters a channel, of one channel and of several, one layer frozen",
        [depthwise(3, "tanh", multiplier=4, name="first"), depthwise([2, 3], {"elu": 0.5}, multiplier=2, padding="same", stride=2, name="second"),
         depthwise(2, "linear", multiplier=2, bias=False), FLAT, dense(5)],
        (9, 8, 1), 5, normalisation=CENTRED, scheme="layers:first,second,dense_1", learning_rate=0.1,
    ),
    "log_softmax": case("a logarithm of softmax as part of the loss", [dense(8, "tanh"), dense(5), {"log_softmax": {}}], (6, 6, 1), 5),
    "mse_log_softmax": case(
        "a logarithm of softmax that is differentiated", [dense(8, "tanh"), dense(5), {"log_softmax": {}}], (6, 6, 1), 5, loss="mse", learning_rate=0.02,
    ),
    "residual_last": case(
        "a frozen residual in front of what is trained",
        [conv(4, 3, padding="same", name="stem"), conv(4, 3, "linear", padding="same"), {"add": {"with": "stem"}}, {"activation": {"kind": "relu"}}, pool(2), FLAT, dense(8, "relu"), dense(5)],
        (8, 8, 1), 5, scheme="last:2",
    ),
}


def random_case(seed):
    """Layers of random kinds and geometries, one behind the other, that PyTorch agrees to run."""
    g = random.Random(seed)
    input, classes = (g.randint(4, 8), g.randint(4, 8), g.randint(1, 3)), g.randint(2, 5)
    activation = lambda: g.choice(["linear", "tanh", "sigmoid", "selu", {"elu": 0.7}, {"leaky_relu": 0.2}])
    border = lambda: [g.randint(0, 2), g.randint(0, 2)]
    size = lambda: [g.randint(1, 3), g.randint(1, 3)]
    padding = lambda: g.choice(["valid", "same"])
    order = ["height", "width", "channels"]
    layers, shapes = [], [(input[2], *input[:2])]

    def offer(layer):
        try:
            network = Network([*layers, layer, dense(classes)], input, seed)
            shape = network.shapes[len(layers)]
        except (RuntimeError, AssertionError, KeyError):
            return
        inside = math.prod(shape) <= 400 and all(math.prod(p.shape) <= 1500 for p in network.parameters.values())
        if inside and min(shape) >= 1:
            layers.append(layer)
            shapes.append(shape)

    while len(layers) < 6:
        c, h, w = shapes[-1]
        alike = lambda fits: [name for name, shape in zip(names(layers), shapes[1:]) if fits(shape)]
        part = lambda all: (lambda start: [start, g.randint(1, all - start)])(g.randrange(all))
        kind = g.choice(["conv2d", "depthwise_conv2d", "max_pool", "average_pool", "series", "pad", "transpose",
                         "slice", "affine", "concat", "multiply", "activation"])
        if kind == "conv2d":
            offer(conv(g.randint(1, 4), size(), activation(), stride=size(), padding=padding()))
        elif kind == "depthwise_conv2d":
            offer(depthwise(size(), activation(), stride=size(), padding=padding(), multiplier=g.randint(1, 3)))
        elif kind in ("max_pool", "average_pool"):
            offer({kind: {"size": size(), "stride": size(), "padding": padding()}})
        elif kind == "series":
            if h != 1:
                offer({"reshape": {"shape": [h * w, c]}})
            kernel = {"kernel": g.randint(1, 5), "stride": g.randint(1, 2), "padding": padding(), "activation": activation()}
            offer(g.choice([
                {"conv1d": {"filters": g.randint(1, 4), **kernel}},
                {"depthwise_conv1d": {"multiplier": g.randint(1, 2), **kernel}},
                {"max_pool1d": {"size": g.randint(1, 3), "padding": padding()}},
                {"average_pool1d": {"size": g.randint(1, 3), "stride": g.randint(1, 2)}},
            ]))
        elif kind == "pad":
            offer({"pad": {"height": border(), "width": border(), "channels": border(), "value": g.choice([0.0, -0.5])}})
        elif kind == "transpose":
            offer({"transpose": {"axes": g.sample(order, 3)}})
        elif kind == "slice":
            offer({"slice": {"height": part(h), "width": part(w), "channels": part(c)}})
        elif kind == "affine":
            row = lambda low: [round(low + g.random(), 3) for _ in range(c)]
            offer({"affine": {"scale": row(0.5), "shift": row(-0.5)}})
        elif kind == "concat":
            axis = g.randrange(3)
            dim = [1, 2, 0][axis]
            others = alike(lambda s: all(i == dim or s[i] == (c, h, w)[i] for i in range(3)))
            if others:
                offer({"concat": {"with": g.choices(others, k=g.randint(1, 2)), "axis": order[axis]}})
        elif kind == "multiply" and not any("multiply" in layer for layer in layers):
            others = alike(lambda s: s == (c, h, w))
            if others:
                offer({"multiply": {"with": g.choice(others)}})
        elif kind == "activation":
            offer({"activation": {"kind": activation()}})
    ends = [] if g.random() < 0.5 else [{"log_softmax": {}}]
    return case(f"random layers and geometries, seed {seed}", [*layers, dense(classes), *ends], input, classes,
                normalisation=CENTRED, learning_rate=0.05)


def names(layers):
    counts = {}
    for layer in layers:
        ((kind, s),) = layer.items()
        counts[kind] = counts.get(kind, 0) + 1
        yield s.get("name", f"{kind}_{counts[kind]}")


def river_stream():
    """Where river's Page-Hinkley test fires on streams of right (0) and wrong (1) predictions."""
    from river.drift import PageHinkley

    settings = dict(min_instances=30, delta=0.005, threshold=5.0, alpha=0.9999, mode="up")
    streams = []
    for seed in range(12):
        g = random.Random(seed)
        rates = [0.02] * 100 + [0.22] * 250 + [0.05] * 250 + [0.5] * 100 + [0.1] * 300
        bits = [int(g.random() < rate) for rate in rates]
        detector, fired = PageHinkley(**settings), []
        for i, bit in enumerate(bits):
            detector.update(bit)
            if detector.drift_detected:
                fired.append(i)
        streams.append({"errors": "".join(map(str, bits)), "drifts": fired})
    import river

    document = {"river": river.__version__, "settings": settings, "streams": streams}
    (FIXTURES / "page_hinkley.json").write_text(json.dumps(document, indent=1) + "\n")
    print("page_hinkley", [s["drifts"] for s in streams])


CASES |= {f"random_{seed}": random_case(seed) for seed in RANDOM}

if __name__ == "__main__":
    (FIXTURES / "torch").mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    for name in wanted or CASES:
        if name != "page_hinkley":
            make(name, CASES[name])
    if not wanted or "page_hinkley" in wanted:
        river_stream()
