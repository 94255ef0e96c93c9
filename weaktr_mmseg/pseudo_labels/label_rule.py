"""How label maps are made from class activation maps: what the config says about it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..refinement import Refiner, build_refiner, refuse_crf_key
from .cam_files import CAMFile
from .labelling import label_map

RULE_KEYS = ('refine', 'ignore_band', 'ignore_disagreement')
RULE_VERSION = 1  # grows when equal rules give other masks than before


@dataclass(frozen=True)
class LabelRule:
    """How label maps are made from class activation maps.

    Attributes:
        threshold: Background score in [0, 1].
        refine: What refines the label map, ``dict(type=..., ...)`` with a name in
            :data:`weaktr_mmseg.refinement.REFINERS`, or None for no refinement.
        ignore_band: Pixels whose best score is this close to the threshold become 255.
        ignore_disagreement: Pixels that the refinement relabels become 255.

    Raises:
        ValueError: If a number is out of range, the refiner is unknown or its arguments are wrong,
            or disagreement is requested without a refinement.

    Examples:
        >>> rule = LabelRule(0.4, refine=dict(type='DenseCRF', preset='voc_cam'))
        >>> cams = np.zeros((1, 4, 6), np.float32)
        >>> cams[:, :, 3:] = 0.9
        >>> image = (cams[0, :, :, None] * 200).repeat(3, axis=2).astype(np.uint8)
        >>> rule.apply(CAMFile(cams, np.array([14]), ('person',), ''), image)[0]
        array([ 0,  0,  0, 15, 15, 15], dtype=uint8)
    """

    threshold: float
    refine: Mapping[str, Any] | None = None
    ignore_band: float = 0.0
    ignore_disagreement: bool = False
    _refiner: Refiner | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f'threshold: expected a number in [0, 1], got {self.threshold}')
        if not 0 <= self.ignore_band <= 1:
            raise ValueError(f'ignore_band: expected a number in [0, 1], got {self.ignore_band}')
        if self.ignore_disagreement and self.refine is None:
            raise ValueError(
                'ignore_disagreement: expected a refinement to compare with, got refine=None'
            )
        object.__setattr__(self, '_refiner', build_refiner(self.refine))

    def stamp(self, cams: str | Path) -> str:
        """What a mask depends on, in 32 characters: this rule and every byte of the CAM file.

        Raises:
            FileNotFoundError: If there is no such file.
        """
        options = (self.threshold, self.refine, self.ignore_band, self.ignore_disagreement)
        digest = hashlib.blake2b(digest_size=16)
        digest.update(json.dumps((RULE_VERSION, *options), sort_keys=True, default=str).encode())
        digest.update(Path(cams).read_bytes())
        return digest.hexdigest()

    def apply(self, cam_file: CAMFile, image: np.ndarray | None = None) -> np.ndarray:
        """Makes a label map.

        Args:
            cam_file: Maps of one image.
            image: The RGB image, uint8 (H, W, 3), needed for a refinement.

        Returns:
            Labels, uint8 (H, W).
        """
        refine = None
        if self._refiner is not None:
            present = np.asarray(cam_file.class_ids) + 1
            refine = partial(self._refiner.refine_labels, labels=present)
        return label_map(
            cam_file.cams,
            cam_file.class_ids,
            self.threshold,
            ignore_band=self.ignore_band,
            image=image,
            refine=refine,
            ignore_disagreement=self.ignore_disagreement,
        )


def rule_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a :class:`LabelRule`, but its threshold, among the options of a config.

    Args:
        options: Of the config.

    Raises:
        ValueError: If the key ``crf`` of former versions is among them.
    """
    refuse_crf_key(options, 'pseudo_labels')
    return {key: copy.deepcopy(options[key]) for key in RULE_KEYS if key in options}
