from __future__ import annotations

from itertools import product

import pytest
import torch

from weaktr_mmseg.models.fusions import fused_attention
from weaktr_mmseg.models.fusions.fused_attention import (
    MaterializedFusedAttention,
    StreamingFusedAttention,
    fuse_attention,
)

BATCH, HEADS, LAYERS, HEAD_DIMS, CLASSES, PATCHES = 2, 3, 2, 4, 3, 10
TOKENS = CLASSES + PATCHES
MODES = ['streaming', 'materialized', 'auto']


@pytest.fixture
def parts():
    """Queries and keys of each layer, and weights; all of them could take a gradient."""
    generator = torch.manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator).requires_grad_()

    queries = [draw(BATCH, HEADS, TOKENS, HEAD_DIMS) for _ in range(LAYERS)]
    keys = [draw(BATCH, HEADS, TOKENS, HEAD_DIMS) for _ in range(LAYERS)]
    return queries, keys, draw(BATCH, HEADS, LAYERS)


def draw_maps(count):
    return torch.rand(BATCH, count, PATCHES, generator=torch.manual_seed(1)).requires_grad_()


def naive_matrix(queries, keys, weights):
    """The mean over all heads of weight times softmax, row by row, (B, N, N)."""
    matrix = torch.zeros(BATCH, TOKENS, TOKENS)
    for image in range(BATCH):
        for layer in range(LAYERS):
            for head in range(HEADS):
                query, key = queries[layer][image, head], keys[layer][image, head]
                scores = (query @ key.T / HEAD_DIMS**0.5).exp().detach()
                attention = scores / scores.sum(1, keepdim=True)
                update = torch.zeros_like(matrix)
                update[image] = attention
                matrix = matrix + weights[image, head, layer] * update / (HEADS * LAYERS)
    return matrix


def patch_block(parts):
    return naive_matrix(*parts)[:, CLASSES:, CLASSES:]


def gradients(value, *inputs):
    """Gradients of a fixed random projection of ``value``."""
    probe = torch.randn(value.shape, generator=torch.manual_seed(2))
    return torch.autograd.grad((value * probe).sum(), inputs)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('classes', [None, [1], [2, 0], []])
def test_class_to_patch(parts, mode, classes):
    operator = fuse_attention(*parts, CLASSES, mode)
    chosen = None if classes is None else torch.tensor(classes, dtype=torch.long)

    rows = operator.class_to_patch(chosen)

    expected = naive_matrix(*parts)[:, list(range(CLASSES)) if classes is None else classes]
    torch.testing.assert_close(rows, expected[..., CLASSES:], rtol=0, atol=1e-5)
    if classes != []:
        assert_same_gradients(rows, expected[..., CLASSES:], parts[2])


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('count', [1, HEAD_DIMS, HEAD_DIMS + 1, 2 * HEAD_DIMS + 3])
def test_propagate_also_more_maps_than_a_head_is_wide(parts, mode, count):
    maps = draw_maps(count)

    spread = fuse_attention(*parts, CLASSES, mode).propagate(maps)

    expected = torch.einsum('bnm,bkm->bkn', patch_block(parts), maps)
    torch.testing.assert_close(spread, expected, rtol=0, atol=1e-5)
    assert_same_gradients(spread, expected, parts[2], maps)


def test_one_layer_may_be_all(parts):
    queries, keys, weights = parts
    one = queries[:1], keys[:1], weights[..., :1]
    streaming, materialized = (fuse_attention(*one, CLASSES, mode) for mode in MODES[:2])
    maps = draw_maps(HEAD_DIMS + 1)
    torch.testing.assert_close(streaming.propagate(maps), materialized.propagate(maps))


@pytest.mark.parametrize('mode', MODES)
def test_propagate_no_maps(parts, mode):
    spread = fuse_attention(*parts, CLASSES, mode).propagate(torch.zeros(BATCH, 0, PATCHES))
    assert spread.shape == (BATCH, 0, PATCHES)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('strip_elements', [1, 3 * BATCH * HEADS * TOKENS, 1 << 23])
def test_propagated_mean_with_strips_of_any_height(parts, mode, strip_elements, monkeypatch):
    monkeypatch.setattr(fused_attention, 'STRIP_ELEMENTS', strip_elements)
    maps = draw_maps(HEAD_DIMS + 1)

    mean = fuse_attention(*parts, CLASSES, mode).propagated_mean(maps)

    expected = torch.einsum('bnm,bkm->bkn', patch_block(parts), maps).mean(2)
    torch.testing.assert_close(mean, expected, rtol=0, atol=1e-5)
    assert_same_gradients(mean, expected, parts[2], maps)


def assert_same_gradients(value, expected, *inputs):
    for mine, naive in zip(gradients(value, *inputs), gradients(expected, *inputs)):
        torch.testing.assert_close(mine, naive, rtol=0, atol=1e-5)


