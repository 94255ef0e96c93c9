"""The CAM network agrees with the authors' implementation: outputs, losses and gradients."""

from __future__ import annotations

import pytest
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.checkpoints import convert_state_dict
from weaktr_mmseg.models import WeakTrCAMSegmentor

GOLDEN_PATTERN = 'cam_model_*.npz'


@pytest.fixture(params=['streaming', 'materialized'])
def model(golden, build_cam_model, request) -> WeakTrCAMSegmentor:
    """Network with the authors' parameters and either form of the fused attention."""
    return build_cam_model(golden, attention_mode=request.param)


def assert_agrees(actual: Tensor, expected: Tensor, name: str) -> None:
    """Require a maximal absolute error of 2e-5, relative to the largest value if above 1."""
    tolerance = 2e-5 * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(
        actual, expected.double(), rtol=0, atol=tolerance, msg=lambda message: f'{name}: {message}'
    )


@torch.no_grad()
def test_outputs(model, golden):
    cases = golden.groups('case')
    assert cases
    for case in cases:
        features = model.extract_feat(golden.tensor(f'{case}/input').double())
        maps = model.cam_head.activation_maps(features)
        logits = model.cam_head(features)
        scores = model.cam_head.classifier(features.patch_map)
        outputs = dict(
            cls_logits=logits.cls,
            coarse_logits=logits.coarse,
            fine_logits=logits.fine,
            coarse_map=scores,
            head_weights=features.attention.weights.flatten(1),
            attn_cam=maps.attended,
            fine_cam=maps.fine,
        )
        for name, output in outputs.items():
            assert_agrees(output, golden.tensor(f'{case}/{name}'), f'{case}/{name}')


def test_losses_and_gradients(model, golden):
    images, targets = golden.tensor('train/input').double(), golden.tensor('train/target')
    samples = [SegDataSample() for _ in targets]
    for sample, target in zip(samples, targets):
        sample.set_field(target, 'image_labels', dtype=Tensor)

    losses = model.loss(images, samples)
    sum(losses.values()).backward()

    expected = golden['train/losses']
    names = ('loss_cls', 'loss_coarse', 'loss_fine')
    assert [losses[name].item() for name in names] == pytest.approx(list(expected), abs=2e-5)
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, gradient in expected_gradients(golden).items():
        difference = (gradients[name] - gradient).abs().max()
        assert difference <= 1e-4 * gradient.abs().max(), name


def expected_gradients(golden) -> dict[str, Tensor]:
    """Return the authors' gradients by our parameter names."""
    recorded = golden.tensors('grad')
    placeholders = {name: torch.zeros_like(tensor) for name, tensor in golden.tensors('sd').items()}
    renamed, _ = convert_state_dict({**placeholders, **recorded})
    reached = {id(tensor) for tensor in recorded.values()}
    found = {name: tensor for name, tensor in renamed.items() if id(tensor) in reached}
    assert len(found) == len(recorded)
    return found
