"""Two processes under torchrun train what one process trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys, torch
from torch import nn
from evenbatch.torch import CompareError, compare

torch.set_num_threads(1)
x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] + x[:, 1] > 0).long()

def make(arm):
    norm = nn.BatchNorm1d(8) if arm == "batch" else nn.Identity()
    return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 2))

asked = dict(metric="loss", budget=12, rates=[0.1], optimizer="sgd", tuning_seeds=1, device="cpu",
             batch_size=16, progress=False)
data = ((x[:64], y[:64]), (x[64:], y[64:]))
result = compare(make, data, ["none", "batch"], **asked)
refused = ""
try:
    compare(make, data, ["none", "batch"], sync=True, **asked)
except CompareError as error:
    refused = str(error)
page = result.report(f"{sys.argv[1]}/report")
import os
with open(f"{sys.argv[1]}/{os.environ.get('RANK', 'alone')}.json", "w") as file:
    json.dump({"refused": refused, "curves": {
        f"{c.trial.arm} {c.trial.seed}": c.metric.tolist() for c in result.curves},
        "answer": result.verdict.answer, "on": result.verdict.measured_on}, file)
"""


def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    where = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for command in ([sys.executable], run):
        done = subprocess.run(
            [*command, str(script), str(tmp_path)], env=where, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    alone, first, second = (
        json.loads((tmp_path / f"{who}.json").read_text("utf-8")) for who in ("alone", "0", "1")
    )
    assert first["curves"] == second["curves"]
    assert first["answer"] == second["answer"]
    assert "2 processes" in first["on"]
    assert (tmp_path / "report" / "report.html").exists()
    assert set(first["curves"]) == set(alone["curves"])
    for name, metric in alone["curves"].items():
        if name.startswith("none"):  # averaged gradients of both halves are those of the batch
            gaps = [abs(a - b) for a, b in zip(metric, first["curves"][name], strict=True)]
            assert max(gaps) < 1e-5
        else:  # batch norm sees half a batch in each process
            assert metric != first["curves"][name]
    assert alone["refused"] == ""
    assert "PyTorch's SyncBatchNorm works on CUDA devices only" in first["refused"]
