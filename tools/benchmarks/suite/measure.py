"""Times and memory of a case, each side in a process of its own."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection

import torch

from .case import Builder, Case, Result, Run
from .memory import MB, free_memory, process_memory, reset_peak, return_freed_memory


def measure(case: Case, device: torch.device, pairs: int, budget: float) -> Result:
    """Measures a case.

    Both sides are built and called twice, which gives their memory; then they are timed in turn, so
    that a busy moment of the machine meets both.

    Args:
        case: What to measure.
        device: Where to run it.
        pairs: Number of timed calls of each side at most.
        budget: Seconds after which no further pair is begun.

    Returns:
        Medians of the times and the peak memory of each side; none of a baseline for which the
        memory does not suffice.
    """
    sides: list[Side] = []
    try:
        sides.append(Side(case.ours, device))
        if case.baseline is not None and case.baseline_gb * 1e9 < free_memory(device):
            with contextlib.suppress(RuntimeError):  # memory may still run out
                sides.append(Side(case.baseline, device))
        times: list[list[float]] = [[] for _ in sides]
        start = time.perf_counter()
        for turn in range(pairs):
            if turn and time.perf_counter() - start > budget:
                break
            for side, record in zip(sides, times):
                record.append(side.seconds())
    finally:
        for side in sides:
            side.close()
    figures = [
        (statistics.median(record) / case.units, side.peak_mb) for side, record in zip(sides, times)
    ]
    return Result(case.name, *(figure for pair in figures for figure in pair))


class Side:
    """One side of a comparison, in a process that has imported the project and nothing else.

    Args:
        build: Returns the function to be called.
        device: Where it runs.

    Attributes:
        peak_mb: Peak memory of two calls beyond models and inputs, in MB.
    """

    def __init__(self, build: Builder, device: torch.device) -> None:
        # The frameworks count the GPUs when they are imported, after which a fork cannot use them.
        context = multiprocessing.get_context('spawn' if device.type == 'cuda' else 'forkserver')
        context.set_forkserver_preload(['weaktr_mmseg'])
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, build, device))
        self._process.start()
        other.close()
        self.peak_mb = self._receive()

    def seconds(self) -> float:
        """Time of one more call."""
        self._connection.send(True)
        return self._receive()

    def close(self) -> None:
        """Ends the process."""
        self._connection.close()
        self._process.join()

    def _receive(self) -> float:
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            raise RuntimeError(f'a benchmark process ended with exit code {code}') from None


def _serve(connection: Connection, build: Builder, device: torch.device) -> None:
    """Sends the peak memory, then the time of a call for each message that comes in."""
    run = build(device)
    connection.send(peak_memory(run, device))
    while True:
        try:
            connection.recv()
        except EOFError:
            return
        connection.send(_seconds(run, device))


def _seconds(run: Run, device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def peak_memory(run: Run, device: torch.device) -> float:
    """Peak memory of two calls beyond what is held before, in MB.

    Gradients and the optimiser's state belong to it; so do, on the CPU, the pages of the libraries
    that a call is the first to touch.
    """
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run(), run()
        return (torch.cuda.max_memory_allocated(device) - before) / MB
    return_freed_memory()
    before = process_memory('VmRSS')
    reset_peak()
    run(), run()
    return (process_memory('VmHWM') - before) / MB
