from __future__ import annotations

import pytest
import torch

from weaktr_mmseg.models import AdaptiveAttentionFusion

BATCH, TOKENS, HEADS, LAYERS, HEAD_DIMS = 2, 7, 3, 2, 4


@pytest.fixture
def outputs():
    """Attention output of each layer, (B, N, E)."""
    generator = torch.manual_seed(0)
    shape = (BATCH, TOKENS, HEADS * HEAD_DIMS)
    return [torch.randn(shape, generator=generator) for _ in range(LAYERS)]


def build(pooling='max', **options):
    torch.manual_seed(1)
    defaults = dict(reduction=2, feature_reduction=2, pooling=pooling)
    return AdaptiveAttentionFusion(LAYERS, HEADS, HEAD_DIMS, **{**defaults, **options})


def weights_by_loops(fusion, outputs):
    """One pair of head and layer at a time; head j owns the channels j, j + H, j + 2H, ..."""
    first, second = fusion.feature_ffn
    squeeze, _, expand, _ = fusion.head_ffn
    weights = torch.empty(BATCH, HEADS, LAYERS)
    for image in range(BATCH):
        scores = []
        for head in range(HEADS):
            for layer in range(LAYERS):
                feature = outputs[layer][image, :, head::HEADS]
                pooled = (
                    feature.max(0).values if fusion.pooling == 'max' else feature.sum(0) / TOKENS
                )
                hidden = first.weight @ pooled + first.bias
                scores.append((second.weight @ hidden + second.bias).item())
        hidden = (squeeze.weight @ torch.tensor(scores)).clamp(min=0)
        excited = 1 / (1 + torch.exp(-expand.weight @ hidden))
        for pair, weight in enumerate(excited):
            weights[image, pair // LAYERS, pair % LAYERS] = weight
    return weights


@pytest.mark.parametrize('pooling', ['max', 'avg'])
def test_equals_a_loop_over_heads_with_strided_channels(outputs, pooling):
    fusion = build(pooling)
    weights = fusion([fusion.pool(output) for output in outputs])
    torch.testing.assert_close(weights, weights_by_loops(fusion, outputs))
    assert weights.std() > 1e-3


def test_fusion_learns_but_the_layers_do_not(outputs):
    fusion = build()
    for output in outputs:
        output.requires_grad_()

    fusion([fusion.pool(output) for output in outputs]).sum().backward()

    assert all(output.grad is None for output in outputs)
    assert all(parameter.grad is not None for parameter in fusion.parameters())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(pooling='median'), r"pooling: expected one of \('max', 'avg'\), got 'median'"),
        (dict(reduction=7), r'reduction: expected at most 6 \(heads x layers\), got 7'),
        (dict(feature_reduction=5), 'feature_reduction: expected at most 4 .* got 5'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_widest_bottleneck_that_is_allowed(outputs):
    fusion = build(reduction=6, feature_reduction=4)
    assert fusion([fusion.pool(output) for output in outputs]).shape == (BATCH, HEADS, LAYERS)
