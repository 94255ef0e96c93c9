"""Refuses checkpoints whose parameters or classes are not those of the model.

mmengine loads what fits and only warns of the rest, so that a foreign checkpoint would be scored
with random weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..utils.errors import WeakTrInputError

AUTHORS_NAMES = ('decoder.cls_emb', 'adaptive_attention_fusion.attn_head_ffn.0.weight')
HEADS = {'cam_head': 'the CAM stage', 'decode_head': 'a segmentor'}
COCO_ORIGINAL = {90: 80, 91: 81}  # classes by original ids -> by contiguous ids


def refuse_other_stage(model: nn.Module, names: Iterable[str]) -> None:
    """Refuses a checkpoint of the CAM stage for a segmentor, and the other way round.

    Args:
        model: The model that is to be loaded.
        names: Parameters in the checkpoint.

    Raises:
        WeakTrInputError: If they are of the other head than that of the model.
    """
    present = {name.partition('.')[0] for name in names}
    wanted = next((head for head in HEADS if hasattr(model, head)), None)
    other = next((head for head in HEADS if head in present), None)
    if wanted and other and wanted not in present:
        raise WeakTrInputError(
            f'the checkpoint is one of {HEADS[other]} ({other}.*), expected one of {HEADS[wanted]}'
        )


def guard_layout(model: nn.Module) -> None:
    """Makes a whole model refuse checkpoints of which it could take nothing.

    Args:
        model: The model, not a part of it: a part is shown its own parameters only.
    """
    model._register_load_state_dict_pre_hook(_refuse_foreign_names, with_module=True)


def guard_class_ids(module: nn.Module, name: str, dim: int) -> None:
    """Makes a module refuse checkpoints with another number of classes.

    Args:
        module: The module that has a parameter with one entry per class.
        name: That parameter.
        dim: The dimension of the classes.
    """
    classes = module.get_parameter(name).size(dim)
    module._register_load_state_dict_pre_hook(partial(_refuse_other_classes, name, dim, classes))


def _refuse_foreign_names(model: nn.Module, state: Mapping[str, Any], prefix: str, *_: Any) -> None:
    nested = state.get('model')  # where the authors keep parameters, and mmengine does not look
    names = state if nested is None else nested
    foreign = next((key for key in AUTHORS_NAMES if key in names), None)
    if foreign is not None:
        raise WeakTrInputError(
            f"the checkpoint has the authors' parameter names ({foreign}); convert it first: "
            'python tools/convert_checkpoint.py SOURCE TARGET'
        )
    if state and not any(prefix + name in state for name in model.state_dict()):
        raise WeakTrInputError(
            f'the checkpoint has no parameter of {type(model).__name__}, it begins with '
            f'{list(state)[:2]}; an encoder alone is given to model.backbone.init_cfg'
        )


def _refuse_other_classes(
    name: str, dim: int, classes: int, state: Mapping[str, Tensor], prefix: str, *_: Any
) -> None:
    found = state.get(prefix + name)
    if found is None or found.dim() <= dim or found.size(dim) == classes:
        return
    number = found.size(dim)
    hint = ' by the original ids with gaps' if COCO_ORIGINAL.get(number) == classes else ''
    wanted = f'{classes} classes' + (' with contiguous COCO ids' if hint else '')
    raise WeakTrInputError(
        f'{prefix + name}: expected {wanted}, but the checkpoint has {number}{hint}'
    )
