"""The benchmarks of this project, a file for each family."""

import weaktr_mmseg  # noqa: F401

from . import cam_cases, label_cases, retrain_cases, step_cases, tta_cases

CASES = [*cam_cases.CASES, *retrain_cases.CASES, *label_cases.CASES, *tta_cases.CASES]
#: Run when they are named.
FURTHER_CASES = step_cases.CASES
