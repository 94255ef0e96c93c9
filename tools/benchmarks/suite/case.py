"""What a benchmark is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Run = Callable[[], object]
Builder = Callable[[torch.device], Run]


@dataclass(frozen=True)
class Case:
    """Something of this project to be timed beside a plain way of doing the same.

    Attributes:
        name: Key in the table and in the JSON file.
        ours: Builds models and inputs on a device and gives what is to be timed.
        baseline: Builds what ours is compared with, None if there is nothing of the kind.
        baseline_gb: Free memory without which the baseline is left out, in GB.
        units: Calls of ours or of the baseline that count as one, for instance photographs.
    """

    name: str
    ours: Builder
    baseline: Builder | None = None
    baseline_gb: float = 0.0
    units: int = 1


@dataclass(frozen=True)
class Result:
    """Figures of a case.

    Attributes:
        name: Name of the case.
        seconds: Median time of one call.
        peak_mb: Peak memory beyond that of models and inputs, in MB of 10^6 bytes.
        baseline_seconds: Time of the baseline, None without one.
        baseline_peak_mb: Memory of the baseline, None without one.
    """

    name: str
    seconds: float
    peak_mb: float | None
    baseline_seconds: float | None = None
    baseline_peak_mb: float | None = None
