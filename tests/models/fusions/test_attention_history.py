from __future__ import annotations

import torch

from weaktr_mmseg.models.fusions.attention_history import AttentionHistory

from looping import some

LAYERS, SHAPE = 3, (2, 2, 5, 4)


def fill(parts):
    history = AttentionHistory(LAYERS)
    for query, key in parts:
        history.append(query, key)
    return history


def draw_parts():
    """Queries and keys of each layer, views of a tensor that holds the values as well."""
    return [torch.randn(3, *SHAPE, requires_grad=True)[:2].unbind() for _ in range(LAYERS)]


def test_keeps_the_layers_own_tensors_while_autograd_records():
    parts = draw_parts()
    history = fill(parts)
    for (query, key), *kept in some(zip(parts, history.queries, history.keys, strict=True)):
        assert [tensor.data_ptr() for tensor in kept] == [query.data_ptr(), key.data_ptr()]
        assert not any(tensor.requires_grad for tensor in kept)


@torch.no_grad()
def test_holds_nothing_but_queries_and_keys_at_inference():
    parts = draw_parts()
    history = fill(parts)
    for (query, key), *kept in zip(parts, history.queries, history.keys):
        torch.testing.assert_close(kept, [query.detach(), key.detach()], rtol=0, atol=0)
    storages = {tensor.untyped_storage().data_ptr() for tensor in history.queries + history.keys}
    assert len(storages) == 1
    assert history.queries[0].untyped_storage().nbytes() == LAYERS * 2 * 4 * query.numel()
