"""Training of head and fusion alone, on features that a frozen encoder computes once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmseg.registry import LOOPS
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from ..models.features import WeakTrEncoded
from ..utils.errors import WeakTrInputError
from .epoch_loop import WeakTrEpochLoop
from .feature_cache import FeatureCache

CACHE_FOLDER = 'features'
ENCODE_BATCH = 8
GIB = 1 << 30


@LOOPS.register_module()
class WeakTrFrozenEncoderLoop(WeakTrEpochLoop):
    """Encodes each training image and its mirror image once, then trains in seconds.

    The encoder stays as it is pretrained. The head learns from the cached patch maps of all images
    by its loss of the coarse maps; the fusion learns from the attention of a few images, which is
    held in memory, by the head's further losses (without any, its weights stay as they are). The
    checkpoint is one of the ordinary network, so that everything after CAM training is as usual.

    The data pipeline must be deterministic and give images of one size. An epoch is one pass over
    all views, two an image. An interrupted encoding resumes; so does training, at the iteration.

    Args:
        runner: The runner, on one process.
        dataloader: Its config or the loader; its batch size is that of the head's training.
        fusion_images: Number of images whose attention is held in memory, at most.
        fusion_batch: How many of them an iteration takes.
        cache_gib: Largest size of the cache in GiB. If it would be larger, a random choice of the
            images that fits is trained on.
        cache_dir: Folder of the cache; by default ``features`` in the work folder.
        **kwargs: Arguments of :class:`WeakTrEpochLoop`, ``max_epochs`` and ``val_interval`` above
            all.

    Raises:
        WeakTrInputError: If there are several processes, or the images differ in size.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        fusion_images: int = 64,
        fusion_batch: int = 8,
        cache_gib: float = 8.0,
        cache_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(runner, dataloader, **kwargs)
        if get_world_size() > 1:
            raise WeakTrInputError(
                'WeakTrFrozenEncoderLoop: expected one process, since head and fusion train in '
                f'seconds; got {get_world_size()}: start it without a launcher'
            )
        self.fusion_images = fusion_images
        self.fusion_batch = fusion_batch
        self.cache_bytes = cache_gib * GIB
        self.cache_dir = Path(cache_dir or Path(runner.work_dir) / CACHE_FOLDER)
        self._images = self.dataloader.dataset
        self._attended: WeakTrEncoded | None = None
        backbone = runner.model.backbone
        backbone.requires_grad_(False)
        backbone.attention_fusion.requires_grad_(True)

    def run(self) -> nn.Module:
        """Encodes what is not in the cache, then trains."""
        chosen, cache = self._encode()
        self._hold_attention(chosen, cache)
        self.dataloader = DataLoader(cache, self.dataloader.batch_sampler.batch_size, shuffle=True)
        return super().run()

    def run_iter(self, idx: int, data_batch: tuple[Tensor, Tensor]) -> None:
        """Takes one step of the head on cached views, and of the fusion on images in memory."""
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        model, optimizer = self.runner.model, self.runner.optim_wrapper
        with optimizer.optim_context(model):
            patches, targets = (tensor.to(self._device) for tensor in data_batch)
            losses = model.cam_head.coarse_loss(patches, targets)
            if self._attended is not None:
                losses |= self._fusion_losses()
            loss, log_vars = model.parse_losses(losses)
        optimizer.update_params(loss)
        self.runner.call_hook(
            'after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=log_vars
        )
        self._iter += 1

    @property
    def _device(self) -> torch.device:
        return next(self.runner.model.parameters()).device

    def _encode(self) -> tuple[Subset, FeatureCache]:
        """The images that are trained on, and their features."""
        first = self._encode_batch([self._images[0]])[0]  # (1, E, h, w)
        view_bytes = 2 * first[0].numel()
        fitting = max(1, int(self.cache_bytes // (2 * view_bytes)))
        chosen = list(range(len(self._images)))
        if fitting < len(chosen):
            order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0))
            chosen = sorted(order[:fitting].tolist())
            print_log(
                f'Features of {fitting} of {len(order)} images fit into '
                f'{self.cache_bytes / GIB:g} GiB (train_cfg.cache_gib); they are trained on',
                'current',
            )
        infos = [self._images.get_data_info(index) for index in chosen]
        labels = torch.zeros(len(infos), self.runner.model.cam_head.num_classes)
        for row, info in zip(labels, infos):
            row[list(info['image_labels'])] = 1
        names = [str(info['img_path']) for info in infos]
        cache = FeatureCache(self.cache_dir, names, labels, tuple(first.shape[1:]), self._network())
        cache.metainfo = self._images.metainfo
        subset = Subset(self._images, chosen)
        cache.encode(self._encode_batch, self._loader(subset, cache.encoded))
        return subset, cache

    def _loader(self, images: Subset, start: int, end: int | None = None) -> DataLoader:
        part = Subset(images, range(start, len(images) if end is None else end))
        workers = self.dataloader.num_workers
        return DataLoader(part, ENCODE_BATCH, num_workers=workers, collate_fn=pseudo_collate)

    def _network(self) -> str:
        """Identifies the encoder with its weights."""
        digest = hashlib.sha256(repr(self.runner.cfg.model.get('data_preprocessor')).encode())
        for name, value in self.runner.model.backbone.state_dict().items():
            if not name.startswith('attention_fusion.'):
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @torch.no_grad()
    def _encode_images(self, batch: Any) -> tuple[WeakTrEncoded, WeakTrEncoded]:
        """A batch of the loader and its mirror images, encoded."""
        model = self.runner.model
        model.eval()
        if isinstance(batch, list):
            batch = pseudo_collate(batch)
        if len({tuple(image.shape) for image in batch['inputs']}) > 1:
            sizes = sorted({tuple(image.shape[-2:]) for image in batch['inputs']})
            raise WeakTrInputError(
                f'train_dataloader.dataset.pipeline: expected images of one size, got {sizes}'
            )
        inputs = model.data_preprocessor(batch, training=True)['inputs']
        with self.runner.optim_wrapper.optim_context(model):
            return model.backbone.encode(inputs), model.backbone.encode(inputs.flip(3))

    def _encode_batch(self, batch: Any) -> tuple[Tensor, Tensor]:
        plain, mirrored = self._encode_images(batch)
        return plain.patch_map.float(), mirrored.patch_map.float()

    def _hold_attention(self, images: Subset, cache: FeatureCache) -> None:
        """Keeps queries and keys of a few images, spread over the list, for the fusion."""
        head = self.runner.model.cam_head
        trained = any(p.requires_grad for p in self.runner.model.backbone.parameters())
        if not trained or not len(head.aux_losses):
            return
        step = max(1, -(-len(images) // self.fusion_images))
        part = Subset(images, range(0, len(images), step))
        encoded = [self._encode_images(batch)[0] for batch in self._loader(part, 0)]
        self._attended = WeakTrEncoded.join(encoded)
        self._attended_labels = cache.labels[::step].to(self._device)

    def _fusion_losses(self) -> dict[str, Tensor]:
        assert self._attended is not None
        model = self.runner.model
        index = torch.randint(len(self._attended_labels), (self.fusion_batch,))
        features = model.backbone.fuse(self._attended.take(index.to(self._device)))
        return model.cam_head.further_losses(features, self._attended_labels[index])
