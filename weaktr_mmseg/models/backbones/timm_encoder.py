"""Encoders of timm, for both stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn

from ...utils.errors import WeakTrInputError, WeakTrMissingFileError
from ...utils.optional import import_optional


class TimmEncoder(BaseModule):
    """A plain transformer of timm: its ViT and EVA families.

    Args:
        model_name: Name of the model for ``timm.create_model``, such as
            ``'vit_small_patch16_dinov3.lvd1689m'``.
        img_size: Side of the images in pixels that position embeddings are kept for; others are
            computed from them by timm.
        pretrained: True loads timm's weights of that name when a run starts; a path loads this
            file, in whatever layout timm converts.
        final_norm: Whether the tokens of the last block are normalised.
        init_cfg: Initialisation config of mmengine; ``pretrained`` comes after it.
        **kwargs: Further arguments of ``timm.create_model``, such as ``drop_path_rate``.

    Attributes:
        vit: The network of timm, without classifier and pooling.
        img_size: (side, side).

    Raises:
        WeakTrInputError: If timm is not installed, does not know the model, or the model is no
            plain transformer.
    """

    def __init__(
        self,
        model_name: str,
        img_size: int = 224,
        pretrained: bool | str = False,
        final_norm: bool = True,
        init_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(init_cfg)
        self.pretrained = pretrained
        self.final_norm = final_norm
        self.img_size = (img_size, img_size)
        self._arguments = dict(kwargs, model_name=model_name, img_size=img_size)
        self.vit = self._build(pretrained=False)
        self.embed_dims = self.vit.embed_dim
        self.patch_size = self.vit.patch_embed.patch_size

    def init_weights(self) -> None:
        """Loads the pretrained weights, if there are to be any.

        Raises:
            WeakTrMissingFileError: If they are a file that does not exist.
            WeakTrInputError: If they do not fit.
        """
        super().init_weights()
        if isinstance(self.pretrained, str) and not Path(self.pretrained).is_file():
            raise WeakTrMissingFileError(f'model.backbone.pretrained: no file {self.pretrained}')
        if self.pretrained:
            self.vit.load_state_dict(self._build(pretrained=True).state_dict())

    def _build(self, pretrained: bool) -> nn.Module:
        """The network, with weights from timm if so asked."""
        overlay = dict(file=self.pretrained) if isinstance(self.pretrained, str) else None
        vit = _create(
            **self._arguments,
            pretrained=pretrained,
            pretrained_cfg_overlay=overlay if pretrained else None,
            num_classes=0,
            dynamic_img_size=True,
            dynamic_img_pad=True,
        )
        if not all(hasattr(block, 'attn') for block in getattr(vit, 'blocks', [None])):
            raise WeakTrInputError(
                f'model.backbone.model_name: expected a plain transformer of timm (ViT, EVA), '
                f'got {self._arguments["model_name"]!r}'
            )
        if isinstance(vit.norm, nn.Identity):  # of models that normalise what they have pooled
            vit.norm = vit.fc_norm
        vit.fc_norm = nn.Identity()
        vit.attn_pool = None
        if not self.final_norm:
            vit.norm = nn.Identity()
        for module in vit.modules():
            if hasattr(module, 'fused_attn'):
                module.fused_attn = True
        return vit

    def patch_map(self, tokens: Tensor, images: Tensor) -> Tensor:
        """Patches of all tokens as a map.

        Args:
            tokens: (B, N, E), patches last.
            images: What they were computed of, (B, 3, H, W).

        Returns:
            (B, E, h, w).
        """
        grid = [-(-side // patch) for side, patch in zip(images.shape[2:], self.patch_size)]
        return tokens[:, -grid[0] * grid[1] :].transpose(1, 2).unflatten(2, grid)


def timm_facts(model_name: str) -> dict[str, Any]:
    """Tells what a config needs to know of a model of timm, without loading its weights.

    Args:
        model_name: See :class:`TimmEncoder`.

    Returns:
        ``width`` of the tokens, ``heads`` of a decoder as wide (of 64 channels each), side of a
        ``patch`` in pixels, and ``mean`` and ``std`` of the channels of images in 0..255, RGB.

    Raises:
        WeakTrInputError: As :class:`TimmEncoder`.
    """
    vit = TimmEncoder(model_name).vit
    mean, std = ([255 * value for value in vit.pretrained_cfg[key]] for key in ('mean', 'std'))
    return dict(
        width=vit.embed_dim,
        heads=max(1, vit.embed_dim // 64),
        patch=vit.patch_embed.patch_size[0],
        mean=mean,
        std=std,
    )


def _create(model_name: str, **arguments: Any) -> nn.Module:
    message = 'the backbone needs timm, which is not installed: pip install "timm>=1.0.9"'
    timm = import_optional('timm', message)
    try:
        return timm.create_model(model_name, **arguments)
    except (OSError, RuntimeError, TypeError) as error:
        raise WeakTrInputError(f'model.backbone, {model_name} of timm: {error}') from error
