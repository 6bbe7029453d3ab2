#!/usr/bin/env python3
"""Makes tests/fixtures/detectors.json: what river and MOA say to 120 recorded streams.

    python3 -m venv target/fixtures && target/fixtures/bin/pip install river==0.26.1
    target/fixtures/bin/pip download --no-deps --dest target/moa capymoa==0.15.1      # holds moa.jar
    target/fixtures/bin/python scripts/detectors.py target/moa/capymoa-*.whl          # needs a Java of 11 or later

100 streams are bits (1: the prediction was wrong), 20 are bytes v that stand for v / 256. Each detector gets the
streams in several settings; what it says is a list of places of drifts, and a list of [first, past the last] of
warnings. KSWIN draws at random, so what is recorded of it is its window, what it drew, and the statistic of both.
"""

import json
import random
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import river
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, HDDMA as HDDM_A, HDDMW as HDDM_W

FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "detectors.json"
KSWIN_EVERY = 61

# Rates of error: abrupt at hundreds of samples; rare errors, with long runs without any; gradual; recurring; a
# learner that is bad at first.
PROFILES = [
    lambda i: 0.02 if i < 100 else 0.22,
    lambda i: 0.002 if i < 1200 else 0.08,
    lambda i: 0.05 + 0.35 * min(max((i - 300) / 400, 0.0), 1.0),
    lambda i: 0.05 if i // 200 % 2 == 0 else 0.45,
    lambda i: max(0.6 * 0.99**i, 0.04) if i < 600 else 0.3,
]
LENGTHS = [600, 1800, 1000, 1000, 900]


def bit_streams():
    for n in range(100):
        g, rate = random.Random(n), PROFILES[n % 5]
        yield [int(g.random() < rate(i)) for i in range(LENGTHS[n % 5])]


def byte_streams():
    for n in range(20):
        g = random.Random(1000 + n)
        centre = lambda i: 60 if i < 250 else 60 + 10 * (n % 10)
        yield [min(max(round(g.gauss(centre(i), 25)), 0), 255) for i in range(500)]


def said(detector, values):
    """Places of drifts, and ranges of warnings."""
    drifts, warnings = [], []
    for i, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            drifts.append(i)
        elif getattr(detector, "warning_detected", False):
            if warnings and warnings[-1][1] == i:
                warnings[-1][1] = i + 1
            else:
                warnings.append([i, i + 1])
    return {"drifts": drifts, "warnings": warnings}


# Name here, streams, and what the parameters are called there.
RIVER = [
    ("ddm", "bits", lambda p: DDM(p["minimum"], p["warning"], p["drift"]), [
        dict(minimum=30, warning=2.0, drift=3.0),
        dict(minimum=100, warning=1.5, drift=2.0),
    ]),
    ("eddm", "bits", lambda p: EDDM(p["minimum"], p["warning"], p["drift"]), [
        dict(minimum=30, warning=0.95, drift=0.90),
        dict(minimum=10, warning=0.90, drift=0.75),
    ]),
    ("hddm_a", "bits", lambda p: HDDM_A(p["drift"], p["warning"]), [
        dict(drift=0.001, warning=0.005),
        dict(drift=0.05, warning=0.2),
    ]),
    ("hddm_w", "bits", lambda p: HDDM_W(p["drift"], p["warning"], p["weight"]), [
        dict(drift=0.001, warning=0.005, weight=0.05),
        dict(drift=0.05, warning=0.1, weight=0.1),
    ]),
    ("page_hinkley", "both", lambda p: PageHinkley(p["minimum"], p["delta"], p["threshold"], p["alpha"], "up"), [
        dict(minimum=30, delta=0.005, threshold=50.0, alpha=0.9999),
        dict(minimum=30, delta=0.005, threshold=5.0, alpha=0.9999),
        dict(minimum=10, delta=0.02, threshold=2.0, alpha=0.99),
    ]),
    ("adwin", "both", lambda p: ADWIN(p["delta"], p["clock"], p["buckets"], p["shortest"], p["grace"]), [
        dict(delta=0.002, clock=32, buckets=5, shortest=5, grace=10),
        dict(delta=0.3, clock=4, buckets=3, shortest=5, grace=10),
    ]),
]

CUSUM = [
    dict(minimum=30, delta=0.005, threshold=50.0),
    dict(minimum=30, delta=0.005, threshold=5.0),
    dict(minimum=10, delta=0.05, threshold=1.5),
]

