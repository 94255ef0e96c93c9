"""Configs of the single stages, derived from the config of the pipeline."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

from mmengine.config import Config

from ..engine.distributed import cpu_model_wrapper, runs_on_cpu_processes
from ..pseudo_labels.threshold_choice import OTSU
from ..utils.configs import complete_cam_stage, find_configs
from ..utils.errors import WeakTrInputError
from .fault_policy import apply_fault_policy
from .frozen_recipe import freeze_encoders, freeze_segmentor
from .options import PIPELINE_KEYS, check_label_options, check_stage_keys, pipeline_options
from .unscored import VALIDATION_KEYS

CAM_DIR = 'cam'
PSEUDO_LABEL_DIR = 'pseudo_labels'
RELABEL_DIR = 'relabel'
RETRAIN_DIR = 'retrain'
MASK_DIR = 'masks'
GIVEN_LABELS = 'given_labels'  # prefix of scores
MASK_LOADERS = ('LoadAnnotations', 'LoadOptionalMask')
TRAINING_KEYS = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')
_VISUALIZERS = itertools.count()  # of this process
# Set once for the pipeline, valid in every stage.
SHARED_KEYS = (
    'launcher',
    'env_cfg',
    'model_wrapper_cfg',
    'randomness',
    'resume',
    'log_level',
)


def resolve_pipeline(cfg: Config) -> Config:
    """Embeds the config of the CAM stage, so that the result stands alone.

    ``cam_stage`` may name a file, ``dict(config='weaktr_voc_cam.py', ...)``, relative to the
    pipeline's own, or a config of this project; its other keys override that file.

    Args:
        cfg: Config of the pipeline; not changed.

    Returns:
        A copy with a complete ``cam_stage`` and all options of ``pipeline``.

    Raises:
        WeakTrInputError: If a key is missing, unknown or wrong, or the file does not exist.
    """
    cfg = copy.deepcopy(cfg)
    check_stage_keys(cfg, '')
    cfg.pipeline = pipeline_options(cfg)
    for key in ('cam_stage', 'pseudo_labels', 'work_dir', 'model'):
        if cfg.get(key) is None:
            raise WeakTrInputError(f'{cfg.filename}: expected the key {key!r} of a pipeline')
    check_label_options(cfg.pseudo_labels)
    cfg.cam_stage = complete_cam_stage(cfg)
    check_stage_keys(cfg.cam_stage, 'cam_stage')
    if cfg.pipeline.encoder is not None:
        freeze_encoders(cfg)
    apply_fault_policy(cfg)
    _apply_precision(cfg)
    if runs_on_cpu_processes(cfg.get('launcher', 'none')):
        cfg.model_wrapper_cfg = cpu_model_wrapper()
    return cfg


def _apply_precision(cfg: Config) -> None:
    """Passes ``pipeline.precision``, if it is set, on to training and prediction of both stages."""
    precision = cfg.pipeline.precision
    if precision is None:
        return
    for stage in (cfg, cfg.cam_stage):
        stage.model.test_cfg = {**(stage.model.get('test_cfg') or {}), 'precision': precision}
        wrapper = stage.get('optim_wrapper') or {}
        if wrapper.get('type') == 'WeakTrOptimWrapper':
            wrapper['precision'] = precision


def cam_training_config(cfg: Config) -> Config:
    """Config of CAM training, from a resolved pipeline."""
    stage = Config(copy.deepcopy(cfg.cam_stage.to_dict()))
    for key in SHARED_KEYS:
        if key in cfg:
            stage[key] = copy.deepcopy(cfg[key])
    _place(stage, Path(cfg.work_dir) / CAM_DIR, CAM_DIR)
    return stage


def cam_inference_config(
    cfg: Config, checkpoint: str, evaluator: list[dict], folder: str | Path, split: str = 'train'
) -> Config:
    """Config of a test run of the CAM stage that predicts maps, from a resolved pipeline.

    Args:
        cfg: The pipeline.
        checkpoint: Trained network of the CAM stage.
        evaluator: What becomes of the maps.
        folder: Gets logs and ``head_weights_SPLIT.json``.
        split: Name for that file.
    """
    stage = cam_training_config(cfg)
    _test_alone(stage, checkpoint)
    _place(stage, folder, PSEUDO_LABEL_DIR)
    stage.test_evaluator = evaluator
    weights = str(Path(folder) / f'head_weights_{split}.json')
    recorder = dict(type='WeakTrHeadWeightHook', file=weights)
    stage.custom_hooks = [*stage.get('custom_hooks', []), recorder]
    return stage


def score_split_config(cfg: Config, checkpoint: str, folder: str | Path) -> Config | None:
    """Config that scores fused maps on ``pseudo_labels.score_split``, or None without one."""
    split = cfg.pseudo_labels.get('score_split')
    if split is None:
        return None
    metric = cam_metric(cfg, folder, 'score_split')
    stage = cam_inference_config(cfg, checkpoint, [metric], folder, 'score_split')
    stage.test_dataloader.dataset.ann_file = split
    stage.experiment_name = f'{PSEUDO_LABEL_DIR}_score_split'
    return stage


def cam_metric(cfg: Config, folder: str | Path, split: str = 'train') -> dict:
    """Config of the metric at the pipeline's threshold; writes ``folder/scores_SPLIT.json``."""
    return dict(
        type='WeakTrCAMMetric',
        threshold=cfg.pseudo_labels.get('threshold', OTSU),
        score_file=str(Path(folder) / f'scores_{split}.json'),
    )


