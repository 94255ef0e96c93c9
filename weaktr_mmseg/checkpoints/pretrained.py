"""Initialiser that starts an encoder from published weights."""

from __future__ import annotations

import os

from mmengine.logging import print_log
from mmengine.model import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmpretrain.models.backbones import VisionTransformer

from .download import locate
from .encoders import FRESH, encoder_state
from .fit import fit_encoder
from .io import load_state_dict
from .names import StateDict, named


@WEIGHT_INITIALIZERS.register_module()
class WeakTrPretrained:
    """Starts an encoder from weights in any published layout, without a conversion.

    Args:
        checkpoint: A name such as ``'dinov2-s'`` (docs/weights.md lists them), an http(s)
            address, or a file: ``.pth``, ``.npz`` or ``.safetensors``.

    Examples:
        >>> import torch
        >>> from weaktr_mmseg.models import WeakTrViT
        >>> arch = dict(embed_dims=64, num_layers=2, num_heads=4, feedforward_channels=128)
        >>> trained = VisionTransformer(arch=arch, img_size=32)  # mmpretrain's
        >>> state = {f'backbone.{name}': value for name, value in trained.state_dict().items()}
        >>> torch.save(dict(state_dict=state), 'vit.pth')
        >>> init_cfg = dict(type='WeakTrPretrained', checkpoint='vit.pth')  # or 'deit-s'
        >>> backbone = WeakTrViT(num_classes=20, arch=arch, img_size=64, init_cfg=init_cfg)
        >>> backbone.init_weights()
        >>> first, second = (vit.layers[0].attn.qkv.weight for vit in (trained, backbone))
        >>> torch.equal(first, second)
        True
    """

    def __init__(self, checkpoint: str | os.PathLike) -> None:
        self.checkpoint = os.fspath(checkpoint)

    def __call__(self, module: VisionTransformer) -> None:
        """Loads the weights.

        Args:
            module: An encoder of either stage.

        Raises:
            WeakTrInputError: If the weights cannot be found, read, or do not fit.
        """
        module.load_state_dict(read_encoder(self.checkpoint, module), strict=False)
        print_log(f'{type(module).__name__} starts from {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'WeakTrPretrained: from {self.checkpoint}')
        # mmengine initialises the children after this, and mmpretrain the position embedding after
        # them, unless they are done or the encoder starts from what mmengine calls 'Pretrained'.
        for name, child in module.named_children():
            if hasattr(child, 'is_init') and not FRESH.startswith(name):
                child.is_init = True
        module.init_cfg = dict(type='Pretrained', checkpoint=self.checkpoint)


def read_encoder(checkpoint: str | os.PathLike, backbone: VisionTransformer) -> StateDict:
    """Reads weights for a network.

    Args:
        checkpoint: See :class:`WeakTrPretrained`.
        backbone: The network; it is not changed.

    Returns:
        Its parameters, see :func:`fit_encoder`.

    Raises:
        WeakTrInputError: If the weights cannot be found, read, or do not fit.
    """
    path = locate(checkpoint)
    with named(path):
        return fit_encoder(encoder_state(load_state_dict(path)), backbone)
