"""Trials on Ray: on this machine, or on a cluster that is already there.

The driver cuts the trials into chunks of about a second of work, keeps twice as many in flight as
there are cores, and hands over the curves as chunks come back. A worker that dies is replaced and
its chunk trained again; nothing is stored but by the driver.

How long a trial takes is guessed from its arithmetic and corrected by what chunks really took; the
first are single trials. Ray's own cost, about a millisecond a task, is then one part in a thousand.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from evenbatch import data as data_floor
from evenbatch.data import Dataset
from evenbatch.engine import Curve, Trial, cores
from evenbatch.runners.errors import RunnerError
from evenbatch.runners.in_worker import code_version, prepare, train_chunk
from evenbatch.runners.reach import check_address

OnCurve = Callable[[Curve, Mapping[str, Any]], None]

SHORTEST, LONGEST = 0.5, 5.0  # seconds of work in a chunk
TASKS_PER_SECOND = 320
"""What one driver is asked to hand out; with more cores than that, chunks become longer."""
RETRIES = 3
MOST = 1000  # trials in a chunk, however short they are
LOOK_AGAIN = 5.0  # seconds until the cluster's cores are counted again


class OnRay:
    """The runner behind ``--on ray``. Ray is started, or joined, when there is something to train.

    Args:
        address: of the head of a running cluster ("auto" to find it, or "host:port"); Ray is
            started on this machine if left out.

    Raises:
        RunnerError: Ray is not installed; at `run`, the address cannot be reached.
    """

    def __init__(self, address: str | None = None) -> None:
        if importlib.util.find_spec("ray") is None:
            raise RunnerError("Ray is not installed: pip install 'evenbatch[ray]'")
        self.address = address
        self._ours = False
        self._data: dict[str, Any] = {}

    def run(
        self,
        trials: Sequence[Trial],
        datasets: Mapping[str, Dataset],
        on_curve: OnCurve,
        threads: int | None,
    ) -> None:
        """See `evenbatch.runners.Runner`. `threads` counts only where Ray is started here."""
        if not len(trials):
            return
        ray = self._start(threads)
        arrived: deque[tuple[Curve, Mapping[str, Any]]] = deque()
        flight = _Flight(ray, trials, lambda names: self._put(ray, names, datasets))
        try:
            for curves, machine in flight.results():
                arrived.extend((curve, machine) for curve in curves)
                while arrived:
                    on_curve(*arrived.popleft())
        except BaseException:
            flight.cancel()
            while arrived:  # what came back with the same chunk is finished, too
                on_curve(*arrived.popleft())
            raise

    def close(self) -> None:
        """End the Ray that was started here, or leave the cluster."""
        if self._ours:
            import ray

            ray.shutdown()
            self._ours = False
            self._data.clear()

    def _start(self, threads: int | None) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        if self.address is not None and not self._ours:
            check_address(self.address)
        if ray.is_initialized():  # by us, or by the program that uses us
            return ray
        if self.address is None:
            prepare()  # compiling says so here; in a worker nobody would see it
        where = {"num_cpus": threads or cores()} if self.address is None else {}
        try:
            ray.init(
                address=self.address or "local",
                include_dashboard=False if self.address is None else None,
                log_to_driver=False,
                logging_level="ERROR",
                **where,
            )
        except Exception as error:  # Ray raises that, too: "the node timed out during startup"
            first = str(error).strip().splitlines()[0]
            what = "started on this machine" if self.address is None else f"joined: {self.address}"
            raise RunnerError(f"Ray cannot be {what}: {first}") from None
        self._ours = True
        return ray

    def _put(self, ray: Any, names: set[str], datasets: Mapping[str, Dataset]) -> dict[str, Any]:
        """References to data sets in Ray's memory, where each is put once."""
        found = {}
        for name in names:
            dataset = datasets[name] if name in datasets else data_floor.load(name)
            if dataset.fingerprint not in self._data:
                self._data[dataset.fingerprint] = ray.put(dataset)
            found[name] = self._data[dataset.fingerprint]
        return found


