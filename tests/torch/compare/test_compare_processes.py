"""Two processes under torchrun train what one process trains, and end together."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("torchrun")

TRAINING = """
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


def test_two_processes_train_what_one_trains(ranks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["training.py", str(ranks)])
    runpy.run_path(str(ranks / "training.py"))
    alone, first, second = (
        json.loads((ranks / f"{who}.json").read_text("utf-8")) for who in ("alone", "0", "1")
    )
    assert first["curves"] == second["curves"]
    assert first["answer"] == second["answer"]
    assert "2 processes" in first["on"]
    assert (ranks / "report" / "report.html").exists()
    assert set(first["curves"]) == set(alone["curves"])
    for name, metric in alone["curves"].items():
        if name.startswith("none"):  # averaged gradients of both halves are those of the batch
            gaps = [abs(a - b) for a, b in zip(metric, first["curves"][name], strict=True)]
            assert max(gaps) < 1e-5
        else:  # batch norm sees half a batch in each process
            assert metric != first["curves"][name]
    assert alone["refused"] == ""
    assert "PyTorch's SyncBatchNorm works on CUDA devices only" in first["refused"]


FAILING = """
import json, os, sys, torch
from torch import nn
from evenbatch.torch import CompareError, compare

torch.set_num_threads(1)
rank, case, calls = int(os.environ["RANK"]), "", 0
x = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
y = (x[:, 0] > 0).long()

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, row):
        global calls
        calls += 1
        if case == "reading" and rank == 1 and calls > 100:
            raise OSError("disk gone")
        return x[row], y[row]

def make(arm):
    if case == "making" and rank == 1 and arm == "batch":
        raise KeyError("weights")
    width = 9 if case == "another model" and rank == 1 else 8
    norm = nn.BatchNorm1d(width) if arm == "batch" else nn.Identity()
    return nn.Sequential(nn.Linear(4, width), norm, nn.ReLU(), nn.Linear(width, 2))

def loss(model, batch):
    global calls
    calls += 1
    normed = any(isinstance(module, nn.BatchNorm1d) for module in model.modules())
    if case == "before the model" and rank == 1 and normed and calls > 100:
        raise ValueError("label 7")
    found = nn.functional.cross_entropy(model(batch[0]), batch[1])
    if case == "after the model" and rank == 0 and normed and model.training and calls > 100:
        raise ValueError("label 8")
    if case == "testing" and not model.training and calls > 100:
        raise ValueError("label 9")
    return found

said = {}
for case in sys.argv[3:]:
    calls = 0
    asked = dict(metric="loss", budget=12, rates=[0.1], optimizer="sgd", tuning_seeds=1,
                 device="cpu", batch_size=15 if case == "sharing" else 16, progress=False)
    if case == "asking" and rank == 1:
        asked["budget"] = 1
    try:
        compare(make, (Rows(), (x[64:], y[64:])), ["none", "batch"], loss=loss, **asked)
    except CompareError as error:
        said[case] = str(error)
with open(f"{sys.argv[1]}/failed{rank}.json", "w") as file:
    json.dump(said, file)
os._exit(0)  # once in dozens of runs PyTorch aborts a process that ends after such failures
"""

# What fails, in which process ("both" if in each), and what is said.
FAILURES = {
    "asking": (1, "budget is 1; it must be a whole number from 10 steps, or a timedelta"),
    "sharing": ("both", "batch_size is 15, which 2 processes cannot share evenly"),
    "making": (1, "make_model('batch') fails: KeyError: 'weights'"),
    "another model": (1, "the model of process 1 is another than that of process 0: its '0.weight' "
                      "(9, 4) stands where there '0.weight' (8, 4) is; make_model must give the "
                      "same in every process"),
    "reading": (1, "arm 'none' fails in reading a training batch: OSError: disk gone"),
    "before the model": (1, "arm 'batch' fails on a training batch: ValueError: label 7"),
    "after the model": (0, "arm 'batch' fails on a training batch: ValueError: label 8"),
    "testing": (0, "arm 'none' fails in testing: ValueError: label 9"),
}  # fmt: skip


BOTH = """
import os, runpy, sys
import torch._dynamo
import evenbatch.torch

folder, port = sys.argv[1:3]
if training := os.fork():  # what both import takes seconds
    assert os.waitpid(training, 0)[1] == 0
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "False", "MASTER_PORT": port}  # another group
    runpy.run_path(f"{folder}/failing.py")
else:
    runpy.run_path(f"{folder}/training.py")
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, and what the two processes of torchrun wrote in each."""
    folder = tmp_path_factory.mktemp("ranks")
    for name, text in {"both": BOTH, "training": TRAINING, "failing": FAILING}.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*run, str(folder / "both.py"), str(folder), port, *FAILURES],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_what_fails_in_one_process_ends_them_all(ranks: Path) -> None:
    """None waits for another that left, though both live on: else the script would not end."""
    for rank in (0, 1):
        said = json.loads((ranks / f"failed{rank}.json").read_text("utf-8"))
        for case, (where, message) in FAILURES.items():
            other = where not in (rank, "both")
            assert said[case] == (f"process {where} failed: {message}" if other else message)
