"""Draws what the CAM stage makes of images, files in, files out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from ..apis.cams import CAMInspection, CAMInspector
from ..apis.images import ImageFile, find_images
from ..apis.known_images import known_images
from ..apis.models import build_cam_model, cam_stage_config
from ..pseudo_labels.cam_files import CAMFile
from ..pseudo_labels.label_rule import LabelRule, rule_options
from ..pseudo_labels.threshold_choice import (
    OTSU,
    SCORE_BINS,
    choose_threshold,
    score_histogram,
)
from ..refinement import OF_CONFIG
from ..utils.errors import WeakTrInputError
from ..utils.images import read_rgb, resize_array
from ..utils.masks import read_mask
from ..utils.progress import progress_bar
from .cam_figures import cam_figure, head_figure
from .panels import save_figure


@dataclass(frozen=True)
class CAMPictureOptions:
    """What the user may say about the pictures.

    Attributes:
        labels: Names of the classes in the images; None takes those of the data set, or predicts.
        masks: Folder with masks, ``a/b.png`` for ``a/b.jpg`` of a folder of images.
        score_threshold: Probability above which an image without labels has a class.
        threshold: Background score of the pseudo label; None takes that of the run.
        short_side: Longest allowed short side of an image; None for the default.
        refine: Config of the refinement of the pseudo label, None for none, or ``'config'`` for
            that of the config.
    """

    labels: Sequence[str] | None = None
    masks: str | Path | None = None
    score_threshold: float = 0.5
    threshold: float | None = None
    short_side: int | None = None
    refine: dict | str | None = OF_CONFIG


def visualize_cams(
    cfg: Config,
    checkpoint: str | Path,
    inputs: Sequence[str | Path],
    out_dir: str | Path,
    options: CAMPictureOptions | None = None,
    device: str = 'cpu',
) -> list[str]:
    """Writes two figures per image, ``<name>_cams.png`` and ``<name>_heads.png``.

    Args:
        cfg: Config of a pipeline or of a CAM stage.
        checkpoint: Weights of the CAM stage.
        inputs: Images and folders of images.
        out_dir: Where the figures go.
        options: Choices of the user.
        device: Where the network runs.

    Returns:
        A line for each image that could not be drawn.

    Raises:
        WeakTrInputError: If config, checkpoint, labels or inputs are at fault.
    """
    options = options or CAMPictureOptions()
    stage = cam_stage_config(cfg)
    files = find_images(inputs, exclude=[out_dir])
    masks = _given_masks(files, options.masks)
    model = build_cam_model(stage, checkpoint, device)
    inspector = CAMInspector(model, stage, options.score_threshold, options.short_side)
    classes, palette = model.dataset_meta['classes'], model.dataset_meta['palette']
    given = None if options.labels is None else _class_ids(options.labels, classes)
    known = known_images(stage, [file.path for file in files])

    seen: list[tuple[ImageFile, CAMInspection, str]] = []
    faults = []
    for file in progress_bar(files, desc='Class activation maps'):
        info = known.get(file.path.resolve(), {})
        labels = info.get('image_labels') if given is None else given
        origin = 'predicted' if labels is None else 'given' if given is not None else 'data set'
        try:
            seen.append((file, inspector.inspect(read_rgb(str(file.path)), labels), origin))
        except (OSError, ValueError) as error:
            faults.append(str(error))
    if not seen:
        return faults
    threshold, chosen_by = _threshold(cfg, checkpoint, options, [item for _, item, _ in seen])
    choices = rule_options(cfg.get('pseudo_labels') or {})
    if options.refine != OF_CONFIG:
        choices['refine'] = options.refine
        choices['ignore_disagreement'] = False
    rule = LabelRule(threshold, **choices)
    for file, item, origin in seen:
        maps = CAMFile(item.fused, item.class_ids, (), '')
        labels = rule.apply(maps, np.ascontiguousarray(item.image))
        path = masks.get(file) or known.get(file.path.resolve(), {}).get('seg_map_path')
        truth = None
        if path is not None:
            size = item.image.shape[:2]  # of the maps
            truth = resize_array(read_mask(path), size, Image.Resampling.NEAREST)
        title = f'{file.name}\nclasses: {origin}, background score: {threshold:.2f} ({chosen_by})'
        target = Path(out_dir) / file.name
        figure = cam_figure(item, labels, truth, classes, palette, title)
        save_figure(figure, f'{target}_cams.png')
        save_figure(head_figure(item, classes, file.name), f'{target}_heads.png')
    return faults


def _class_ids(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    foreground = list(classes[1:])
    unknown = [name for name in names if name not in foreground]
    if unknown:
        raise WeakTrInputError(
            f'labels: {", ".join(map(repr, unknown))} unknown, expected of {", ".join(foreground)}'
        )
    return sorted(foreground.index(name) for name in set(names))


def _threshold(
    cfg: Config,
    checkpoint: str | Path,
    options: CAMPictureOptions,
    seen: Sequence[CAMInspection],
) -> tuple[float, str]:
    """Background score and who chose it: the user, the config, the run, or these images."""
    if options.threshold is not None:
        return options.threshold, 'given'
    configured = (cfg.get('pseudo_labels') or {}).get('threshold', OTSU)
    if not isinstance(configured, str):
        return float(configured), 'config'
    recorded = _recorded_threshold(Path(checkpoint).resolve().parents)
    if recorded is not None:
        return recorded, 'of the run'
    histogram = np.sum([score_histogram(item.fused, SCORE_BINS) for item in seen], axis=0)
    if np.count_nonzero(histogram) < 2:
        return 0.5, 'default'
    return choose_threshold(configured, histogram).value, f'{configured} on these images'


def _recorded_threshold(folders: Sequence[Path]) -> float | None:
    """Threshold in the ``summary.json`` of the run that a checkpoint lies in."""
    for folder in folders[:2]:
        try:
            summary: dict[str, Any] = json.loads(
                (folder / 'summary.json').read_text(encoding='utf-8')
            )
            return float(summary['threshold']['value'])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _given_masks(files: Sequence[ImageFile], folder: str | Path | None) -> dict[ImageFile, Path]:
    """The masks in a folder, by path below the folders or, where one image has it, by name alone.

    Raises:
        WeakTrInputError: If there is no such folder, or no image has a mask in it.
    """
    if folder is None:
        return {}
    if not Path(folder).is_dir():
        raise WeakTrInputError(f'masks {folder}: no such folder')
    stems = Counter(file.path.stem for file in files)
    found = {}
    for file in files:
        names = [file.name, file.path.stem] if stems[file.path.stem] == 1 else [file.name]
        paths = (Path(folder) / f'{name}.png' for name in names)
        if (path := next(filter(Path.is_file, paths), None)) is not None:
            found[file] = path
    if not found:
        raise WeakTrInputError(
            f'masks {folder}: expected a mask of one of the images, such as {files[0].name}.png'
        )
    return found
