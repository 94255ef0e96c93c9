"""Training of what follows a frozen encoder, on features that it computes once."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.utils.data import DataLoader, RandomSampler, Subset

from ..utils.errors import WeakTrInputError
from ..utils.workers import start_worker
from .epoch_loop import WeakTrEpochLoop
from .feature_cache import FeatureCache

CACHE_FOLDER = 'features'
ENCODE_BATCH = 8
GIB = 1 << 30


class FrozenEncoderLoop(WeakTrEpochLoop):
    """Encodes each training image and its mirror image once, then trains in seconds.

    The encoder stays as it is pretrained; what follows it learns from the cached patch maps. The
    checkpoint is one of the ordinary network, so that everything after training is as usual.

    The data pipeline must be deterministic and give images of one size. An epoch has as many views
    as there are, two an image. An interrupted encoding resumes; so does training, at the iteration.

    Args:
        runner: The runner, on one process.
        dataloader: Its config or the loader; its batch size is that of the training on features.
        cache_gib: Largest size of the cache in GiB. If it would be larger, a random choice of the
            images that fits is trained on.
        cache_dir: Folder of the cache; by default ``features`` in the work folder.
        **kwargs: Arguments of :class:`WeakTrEpochLoop`, ``max_epochs`` and ``val_interval`` above
            all.

    Raises:
        WeakTrInputError: If there are several processes, or the images differ in size.
    """

    dataloader: DataLoader

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        cache_gib: float = 8.0,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, **kwargs)
        if get_world_size() > 1:
            raise WeakTrInputError(
                f'{type(self).__name__}: expected one process, since training takes seconds; got '
                f'{get_world_size()}: start it without a launcher'
            )
        self.cache_bytes = cache_gib * GIB
        self.cache_dir = Path(cache_dir or Path(runner.work_dir) / CACHE_FOLDER)
        self._images = self.dataloader.dataset
        self._workers = self.dataloader.num_workers
        self._batch_size = self.dataloader.batch_sampler.batch_size
        self._views = 2 * len(self._images)
        # Schedules are built before the encoder runs, and ask for the number of batches.
        self.dataloader = DataLoader(range(self._views), self._batch_size)
        self._max_iters = self._max_epochs * len(self.dataloader)

    @abstractmethod
    def encode(self, inputs: Tensor) -> Tensor:
        """Patch maps (B, E, h, w) of normalised images (B, 3, H, W)."""

    @abstractmethod
    def targets(self, images: Subset) -> Tensor:
        """What is learned of the images, one row each."""

    @abstractmethod
    def losses(self, patches: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Losses of a batch of views, patch maps (B, E, h, w) and their targets."""

    def run(self) -> nn.Module:
        """Encodes what is not in the cache, then trains."""
        self.freeze()
        images = self._choose()
        cache = self._cache(images)
        bounded = len(cache) < self._views
        sampler = RandomSampler(cache, replacement=bounded, num_samples=self._views)
        self.dataloader = DataLoader(cache, self._batch_size, sampler=sampler)
        self.prepare(images)
        return super().run()

    def freeze(self) -> None:
        """Keeps gradients from the encoder."""
        self.runner.model.backbone.requires_grad_(False)

    def prepare(self, images: Subset) -> None:
        """Called between encoding and training."""

    def run_iter(self, idx: int, data_batch: tuple[Tensor, Tensor]) -> None:
        """Takes one step on cached views."""
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        model, optimizer = self.runner.model, self.runner.optim_wrapper
        with optimizer.optim_context(model):
            losses = self.losses(*(tensor.to(self.device) for tensor in data_batch))
            loss, log_vars = model.parse_losses(losses)
        optimizer.update_params(loss)
        self.runner.call_hook(
            'after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=log_vars
        )
        self._iter += 1

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.runner.model.parameters()).device

    def normalised(self, batch: Any) -> Tensor:
        """Normalised images (B, 3, H, W) of a batch of the loader.

        Raises:
            WeakTrInputError: If their sizes differ.
        """
        sizes = sorted({tuple(image.shape[-2:]) for image in batch['inputs']})
        if len(sizes) > 1:
            raise WeakTrInputError(
                f'train_dataloader.dataset.pipeline: expected images of one size, got {sizes}'
            )
        return self.runner.model.data_preprocessor(batch, training=True)['inputs']

    def batches(self, images: Subset, start: int = 0) -> DataLoader:
        """Batches of the images from ``start`` on, in order."""
        part = Subset(images, range(start, len(images)))
        return DataLoader(
            part,
            ENCODE_BATCH,
            num_workers=self._workers,
            collate_fn=pseudo_collate,
            worker_init_fn=start_worker,
        )

    @torch.no_grad()
    def _encode_batch(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Patch maps of a batch and of its mirror images."""
        model = self.runner.model.eval()
        inputs = self.normalised(batch)
        with self.runner.optim_wrapper.optim_context(model):
            return self.encode(inputs).float(), self.encode(inputs.flip(3)).float()

    def _choose(self) -> Subset:
        """The images whose features fit into the cache."""
        first = self._encode_batch(pseudo_collate([self._images[0]]))[0]  # (1, E, h, w)
        self._shape = tuple(first.shape[1:])
        fitting = max(1, int(self.cache_bytes // (2 * 2 * first[0].numel())))  # float16, two views
        total = len(self._images)
        if fitting >= total:
            return Subset(self._images, range(total))
        order = torch.randperm(total, generator=torch.Generator().manual_seed(0))
        print_log(
            f'Features of {fitting:,} of {total:,} images fit into {self.cache_bytes / GIB:g} GiB '
            '(train_cfg.cache_gib); they are trained on',
            'current',
        )
        return Subset(self._images, sorted(order[:fitting].tolist()))

    def _cache(self, images: Subset) -> FeatureCache:
        names = [str(self._images.get_data_info(index)['img_path']) for index in images.indices]
        cache = FeatureCache(
            self.cache_dir, names, self.targets(images), self._shape, self._network()
        )
        cache.metainfo = self._images.metainfo
        self.runner.call_hook('before_encoding')
        cache.encode(self._encode_batch, self.batches(images, cache.encoded))
        self.runner.call_hook('after_encoding')
        return cache

    def _network(self) -> str:
        """Identifies the encoder with its weights."""
        digest = hashlib.sha256(repr(self.runner.cfg.model.get('data_preprocessor')).encode())
        for name, value in self.runner.model.backbone.state_dict().items():
            if not name.startswith('attention_fusion.'):
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
