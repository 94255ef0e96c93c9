from __future__ import annotations

import pytest
from mmengine import dist

from weaktr_mmseg.engine import main_process
from weaktr_mmseg.engine.main_process import on_main_process
from weaktr_mmseg.utils.errors import WeakTrInputError


def refuse():
    raise WeakTrInputError('no')


def test_result_and_arguments():
    assert on_main_process(lambda a, b: [a, b], 1, 2) == [1, 2]


def test_refusal():
    with pytest.raises(WeakTrInputError, match='^no$'):
        on_main_process(refuse)


@pytest.mark.parametrize(('sent', 'error'), [((5, None), None), ((None, 'no'), 'no')])
def test_other_processes_take_what_they_are_told(monkeypatch, sent, error):
    def receive(outcome):
        outcome[:] = sent

    monkeypatch.setattr(main_process, 'is_main_process', lambda: False)
    monkeypatch.setattr(main_process, 'broadcast_object_list', receive)
    assert not dist.is_distributed()
    if error is None:
        assert on_main_process(refuse) == 5
    else:
        with pytest.raises(WeakTrInputError, match=error):
            on_main_process(lambda: 1)