@pytest.mark.parametrize('mode', MODES)
def test_queries_and_keys_get_no_gradient(parts, mode):
    queries, keys, weights = parts
    operator = fuse_attention(queries, keys, weights, CLASSES, mode)
    maps = operator.class_to_patch()

    (operator.propagate(maps).sum() + operator.propagated_mean(maps).sum()).backward()

    assert all(tensor.grad is None for tensor in (*queries, *keys))
    assert weights.grad.abs().min() > 0


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('autocast', [True, False])
@pytest.mark.parametrize('dtypes', list(product([torch.bfloat16, torch.float32], repeat=2)))
def test_half_precision_stays_close(parts, mode, autocast, dtypes):
    """Queries and keys may be narrower than weights and maps, within autocast and outside."""
    queries, keys, weights = parts
    narrow = [[tensor.bfloat16() for tensor in tensors] for tensors in (queries, keys)]
    weights_dtype, maps_dtype = dtypes
    maps = draw_maps(2)
    given = maps.to(maps_dtype)

    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        operator = fuse_attention(*narrow, weights.to(weights_dtype), CLASSES, mode)
        rows, spread, mean = (
            operator.class_to_patch(),
            operator.propagate(given),
            operator.propagated_mean(given),
        )

    block = patch_block(parts)
    expected = torch.einsum('bnm,bkm->bkn', block, maps)
    for mine, naive in (
        (rows, naive_matrix(*parts)[:, :CLASSES, CLASSES:]),
        (spread, expected),
        (mean, expected.mean(2)),
    ):
        torch.testing.assert_close(mine.float(), naive, rtol=0, atol=3e-2)
        assert_gradients_exist(mine, weights)


def assert_gradients_exist(value, weights):
    (gradient,) = torch.autograd.grad(value.float().sum(), weights, retain_graph=True)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize('mode', MODES)
def test_registers_have_neither_rows_nor_columns(parts, mode):
    registers, first = 2, CLASSES + 2
    maps = draw_maps(3)[..., registers:]

    operator = fuse_attention(*parts, CLASSES, mode, registers)

    matrix = naive_matrix(*parts)
    torch.testing.assert_close(operator.class_to_patch(), matrix[:, :CLASSES, first:])
    expected = torch.einsum('bnm,bkm->bkn', matrix[:, first:, first:], maps)
    torch.testing.assert_close(operator.propagate(maps), expected)
    torch.testing.assert_close(operator.propagated_mean(maps), expected.mean(2))


@pytest.mark.parametrize('mode', MODES)
def test_only_fused_layers_are_computed(parts, mode):
    queries, keys, weights = parts
    weights = weights * torch.tensor([0.0, 1.0])
    maps = draw_maps(2)
    whole = fuse_attention(queries, keys, weights, CLASSES, mode)
    broken = [torch.full_like(queries[0], torch.nan), queries[1]]

    fused = fuse_attention(broken, keys, weights, CLASSES, mode, fused_layers=[1])

    torch.testing.assert_close(fused.class_to_patch(), whole.class_to_patch())
    torch.testing.assert_close(fused.propagate(maps), whole.propagate(maps))
    torch.testing.assert_close(fused.propagated_mean(maps), whole.propagated_mean(maps))


@pytest.mark.parametrize(
    ('tokens', 'learns', 'expected'),
    [
        (TOKENS, False, MaterializedFusedAttention),
        (TOKENS - 1, False, StreamingFusedAttention),
        (TOKENS, True, StreamingFusedAttention),
    ],
)
def test_auto_builds_the_matrix_of_few_tokens_at_inference(
    parts, tokens, learns, expected, monkeypatch
):
    monkeypatch.setattr(fused_attention, 'MATERIALIZED_TOKENS', tokens)
    with torch.set_grad_enabled(learns):
        assert type(fuse_attention(*parts, CLASSES, 'auto')) is expected


def test_refuses_unknown_mode(parts):
    with pytest.raises(ValueError, match="attention mode: expected one of .* got 'dense'"):
        fuse_attention(*parts, CLASSES, 'dense')


@pytest.mark.parametrize('mode', MODES)
def test_autocast_does_not_widen_what_a_sum_narrows_again(parts, mode, monkeypatch):
    """It widens the softmax on a GPU, so here it is asked whether it is on."""
    queries, keys, weights = parts
    softmax, widens = torch.softmax, []

    def spy(scores, dim):
        widens.append(torch.is_autocast_enabled('cpu'))
        return softmax(scores, dim)

    monkeypatch.setattr(torch, 'softmax', spy)
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        rows = fused_attention.attention_rows(queries[0], keys[0])
        assert rows.dtype == torch.bfloat16 and widens == [False]
        operator = fuse_attention(queries, keys, weights, CLASSES, mode)
        spread = operator.propagate(draw_maps(2))
    expected = draw_maps(2) @ patch_block(parts).transpose(1, 2)
    torch.testing.assert_close(spread.float(), expected, rtol=0.02, atol=0.02)
