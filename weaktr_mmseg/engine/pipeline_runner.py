"""The pipeline: image-level labels -> activation maps -> pseudo labels -> segmentor."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, find_latest_checkpoint
from mmseg.registry import RUNNERS

from ..datasets.check_data import check_data
from ..datasets.checks import Problem
from ..errors import WeakTrInputError
from . import stage_configs as stages
from .distributed import init_cpu_process_group
from .pseudo_label_stage import PseudoLabels, generate_pseudo_labels
from .summary import command, environment, write_json
from .warm_start import write_encoder_checkpoint


@RUNNERS.register_module()
class WeakTrRunner:
    """Runs the three stages of WeakTr, each with mmengine's own ``Runner``.

    1. CAM training below ``work_dir/cam``,
    2. pseudo-label generation below ``work_dir/pseudo_labels`` (``cams/``, ``masks/``),
    3. retraining and evaluation below ``work_dir/retrain``,

    then ``work_dir/summary.json``. ``tools/train.py`` of mmseg reaches it through
    ``runner_type='WeakTrRunner'``; ``tools/test.py`` tests the segmentor at the top level of the
    same config with the stock runner.

    Args:
        cfg: Config of a segmentor's training, with these keys besides:

            - ``cam_stage``: config of CAM training; ``config`` names a file to start from,
            - ``pseudo_labels``: ``threshold`` (number or ``'otsu'``), the options of
              :class:`LabelRule`, ``workers``, and ``score_split``, a split whose fused maps are
              scored for comparison,
            - ``retrain_from_cam_vit``: start the encoder from the ViT of the CAM stage,
            - ``check_pixels``: open every image and mask before training (default False: lists,
              labels and checkpoints are checked, files are not opened).

    Raises:
        WeakTrInputError: If a key or file is missing.
    """

    def __init__(self, cfg: Config) -> None:
        self.cfg = stages.resolve_pipeline(cfg)
        self.work_dir = Path(cfg.work_dir).absolute()
        self.cfg.work_dir = str(self.work_dir)
        self.labels_dir = self.work_dir / stages.PSEUDO_LABEL_DIR
        self.stages: dict[str, dict[str, Any]] = {}
        self.metrics: dict[str, float | None] = {}
        init_cpu_process_group(self.cfg.get('launcher', 'none'))

    @classmethod
    def from_cfg(cls, cfg: Config) -> WeakTrRunner:
        """Builds the runner as mmseg's tools do."""
        return cls(cfg)

    def train(self) -> dict[str, Any]:
        """Runs all stages.

        Returns:
            The content of ``summary.json``.

        Raises:
            WeakTrInputError: If a data set cannot be read, before any training starts.
        """
        self._check_data()
        if is_main_process():
            self.work_dir.mkdir(parents=True, exist_ok=True)
            self.cfg.dump(self.work_dir / Path(self.cfg.filename or 'pipeline.py').name)
        with self._stage('cam') as record:
            record['checkpoint'] = self._train_cams()
        with self._stage('pseudo_labels') as record:
            record['checkpoint'] = self.stages['cam']['checkpoint']
            labels = self._generate_pseudo_labels(record['checkpoint'])
        with self._stage('retrain') as record:
            record['checkpoint'] = self._retrain(self.stages['cam']['checkpoint'])
        with self._stage('evaluation') as record:
            record['checkpoint'] = self.stages['retrain']['checkpoint']
            self._evaluate(record['checkpoint'])
        return self._write_summary(labels)

    @contextmanager
    def _stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Announces and times a stage; yields its entry in the summary."""
        print_log(f'WeakTr stage {name!r} starts', logger='current')
        start = time.perf_counter()
        record: dict[str, Any] = {}
        yield record
        seconds = time.perf_counter() - start
        self.stages[name] = dict(seconds=round(seconds, 1), **record)
        gc.collect()

    def _check_data(self) -> None:
        """Finds faults of data and config that can be known before training."""
        init_default_scope(self.cfg.get('default_scope', 'mmseg'))
        pixels = self.cfg.get('check_pixels', False)
        report = check_data(self.cfg, pixels=pixels, progress=is_main_process())
        if report.errors:
            raise WeakTrInputError('; '.join(_in_one_line(problem) for problem in report.errors))

    def _train_cams(self) -> str:
        runner = Runner.from_cfg(stages.cam_training_config(self.cfg))
        runner.train()
        return _final_checkpoint(runner)

    def _generate_pseudo_labels(self, checkpoint: str) -> PseudoLabels:
        """Writes maps and masks of the training split."""
        labels = generate_pseudo_labels(self.cfg, checkpoint, self.labels_dir)
        self.metrics.update(labels.metrics)
        return labels

    def _retrain(self, cam_checkpoint: str) -> str:
        initial_vit = None
        if self.cfg.get('retrain_from_cam_vit'):
            initial_vit = str(self.work_dir / stages.RETRAIN_DIR / 'initial_vit.pth')
            if is_main_process():
                write_encoder_checkpoint(cam_checkpoint, initial_vit)
            barrier()
        runner = Runner.from_cfg(stages.retraining_config(self.cfg, initial_vit))
        runner.train()
        return _final_checkpoint(runner)

    def _evaluate(self, checkpoint: str) -> None:
        runner = Runner.from_cfg(stages.retrained_test_config(self.cfg, checkpoint))
        self.metrics['val_miou'] = runner.test().get('mIoU')

    def _write_summary(self, labels: PseudoLabels) -> dict[str, Any]:
        summary: dict[str, Any] = dict(
            metrics={
                name: None if value is None else round(float(value), 2)
                for name, value in self.metrics.items()
            },
            stages=self.stages,
            threshold=dict(value=labels.threshold, chosen_by=labels.chosen_by),
            environment=environment(),
            command=command(),
        )
        if is_main_process():
            path = self.work_dir / 'summary.json'
            write_json(path, summary)
            lines = [f'  {name:<24}{value}' for name, value in summary['metrics'].items()]
            print_log('\n'.join([f'Pipeline finished, {path}:', *lines]), logger='current')
        return summary


def _in_one_line(problem: Problem) -> str:
    """The problem with its file named once."""
    named = str(problem.file) in problem.message
    return problem.message if named else f'{problem.file}: {problem.message}'


def _final_checkpoint(runner: Runner) -> str:
    """The checkpoint that the runner judged best, else its last one."""
    best = runner.message_hub.get_info('best_ckpt')
    return best or find_latest_checkpoint(runner.work_dir)
