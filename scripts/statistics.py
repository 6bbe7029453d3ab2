#!/usr/bin/env python3
"""Makes tests/fixtures/statistics.json: what scipy (and, for Holm's correction, statsmodels) make of small samples.

    python3 -m venv target/fixtures && target/fixtures/bin/pip install scipy==1.17.1 statsmodels==0.15.0
    target/fixtures/bin/python scripts/statistics.py

Bootstrap draws are recorded as indices, one list for a sample, so that both sides take the same draws.
"""

import json
import sys
from pathlib import Path

# This folder has files that are called as modules of Python are.
sys.path = [p for p in sys.path if Path(p or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np
import scipy
from scipy import stats
from statsmodels.stats.multitest import multipletests

FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "statistics.json"
DRAWS = 199


def samples(rng):
    """Differences of accuracies: normal, skewed, rounded (ties and zeros), large, one-sided."""
    for n in (3, 5, 10, 13):
        yield rng.normal(0.01, 0.02, n)
        yield rng.exponential(0.02, n) - 0.01
        # Whole 128ths: sums are exact in any order, so means that are equal are so on both sides.
        yield np.round(rng.normal(0.005, 0.01, n) * 128) / 128
    yield rng.normal(0.0, 1.0, 40)
    yield np.abs(rng.normal(0.05, 0.01, 10))
    yield rng.normal(0.1, 1.0, 150)


def test(differences, rng):
    n = len(differences)
    indices = rng.integers(0, n, (DRAWS, n) if n <= 13 else (0, n))

    class Recorded(np.random.RandomState):
        def randint(self, low, high=None, size=None, dtype=int):
            return indices.reshape(size)

    result = {"differences": differences.tolist(), "indices": indices.ravel().tolist()}
    statistics = {"mean": np.mean, "median": np.median} if len(indices) else {}
    for name, statistic in statistics.items():
        found = stats.bootstrap(
            (differences,), statistic, n_resamples=DRAWS, method="BCa", vectorized=True, random_state=Recorded(0)
        )
        assert np.allclose(found.bootstrap_distribution, statistic(differences[indices], axis=1), rtol=1e-12)
        found = found.confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            result[name] = [found.low, found.high]
    t = stats.ttest_1samp(differences, 0.0)
    result |= {"t": t.statistic, "t_probability": t.pvalue}
    result["cohens_d"] = differences.mean() / differences.std(ddof=1)
    rest = differences[differences != 0]
    if len(rest) <= 13:
        method = stats.PermutationMethod(n_resamples=np.inf)
    else:
        method = "exact" if len(rest) <= 100 else "approx"
    result["wilcoxon_probability"] = float(np.ravel(stats.wilcoxon(differences, method=method).pvalue)[0])
    ranks = stats.rankdata(np.abs(rest))
    result["rank_biserial"] = (ranks[rest > 0].sum() - ranks[rest < 0].sum()) / ranks.sum()
    return result


def survival(rng, n, end):
    times = np.ceil(rng.exponential(120, n) / 5) * 5
    happened = times <= end
    times = np.where(happened, times, end)
    if n > 12:  # Some that were stopped early.
        stopped = rng.random(n) < 0.3
        happened &= ~stopped
    if not happened.any():
        happened[0] = True
    sf = stats.ecdf(stats.CensoredData.right_censored(times, ~happened)).sf
    limits = sf.confidence_interval(0.95, method="log-log")
    steps = [
        [t, s, low, high]
        for t, s, low, high in zip(sf.quantiles, sf.probabilities, limits.low.probabilities, limits.high.probabilities)
        if happened[times == t].any()
    ]
    return {"times": times.tolist(), "happened": happened.tolist(), "steps": np.nan_to_num(steps).tolist()}


def main():
    rng = np.random.default_rng(17)
    probabilities = [rng.random(n).tolist() for n in (1, 2, 6)] + [[0.01, 0.01, 0.04, 0.03, 0.9, 1e-9]]
    document = {
        "scipy": scipy.__version__,
        "tests": [test(s, rng) for s in samples(rng)],
        "holm": [{"given": p, "corrected": multipletests(p, method="holm")[1].tolist()} for p in probabilities],
        "survival": [survival(rng, n, end) for n, end in [(3, 400), (10, 500), (10, 100), (20, 300), (60, 200)]],
        "normal": [[z, stats.norm.cdf(z)] for z in (-9.0, -3.0, -1.0, -1e-3, 0.0, 0.5, 2.0, 6.0)],
        "student": [[t, f, 2 * stats.t.sf(abs(t), f)] for t in (0.0, 0.1, -1.0, 2.5, 9.0, 40.0) for f in (1, 2, 9, 49, 500)],
    }
    lines = [f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in document.items()]
    FIXTURE.write_text("{" + ",\n".join(lines) + "}\n")
    print(FIXTURE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
