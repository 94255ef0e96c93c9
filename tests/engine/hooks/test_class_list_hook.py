from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmengine.model import BaseModel
from mmseg.models import SegTTAModel
from torch import nn

from weaktr_mmseg.engine.hooks import WeakTrClassListHook
from weaktr_mmseg.utils.errors import WeakTrInputError

CLASSES = ('background', 'cat', 'dog')


class Network(BaseModel):
    def forward(self, *args, **kwargs):
        raise NotImplementedError


def load(meta, classes=CLASSES):
    dataset = SimpleNamespace(metainfo=dict(classes=classes))
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    runner = SimpleNamespace(
        model=nn.Identity(), _train_loop=None, _val_loop=None, _test_loop=loop,
        _load_from='other.pth', work_dir='work',
    )  # fmt: skip
    WeakTrClassListHook().after_load_checkpoint(runner, dict(state_dict={}, meta=meta))


@pytest.mark.parametrize(
    'meta',
    [
        None,
        {},
        dict(dataset_meta=None),
        dict(dataset_meta=dict(palette=[])),
        dict(dataset_meta=dict(classes=list(CLASSES))),
    ],
)
def test_accepts_the_same_classes_or_none(meta):
    load(meta)


@pytest.mark.parametrize(
    ('present', 'given', 'message'),
    [
        ('cam_head', 'decode_head', 'is one of a segmentor .* expected one of the CAM stage'),
        ('decode_head', 'cam_head', 'is one of the CAM stage .* expected one of a segmentor'),
    ],
)
@pytest.mark.parametrize('tta', [False, True])
def test_refuses_checkpoints_of_the_other_stage(present, given, message, tta):
    model = Network()
    model.add_module(present, nn.Identity())
    if tta:
        model = SegTTAModel(module=model)
    runner = SimpleNamespace(model=model, _load_from='other.pth', work_dir='work')
    hook = WeakTrClassListHook()
    with pytest.raises(WeakTrInputError, match=rf'^other\.pth: the checkpoint {message}'):
        hook.after_load_checkpoint(runner, dict(state_dict={f'{given}.weight': 0}))
    for loop in ('_train_loop', '_val_loop', '_test_loop'):
        setattr(runner, loop, None)
    for names in (['backbone.cls_token'], [f'{present}.weight'], [f'{present}.a', f'{given}.a']):
        hook.after_load_checkpoint(runner, dict(state_dict=dict.fromkeys(names, 0)))


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (('background', 'dog', 'cat'), r"other\.pth: .* expected .* \(id 1: 'dog', 'cat'\)"),
        (('background', 'cat'), r"other\.pth: .*\['background', 'cat'\], 2 in number, expected 3"),
        (('background', 'cat', 'Dog'), r"\(id 2: 'Dog', 'dog'\)"),
    ],
)
def test_refuses_other_classes(classes, message):
    with pytest.raises(WeakTrInputError, match=message):
        load(dict(dataset_meta=dict(classes=classes)))


def test_a_model_without_class_names_is_left_alone():
    load(dict(dataset_meta=dict(classes=CLASSES)), classes=None)
