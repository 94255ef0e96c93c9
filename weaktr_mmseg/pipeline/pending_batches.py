"""The part of a data set whose class activation maps are not on disk yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler

from ..evaluation.cam_metric import new_sweep
from ..pseudo_labels.cam_files import CAMFile, read_cams
from ..pseudo_labels.count_files import counts_key, read_counts
from ..pseudo_labels.threshold_choice import OTSU
from ..utils.progress import progress_bar
from ..utils.workers import start_worker


class PredictionFiles(NamedTuple):
    """Where the predictions of the CAM stage are, and what made them.

    Attributes:
        cams: Folder of CAM files.
        coarse: Folder of the counts that score coarse maps; None if they are not predicted.
        config_hash: Identifies the network and its input.
        threshold: As for :class:`WeakTrCAMMetric`.
    """

    cams: str
    coarse: str | None
    config_hash: str
    threshold: float | str = OTSU

    def read(self, info: dict, classes: Sequence[str]) -> CAMFile | None:
        """The maps of an image, or None where they are absent, torn or made otherwise.

        Args:
            info: Data info of the image.
            classes: Names, background first.
        """
        try:
            content = read_cams(Path(self.cams) / f'{info["sample_id"]}.npz')
        except (FileNotFoundError, ValueError):
            return None
        ids = content.class_ids.tolist()
        fits = (
            content.config_hash == self.config_hash
            and content.class_scores is not None
            and ids == sorted(set(info.get('image_labels', ids)))
            and content.class_names == tuple(classes[class_id + 1] for class_id in ids)
        )
        return content if fits else None

    def read_counts(self, info: dict, classes: Sequence[str]) -> np.ndarray | None:
        """Counts of the coarse maps, see :func:`count_files.read_counts`; None without a mask."""
        if self.coarse is None or 'seg_map_path' not in info:
            return None
        sweep = new_sweep(len(classes), self.threshold)
        key = counts_key(self.config_hash, sweep, info['seg_map_path'])
        return read_counts(Path(self.coarse) / f'{info["sample_id"]}.npz', key)

    def complete(self, info: dict, classes: Sequence[str]) -> bool:
        """Whether nothing about an image need be predicted again."""
        if self.read(info, classes) is None:
            return False
        scored = self.coarse is not None and 'seg_map_path' in info
        return not scored or self.read_counts(info, classes) is not None


@DATA_SAMPLERS.register_module()
class WeakTrPendingBatchSampler(BatchSampler):
    """Batches of a data set in which the prediction of an image is missing.

    Batches are cut from the whole data set and predicted whole: an image has the same neighbours,
    and with them the same rounding, whether a run was interrupted or not and on however many
    processes it continues.

    Args:
        sampler: Its ``dataset`` is what is cut; the order is that of the data set.
        batch_size: Images of a batch.
        files: Fields of :class:`PredictionFiles`.
        workers: Further processes that examine files.
    """

    def __init__(self, sampler: Sampler, batch_size: int, files: dict, workers: int = 0) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        dataset = sampler.dataset
        rank, world_size = get_dist_info()
        starts = range(rank * batch_size, len(dataset), world_size * batch_size)
        batches = [list(range(start, min(start + batch_size, len(dataset)))) for start in starts]
        checks = _CompletenessChecks(dataset, PredictionFiles(**files), batches)
        loader = DataLoader(
            checks, batch_size=None, num_workers=workers, worker_init_fn=start_worker
        )
        bar = progress_bar(loader, len(batches), 'Looking for finished CAMs')
        self.batches = [batch for batch, done in zip(batches, bar) if not done]

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches

    def __len__(self) -> int:
        return len(self.batches)


class _CompletenessChecks(Dataset):
    """Item ``i`` says whether all images of batch ``i`` are predicted."""

    def __init__(self, dataset: Any, files: PredictionFiles, batches: list[list[int]]) -> None:
        self.dataset = dataset
        self.files = files
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> bool:
        classes = self.dataset.metainfo['classes']
        infos = (self.dataset.get_data_info(i) for i in self.batches[index])
        return all(self.files.complete(info, classes) for info in infos)
