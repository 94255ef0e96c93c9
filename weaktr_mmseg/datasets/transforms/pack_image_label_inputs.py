"""Packing of images with image-level labels."""

from __future__ import annotations

import torch
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackImageLabelInputs(PackSegInputs):
    """Packs an image and its image-level label for a CAM segmentor.

    Reads ``img`` and, where present, ``image_labels`` with ``num_foreground`` (see
    :class:`weaktr_mmseg.datasets.ImageLabelDataset`) and ``gt_seg_map``. The packed sample has

    * ``inputs``: uint8 or float tensor ``(3, H, W)``, or a list of them if ``img`` is a list of
      images (several scales of one image),
    * ``data_samples.image_labels``: float32 multi-hot tensor ``(C,)``,
    * the meta information of :class:`PackSegInputs` and ``sample_id``.

    Args:
        **kwargs: Arguments of :class:`mmseg.datasets.transforms.PackSegInputs`; ``sample_id`` is
            added to its ``meta_keys``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.meta_keys: tuple[str, ...] = tuple(dict.fromkeys((*self.meta_keys, 'sample_id')))

    def transform(self, results: dict) -> dict:
        """Packs one sample.

        Returns:
            ``dict(inputs=..., data_samples=SegDataSample)``.

        Raises:
            ValueError: If a label lies outside the known foreground classes.
        """
        pack = super().transform
        views = results.get('img')
        if isinstance(views, (list, tuple)):
            packed = pack({key: value for key, value in results.items() if key != 'img'})
            packed['inputs'] = [pack({'img': view})['inputs'] for view in views]
        else:
            packed = pack(results)
        if 'image_labels' in results:
            packed['data_samples'].set_field(
                _multi_hot(results), 'image_labels', dtype=torch.Tensor
            )
        return packed


def _multi_hot(results: dict) -> torch.Tensor:
    ids, num_classes = results['image_labels'], results['num_foreground']
    if any(not 0 <= class_id < num_classes for class_id in ids):
        raise ValueError(
            f'image labels must lie in 0..{num_classes - 1}, got {ids} for '
            f'{results.get("img_path")}'
        )
    label = torch.zeros(num_classes)  # (C,)
    label[ids] = 1
    return label