class _Flight:
    """Chunks on their way.

    Args:
        ray: the module.
        trials: all trials.
        put: gives references to the data sets of these names.
    """

    def __init__(
        self, ray: Any, trials: Sequence[Trial], put: Callable[[set[str]], dict[str, Any]]
    ) -> None:
        self.ray = ray
        self.trials = trials
        self.put = put
        self.next = 0
        self.pending: dict[Any, list[Trial]] = {}
        self.pace = Pace()
        self._task = ray.remote(num_cpus=1, max_retries=RETRIES)(train_chunk)
        self._slots, self._counted = 1, 0.0

    def slots(self) -> int:
        """Cores of the cluster, which may grow and shrink."""
        if time.monotonic() - self._counted > LOOK_AGAIN or not self._counted:
            self._slots = max(1, int(self.ray.cluster_resources().get("CPU", 1)))
            self._counted = time.monotonic()
        return self._slots

    def results(self) -> Iterator[tuple[list[Curve], Mapping[str, Any]]]:
        """Curves and their machine, chunk by chunk, until all trials are done."""
        self._submit()
        while self.pending:
            waiting = list(self.pending)
            ready, _ = self.ray.wait(waiting, num_returns=1, timeout=LOOK_AGAIN)
            if ready and len(waiting) > 1:  # all that came with it
                ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
            for reference in ready:
                yield self._take(reference)
            self._submit()

    def _submit(self) -> None:
        slots = self.slots()
        while self.next < len(self.trials) and len(self.pending) < 2 * slots:
            chunk = self._cut(slots)
            data = self.put({trial.data for trial in chunk})
            self.pending[self._task.remote(chunk, data, code_version())] = chunk

    def _cut(self, slots: int) -> list[Trial]:
        """The next trials, for about the seconds of one chunk."""
        target = self.pace.target(len(self.trials) - self.next, slots)
        chunk: list[Trial] = []
        seconds = 0.0
        while self.next < len(self.trials) and len(chunk) < MOST:
            trial = self.trials[self.next]
            seconds += self.pace.guess(trial)
            if chunk and seconds > target:
                break
            chunk.append(trial)
            self.next += 1
        return chunk

    def _take(self, reference: Any) -> tuple[list[Curve], Mapping[str, Any]]:
        errors = self.ray.exceptions
        chunk = self.pending.pop(reference)
        try:
            curves, machine, seconds = self.ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            first = str(error).strip().splitlines()[0]
            raise RunnerError(
                f"the worker of {len(chunk)} trials died {RETRIES + 1} times (the first of them: "
                f"{chunk[0]}). Is there memory enough? Ray says: {first}"
            ) from None
        self.pace.learn(chunk, seconds)
        return curves, machine

    def cancel(self) -> None:
        """Stop what is on its way."""
        for reference in self.pending:
            self.ray.cancel(reference, force=True)


class Pace:
    """How long trials take: guessed from their arithmetic, corrected by what chunks took."""

    def __init__(self) -> None:
        self.seconds = self.work = 0.0
        self.trials = 0

    def guess(self, trial: Trial) -> float:
        """Seconds a trial will take; infinite as long as nothing is known."""
        return work(trial) * self.seconds / self.work if self.work else float("inf")

    def target(self, left: int, slots: int) -> float:
        """Seconds of the next chunk: shorter towards the end, so that all cores end together."""
        usual = min(max(2 * SHORTEST, slots / TASKS_PER_SECOND), LONGEST)
        if not self.trials:
            return usual
        share = left * (self.seconds / self.trials) / (2 * slots)
        return max(SHORTEST, min(usual, share))

    def learn(self, chunk: Sequence[Trial], seconds: float) -> None:
        """What a chunk took. Older ones are forgotten by and by: settings change over a grid."""
        self.seconds = 0.9 * self.seconds + seconds
        self.work = 0.9 * self.work + sum(map(work, chunk))
        self.trials = self.trials * 9 // 10 + len(chunk)


def work(trial: Trial) -> float:
    """A trial's arithmetic, in operations or so: products, and a constant for each layer."""
    net = trial.network
    step = 6 * trial.batch_size * net.multiplications + 40_000 * (net.depth + 2)
    evaluations = len(trial.evaluation_steps())
    return float(trial.steps * step + evaluations * 1000 * 2 * net.multiplications)
