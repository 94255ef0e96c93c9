"""Networks with COCO's original ids inside compute what the original's do, gaps dropped."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.decode_heads import SegmenterMaskTransformerHead
from mmseg.registry import MODELS

from weaktr_mmseg.datasets.coco_categories import COCO_CATEGORY_IDS
from weaktr_mmseg.models import WeakTrCAMHead, WeakTrGradientClippingHead
from weaktr_mmseg.utils.errors import WeakTrInputError

DECODER = dict(
    in_channels=16, channels=16, num_layers=2, num_heads=2, embed_dims=16, drop_path_rate=0.0
)
ARCH = dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32)


def randomize(module):
    generator = torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.4, generator=generator)
    module.eval()
    return module


def test_decoder_drops_gaps_after_the_norm():
    original = randomize(SegmenterMaskTransformerHead(num_classes=91, **DECODER))
    ours = WeakTrGradientClippingHead(num_classes=81, original_coco_ids=True, **DECODER).eval()
    ours.load_state_dict(original.state_dict(), strict=True)
    features = (torch.randn(2, 16, 3, 4),)

    expected = original(features)[:, [0, *COCO_CATEGORY_IDS]]
    torch.testing.assert_close(ours(features), expected)
    assert ours.num_classes == ours.out_channels == 81
    # Without the rows of the gaps, attention and norm are others.
    few = WeakTrGradientClippingHead(num_classes=81, **DECODER).eval()
    state = {
        name: value[:, ours.kept_rows]
        if name == 'cls_emb'
        else value[ours.kept_rows]
        if name.startswith('mask_norm')
        else value
        for name, value in original.state_dict().items()
    }
    few.load_state_dict(state, strict=True)
    assert (few(features) - expected).abs().max() > 0.01


@pytest.fixture
def features():
    vit = dict(
        type='WeakTrViT', num_classes=90, arch=ARCH, img_size=16, patch_size=4,
        fusion=dict(type='AdaptiveAttentionFusion', reduction=2, feature_reduction=2),
    )  # fmt: skip
    images = torch.randn(2, 3, 16, 16, generator=torch.manual_seed(1))
    return randomize(MODELS.build(vit))(images)


def test_cam_head_drops_gaps(features):
    original = randomize(WeakTrCAMHead(in_channels=16, num_classes=90))
    ours = WeakTrCAMHead(in_channels=16, num_classes=80, original_coco_ids=True)
    ours.load_state_dict(original.state_dict(), strict=True)
    rows = [i - 1 for i in COCO_CATEGORY_IDS]

    for actual, expected in zip(ours(features), original(features)):
        torch.testing.assert_close(actual, expected[:, rows])
    for classes in (None, torch.tensor([3, 11, 79])):
        wanted = rows if classes is None else [rows[i] for i in classes]
        pairs = zip(ours.activation_maps(features, classes), original.activation_maps(features))
        for actual, expected in pairs:
            torch.testing.assert_close(actual, expected[:, wanted])
    losses = ours.loss(features, torch.ones(2, 80))
    assert set(losses) == {'loss_cls', 'loss_coarse', 'loss_fine'}


def test_refuses_other_data():
    with pytest.raises(WeakTrInputError, match='expected num_classes=81, got 21'):
        WeakTrGradientClippingHead(num_classes=21, original_coco_ids=True, **DECODER)
