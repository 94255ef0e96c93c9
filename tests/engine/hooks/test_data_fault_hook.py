from __future__ import annotations

import json
from types import SimpleNamespace

from weaktr_mmseg.engine.hooks import WeakTrDataFaultHook


class Dataset:
    ann_file = 'train.txt'

    def __init__(self, faults, on_fault='skip'):
        self.faults, self.on_fault = faults, on_fault

    def __len__(self):
        return 7


def runner(work_dir, dataset):
    loader = SimpleNamespace(dataset=dataset)
    return SimpleNamespace(
        work_dir=work_dir, train_dataloader=loader, val_dataloader=loader, test_dataloader=loader
    )


def test_names_every_sample(tmp_path):
    hook = WeakTrDataFaultHook()
    hook.before_train(runner(tmp_path, Dataset({'a': 'a.jpg: torn', 'b': 'b.jpg: gone'})))
    hook.before_val(runner(tmp_path, Dataset({})))
    hook.before_test(runner(tmp_path, Dataset({'c': 'c.jpg: torn'})))
    assert json.loads((tmp_path / 'data_faults.json').read_text(encoding='utf-8')) == {
        'train_dataloader train.txt': dict(
            used=7, skipped=2, faults={'a': 'a.jpg: torn', 'b': 'b.jpg: gone'}
        ),
        'val_dataloader train.txt': dict(used=7, skipped=0, faults={}),
        'test_dataloader train.txt': dict(used=7, skipped=1, faults={'c': 'c.jpg: torn'}),
    }


def test_says_nothing_about_data_that_may_not_be_faulty(tmp_path):
    hook = WeakTrDataFaultHook()
    hook.before_train(runner(tmp_path, Dataset({}, on_fault='stop')))
    hook.before_train(runner(tmp_path, object()))
    assert not list(tmp_path.iterdir())
