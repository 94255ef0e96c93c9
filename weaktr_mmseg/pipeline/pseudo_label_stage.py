"""The second stage: class activation maps of the trained network, and masks made from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, barrier, get_dist_info, is_main_process
from mmengine.logging import print_log
from mmseg.registry import METRICS
from torch.utils.data import DataLoader

from ..checkpoints.io import parameters_digest
from ..engine.quiet_runner import QuietRunner
from ..evaluation.cam_metric import sum_over_processes
from ..evaluation.score_files import confusion_scores, write_scores
from ..pseudo_labels.generate import CAM_FOLDER, MASK_FOLDER, MaskSample, write_masks
from ..pseudo_labels.label_rule import LabelRule, rule_options
from ..pseudo_labels.threshold_choice import OTSU, ThresholdChoice, choose_threshold
from ..utils.confusion import mean_iou
from ..utils.errors import WeakTrInputError, input_errors
from ..utils.files import remove_leftovers, write_json
from ..utils.images import read_rgb
from ..utils.progress import progress_bar
from ..utils.workers import start_worker
from . import stage_configs as stages
from .generation_estimate import GenerationEstimate
from .pending_batches import PredictionFiles
from .stored_predictions import StoredPredictions

CAM_VERSION = 1  # grows when an equal network gives other maps than before
COARSE_FOLDER = 'coarse'
RECORD_FILE = 'pseudo_labels.json'
EXAMPLES = 6  # images that the report shows
# Name in the summary of each score of the metric.
SCORES = dict(
    cam_coarse_miou='cam/coarse_miou',
    cam_coarse_miou_oracle='cam/coarse_miou_oracle',
    cam_fused_miou='cam/fused_miou',
    cam_fused_miou_oracle='cam/fused_miou_oracle',
    image_map='cam/image_map',
)


@dataclass
class PseudoLabels:
    """What the stage gives besides its files.

    Attributes:
        threshold: Background score of the masks.
        chosen_by: ``'fixed'`` by the config, or ``'label-free'`` from the maps alone.
        metrics: Scores by the names of ``summary.json``, in percent; None where no mask is known.
    """

    threshold: float
    chosen_by: str
    metrics: dict[str, float | None] = field(default_factory=dict)


def generate_pseudo_labels(cfg: Config, checkpoint: str, folder: str | Path) -> PseudoLabels:
    """Writes the maps and masks of the split that ``test_dataloader`` of the CAM stage names.

    Every process of a distributed run calls it and writes its share. Files that an interrupted run
    left are kept if they are whole and were made from the same network, data and rule; all scores
    come from the files, so they do not depend on who wrote them when.

    Args:
        cfg: A resolved pipeline, see :func:`stage_configs.resolve_pipeline`; read are
            ``cam_stage``, ``pseudo_labels`` and what all stages share.
        checkpoint: Trained network of the CAM stage.
        folder: Gets ``cams/<sample_id>.npz``, ``masks/<sample_id>.png``, and, to score the coarse
            maps of images with a mask, ``coarse/<sample_id>.npz``.

    Raises:
        WeakTrInputError: If the threshold is to be chosen from maps that are all equal, a
            trusted mask does not fit its image, or the disk is too small.
    """
    folder = Path(folder)
    coarse = (cfg.cam_stage['model'].get('test_cfg') or {}).get('coarse')
    files = PredictionFiles(
        cams=str(folder / CAM_FOLDER),
        coarse=str(folder / COARSE_FOLDER) if coarse else None,
        config_hash=cam_config_hash(cfg, checkpoint),
        threshold=cfg.pseudo_labels.get('threshold', OTSU),
    )
    if is_main_process():  # nobody writes before all have looked for finished files
        for kind in (CAM_FOLDER, COARSE_FOLDER, MASK_FOLDER):
            remove_leftovers(folder / kind)
    dataset = _predict(cfg, checkpoint, files, folder)
    (threshold, chosen_by), scores = _score(cfg, dataset, files, folder)
    metrics = {name: scores.get(key) for name, key in SCORES.items()}
    metrics['pseudo_label_miou'], trusted = _write_masks(
        cfg.pseudo_labels, dataset, threshold, folder
    )
    metrics.update(_score_split(cfg, checkpoint, folder))
    if is_main_process():
        record = dict(
            threshold=dict(value=threshold, chosen_by=chosen_by),
            rule=rule_options(cfg.pseudo_labels),
            metrics=metrics,
            images=len(dataset),
            trusted_masks=trusted,
            checkpoint=str(checkpoint),
            config_hash=files.config_hash,
        )
        write_json(folder / RECORD_FILE, record)
    return PseudoLabels(threshold, chosen_by, metrics)


def cam_config_hash(cfg: Config, checkpoint: str | Path) -> str:
    """Identifies what maps depend on besides image and labels, in 16 characters.

    That is the network with its parameters and the pipeline of the test data, such as the scales.
    Names of classes are in the files themselves.

    Args:
        cfg: A resolved pipeline.
        checkpoint: Trained network of the CAM stage.
    """
    stage = cfg.cam_stage
    model = {key: value for key, value in stage['model'].items() if key != 'init_cfg'}
    pipeline = stages.without_masks(stage['test_dataloader']['dataset'].get('pipeline', []))
    config = json.dumps((CAM_VERSION, model, pipeline), sort_keys=True, default=str)
    digest = hashlib.blake2b(config.encode(), digest_size=8)
    digest.update(parameters_digest(checkpoint))
    return digest.hexdigest()


def _predict(cfg: Config, checkpoint: str, files: PredictionFiles, folder: Path) -> Any:
    """Predicts what is missing; returns the data set."""
    writer = dict(
        type='WeakTrCAMWriter',
        folder=files.cams,
        config_hash=files.config_hash,
        coarse_folder=files.coarse,
        threshold=files.threshold,
    )
    stage = stages.cam_inference_config(cfg, checkpoint, [writer], folder)
    workers = cfg.pseudo_labels.get('workers', 0)
    stage.test_dataloader['batch_sampler'] = dict(
        type='WeakTrPendingBatchSampler', files=files._asdict(), workers=workers
    )
    runner = QuietRunner.from_cfg(stage)
    loader = runner.test_loop.dataloader
    pending = torch.tensor(sum(len(batch) for batch in loader.batch_sampler))
    all_reduce(pending)
    total = len(loader.dataset)
    if not pending:
        print_log(f'CAMs of all {total:,} images are there', logger='current')
        return loader.dataset
    runner.register_hook(GenerationEstimate(Path(files.cams), int(pending), total))
    runner.test()
    barrier()
    return loader.dataset


def _score(
    cfg: Config, dataset: Any, files: PredictionFiles, folder: Path
) -> tuple[ThresholdChoice, dict[str, float]]:
    """Chooses the threshold, in which masks have no part, and scores the files at it."""
    metric = METRICS.build(stages.cam_metric(cfg, folder))
    metric.dataset_meta = dataset.metainfo
    stored = StoredPredictions(dataset, files)
    workers = cfg.pseudo_labels.get('workers', 0)
    loader = DataLoader(stored, batch_size=None, num_workers=workers, worker_init_fn=start_worker)
    for sample in progress_bar(loader, len(stored), 'Scoring CAMs'):
        metric.process(None, [sample])
    with input_errors('pseudo_labels'):
        choice = choose_threshold(files.threshold, sum_over_processes(metric.score_histogram))
    metric.threshold = choice.value
    return choice, metric.evaluate(len(dataset))


def _score_split(cfg: Config, checkpoint: str, folder: Path) -> dict[str, float | None]:
    stage = stages.score_split_config(cfg, checkpoint, folder)
    if stage is None:
        return {}
    return dict(val_cam_miou_oracle=QuietRunner.from_cfg(stage).test().get('cam/fused_miou_oracle'))


def _write_masks(
    options: dict, dataset: Any, threshold: float, folder: Path
) -> tuple[float | None, int]:
    """Writes this process's share of the masks; returns mIoU, if known, and trusted of all."""
    rank, world_size = get_dist_info()
    samples = [
        mask_sample(dataset.get_data_info(index), folder, options.get('trusted_masks'))
        for index in range(rank, len(dataset), world_size)
    ]
    trusted = _count_trusted(samples, options.get('trusted_masks'))
    rule = LabelRule(threshold, **rule_options(options))
    palette, workers = dataset.metainfo['palette'], options.get('workers', 0)
    with input_errors():
        confusion = torch.from_numpy(write_masks(samples, rule, palette, read_rgb, workers))
    all_reduce(confusion)
    barrier()
    if is_main_process():
        scores = confusion_scores(confusion.numpy()) if confusion.any() else {}
        shown = samples[:: max(1, len(samples) // EXAMPLES)][:EXAMPLES]
        examples = [
            dict(img_path=s.image, mask=str(Path(s.mask).relative_to(folder)), seg_map_path=s.truth)
            for s in shown
        ]
        meta = {key: list(dataset.metainfo[key]) for key in ('classes', 'palette')}
        write_scores(folder / 'scores_masks.json', dict(meta, **scores, examples=examples))
    return float(mean_iou(confusion.numpy())) if confusion.any() else None, trusted


def _count_trusted(samples: list[MaskSample], folder: str | None) -> int:
    """Says how many of the trusted masks belong to images, or that none does."""
    if folder is None:
        return 0
    used = torch.tensor(sum(sample.trusted is not None for sample in samples))
    all_reduce(used)
    found = sum(1 for _ in Path(folder).rglob('*.png'))
    counts = f'trusted masks: {int(used)} of {found} files in {folder} belong to images to label'
    if not used:
        raise WeakTrInputError(f'{counts}; expected NAME.png for the image NAME.jpg')
    print_log(counts, logger='current')
    return int(used)


def mask_sample(info: dict, folder: Path, trusted: str | None = None) -> MaskSample:
    """The files of one image, from its data info."""
    mask = None if trusted is None else Path(trusted) / f'{info["sample_id"]}.png'
    return MaskSample(
        image=info['img_path'],
        cams=str(folder / CAM_FOLDER / f'{info["sample_id"]}.npz'),
        mask=str(folder / MASK_FOLDER / f'{info["sample_id"]}.png'),
        truth=info.get('seg_map_path'),
        trusted=str(mask) if mask is not None and mask.is_file() else None,
    )
