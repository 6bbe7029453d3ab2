#!/usr/bin/env python3
"""Makes tests/fixtures/corruptions.json: what scikit-image makes of two images, by the definitions of MNIST-C and CIFAR-10-C.

    python3 -m venv target/fixtures && target/fixtures/bin/pip install scikit-image==0.26.0
    target/fixtures/bin/python scripts/corruptions.py

Only what is not drawn at random is here; where a definition draws a direction, each direction's image is listed. The
images are drawn here: strokes on black, and coloured waves. Results are big-endian words, 65535 for white: bytes would
hide which of two was nearer.
"""

import json
import sys
from pathlib import Path

# This folder has files that are called as modules of Python are.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np
import skimage
from skimage import color, filters, transform

FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "corruptions.json"


def grey():
    y, x = np.mgrid[0:28, 0:28]
    ring = np.abs(np.hypot(x - 12, y - 15) - 7) < 1.6
    bar = (np.abs(x - y - 3) < 2) & (y > 4)
    return np.uint8(np.clip(220 * ring + 150 * bar + 3 * (x % 2), 0, 255))


def coloured():
    y, x = np.mgrid[0:16, 0:16]
    waves = [np.sin(0.4 * x + k) * np.cos(0.3 * y - k) for k in range(3)]
    image = np.clip(127 + 140 * np.stack(waves, axis=-1), 0, 255)
    image[3, 4] = 0
    return np.uint8(image)


def about_centre(matrix, shape, shift=(0, 0)):
    c = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    full = np.eye(3)
    full[:2, :2] = matrix
    full[:2, 2] = c - np.array(matrix) @ c + shift
    return transform.AffineTransform(matrix=full)


def warped(x, matrix, shift=(0, 0)):
    return transform.warp(x, inverse_map=about_centre(matrix, x.shape, shift), order=1, mode="constant", cval=0)


def brightness(x, c):
    rgb = color.gray2rgb(x) if x.ndim == 2 else x
    hsv = color.rgb2hsv(rgb)
    hsv[..., 2] = np.clip(hsv[..., 2] + c, 0, 1)
    out = color.hsv2rgb(hsv)
    return out[..., 0] if x.ndim == 2 else out


def quantize(x, bits):
    return np.round(x * (2**bits - 1)) / (2**bits - 1)


def stripe(x):
    x, quarter = x.copy(), x.shape[1] // 4
    x[:, :quarter] = 1 - x[:, :quarter]
    x[:, 3 * quarter :] = 1 - x[:, 3 * quarter :]
    return x


def rotation(a):
    return [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]


def shearing(a):
    """scikit-image's of 2019, which the definition was written with."""
    return [[1, -np.sin(a)], [0, np.cos(a)]]


def of(x, severity):
    i = severity - 1
    axis = -1 if x.ndim == 3 else None
    pick = lambda grey, colour: (grey if x.ndim == 2 else colour)[i]
    means = np.mean(x, axis=(0, 1), keepdims=True)
    turn, zoom, step = [0.2, 0.4, 0.6, 0.8, 1.0][i], [0.9, 0.8, 0.7, 0.6, 0.5][i], severity
    yield "gaussian_blur", [filters.gaussian(x, sigma=pick([1, 2, 3, 4, 6], [0.4, 0.6, 0.7, 0.8, 1]), channel_axis=axis)]
    yield "brightness", [brightness(x, pick([0.1, 0.2, 0.3, 0.4, 0.5], [0.05, 0.1, 0.15, 0.2, 0.3]))]
    yield "contrast", [(x - means) * pick([0.4, 0.3, 0.2, 0.1, 0.05], [0.75, 0.5, 0.4, 0.3, 0.15]) + means]
    yield "quantize", [quantize(x, [5, 4, 3, 2, 1][i])]
    yield "shear", [warped(x, shearing(s * turn)) for s in (-1, 1)]
    yield "rotate", [warped(x, rotation(s * turn)) for s in (-1, 1)]
    yield "scale", [warped(x, [[1 / zoom, 0], [0, 1 / zoom]])]
    yield "translate", [warped(x, np.eye(2), (s * step, t * step)) for s in (-1, 1) for t in (-1, 1)]
    yield "stripe", [stripe(x)]
    yield "inverse", [1 - x]


def main():
    images = []
    for image, severities in ((grey(), (2, 5)), (coloured(), (4,))):
        cases = [
            {
                "kind": kind,
                "severity": severity,
                "any_of": [np.round(np.clip(r, 0, 1) * 65535).astype(">u2").tobytes().hex() for r in results],
            }
            for severity in severities
            for kind, results in of(image / 255.0, severity)
        ]
        shape = list(image.shape) + [1] * (3 - image.ndim)
        images.append({"shape": shape, "image": image.tobytes().hex(), "cases": cases})
    document = {"scikit-image": skimage.__version__, "images": images}
    FIXTURE.write_text(json.dumps(document, separators=(",", ":")).replace('{"kind"', '\n{"kind"') + "\n")
    print(FIXTURE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