def retraining_config(cfg: Config, initial_vit: str | None = None) -> Config:
    """Config of retraining, from a resolved pipeline.

    Args:
        cfg: The pipeline.
        initial_vit: Checkpoint whose ``backbone.`` the encoder starts from.
    """
    stage = _segmentor_training(
        cfg, RETRAIN_DIR, labels=RELABEL_DIR if relabels(cfg) else PSEUDO_LABEL_DIR
    )
    if initial_vit is not None:
        stage.model.backbone.init_cfg = dict(type='WeakTrPretrained', checkpoint=initial_vit)
    return stage


def relabels(cfg: Config) -> bool:
    """Whether the segmentor of a resolved pipeline learns from the labels of a first one."""
    stages = cfg.pipeline.stages
    return 'relabel' in stages if stages else cfg.pipeline.relabel


def relabelling_pipeline(cfg: Config) -> Config:
    """A resolved pipeline with the first segmentor, on a frozen encoder, in place of its own."""
    first = copy.deepcopy(cfg)
    freeze_segmentor(first)
    first.pop('custom_hooks', None)
    for key in VALIDATION_KEYS:
        first.pop(key, None)  # no choice depends on it
    return first


def relabelling_config(cfg: Config) -> Config:
    """Config that trains the first segmentor of :func:`relabelling_pipeline` on pseudo labels."""
    return _segmentor_training(cfg, RELABEL_DIR, labels=PSEUDO_LABEL_DIR)


def _segmentor_training(cfg: Config, folder: str, labels: str) -> Config:
    """Config that trains a segmentor on the label maps of an earlier stage."""
    stage = Config(copy.deepcopy(cfg.to_dict()))
    for key in PIPELINE_KEYS:
        stage.pop(key, None)
    _place(stage, Path(cfg.work_dir) / folder, folder)
    for transform in find_configs(stage.train_dataloader, 'LoadPseudoLabel'):
        transform['folder'] = str(Path(cfg.work_dir) / labels)
    return stage


def retrained_test_config(cfg: Config, checkpoint: str) -> Config:
    """Config that tests the final segmentor and writes its scores, from a resolved pipeline.

    Images whose labels the test data read are scored given these too, from the same pass.
    """
    uses = (cfg.model.get('test_cfg') or {}).get('use_image_labels', 'both')
    stage = _segmentor_config(cfg, checkpoint, uses)
    scores = dict(type='WeakTrScoreWriter', file=str(Path(stage.work_dir) / 'scores_val.json'))
    given = dict(
        type='OptionalIoUMetric',
        iou_metrics=['mIoU'],
        prediction='pred_sem_seg_given_labels',
        prefix=GIVEN_LABELS,
    )
    evaluator = stage.test_evaluator
    own = evaluator if isinstance(evaluator, list) else [evaluator]
    stage.test_evaluator = [*own, given, scores]
    stage.experiment_name = f'{RETRAIN_DIR}_test'
    return stage


def final_masks_config(
    cfg: Config, checkpoint: str, dataset: dict, folder: str | Path, indices: list[int] | None
) -> Config:
    """Config that writes the final segmentor's masks of images, given their labels.

    Args:
        cfg: A resolved pipeline.
        checkpoint: Trained segmentor.
        dataset: Config of a data set with labels.
        folder: Gets ``<sample_id>.png``.
        indices: Which of its images; None for all.
    """
    stage = _segmentor_config(cfg, checkpoint, True)
    steps = without_masks(stage.test_dataloader.dataset.pipeline)
    packed = {**steps[-1], 'type': 'PackImageLabelInputs'}  # mmseg's leaves labels out
    chosen = dict(dataset, pipeline=[*steps[:-1], packed], test_mode=True)
    if indices is not None:
        chosen['indices'] = indices
    stage.test_dataloader.dataset = chosen
    stage.test_evaluator = [dict(type='OptionalIoUMetric', output_dir=str(folder))]
    stage.experiment_name = MASK_DIR
    return stage


def _segmentor_config(cfg: Config, checkpoint: str, use_image_labels: bool | str) -> Config:
    """Config of a test run of the segmentor."""
    stage = retraining_config(cfg)
    _test_alone(stage, checkpoint)
    test_cfg = stage.model.get('test_cfg') or {}
    stage.model.test_cfg = {**test_cfg, 'use_image_labels': use_image_labels}
    return stage


def without_masks(pipeline: list[dict]) -> list[dict]:
    """The transforms of a pipeline but those that load masks."""
    return [step for step in pipeline if step['type'] not in MASK_LOADERS]


def _place(stage: Config, folder: str | Path, name: str) -> None:
    """Gives a stage a folder, a name and its own visualizer, which mmengine shares by name."""
    stage.work_dir, stage.experiment_name = str(folder), name
    if 'visualizer' in stage:
        stage.visualizer.name = f'{stage.work_dir}_{next(_VISUALIZERS)}'


def _test_alone(cfg: Config, checkpoint: str) -> None:
    """Makes a training a test of the network that it has trained."""
    remove_training(cfg)
    cfg.load_from, cfg.resume = checkpoint, False


def remove_training(cfg: Config) -> None:
    """Leaves what a test needs; the config is changed in place."""
    for key in (*TRAINING_KEYS, *VALIDATION_KEYS):
        cfg.pop(key, None)
