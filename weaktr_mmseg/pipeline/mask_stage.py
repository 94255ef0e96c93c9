"""Masks by a segmentor of the photographs whose labels are known: relabelling, the last stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import barrier

from ..datasets.building import list_dataset
from ..engine.main_process import on_main_process
from ..engine.quiet_runner import QuietRunner
from ..utils.confusion import confusion_matrix, mean_iou
from ..utils.files import remove_leftovers
from ..utils.masks import read_mask, write_mask
from ..utils.progress import progress_bar
from . import stage_configs as stages
from .stage import Run


def write_final_masks(run: Run, resumes: bool) -> dict[str, Any]:
    """Writes ``masks/<sample_id>.png`` below the work folder for every labelled image.

    These are the images that the CAM stage is trained and validated on. Each gets the background
    and the classes that it is labelled with; trusted masks stand in for those of their images.
    Files of an interrupted stage are kept.

    Args:
        run: The run; its segmentor is trained.
        resumes: Whether the files that are there were written by this stage.

    Returns:
        ``masks``, their number, and ``metrics`` with ``mask_miou`` of the training images in
        percent, None without any mask to compare with.
    """
    checkpoint, folder = run.checkpoint('retrain'), run.work_dir / stages.MASK_DIR
    score = write_masks(run.cfg, checkpoint, datasets_with_labels(run.cfg), folder, resumes)
    return dict(masks=count_masks(folder), metrics=dict(mask_miou=score))


def write_masks(
    cfg: Config, checkpoint: Path, datasets: list[dict], folder: Path, resumes: bool
) -> float | None:
    """Writes ``<sample_id>.png`` for the labelled images of data sets.

    Args:
        cfg: A resolved pipeline with the segmentor.
        checkpoint: Trained segmentor.
        datasets: Configs of data sets with labels.
        folder: Gets the masks.
        resumes: Whether the files that are there were written by this call.

    Returns:
        mIoU in percent of the masks of the first data set, None without any mask to compare with.
    """
    if resumes:
        on_main_process(remove_leftovers, folder)
    for number, dataset in enumerate(datasets):
        some = resumes or number > 0  # the data sets may have images in common
        pending = on_main_process(_pending, dataset, folder) if some else None
        if pending != []:
            config = stages.final_masks_config(cfg, str(checkpoint), dataset, folder, pending)
            QuietRunner.from_cfg(config).test()
            barrier()
    return on_main_process(_finish, cfg, datasets, folder)


def datasets_with_labels(cfg: Config) -> list[dict]:
    """Configs of the data sets of a resolved pipeline whose images are labelled, training first."""
    stage = cfg.cam_stage
    loaders = (stage.get(name) for name in ('test_dataloader', 'val_dataloader'))
    return [dict(loader.dataset) for loader in loaders if loader]


def count_masks(folder: Path) -> int:
    """Number of masks below a folder."""
    return sum(1 for _ in folder.rglob('*.png'))


def _pending(dataset: dict, folder: Path) -> list[int] | None:
    """Indices of the images without a mask; None for all, where the data set is a part already."""
    if dataset.get('indices') is not None:
        return None
    return [
        index
        for index, info in enumerate(_infos(list_dataset(dataset)))
        if not _mask_path(folder, info).is_file()
    ]


def _finish(cfg: Config, datasets: list[dict], folder: Path) -> float | None:
    """Puts trusted masks in, and scores the masks of the first data set."""
    built = [list_dataset(dataset) for dataset in datasets]
    meta, trusted = built[0].metainfo, cfg.pseudo_labels.get('trusted_masks')
    for info in (info for dataset in built if trusted for info in _infos(dataset)):
        mask = _mask_path(Path(trusted), info)
        if mask.is_file():
            write_mask(_mask_path(folder, info), read_mask(mask), meta['palette'])
    confusion = np.zeros((len(meta['classes']),) * 2, np.int64)
    scored = [info for info in _infos(built[0]) if 'seg_map_path' in info]
    for info in progress_bar(scored, desc='Scoring masks'):
        truth, labels = read_mask(info['seg_map_path']), read_mask(_mask_path(folder, info))
        confusion += confusion_matrix(truth, labels, len(confusion))
    return float(mean_iou(confusion)) if confusion.any() else None


def _infos(dataset: Any) -> Iterator[dict]:
    return (dataset.get_data_info(index) for index in range(len(dataset)))


def _mask_path(folder: Path, info: dict) -> Path:
    return folder / f'{info["sample_id"]}.png'
