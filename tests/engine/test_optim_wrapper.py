from __future__ import annotations

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim import build_optim_wrapper as build_from_config
from mmengine.registry import init_default_scope

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.engine.optim_wrapper import BFloat16OptimWrapper, build_optim_wrapper
from weaktr_mmseg.utils import precision as precisions
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.precision import best_precision, cpu_has_bfloat16


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [('fpu avx512_bf16 sse', True), ('fpu amx_bf16', True), ('fpu avx512f amx_int8', False)],
)
def test_flags_of_the_processor(tmp_path, flags, expected):
    path = tmp_path / 'cpuinfo'
    path.write_text(f'processor : 0\nflags : {flags}\n', encoding='utf-8')
    assert cpu_has_bfloat16(path) is expected
    assert cpu_has_bfloat16(tmp_path / 'absent') is False


@pytest.mark.parametrize(('has', 'precision'), [(True, 'bfloat16'), (False, 'float32')])
def test_auto_on_a_cpu(monkeypatch, without_gpu, has, precision):
    monkeypatch.setattr(precisions, 'cpu_has_bfloat16', lambda: has)
    assert best_precision() == precision
    wrapper = build_optim_wrapper(optimizer=sgd(torch.nn.Linear(2, 2)))
    assert type(wrapper) is (BFloat16OptimWrapper if has else OptimWrapper)


@pytest.mark.parametrize(('has', 'precision'), [(True, 'bfloat16'), (False, 'float16')])
def test_auto_on_a_gpu(monkeypatch, has, precision):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: has)
    assert best_precision() == precision
    wrapper = build_optim_wrapper('bfloat16', optimizer=sgd(torch.nn.Linear(2, 2)))
    assert wrapper.device_type == 'cuda'


def test_forward_in_bfloat16_and_parameters_in_float32(without_gpu):
    init_default_scope('mmseg')
    model = torch.nn.Linear(4, 2)
    before = model.weight.detach().clone()
    config = dict(
        type='WeakTrOptimWrapper', precision='bfloat16', optimizer=dict(type='SGD', lr=0.1)
    )
    wrapper = build_from_config(model, config)
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 4))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
    assert not isinstance(wrapper, AmpOptimWrapper)


def test_what_the_machine_lacks_is_refused(without_gpu):
    optimizer = sgd(torch.nn.Linear(2, 2))
    with pytest.raises(WeakTrInputError, match='float16 needs a GPU and there is none'):
        build_optim_wrapper('float16', optimizer=optimizer)
    with pytest.raises(WeakTrInputError, match="expected one of auto, .*got 'fp16'"):
        build_optim_wrapper('fp16', optimizer=optimizer)
