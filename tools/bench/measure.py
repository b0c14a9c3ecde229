"""Workloads measured: every peer prepared and checked, then timed in rounds that take turns.

The processor's clock and caches are shared by all peers, so that samples of one peer are spread over the same
seconds as those of the others, and a disturbance meets all of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench import operands
from tools.bench.processes import LostError, Process
from tools.bench.summary import median
from tools.bench.workload import Workload


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, seconds of one sample, and the most seconds for a peer of a workload."""

    rounds: int = 15
    sample: float = 0.01
    most: float = 4.0
    prepare: float = 300.0


NO_LOOPS = "no loops written"
QUICK = Effort(rounds=5, sample=0.004, most=0.25, prepare=30.0)


@dataclass
class Result:
    """What a peer did with a workload: seconds for each call, or why there are none."""

    failure: str = ""
    samples: list[float] = field(default_factory=list[float])
    other_clock: list[float] = field(default_factory=list[float])
    prepare_seconds: float = 0.0
    error: float = 0.0
    owned: bool = False

    @property
    def seconds(self) -> float:
        """The median of the samples."""
        return median(self.samples)

    def as_json(self) -> dict[str, Any]:
        """For the report's file."""
        if self.failure:
            return {"failure": self.failure}
        return {
            "seconds": self.seconds,
            "samples": self.samples,
            "other_clock": median(self.other_clock),
            "prepare_seconds": self.prepare_seconds,
            "error": self.error,
            "owned": self.owned,
        }


class Bench:
    """The workers of the peers, started when they are first needed and again after a loss."""

    def __init__(self, peers: Sequence[str], threads: int, processors: Sequence[int], effort: Effort) -> None:
        self.peers = list(peers)
        self.effort = effort
        self.clock = "cpu" if threads == 1 else "wall"
        self.versions: dict[str, str] = {}
        self._start: Callable[[str], Process] = lambda peer: Process(peer, threads, processors)
        self._workers: dict[str, Process] = {}

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def run(self, workload: Workload) -> tuple[dict[str, Result], tuple[float, float]]:
        """The result of each peer, and the bytes of the operands and of the results."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            path = Path(folder) / "operands.npz"
            inputs, weights, made, references = operands.drawn(workload)
            operands.write(path, (inputs, weights, made, references))
            results = {peer: self._prepared(peer, workload, path) for peer in self.peers}
        self._rounds({p: r for p, r in results.items() if not r.failure})
        for peer, result in results.items():
            if not result.failure or peer in self._workers:
                self._ask(peer, result, 60, do="release")
        read = sum(a.nbytes for a in [*inputs.values(), *weights.values()])
        return results, (float(read), float(sum(a.nbytes for a in made)))

    def _prepared(self, peer: str, workload: Workload, path: Path) -> Result:
        result = Result()
        if peer in workload.without:
            result.failure = workload.without[peer]
            return result
        if peer == "numba" and "numba" not in workload.own:
            result.failure = NO_LOOPS
            return result
        if peer not in self.versions:
            answer = self._ask(peer, result, self.effort.prepare, do="hello")
            self.versions[peer] = str(answer.get("version", "?"))
        answer = self._ask(peer, result, self.effort.prepare, do="prepare", workload=workload.name, operands=str(path))
        if result.failure:
            return result
        result.prepare_seconds, result.owned = float(answer["seconds"]), bool(answer["owned"])
        result.error = float(answer["error"])
        if not result.error <= workload.tolerance:
            result.failure = f"wrong: off by {result.error:.2g}, allowed {workload.tolerance:.2g}"
        return result

    def _rounds(self, results: Mapping[str, Result]) -> None:
        calls: dict[str, int] = {}
        rounds: dict[str, int] = {}
        for peer, result in results.items():
            answer = self._ask(peer, result, 120, do="time", calls=1, warm=1)
            once = float(answer.get("wall", 1.0))
            if once < self.effort.sample / 10:
                answer = self._ask(peer, result, 120, do="time", calls=max(int(0.001 / once), 1), warm=1)
                once = float(answer.get("wall", once))
            calls[peer] = max(round(self.effort.sample / max(once, 1e-8)), 1)
            rounds[peer] = max(min(self.effort.rounds, int(self.effort.most / (once * (calls[peer] + 1)))), 3)
        order = list(results)
        for number in range(max(rounds.values(), default=0)):
            for peer in order:
                if number < rounds[peer] and not results[peer].failure:
                    answer = self._ask(peer, results[peer], 120, do="time", calls=calls[peer], warm=1)
                    if not results[peer].failure:
                        results[peer].samples.append(float(answer[self.clock]))
                        results[peer].other_clock.append(float(answer["wall" if self.clock == "cpu" else "cpu"]))
            order = order[1:] + order[:1]

    def _ask(self, peer: str, result: Result, limit: float, **command: Any) -> Mapping[str, Any]:
        """The worker's answer; a failure is written into the result."""
        if peer not in self._workers:
            self._workers[peer] = self._start(peer)
        try:
            answer = self._workers[peer].ask(limit, **command)
        except LostError as lost:
            del self._workers[peer]
            answer = {"failure": str(lost)}
        if "failure" in answer:
            result.failure = str(answer["failure"])[:300]
        return answer
