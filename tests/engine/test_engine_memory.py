"""Memory grows with parameters, not with trials × workspace."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evenbatch.engine import Network, Trial, train
from harness import classification

LIMIT = 600  # MB resident, all of the process

SCRIPT = """
import json, resource, sys
import numpy as np
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Session, Trial, train

def peak():
    try:  # of this program alone; ru_maxrss also remembers the process that started it
        status = open("/proc/self/status").read()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        pass
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1024 / (1024 if sys.platform == "darwin" else 1)

draw = np.random.default_rng(0)
x, y = draw.normal(0, 1, (500, 64)).astype(np.float32), draw.integers(0, 10, 500)
names = tuple(map(str, range(64)))
data = {"d": Dataset("d", "classification", x[:400], y[:400], x[400:], y[400:], names, names[:10])}
trials = [
    Trial(Network(64, (64, 64, 64), 10, norm=("none", "batch")[i % 2]), "d", steps=4, seed=i,
          optimizer="adam")
    for i in range(1000)
]
train(trials[:2], data)
before = peak()
if sys.argv[1] == "train":
    curves = train(trials, data)
else:
    with Session(trials, data) as session:
        for _ in session.stream(2):
            curves = session.curves()
assert [c.ended for c in curves] == ["finished"] * 1000
print(json.dumps([before, peak()]))
"""


@pytest.mark.parametrize(
    ("way", "growth"),
    # `train` holds parameters and optimizer of the few trials in flight and then only curves;
    # a session holds those of all: 13,000 parameters, three times with Adam, in 4 bytes, is 160 MB.
    [("train", 30), ("session", 260)],
)
def test_a_thousand_trials(way: str, growth: float) -> None:
    data = classification(9, 4)
    train([Trial(Network(9, (4,), 4), data.name, steps=1)], {data.name: data})  # fills the cache
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, way], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout.splitlines()[-1])
    assert after < LIMIT, f"{after:.0f} MB"
    assert after - before < growth, f"grew from {before:.0f} to {after:.0f} MB"
