"""Retraining stage on a DeiT-S and the 21 classes of VOC, beside mmseg's own modules."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from weaktr_mmseg.models import WeakTrGradientClippingLoss

from .case import Case, Run

CLASSES = 21
BATCH = 4
CROP = 480
WINDOWS = (520, 693)  # a 375 x 500 image at short side 520


def build_ours(device: torch.device) -> nn.Module:
    """The published segmentor with random weights."""
    backbone = dict(
        type='WeakTrSegmenterViT',
        arch='deit-small',
        img_size=CROP,
        patch_size=16,
        drop_path_rate=0.1,
        norm_cfg=dict(type='LN', eps=1e-5),
        out_type='featmap',
        interpolate_mode='bilinear',
    )
    head = dict(type='WeakTrGradientClippingHead', patch_size=16)
    return _build('WeakTrSegmentor', backbone, head, device)


def build_stock(device: torch.device) -> nn.Module:
    """The same network of mmseg's modules, trained with cross entropy."""
    backbone = dict(
        type='VisionTransformer',
        img_size=(CROP, CROP),
        embed_dims=384,
        num_layers=12,
        num_heads=6,
        drop_path_rate=0.1,
        norm_cfg=dict(type='LN', eps=1e-5),
        final_norm=True,
        interpolate_mode='bilinear',
    )
    head = dict(type='SegmenterMaskTransformerHead')
    return _build('EncoderDecoder', backbone, head, device)


def _build(segmentor: str, backbone: dict, head: dict, device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    decoder = dict(
        in_channels=384,
        channels=384,
        embed_dims=384,
        num_layers=2,
        num_heads=6,
        num_classes=CLASSES,
        drop_rate=0.1,
        attn_drop_rate=0.1,
        drop_path_rate=0.0,
    )
    config = ConfigDict(
        type=segmentor,
        backbone=backbone,
        decode_head={**decoder, **head},
        test_cfg=dict(mode='slide', crop_size=(CROP, CROP), stride=(320, 320)),
    )
    return MODELS.build(config).to(device)


def train_step(build: object, device: torch.device) -> Run:
    """A training step with the optimiser of the published recipe."""
    model = build(device)  # type: ignore[operator]
    model.train()
    optimizer = OptimWrapper(
        torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True)
    )
    images = torch.randn(BATCH, 3, CROP, CROP, device=device)
    labels = torch.randint(CLASSES, (BATCH, 1, CROP, CROP), device=device)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]

    def step() -> None:
        losses = model(images, samples, mode='loss')
        optimizer.update_params(model.parse_losses(losses)[0])

    return step


def sliding_window(build: object, device: torch.device) -> Run:
    """Sliding-window prediction of an image."""
    model = build(device)  # type: ignore[operator]
    model.eval()
    image = torch.randn(1, 3, *WINDOWS, device=device)
    meta = dict(ori_shape=WINDOWS, img_shape=WINDOWS, pad_shape=WINDOWS)

    @torch.inference_mode()
    def predict() -> Tensor:
        return model.inference(image, [dict(meta)])

    return predict


def loss_step(clipped: bool, device: torch.device) -> Run:
    """Forward and backward of the loss alone, clipped or plain cross entropy."""
    torch.manual_seed(0)
    logits = torch.randn(BATCH, CLASSES, CROP, CROP, device=device, requires_grad=True)
    labels = torch.randint(CLASSES, (BATCH, CROP, CROP), device=device)
    criterion = WeakTrGradientClippingLoss(start=10.0)  # always clips
    loss = criterion if clipped else partial(F.cross_entropy, ignore_index=255)

    def step() -> None:
        loss(logits, labels).backward()
        logits.grad = None

    return step


CASES = [
    Case('stage2_step_480', partial(train_step, build_ours), partial(train_step, build_stock)),
    Case('clipping_loss_480', partial(loss_step, True), partial(loss_step, False)),
    Case(
        'sliding_window', partial(sliding_window, build_ours), partial(sliding_window, build_stock)
    ),
]
