"""The photographs of a run with what it left of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..datasets.building import list_dataset
from ..pseudo_labels.cam_files import CAMFile, read_cams
from ..pseudo_labels.generate import CAM_FOLDER, MASK_FOLDER
from ..utils.configs import complete_cam_stage, read_config
from ..utils.errors import WeakTrInputError, input_errors
from ..utils.masks import read_mask
from ..utils.palette import voc_palette

LABEL_FOLDER, LABEL_SUMMARY = 'pseudo_labels', 'pseudo_labels.json'


class RunImage(NamedTuple):
    """A training photograph.

    Attributes:
        name: Its path below the folder of photographs.
        file: The file.
        sample_id: Names its maps and its mask.
        labels: Foreground ids (0-based).
    """

    name: str
    file: Path
    sample_id: str
    labels: tuple[int, ...]


class LabelledRun(NamedTuple):
    """What is to be reviewed.

    Attributes:
        folder: The work folder.
        classes: Names, background first.
        palette: RGB colours of the classes.
        threshold: Background score of the run.
        images: The training photographs that have a pseudo label.
    """

    folder: Path
    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    threshold: float
    images: Sequence[RunImage]

    def mask(self, image: RunImage) -> np.ndarray:
        """Pseudo label of a photograph, uint8 (H, W)."""
        return read_mask(self._path(MASK_FOLDER, image, '.png'))

    def cams(self, image: RunImage) -> CAMFile | None:
        """Maps of a photograph; None if the run did not keep them."""
        path = self._path(CAM_FOLDER, image, '.npz')
        return read_cams(path) if path.is_file() else None

    def _path(self, kind: str, image: RunImage, suffix: str) -> Path:
        return self.folder / LABEL_FOLDER / kind / f'{image.sample_id}{suffix}'


def read_labelled_run(work_dir: str | Path) -> LabelledRun:
    """Reads the config of a run and lists its training photographs.

    Args:
        work_dir: Folder of a pipeline whose pseudo labels are made; relative paths in its config
            start from the current folder, as in training.

    Raises:
        WeakTrInputError: If the folder has no config or no pseudo labels, or the photographs are
            not where the config says.
    """
    folder = Path(work_dir)
    configs = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    if not configs or not (folder / LABEL_FOLDER / MASK_FOLDER).is_dir():
        raise WeakTrInputError(
            f'{folder}: expected the folder of a pipeline, with its config and '
            f'{LABEL_FOLDER}/{MASK_FOLDER}'
        )
    cfg = read_config(configs[-1])
    if 'cam_stage' not in cfg:
        raise WeakTrInputError(f'{configs[-1]}: expected the config of a pipeline (cam_stage)')
    stage = complete_cam_stage(cfg)
    with input_errors(str(configs[-1])):
        dataset: Any = list_dataset(stage['train_dataloader']['dataset'])
    classes = list(dataset.metainfo['classes'])
    palette = dataset.metainfo.get('palette') or voc_palette(len(classes))
    run = LabelledRun(folder, classes, palette, _threshold(folder), _images(dataset))
    labelled = [i for i in run.images if run._path(MASK_FOLDER, i, '.png').is_file()]
    if not labelled:
        raise WeakTrInputError(
            f'{folder / LABEL_FOLDER / MASK_FOLDER}: no mask of the {len(run.images)} training '
            'photographs'
        )
    return run._replace(images=labelled)


def _images(dataset: Any) -> list[RunImage]:
    prefix = Path(dataset.data_prefix['img_path'])
    images = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        file = Path(info['img_path'])
        labels = tuple(int(label) for label in info.get('image_labels', ()))
        name = file.relative_to(prefix).as_posix()
        images.append(RunImage(name, file, info['sample_id'], labels))
    return images


def _threshold(folder: Path) -> float:
    path = folder / LABEL_FOLDER / LABEL_SUMMARY
    if not path.is_file():
        return 0.5
    with input_errors(str(path)):
        content = json.loads(path.read_text(encoding='utf-8'))
    return float(content['threshold']['value'])
