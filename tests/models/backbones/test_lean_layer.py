"""The lean computation against mmpretrain's own layer."""

from __future__ import annotations

import pytest
import torch
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer

from weaktr_mmseg.models.backbones.lean_layer import add_attention, add_feed_forward, attend

from looping import some

WIDTH, HEADS, HIDDEN = 16, 2, 64


def build_layer(**options):
    torch.manual_seed(0)
    layer = TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, **options)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return layer.train()


def lean_forward(layer, tokens):
    tokens = add_attention(layer.attn, tokens, attend(layer.attn, layer.ln1(tokens)).output)
    return add_feed_forward(layer.ffn, tokens, layer.ln2(tokens))


def run(layer, forward):
    """Output, gradient of the input and of every parameter, at a fixed seed."""
    tokens = torch.randn(6, 5, WIDTH, generator=torch.manual_seed(1)).requires_grad_()
    torch.manual_seed(2)
    layer.zero_grad()
    output = forward(tokens)
    output.square().sum().backward()
    return [output.detach(), tokens.grad, *(p.grad.clone() for p in layer.parameters())]


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(drop_path_rate=0.5),
        dict(drop_rate=0.3),
        dict(attn_drop_rate=0.3),
        dict(layer_scale_init_value=0.1),
        dict(num_fcs=3),
        dict(ffn_type='swiglu_fused', layer_scale_init_value=0.1),
    ],
)
@pytest.mark.parametrize('training', [True, False])
def test_equals_the_layer_with_gradients_and_random_numbers(options, training):
    layer = build_layer(**options).train(training)
    expected = run(layer, layer)
    for mine, theirs in some(
        zip(run(layer, lambda tokens: lean_forward(layer, tokens)), expected, strict=True)
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)


def test_queries_and_keys_give_the_attention_of_the_layer():
    attention = build_layer().attn
    tokens = torch.randn(2, 5, WIDTH)
    query, key, output = attend(attention, tokens)
    value = attention.qkv(tokens)[..., 2 * WIDTH :].unflatten(2, (HEADS, -1)).transpose(1, 2)
    matrix = (query @ key.transpose(2, 3) / (WIDTH / HEADS) ** 0.5).softmax(dim=3)
    mixed = attention.proj((matrix @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(output, mixed)


def saved_bytes(layer, forward):
    """Bytes that autograd keeps beside the parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in layer.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.randn(4, 64, WIDTH, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward(tokens)
    return sum(kept.values())


def test_output_of_the_activation_is_not_kept():
    layer = build_layer()
    saved = saved_bytes(layer, layer) - saved_bytes(layer, lambda x: lean_forward(layer, x))
    assert saved >= 4 * 64 * HIDDEN * 4
