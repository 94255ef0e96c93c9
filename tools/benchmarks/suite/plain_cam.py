"""The CAM network computed as the paper writes it down: every attention matrix is kept.

It works on the parameters of a :class:`WeakTrCAMSegmentor` and gives its results, so that only the
way of computing them differs. As in the original, the matrices of all layers are kept, stacked and
brought into the order of the weights, then weighed and averaged once for the rows of the classes
and once for the patches; maps of all classes are refined, whichever classes the image has.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from weaktr_mmseg.models import WeakTrCAMSegmentor
from weaktr_mmseg.models.segmentors.cam_segmentor import min_max_normalize


class PlainOutput(NamedTuple):
    """Class token logits (B, C), coarse scores and fine maps (B, C, h, w)."""

    cls: Tensor
    coarse: Tensor
    fine: Tensor


def plain_forward(model: WeakTrCAMSegmentor, images: Tensor) -> PlainOutput:
    """Runs the network on normalised images (B, 3, H, W)."""
    vit, head = model.backbone, model.cam_head
    tokens, (height, width) = vit.patch_embed(images)
    tokens = torch.cat((vit.cls_token.expand(len(tokens), -1, -1), tokens), dim=1)
    tokens = tokens + vit.position_embedding((height, width), images.shape[-2:])
    matrices, pooled = [], []
    for layer in vit.layers:
        attention = layer.attn
        qkv = attention.qkv(layer.ln1(tokens)).unflatten(2, (3, attention.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, H, N, d)
        matrix = (query @ key.transpose(-2, -1) * attention.head_dims**-0.5).softmax(dim=-1)
        output = attention.proj((matrix @ value).transpose(1, 2).flatten(2))
        tokens = tokens + attention.out_drop(output)
        tokens = layer.ffn(layer.ln2(tokens), identity=tokens)
        matrices.append(matrix.detach())
        pooled.append(vit.attention_fusion.pool(output))
    stack = torch.stack(matrices).permute(1, 2, 0, 3, 4).flatten(1, 2)  # (B, H L, N, N)
    weights = vit.attention_fusion(pooled).flatten(1)[..., None, None]  # (B, H L, 1, 1)

    classes = vit.num_classes
    patches = tokens[:, classes:].transpose(1, 2).unflatten(2, (height, width))
    coarse = head.classifier(patches)  # (B, C, h, w)
    attended = (stack * weights).mean(dim=1)[:, :classes, classes:]
    attended = attended * coarse.detach().relu().flatten(2)
    spread = (stack * weights).mean(dim=1)[:, classes:, classes:]  # (B, Np, Np)
    fine = attended @ spread.transpose(1, 2)  # (B, C, Np)
    return PlainOutput(tokens[:, :classes].mean(dim=2), coarse, fine.unflatten(2, (height, width)))


def plain_loss(model: WeakTrCAMSegmentor, images: Tensor, targets: Tensor) -> Tensor:
    """Sum of the losses of the three branches; targets are multi-hot (B, C)."""
    cls, coarse, fine = plain_forward(model, images)
    logits = (cls, coarse.mean(dim=(2, 3)), fine.mean(dim=(2, 3)))
    return sum(F.multilabel_soft_margin_loss(value, targets) for value in logits)


def plain_predict(model: WeakTrCAMSegmentor, image: Tensor, labels: Tensor) -> Tensor:
    """Maps of one image (1, 3, H, W) and its mirror image at its size, (C, H, W)."""
    fine = plain_forward(model, torch.cat((image, image.flip(3)))).fine
    maps = F.interpolate(fine, image.shape[-2:], mode='bilinear', align_corners=False)
    return min_max_normalize((maps[0] + maps[1].flip(2)) * labels[:, None, None])
