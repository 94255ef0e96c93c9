"""Predictions of the CAM stage as its files hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset

from ..utils.masks import read_mask
from .pending_batches import PredictionFiles


class StoredPredictions(Dataset):
    """This process's share of the predictions, in the form that :class:`WeakTrCAMMetric` takes.

    Args:
        dataset: An :class:`ImageLabelDataset`.
        files: Where the predictions are.
    """

    def __init__(self, dataset: Any, files: PredictionFiles) -> None:
        self.dataset = dataset
        self.files = files
        rank, world_size = get_dist_info()
        self.indices = range(rank, len(dataset), world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> dict[str, Any]:
        """The prediction of an image.

        Raises:
            ValueError: If it is not there.
        """
        info, classes = (
            self.dataset.get_data_info(self.indices[item]),
            self.dataset.metainfo['classes'],
        )
        content = self.files.read(info, classes)
        if content is None:
            raise ValueError(
                f'{self.files.cams}/{info["sample_id"]}.npz: expected the maps just made, '
                'but they are gone or changed'
            )
        sample: dict[str, Any] = dict(
            cams=content.cams, cam_classes=content.class_ids, class_scores=content.class_scores
        )
        if 'image_labels' in info:
            sample['image_labels'] = np.zeros(len(classes) - 1, np.float32)
            sample['image_labels'][info['image_labels']] = 1
        if 'seg_map_path' in info:
            sample['gt_sem_seg'] = dict(data=read_mask(info['seg_map_path'])[None])
            counts = self.files.read_counts(info, classes)
            if counts is not None:
                sample['coarse_counts'] = counts
        return sample
