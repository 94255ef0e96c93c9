"""CAM stage on a DeiT-S with the 20 classes of VOC: training step and inference."""

from __future__ import annotations

from functools import partial

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from weaktr_mmseg.models import WeakTrCAMSegmentor

from .case import Case, Run
from .plain_cam import plain_loss, plain_predict

CLASSES = 20
PRESENT = (3, 14)  # two classes in an image, where VOC has 1.5 on average
BATCH = 8
DEIT_S = dict(
    arch='deit-small', patch_size=16, drop_path_rate=0.1, norm_cfg=dict(type='LN', eps=1e-6)
)


def build_segmentor(device: torch.device) -> WeakTrCAMSegmentor:
    """The published CAM network with random weights."""
    torch.manual_seed(0)
    config = dict(
        type='WeakTrCAMSegmentor',
        backbone=dict(type='WeakTrViT', num_classes=CLASSES, img_size=224, **DEIT_S),
        cam_head=dict(type='WeakTrCAMHead', in_channels=384, num_classes=CLASSES),
    )
    return MODELS.build(config).to(device)


def labelled_sample(device: torch.device) -> SegDataSample:
    """A sample that knows its classes."""
    labels = torch.zeros(CLASSES, device=device)
    labels[list(PRESENT)] = 1
    sample = SegDataSample()
    sample.set_field(labels, 'image_labels')
    return sample


def optimizer_step(model: nn.Module) -> OptimWrapper:
    """The optimiser of the published recipe."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=7.5e-5, weight_decay=0.03)
    return OptimWrapper(optimizer)


def train_ours(device: torch.device) -> Run:
    """Training step of the CAM network."""
    model = build_segmentor(device)
    model.train()
    optimizer = optimizer_step(model)
    images = torch.randn(BATCH, 3, 224, 224, device=device)
    samples = [labelled_sample(device) for _ in range(BATCH)]

    def step() -> None:
        losses = model(images, samples, mode='loss')
        optimizer.update_params(model.parse_losses(losses)[0])

    return step


def train_plain(device: torch.device) -> Run:
    """The same step with every attention matrix kept."""
    model = build_segmentor(device)
    model.train()
    optimizer = optimizer_step(model)
    images = torch.randn(BATCH, 3, 224, 224, device=device)
    targets = labelled_sample(device).image_labels.expand(BATCH, -1)
    return lambda: optimizer.update_params(plain_loss(model, images, targets))


def infer_ours(side: int, device: torch.device) -> Run:
    """Maps of an image and its mirror image."""
    model = build_segmentor(device)
    model.eval()
    image = torch.randn(1, 3, side, side, device=device)

    @torch.inference_mode()
    def predict() -> Tensor:
        return model.predict(image, [labelled_sample(device)])[0].cams

    return predict


def infer_plain(side: int, device: torch.device) -> Run:
    """The same maps from the fused matrix."""
    model = build_segmentor(device)
    model.eval()
    image = torch.randn(1, 3, side, side, device=device)
    labels = labelled_sample(device).image_labels
    return torch.inference_mode()(partial(plain_predict, model, image, labels))


def vit_forward(side: int, scope: str, device: torch.device) -> Run:
    """Forward of a plain ViT on two images: the framework's, without any fusion."""
    torch.manual_seed(0)
    if scope == 'mmseg':
        config = dict(
            type='VisionTransformer', img_size=224, embed_dims=384, num_layers=12, num_heads=6
        )
    else:
        config = dict(type='mmpretrain.VisionTransformer', img_size=224, **DEIT_S)
    model = MODELS.build(config).to(device)
    model.eval()
    images = torch.randn(2, 3, side, side, device=device)
    return torch.inference_mode()(partial(model, images))


def _matrix_gb(side: int) -> float:
    """Memory of four copies of all matrices and a reserve, in GB."""
    tokens = (side // 16) ** 2 + CLASSES
    return 1 + 4 * 12 * 2 * 6 * tokens**2 * 4 / 1e9


CASES = [
    Case('cam_train_224', train_ours, train_plain),
    *(
        Case(
            f'cam_infer_{side}',
            partial(infer_ours, side),
            partial(infer_plain, side),
            _matrix_gb(side),
        )
        for side in (224, 480, 640, 960)
    ),
    *(
        Case(
            f'vit_forward_{side}',
            partial(vit_forward, side, 'mmpretrain'),
            partial(vit_forward, side, 'mmseg'),
            _matrix_gb(side) / 12,
        )
        for side in (224, 960)
    ),
]
