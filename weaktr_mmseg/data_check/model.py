"""Checks of the number of classes in the model and in its checkpoints."""

from __future__ import annotations

import os.path as osp
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor

from ..checkpoints import load_state_dict, read_encoder
from ..models.heads.coco_rows import ORIGINAL_FOREGROUND
from ..utils.configs import walk_configs
from .problems import Report

#: Parameter -> (dimension of the classes, whether the background is one of them). A class token of
#: one class is an ImageNet checkpoint's, which is repeated for every class.
CLASS_PARAMETERS = {
    'cls_token': (1, False),
    'cam_head.classifier.weight': (0, False),
    'decode_head.cls_emb': (1, True),
}
_ORIGINAL_COCO = (ORIGINAL_FOREGROUND, ORIGINAL_FOREGROUND + 1)


def check_class_counts(model: Mapping, where: str, num_classes: int, report: Report) -> None:
    """Compares the class numbers of a model config with the data.

    Args:
        model: Config of the model.
        where: Its place in the config.
        num_classes: Number of classes of the data, background included.
        report: Gets a problem for every number that differs.
    """
    expected = {'backbone': _rows(num_classes, model, False), 'cam_head': num_classes - 1}
    if 'cam_head' not in model:  # a segmentor; its backbone knows no classes
        expected = {'decode_head': num_classes}
    for part, number in expected.items():
        heads = model.get(part)
        for head in heads if isinstance(heads, (list, tuple)) else [heads or {}]:
            if head.get('num_classes', number) != number:
                kind = 'with background' if part == 'decode_head' else 'foreground'
                who = _who(number, num_classes)
                report.error(
                    'model-classes',
                    f'{where}.{part}.num_classes',
                    f'is {head["num_classes"]}, {who} {number} classes ({kind})',
                )


def _rows(num_classes: int, model: Mapping, has_background: bool) -> int:
    """Class rows that a network has inside: of all COCO ids where its heads say so."""
    heads = (model.get(part) for part in ('cam_head', 'decode_head'))
    if any(isinstance(head, Mapping) and head.get('original_coco_ids') for head in heads):
        return ORIGINAL_FOREGROUND + has_background
    return num_classes if has_background else num_classes - 1


def _who(expected: int, num_classes: int) -> str:
    original = expected in _ORIGINAL_COCO and num_classes == 81
    return 'original_coco_ids expects' if original else 'the data has'


def check_checkpoints(cfg: Config, where: str, num_classes: int, report: Report) -> None:
    """Compares the classes in the checkpoints that a config names with the data.

    Files behind a URL are left alone, but what an encoder starts from (``WeakTrPretrained``) is
    downloaded if need be and compared with the encoder. Checkpoints are read as tensors only.

    Args:
        cfg: Config of one stage.
        where: Its place in the config.
        num_classes: Number of classes of the data, background included.
        report: Gets a problem for every checkpoint that is missing or has other classes.
    """
    for key, path in _checkpoints(cfg, where):
        if '://' in path:
            continue
        if not osp.isfile(path):
            report.error('checkpoint', key, f'file not found: {path}')
            continue
        try:
            state = load_state_dict(path)
        except ValueError as error:
            report.error('checkpoint', path, error)
            continue
        _check_shapes(path, state, num_classes, cfg.model, report)
    if not _starts_from_cam_vit(cfg):
        _check_encoders(cfg.get('model'), f'{where}model', report)


def _check_encoders(model: object, where: str, report: Report) -> None:
    """Reports encoders that cannot start from what their ``init_cfg`` names."""
    for part, place, init in walk_configs(model, where):
        if init.get('type') != 'WeakTrPretrained' or not isinstance(part, Mapping):
            continue
        checkpoint: Any = init.get('checkpoint')
        try:
            with DefaultScope.overwrite_default_scope('mmseg'):
                backbone = MODELS.build({k: v for k, v in part.items() if k != 'init_cfg'})
            read_encoder(checkpoint, backbone)
        except (OSError, ValueError, TypeError, AssertionError) as error:
            report.error('checkpoint', f'{place}.checkpoint', error)


def _check_shapes(
    path: str, state: Mapping[str, Tensor], num_classes: int, model: Mapping, report: Report
) -> None:
    for name, shape in ((name, tensor.shape) for name, tensor in state.items()):
        for ending, (dim, has_background) in CLASS_PARAMETERS.items():
            if name != ending and not name.endswith(f'.{ending}'):
                continue
            if ending == 'cls_token' and (shape[dim] == 1 or 'cam_head' not in model):
                continue
            expected = _rows(num_classes, model, has_background)
            if shape[dim] != expected:
                hint = (
                    '; it has COCO category ids with gaps and must be converted'
                    if shape[dim] in _ORIGINAL_COCO and num_classes == 81
                    else ''
                )
                who = _who(expected, num_classes)
                message = f'{name} has {shape[dim]} classes, {who} {expected}{hint}'
                report.error('checkpoint-classes', path, message)


def _checkpoints(cfg: Config, where: str) -> Iterator[tuple[str, str]]:
    """All ``(key, checkpoint)`` of a stage: ``load_from`` and every ``Pretrained`` init_cfg in use.

    ``pipeline.retrain_from_cam_vit`` replaces that of the segmentor's encoder.
    """
    if cfg.get('load_from'):
        yield f'{where}load_from', cfg.load_from
    for _, place, init in walk_configs(cfg.get('model'), f'{where}model'):
        if init.get('type') != 'Pretrained' or not init.get('checkpoint'):
            continue
        if not (_starts_from_cam_vit(cfg) and place == 'model.backbone.init_cfg'):
            yield f'{place}.checkpoint', init['checkpoint']


def _starts_from_cam_vit(cfg: Config) -> bool:
    return bool((cfg.get('pipeline') or {}).get('retrain_from_cam_vit'))
