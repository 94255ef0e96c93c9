"""Says which samples a run went on without."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmseg.registry import HOOKS

from ...datasets.data_faults import SKIP
from ...utils.files import write_json

REPORT = 'data_faults.json'


@HOOKS.register_module()
class WeakTrDataFaultHook(Hook):
    """Reports the faulty samples that data sets with ``on_fault='skip'`` left out.

    The log gets one line a data set; ``work_dir/data_faults.json`` names every sample::

        {"train_dataloader ImageSets/train.txt":
            {"used": 98, "skipped": 2, "faults": {"sample id": "what is wrong", ...}}, ...}
    """

    def before_train(self, runner: Any) -> None:
        """Reports on the training images."""
        self._report(runner, 'train_dataloader', runner.train_dataloader.dataset)

    def before_val(self, runner: Any) -> None:
        """Reports on the validation images."""
        self._report(runner, 'val_dataloader', runner.val_dataloader.dataset)

    def before_test(self, runner: Any) -> None:
        """Reports on the test images."""
        self._report(runner, 'test_dataloader', runner.test_dataloader.dataset)

    @staticmethod
    def _report(runner: Any, loader: str, dataset: Any) -> None:
        if getattr(dataset, 'on_fault', None) != SKIP or not is_main_process():
            return
        path = Path(runner.work_dir) / REPORT
        report = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
        entry = dict(used=len(dataset), skipped=len(dataset.faults), faults=dataset.faults)
        key = f'{loader} {dataset.ann_file}'.strip()
        if report.get(key) == entry:
            return
        write_json(path, {**report, key: entry})
        if dataset.faults:
            count = f'{len(dataset.faults)} of {len(dataset.faults) + len(dataset)} samples'
            first = next(iter(dataset.faults.values()))
            print_log(
                f'{loader}: {count} are faulty and skipped, see {path}; the first: {first}',
                'current',
                logging.WARNING,
            )
