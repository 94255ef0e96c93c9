"""The pipeline: image-level labels -> activation maps -> pseudo labels -> segmentor."""

from __future__ import annotations

import copy
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, init_dist, is_distributed, is_main_process
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

from ..checkpoints import use_safe_readers
from ..data_check import ERROR, WARNING
from ..data_check.check_data import check_data
from ..datasets.listing_cache import listed_once
from ..engine.checkpoint_files import latest_checkpoint
from ..engine.disk_space import disk_full_errors
from ..engine.distributed import init_cpu_process_group
from ..engine.main_process import decide
from ..engine.signals import announced_signals
from ..pseudo_labels.generate import MASK_FOLDER
from ..report import write_report_or_warn
from ..utils.errors import WeakTrInputError
from ..utils.files import atomic_path, write_json
from . import stage_configs as stages
from . import stage_inputs
from .pseudo_label_stage import generate_pseudo_labels
from .resume import SUMMARY_FILE, ResumableStages
from .summary import command, environment, now
from .warm_start import write_encoder_checkpoint
from .work_dir_lock import WorkDirLock


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
              labels and checkpoints are checked, files are not opened),
            - ``resume`` and ``resume_changed``: see :class:`ResumableStages`.

    Raises:
        WeakTrInputError: If a key or file is missing.
    """

    def __init__(self, cfg: Config) -> None:
        use_safe_readers()
        self.cfg = stages.resolve_pipeline(cfg)
        self.work_dir = Path(os.path.abspath(cfg.work_dir))  # as mmengine writes it, without '..'
        self.cfg.work_dir = str(self.work_dir)
        launcher = self.cfg.get('launcher', 'none')
        init_cpu_process_group(launcher)
        if launcher != 'none' and not is_distributed():
            init_dist(launcher, **self.cfg.get('env_cfg', {}).get('dist_cfg', {}))

    @classmethod
    def from_cfg(cls, cfg: Config) -> WeakTrRunner:
        """Builds the runner as mmseg's tools do."""
        return cls(cfg)

    def train(self) -> dict[str, Any]:
        """Runs all stages that have not finished before.

        Returns:
            The content of ``summary.json``.

        Raises:
            WeakTrInputError: If a data set cannot be read, before any training starts; if the
                folder is in use or holds a run that cannot be continued; if the disk is full.
            WeakTrInterrupted: After SIGTERM or SIGINT.
        """
        with announced_signals(), disk_full_errors(self.work_dir), listed_once():
            self._check_data()
            with WorkDirLock(self.work_dir):
                return self._run_stages()

    def _check_data(self) -> None:
        """Finds faults of data and config that can be known before training."""
        init_default_scope(self.cfg.get('default_scope', 'mmseg'))
        pixels = self.cfg.get('check_pixels', False)
        report = check_data(self.cfg, pixels=pixels, progress=is_main_process())
        for line in report.lines(WARNING):
            print_log(line, 'current', logging.WARNING)
        if report.errors:
            raise WeakTrInputError('; '.join(line.strip() for line in report.lines(ERROR)))

    def _run_stages(self) -> dict[str, Any]:
        cfg = self.cfg
        accept_changes = cfg.get('resume_changed', False)
        run = ResumableStages(self.work_dir, cfg.get('resume', False), accept_changes).run
        if is_main_process():
            self._dump_config()
        inputs = partial(stage_inputs.cam_inputs, cfg)
        cam = run('cam', inputs, self._train_cams, self._is_intact)
        inputs = partial(stage_inputs.pseudo_label_inputs, cfg, cam['digest'])
        labels = run('pseudo_labels', inputs, partial(self._generate, cam), self._has_masks)
        inputs = partial(stage_inputs.retraining_inputs, cfg, cam['digest'], labels['inputs'])
        final = run('retrain', inputs, partial(self._retrain, cam), self._is_intact)
        inputs = partial(stage_inputs.evaluation_inputs, cfg, final['digest'])
        scores = run('evaluation', inputs, partial(self._evaluate, final))
        return self._write_summary(
            dict(cam=cam, pseudo_labels=labels, retrain=final, evaluation=scores)
        )

    def _dump_config(self) -> None:
        cfg = copy.deepcopy(self.cfg)
        cfg.resume = False
        cfg.pop('resume_changed', None)
        with atomic_path(self.work_dir / Path(cfg.filename or 'pipeline.py').name) as temporary:
            cfg.dump(temporary)

    def _train_cams(self, goes_on: bool) -> dict[str, Any]:
        return self._train_stage(stages.cam_training_config(self.cfg), goes_on)

    def _generate(self, cam: dict[str, Any], goes_on: bool) -> dict[str, Any]:
        """Writes maps and masks of the training split."""
        folder = self.work_dir / stages.PSEUDO_LABEL_DIR
        labels = generate_pseudo_labels(self.cfg, str(self._path(cam)), folder)
        return dict(
            checkpoint=cam['checkpoint'],
            metrics=labels.metrics,
            threshold=dict(value=labels.threshold, chosen_by=labels.chosen_by),
            masks=self._count_masks(),
        )

    def _retrain(self, cam: dict[str, Any], goes_on: bool) -> dict[str, Any]:
        initial_vit = None
        if self.cfg.get('retrain_from_cam_vit'):
            initial_vit = str(self.work_dir / stages.RETRAIN_DIR / 'initial_vit.pth')
            if is_main_process():
                write_encoder_checkpoint(str(self._path(cam)), initial_vit)
            barrier()
        return self._train_stage(stages.retraining_config(self.cfg, initial_vit), goes_on)

    def _evaluate(self, final: dict[str, Any], goes_on: bool) -> dict[str, Any]:
        checkpoint = str(self._path(final))
        runner = Runner.from_cfg(stages.retrained_test_config(self.cfg, checkpoint))
        score = runner.test().get('mIoU')
        metrics = dict(val_miou=None if score is None else float(score))  # a NumPy number
        return dict(checkpoint=final['checkpoint'], metrics=metrics)

    def _train_stage(self, stage: Config, goes_on: bool) -> dict[str, Any]:
        """Trains, from the last checkpoint if there is one and the stage goes on."""
        checkpoint = decide(latest_checkpoint, stage.work_dir) if goes_on else None
        stage.resume = checkpoint is not None
        if checkpoint is not None:
            stage.load_from = checkpoint
        runner = Runner.from_cfg(stage)
        runner.train()
        barrier()
        return decide(self._trained, runner)

    def _trained(self, runner: Runner) -> dict[str, Any]:
        """The checkpoint that the runner judged best, else its last one."""
        best = runner.message_hub.get_info('best_ckpt')
        path = Path(best or latest_checkpoint(runner.work_dir) or '')
        name = (Path(runner.work_dir) / path.name).relative_to(self.work_dir)
        return dict(
            checkpoint=str(name),
            digest=stage_inputs.file_digest(self.work_dir / name),
            chosen_by=_chosen_by(best),
        )

    def _path(self, results: dict[str, Any]) -> Path:
        return self.work_dir / results['checkpoint']

    def _is_intact(self, results: dict[str, Any]) -> bool:
        path = self._path(results)
        return path.is_file() and stage_inputs.file_digest(path) == results['digest']

    def _has_masks(self, results: dict[str, Any]) -> bool:
        return self._count_masks() == results['masks']

    def _count_masks(self) -> int:
        folder = self.work_dir / stages.PSEUDO_LABEL_DIR / MASK_FOLDER
        return sum(1 for _ in folder.rglob('*.png'))

    def _write_summary(self, results: dict[str, dict[str, Any]]) -> dict[str, Any]:
        metrics = {
            name: None if value is None else round(float(value), 2)
            for result in results.values()
            for name, value in result.get('metrics', {}).items()
        }
        summary: dict[str, Any] = dict(
            metrics=metrics,
            stages={
                name: dict(
                    {key: result[key] for key in ('seconds', 'chosen_by') if key in result},
                    checkpoint=str(self._path(result)),
                )
                for name, result in results.items()
            },
            threshold=results['pseudo_labels']['threshold'],
            environment=environment(),
            command=command(),
            finished=now(),
        )
        if is_main_process():
            path = self.work_dir / SUMMARY_FILE
            write_json(path, summary)
            lines = [f'  {name:<24}{value}' for name, value in metrics.items()]
            print_log('\n'.join([f'Pipeline finished, {path}:', *lines]), logger='current')
            write_report_or_warn(self.work_dir)
        return summary


def _chosen_by(best: str | None) -> str:
    """What decided for a checkpoint: nothing but its epoch, image-level mAP, or pixel labels."""
    if best is None:
        return 'fixed'
    return 'label-free' if 'image_map' in Path(best).name else 'oracle'
