from __future__ import annotations

import pytest
from mmengine.logging import MessageHub

from weaktr_mmseg.models import WeakTrHeadEntropyLoss
from weaktr_mmseg.models.losses.fusion_loss import is_due


@pytest.fixture
def hub(tmp_path):
    return MessageHub.get_instance(str(tmp_path))  # the newest is the current one


@pytest.mark.parametrize(
    'begin, end, due', [(0, 1, 'yyyy'), (0.5, 1, 'nnyy'), (0, 0.5, 'yynn'), (0.25, 0.75, 'nyyn')]
)
def test_a_loss_counts_in_its_share_of_the_training(hub, begin, end, due):
    loss = WeakTrHeadEntropyLoss(begin=begin, end=end)
    assert is_due(loss)  # no runner has said anything yet
    hub.update_info('max_iters', 4)
    seen = ''
    for iteration in range(4):
        hub.update_info('iter', iteration)
        seen += 'y' if is_due(loss) else 'n'
    assert seen == due


@pytest.mark.parametrize('begin, end', [(-0.1, 1), (0, 1.1), (0.5, 0.5), (0.6, 0.4)])
def test_shares_are_in_order(begin, end):
    with pytest.raises(ValueError, match='WeakTrHeadEntropyLoss: expected 0 <= begin < end <= 1'):
        WeakTrHeadEntropyLoss(begin=begin, end=end)
