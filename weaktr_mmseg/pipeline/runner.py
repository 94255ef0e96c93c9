"""The pipeline: image-level labels -> activation maps -> pseudo labels -> segmentor."""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed, is_main_process
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmseg.registry import RUNNERS

from ..checkpoints import use_safe_readers
from ..crf import tune_allocator
from ..data_check import WARNING
from ..data_check.check_data import check_data
from ..datasets.listing_cache import listed_once
from ..engine.disk_space import disk_full_errors
from ..engine.distributed import init_cpu_process_group
from ..engine.quiet_runner import quiet_warnings
from ..engine.signals import announced_signals
from ..report import write_report_or_warn
from ..utils.errors import WeakTrInputError
from ..utils.files import atomic_path, write_json
from . import stages  # noqa: F401 fills the table
from .preflight import check_pipeline
from .resume import SUMMARY_FILE, ResumableStages
from .stage import Run, chosen_stages
from .stage_configs import resolve_pipeline
from .summary import summarise
from .unscored import drop_unscored_validation
from .update_schedule import fit_schedules
from .work_dir_lock import WorkDirLock


@RUNNERS.register_module()
class WeakTrRunner:
    """Runs the stages of WeakTr, each with mmengine's own ``Runner``.

    1. CAM training below ``work_dir/cam``,
    2. pseudo-label generation below ``work_dir/pseudo_labels`` (``cams/``, ``masks/``),
    3. retraining below ``work_dir/retrain``, and evaluation,

    then ``work_dir/summary.json``. Further stages: :func:`register_stage`. ``tools/train.py`` of
    mmseg reaches it through ``runner_type='WeakTrRunner'``; ``tools/test.py`` tests the segmentor
    at the top level of the same config with the stock runner.

    Args:
        cfg: Config of a segmentor's training, with these keys besides:

            - ``cam_stage``: config of CAM training; ``config`` names a file to start from,
            - ``pseudo_labels``: ``threshold`` (number or ``'otsu'``), the options of
              :class:`LabelRule`, ``workers``, and ``score_split``, a split whose fused maps are
              scored for comparison,
            - ``pipeline``: options of the run as a whole, see ``docs/configuration.md``,
            - ``resume``: see :class:`ResumableStages`.

    Raises:
        WeakTrInputError: If a key or file is missing, unknown or wrong.

    Examples:
        >>> from weaktr_mmseg.utils.shipped_files import find_config
        >>> cfg = Config.fromfile(find_config('weaktr_demo'))
        >>> cfg.work_dir = 'work_dirs/weaktr_demo'
        >>> runner = WeakTrRunner.from_cfg(cfg)
        >>> [stage.name for stage in runner.stages]
        ['cam', 'pseudo_labels', 'retrain', 'evaluation']
        >>> summary = runner.train()  # doctest: +SKIP
        >>> summary['metrics']['val_miou']  # doctest: +SKIP
        66.0
    """

    def __init__(self, cfg: Config) -> None:
        use_safe_readers()
        tune_allocator()
        self.cfg = resolve_pipeline(cfg)
        self.stages = chosen_stages(self.cfg.pipeline)
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
        with (
            announced_signals(),
            disk_full_errors(self.work_dir),
            listed_once(),
            quiet_warnings(),
        ):
            self._check_data()
            with WorkDirLock(self.work_dir):
                return self._run_stages()

    def _check_data(self) -> None:
        """Finds faults that can be known before training, and fits schedules to the data."""
        init_default_scope(self.cfg.get('default_scope', 'mmseg'))
        pixels = self.cfg.pipeline.check_pixels
        report = check_data(self.cfg, pixels=pixels, progress=is_main_process())
        for line in report.lines(WARNING):
            print_log(line, 'current', logging.WARNING)
        if report.errors:
            raise WeakTrInputError(report.error_line())
        fit_schedules(self.cfg)
        if 'retrain' in {stage.name for stage in self.stages}:
            drop_unscored_validation(self.cfg)
        check_pipeline(self.cfg, self.stages)

    def _run_stages(self) -> dict[str, Any]:
        run = Run(self.cfg, self.work_dir)
        resumable = ResumableStages(
            run, self.stages, self.cfg.get('resume', False), self.cfg.pipeline.resume_changed
        )
        if is_main_process():
            self._dump_config()
        for stage in self.stages:
            run.results[stage.name] = resumable.run(stage)
        return self._write_summary(run)

    def _dump_config(self) -> None:
        cfg = copy.deepcopy(self.cfg)
        cfg.resume = False
        cfg.pipeline.resume_changed = False
        with atomic_path(self.work_dir / Path(cfg.filename or 'pipeline.py').name) as temporary:
            cfg.dump(temporary)

    def _write_summary(self, run: Run) -> dict[str, Any]:
        summary = summarise(run, self.stages)
        if is_main_process():
            path = self.work_dir / SUMMARY_FILE
            write_json(path, summary)
            lines = [f'  {name:<24}{value}' for name, value in summary['metrics'].items()]
            print_log('\n'.join([f'Pipeline finished, {path}:', *lines]), logger='current')
            write_report_or_warn(self.work_dir)
        return summary
