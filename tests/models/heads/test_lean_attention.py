from __future__ import annotations

import pytest
import torch
from torch import nn

from weaktr_mmseg.models.heads.lean_attention import LeanMultiheadAttention, dropped

from looping import some

WIDTH, HEADS = 24, 3
NEVER = 2.0**-18  # rounds to no dropout at all


def pair(dropout: float, **kwargs) -> tuple[nn.MultiheadAttention, LeanMultiheadAttention]:
    torch.manual_seed(0)
    stock = nn.MultiheadAttention(WIDTH, HEADS, dropout, **kwargs)
    return stock, LeanMultiheadAttention.sharing(stock)


def outputs_and_gradients(module: nn.Module, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    output = module(*leaves, need_weights=False)[0]
    return [output, *torch.autograd.grad(output.square().sum(), [*leaves, *module.parameters()])]


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('batch_first', [True, False])
def test_equals_the_stock_module_and_its_gradients(bias, batch_first):
    stock, lean = pair(NEVER, bias=bias, batch_first=batch_first)
    shapes = [(2, 7, WIDTH), (2, 5, WIDTH)] if batch_first else [(7, 2, WIDTH), (5, 2, WIDTH)]
    query, key, value = (torch.randn(shapes[i]) for i in (0, 1, 1))
    expected = outputs_and_gradients(stock.eval(), [query, key, value])
    for actual, wanted in some(
        zip(outputs_and_gradients(lean, [query, key, value]), expected, strict=True)
    ):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)


def test_shares_the_parameters_under_their_names():
    stock, lean = pair(0.1)
    mine, theirs = dict(lean.named_parameters()), dict(stock.named_parameters())
    assert list(mine) == list(theirs)
    assert all(mine[name] is theirs[name] for name in theirs)


def test_dropout_is_the_formula_with_the_mask_that_is_drawn():
    _, lean = pair(0.3)
    lean.requires_grad_(False)
    tokens = torch.randn(6, 2, WIDTH)
    torch.manual_seed(3)
    actual = lean(tokens, tokens, tokens)[0]
    torch.manual_seed(3)
    kept = ~dropped(torch.Size((2, HEADS, 6, 6)), 0.3)
    query, key, value = (
        part.view(6, 2, HEADS, -1).permute(1, 2, 0, 3)
        for part in (tokens @ lean.in_proj_weight.T + lean.in_proj_bias).chunk(3, dim=2)
    )
    attention = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, dim=3)
    mixed = (attention * kept / 0.7) @ value
    expected = lean.out_proj(mixed.permute(2, 0, 1, 3).reshape(6, 2, WIDTH))
    torch.testing.assert_close(actual, expected)
    assert not torch.equal(actual, lean(tokens, tokens, tokens)[0])


@pytest.mark.parametrize('rate', [0.1, 0.5, 0.9])
def test_share_that_is_dropped(rate):
    torch.manual_seed(0)
    draws = dropped(torch.Size((400, 1001)), rate)
    assert draws.shape == (400, 1001)
    assert draws.float().mean() == pytest.approx(rate, abs=0.003)
    assert draws.float().mean(dim=0).std() < 0.04  # as of independent draws: 0.025 at most
    # neighbours, which share a draw, are independent
    together = (draws[:, :-1] & draws[:, 1:]).float().mean()
    assert together == pytest.approx(rate**2, abs=0.004)


def test_no_dropout_at_test_time_or_with_a_mask():
    stock, lean = pair(0.5)
    tokens = torch.randn(6, 2, WIDTH)
    torch.testing.assert_close(
        lean.eval()(tokens, tokens, tokens)[0], stock.eval()(tokens, tokens, tokens)[0]
    )
    mask = torch.zeros(6, 6, dtype=torch.bool)
    results = []
    for module in (stock.train(), lean.train()):
        torch.manual_seed(1)
        results.append(module(tokens, tokens, tokens, attn_mask=mask, need_weights=False)[0])
    torch.testing.assert_close(*results)