JAVA = """
import moa.classifiers.core.driftdetection.CusumDM;
import java.util.Scanner;
public class Run {
    public static void main(String[] a) {
        Scanner in = new Scanner(System.in);
        while (in.hasNextInt()) {
            CusumDM d = new CusumDM();
            d.minNumInstancesOption.setValue(in.nextInt());
            d.deltaOption.setValue(in.nextDouble());
            d.lambdaOption.setValue(in.nextDouble());
            d.resetLearning();
            int n = in.nextInt();
            StringBuilder out = new StringBuilder();
            for (int i = 0; i < n; i++) {
                d.input(in.nextDouble());
                if (d.getChange()) out.append(i).append(' ');
            }
            System.out.println(out);
        }
    }
}
"""


def moa_cusum(wheel, streams):
    """What MOA's CusumDM says, setting by setting."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as z:
            jar = z.extract("capymoa/jar/moa.jar", folder)
        source = Path(folder) / "Run.java"
        source.write_text(JAVA)
        text = []
        for p in CUSUM:
            for values in streams:
                text.append(f"{p['minimum']} {p['delta']} {p['threshold']} {len(values)}")
                text.append(" ".join(map(str, values)))
        command = ["java", "-Duser.language=en", "-cp", jar, str(source)]
        done = subprocess.run(command, input="\n".join(text), capture_output=True, text=True, check=True)
    lines = done.stdout.split("\n")
    for p in CUSUM:
        yield p, [{"drifts": [int(i) for i in lines.pop(0).split()], "warnings": []} for _ in streams]


def kswin(values, seed):
    """Looks of KSWIN at its window: place, what was drawn of it (a bit each, oldest first), distance, probability."""
    looks, drawn = [], []

    class Recording(random.Random):
        def sample(self, population, k):
            drawn.append(super().sample(population, k))
            return drawn[-1]

    detector = KSWIN(alpha=0.005, window_size=100, stat_size=30, seed=seed)
    for i, value in enumerate(values):
        if not isinstance(detector._rng, Recording):
            detector._rng = Recording(seed + i)
        drawn.clear()
        if detector.drift_detected:
            detector._reset()
            detector._rng = Recording(seed + i)
        detector.update(value)
        if drawn and (i % KSWIN_EVERY == 0 or detector.drift_detected):
            window = values[i - 99 : i + 1]
            mask = sum(1 << k for k in drawn[0])
            a, b = [window[k] for k in drawn[0]], window[70:]
            distance = max(abs(sum(v <= x for v in a) - sum(v <= x for v in b)) for x in a + b)
            looks.append({
                "at": i,
                "drawn": f"{mask:x}",
                "distance": distance,
                "probability": float(f"{detector.p_value:.9g}"),
                "drift": detector.drift_detected,
            })
    return looks


def main(wheel):
    bits, levels = list(bit_streams()), list(byte_streams())
    numbers = [[v / 256 for v in stream] for stream in levels]
    streams = {"bits": bits, "both": bits + numbers}
    cases = [
        {"detector": name, "parameters": p, "says": [said(make(p), s) for s in streams[which]]}
        for name, which, make, settings in RIVER
        for p in settings
    ]
    cases += [
        {"detector": "cusum", "parameters": p, "says": says} for p, says in moa_cusum(wheel, streams["both"])
    ]
    packed = [{"length": len(s), "hex": f"{int(''.join(map(str, s)), 2):x}"} for s in bits]
    head = {
        "river": river.__version__,
        "moa": Path(wheel).name.rsplit("-py3", 1)[0],
        "bits": packed,
        "bytes": [bytes(s).hex() for s in levels],
        "kswin": [kswin(s, n) for n, s in enumerate(streams["both"])][::3],
    }
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    lines = [f'"{key}":{dump(value)}' for key, value in head.items()]
    lines.append('"cases":[\n' + ",\n".join(map(dump, cases)) + "]")
    FIXTURE.write_text("{" + ",\n".join(lines) + "}\n")
    for case in cases:
        drifts = sum(len(s["drifts"]) for s in case["says"])
        warnings = sum(len(s["warnings"]) for s in case["says"])
        print(case["detector"], case["parameters"], f"{drifts} drifts, {warnings} warnings")
    print("kswin", sum(map(len, head["kswin"])), "looks", FIXTURE.stat().st_size, "bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
