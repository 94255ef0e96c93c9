"""What a frozen encoder computes of every training image, once, on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..utils.errors import WeakTrInputError
from ..utils.files import write_json
from ..utils.progress import progress_bar

INDEX_FILE = 'index.json'
MAPS_FILE = 'patch_maps.npy'
SAVE_EVERY = 32  # images between two notes of how far encoding has come


class FeatureCache(Dataset):
    """Patch maps of images and their mirror images, float16 in one file of fixed size.

    Item ``i`` is a view: its patch map, float32 (E, h, w), and its target; views ``2 i`` and
    ``2 i + 1`` are an image and its mirror image. An interrupted encoding resumes where it stopped;
    another network, size or list of images starts anew.

    Args:
        folder: Where the files lie.
        names: Names of the images, which identify the list.
        targets: What is learned of the images: multi-hot labels (M, C), or masks (M, H, W), which
            are mirrored with the image.
        shape: Size of a patch map, (E, h, w).
        network: Identifies encoder, weights and image size.

    Raises:
        WeakTrInputError: If the folder cannot be written to.
    """

    def __init__(
        self,
        folder: str | Path,
        names: Sequence[str],
        targets: Tensor,
        shape: tuple[int, int, int],
        network: str,
    ) -> None:
        self.folder = Path(folder)
        self.targets = targets
        key = hashlib.sha256(json.dumps([list(names), list(shape), network]).encode()).hexdigest()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.encoded = self._progress(key)
            self.maps = np.lib.format.open_memmap(
                self.folder / MAPS_FILE,
                mode='r+' if self.encoded else 'w+',
                dtype=np.float16,
                shape=None if self.encoded else (2 * len(names), *shape),
            )
        except OSError as error:
            raise WeakTrInputError(f'{self.folder}: cannot keep features there: {error}') from error
        self._key = key

    def _progress(self, key: str) -> int:
        """Number of images that are encoded already."""
        index = self.folder / INDEX_FILE
        if not (index.is_file() and (self.folder / MAPS_FILE).is_file()):
            return 0
        content = json.loads(index.read_text(encoding='utf-8'))
        return int(content['encoded']) if content['key'] == key else 0

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, view: int) -> tuple[Tensor, Tensor]:
        patches = torch.from_numpy(self.maps[view].astype(np.float32))  # (E, h, w)
        target = self.targets[view // 2]
        return patches, target.flip(-1) if target.dim() > 1 and view % 2 else target

    def encode(self, encode: Any, loader: Any) -> None:
        """Encodes the images that are missing.

        Args:
            encode: Computes the patch maps of a batch as the loader yields it and of its mirror
                images, two tensors (B, E, h, w).
            loader: Batches of the images that are missing, in the order of the names.
        """
        with progress_bar(total=len(self) // 2, desc='Encoding') as bar:
            bar.update(self.encoded)
            noted = self.encoded
            for batch in loader:
                plain, mirrored = encode(batch)
                count = len(plain)
                views = self.maps[2 * self.encoded : 2 * (self.encoded + count)]
                views[0::2] = plain.to(torch.float16).cpu().numpy()
                views[1::2] = mirrored.to(torch.float16).cpu().numpy()
                self.encoded += count
                bar.update(count)
                if self.encoded - noted >= SAVE_EVERY:
                    self._note()
                    noted = self.encoded
        self._note()

    def _note(self) -> None:
        self.maps.flush()
        write_json(self.folder / INDEX_FILE, dict(key=self._key, encoded=self.encoded))
