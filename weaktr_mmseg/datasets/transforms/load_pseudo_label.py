"""Pseudo labels as the ground truth of retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from ...pseudo_labels.cam_files import read_cams
from ...pseudo_labels.generate import CAM_FOLDER, MASK_FOLDER
from ...pseudo_labels.label_rule import LabelRule
from ...refinement import refuse_crf_key
from ...utils.masks import IGNORE_INDEX, read_mask


@TRANSFORMS.register_module()
class LoadPseudoLabel(BaseTransform):
    """Loads the pseudo label of an image, or makes it from the image's activation maps.

    Expects ``sample_id`` and ``img``, BGR and of original size; adds ``gt_seg_map``, uint8 (H, W).

    Args:
        folder: Output of the pseudo-label stage, with ``masks/`` and, if kept, ``cams/``.
        rule: If given, fields of :class:`LabelRule`: the label map is made on the fly from
            ``cams/``. Otherwise the PNG in ``masks/`` is read.
    """

    def __init__(self, folder: str, rule: dict | None = None) -> None:
        self.folder = Path(folder)
        refuse_crf_key(rule or {}, 'rule')
        self.rule = None if rule is None else LabelRule(**rule)

    def transform(self, results: dict) -> dict:
        """Adds the label map.

        Raises:
            FileNotFoundError: If the image has no pseudo label.
            ValueError: If the label map is unreadable, its size is not that of the image, or it has
                a label that is none of the classes.
        """
        path, labels = self._load(results['sample_id'], results['img'])
        if labels.shape != results['img'].shape[:2]:
            raise ValueError(
                f'{path}: expected the size {results["img"].shape[:2]} of '
                f'{results.get("img_path")}, got {labels.shape}'
            )
        highest = labels[labels != IGNORE_INDEX].max(initial=0)
        classes = results.get('num_foreground', IGNORE_INDEX - 1)
        if highest > classes:
            raise ValueError(f'{path}: expected labels 0..{classes} or 255, got {highest}')
        results['gt_seg_map'] = labels
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def _load(self, sample_id: str, image: np.ndarray) -> tuple[Path, np.ndarray]:
        kind, suffix = (MASK_FOLDER, '.png') if self.rule is None else (CAM_FOLDER, '.npz')
        path = self.folder / kind / f'{sample_id}{suffix}'
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: no pseudo label; make them with the pseudo-label stage of the pipeline'
            )
        if self.rule is None:
            return path, read_mask(path)
        return path, self.rule.apply(read_cams(path), np.ascontiguousarray(image[..., ::-1]))
