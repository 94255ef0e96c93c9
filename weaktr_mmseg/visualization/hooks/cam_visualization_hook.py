"""Sends pictures of maps and head weights to mmengine's visualizer during validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...engine.distributed import bare_model
from ...pseudo_labels.labelling import label_map
from ...utils.errors import WeakTrInputError


@HOOKS.register_module()
class WeakTrCAMVisualizationHook(Hook):
    """Shows how the maps of a few validation images and the head weights develop.

    After each validation of the CAM stage, every backend of the visualizer (``LocalVisBackend``,
    ``TensorboardVisBackend`` and others) gets the pictures ``cams``, one row an image, and
    ``head_weights``, the mean over the validation images. Enable it in the config of a CAM stage::

        default_hooks = dict(pictures=dict(type='WeakTrCAMVisualizationHook', images=4))
        vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
        visualizer = dict(vis_backends=vis_backends)

    ``default_hooks`` because, unlike ``custom_hooks``, it adds to those of the parent config.

    Coarse maps are shown if the network predicts them (``model.test_cfg.coarse``).

    Args:
        images: Number of images, the first of the validation set.
        interval: Draw at every such validation.
        threshold: Background score of the label maps.
    """

    priority = 'LOW'

    def __init__(self, images: int = 4, interval: int = 1, threshold: float = 0.4) -> None:
        if images < 1 or interval < 1:
            raise WeakTrInputError(
                f'images, interval: expected at least 1, got images={images}, interval={interval}'
            )
        self.images = images
        self.interval = interval
        self.threshold = threshold
        self._validations = 0
        self._rows: list[dict[str, np.ndarray]] = []
        self._names: list[str] = []

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts listening to the fusion of the model."""
        self._validations += 1
        self._rows, self._names = [], []
        self._weights = torch.zeros(())
        self._passes = 0
        fusion = bare_model(runner).backbone.attention_fusion
        self._listener = fusion.register_forward_hook(self._add_weights)

    def _add_weights(self, module: nn.Module, inputs: Any, weights: Tensor) -> None:
        self._weights = self._weights + weights.detach().float().cpu().sum(dim=0)  # (H, L)
        self._passes += len(weights)

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[SegDataSample] | None = None,
    ) -> None:
        """Keeps the panels of the first images."""
        if data_batch is None or outputs is None or not self._draws_now:
            return
        inputs = data_batch['inputs']
        if not isinstance(inputs[0], Tensor):  # several scales: the first of each image
            inputs = inputs[0]
        for image, sample in zip(inputs, outputs):
            if len(self._rows) == self.images:
                return
            meta = runner.val_dataloader.dataset.metainfo
            self._rows.append(_panels(image, sample, meta['palette'], self.threshold))
            present = [meta['classes'][1 + i] for i in sample.cam_classes.tolist()]
            name = (
                sample.metainfo.get('sample_id') or Path(sample.metainfo.get('img_path', '')).stem
            )
            self._names.append('\n'.join([name, *present]))

    @property
    def _draws_now(self) -> bool:
        return (self._validations - 1) % self.interval == 0

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draws and sends the pictures; the visualizer is of the main process alone."""
        self._listener.remove()
        if not self._draws_now or not self._passes:
            return
        from matplotlib.figure import Figure

        from ..cam_figures import to_rgb, weight_map
        from ..panels import draw_rows

        if self._rows:
            cams = draw_rows(self._rows, self._names)
            runner.visualizer.add_image('cams', to_rgb(cams), step=runner.epoch)
        weights = Figure(figsize=(4, 4), layout='constrained')
        weight_map(weights, (self._weights / self._passes).T.numpy())
        runner.visualizer.add_image('head_weights', to_rgb(weights), step=runner.epoch)


def _panels(
    image: Tensor, sample: SegDataSample, palette: Sequence[Sequence[int]], threshold: float
) -> dict[str, np.ndarray]:
    """Panels of one image by title, at the size that the network was given.

    Args:
        image: BGR, uint8 (3, H, W).
        sample: Prediction with ``cams`` and perhaps ``coarse_cams``.
        palette: RGB colours of all classes.
        threshold: Background score.
    """
    from ..panels import colour_labels, heat_overlay

    rgb = image.flip(0).permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    panels = {'image': rgb}
    if 'coarse_cams' in sample:
        panels['coarse CAM'] = heat_overlay(rgb, _resized(sample.coarse_cams, rgb))
    cams = _resized(sample.cams, rgb)
    panels['fused CAM'] = heat_overlay(rgb, cams)
    labels = label_map(cams, sample.cam_classes.cpu().numpy(), threshold)
    panels['label map'] = colour_labels(labels, palette)
    return panels


def _resized(maps: Tensor, image: np.ndarray) -> np.ndarray:
    """Maps (K, h, w) at the size of an image (H, W, 3): crops have maps as large as the whole."""
    if not len(maps):
        return np.zeros((0, *image.shape[:2]), np.float32)
    resized = F.interpolate(maps[None].float().cpu(), image.shape[:2], mode='bilinear')
    return resized[0].numpy()
