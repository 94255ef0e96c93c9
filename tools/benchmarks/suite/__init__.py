"""The benchmarks of this project, a file for each family."""

import weaktr_mmseg  # noqa: F401

from . import cam_cases, label_cases, retrain_cases, tta_cases

CASES = [*cam_cases.CASES, *retrain_cases.CASES, *label_cases.CASES, *tta_cases.CASES]
