"""The stages of WeakTr, and the masks of the labelled images at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..engine.checkpoint_files import latest_checkpoint
from ..engine.main_process import on_main_process
from ..engine.quiet_runner import QuietRunner
from ..pseudo_labels.generate import MASK_FOLDER
from . import stage_configs, stage_inputs
from .mask_stage import count_masks, datasets_with_labels, write_final_masks, write_masks
from .pseudo_label_stage import generate_pseudo_labels
from .stage import Run, Stage, register_stage
from .unscored import tests_nothing
from .warm_start import write_encoder_checkpoint

# Scores of ``save_best`` that need no pixel label.
LABEL_FREE = ('cam/image_map',)
# What mmseg's metric adds to the requested scores.
BY_THE_WAY = ('aAcc', 'mAcc')
CAM = 'cam_stage.'  # prefix of the keys of that stage


def train_cams(run: Run, resumes: bool) -> dict[str, Any]:
    """Trains the CAM network."""
    return train(run, stage_configs.cam_training_config(run.cfg), resumes)


def label(run: Run, resumes: bool) -> dict[str, Any]:
    """Writes maps and masks of the training split; what is there and fits is kept."""
    folder = run.work_dir / stage_configs.PSEUDO_LABEL_DIR
    labels = generate_pseudo_labels(run.cfg, str(run.checkpoint('cam')), folder)
    return dict(
        checkpoint=run.results['cam']['checkpoint'],
        metrics=labels.metrics,
        threshold=dict(value=labels.threshold, chosen_by=labels.chosen_by),
        masks=count_masks(folder / MASK_FOLDER),
    )


def relabel(run: Run, resumes: bool) -> dict[str, Any]:
    """Trains a first segmentor, and writes its masks of the training images given their labels.

    Self-training once: a linear segmentor on a frozen encoder cannot learn the errors of single
    pseudo labels, and masks of classes that an image does not have are excluded.
    """
    first = stage_configs.relabelling_pipeline(run.cfg)
    results = train(run, stage_configs.relabelling_config(first), resumes)
    folder = run.work_dir / stage_configs.RELABEL_DIR / MASK_FOLDER
    checkpoint = run.work_dir / results['checkpoint']
    score = write_masks(first, checkpoint, datasets_with_labels(run.cfg)[:1], folder, resumes)
    return {**results, 'masks': count_masks(folder), 'metrics': dict(relabelled_miou=score)}


def retrain(run: Run, resumes: bool) -> dict[str, Any]:
    """Trains the segmentor."""
    initial_vit = None
    if run.cfg.pipeline.retrain_from_cam_vit:
        initial_vit = str(run.work_dir / stage_configs.RETRAIN_DIR / 'initial_vit.pth')
        if is_main_process():
            write_encoder_checkpoint(str(run.checkpoint('cam')), initial_vit)
        barrier()
    return train(run, stage_configs.retraining_config(run.cfg, initial_vit), resumes)


def evaluate(run: Run, resumes: bool) -> dict[str, Any]:
    """Tests the segmentor, unless there is nothing to score."""
    checkpoint = str(run.checkpoint('retrain'))
    scores: dict[str, Any] = {}
    if not tests_nothing(run.cfg):
        config = stage_configs.retrained_test_config(run.cfg, checkpoint)
        scores = QuietRunner.from_cfg(config).test()
    metrics: dict[str, float | None] = {}
    for key, value in scores.items():
        condition, _, name = key.rpartition('/')  # 'given_labels/mIoU'
        if name not in BY_THE_WAY:
            metrics['_'.join(filter(None, ('val', name.lower(), condition)))] = float(value)
    return dict(
        checkpoint=run.results['retrain']['checkpoint'], metrics=metrics or dict(val_miou=None)
    )


def train(run: Run, stage: Config, resumes: bool) -> dict[str, Any]:
    """Trains with mmengine's runner, from the last checkpoint if the stage resumes and has one.

    Args:
        run: The run that the stage is part of.
        stage: Config of the training.
        resumes: Whether to continue with what its folder holds.

    Returns:
        ``checkpoint`` that the runner judged best, else its last one, its ``digest``, and what it
        was ``chosen_by``.
    """
    checkpoint = on_main_process(latest_checkpoint, stage.work_dir) if resumes else None
    stage.resume = checkpoint is not None
    if checkpoint is not None:
        stage.load_from = checkpoint
    runner = QuietRunner.from_cfg(stage)
    runner.train()
    barrier()
    return on_main_process(_trained, run, runner)


def _trained(run: Run, runner: Runner) -> dict[str, Any]:
    best = runner.message_hub.get_info('best_ckpt')
    path = Path(best or latest_checkpoint(runner.work_dir) or '')
    name = (Path(runner.work_dir) / path.name).relative_to(run.work_dir)
    return dict(
        checkpoint=str(name),
        digest=stage_inputs.file_digest(run.work_dir / name),
        chosen_by=chosen_by(runner) if best else 'fixed',
    )


def chosen_by(runner: Runner) -> str:
    """What decides for the best checkpoint: image labels (``label-free``) or masks (``oracle``)."""
    hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
    return 'label-free' if set(hook.key_indicators) <= set(LABEL_FREE) else 'oracle'


def _has_checkpoint(run: Run, results: dict[str, Any]) -> bool:
    path = run.work_dir / results['checkpoint']
    return path.is_file() and stage_inputs.file_digest(path) == results['digest']


def _has_masks(folder: str) -> Callable[[Run, dict[str, Any]], bool]:
    return lambda run, results: count_masks(run.work_dir / folder) == results['masks']


def _relabelling_configs(run: Run) -> Iterator[tuple[str, Config]]:
    first = stage_configs.relabelling_pipeline(run.cfg)
    yield '', stage_configs.relabelling_config(first)
    for dataset in datasets_with_labels(run.cfg)[:1]:
        yield '', stage_configs.final_masks_config(first, '', dataset, run.work_dir, None)


def _mask_configs(run: Run) -> Iterator[tuple[str, Config]]:
    for dataset in datasets_with_labels(run.cfg):
        yield '', stage_configs.final_masks_config(run.cfg, '', dataset, run.work_dir, None)


def _labelling_configs(run: Run) -> Iterator[tuple[str, Config]]:
    folder = run.work_dir / stage_configs.PSEUDO_LABEL_DIR
    metric = stage_configs.cam_metric(run.cfg, folder)
    yield CAM, stage_configs.cam_inference_config(run.cfg, '', [metric], folder)
    score_split = stage_configs.score_split_config(run.cfg, '', folder)
    if score_split is not None:
        yield CAM, score_split


for _stage in (
    Stage(
        'cam',
        'CAM training',
        stage_configs.CAM_DIR,
        inputs=stage_inputs.cam_inputs,
        run=train_cams,
        intact=_has_checkpoint,
        configs=lambda run: [(CAM, stage_configs.cam_training_config(run.cfg))],
    ),
    Stage(
        'pseudo_labels',
        'Pseudo labels',
        stage_configs.PSEUDO_LABEL_DIR,
        inputs=stage_inputs.pseudo_label_inputs,
        run=label,
        intact=_has_masks(f'{stage_configs.PSEUDO_LABEL_DIR}/{MASK_FOLDER}'),
        configs=_labelling_configs,
        needs=('cam',),
    ),
    Stage(
        'relabel',
        'Relabelling',
        stage_configs.RELABEL_DIR,
        inputs=stage_inputs.relabelling_inputs,
        run=relabel,
        intact=_has_masks(f'{stage_configs.RELABEL_DIR}/{MASK_FOLDER}'),
        configs=_relabelling_configs,
        needs=('cam', 'pseudo_labels'),
    ),
    Stage(
        'retrain',
        'Retraining',
        stage_configs.RETRAIN_DIR,
        inputs=stage_inputs.retraining_inputs,
        run=retrain,
        intact=_has_checkpoint,
        configs=lambda run: [('', stage_configs.retraining_config(run.cfg))],
        needs=('cam', 'pseudo_labels'),
    ),
    Stage(
        'evaluation',
        'Evaluation',
        None,
        inputs=stage_inputs.evaluation_inputs,
        run=evaluate,
        configs=lambda run: [('', stage_configs.retrained_test_config(run.cfg, ''))],
        needs=('retrain',),
    ),
    Stage(
        'masks',
        'Masks',
        stage_configs.MASK_DIR,
        inputs=stage_inputs.mask_inputs,
        run=write_final_masks,
        intact=_has_masks(stage_configs.MASK_DIR),
        configs=_mask_configs,
        needs=('pseudo_labels', 'retrain'),
    ),
):
    register_stage(_stage)
