from __future__ import annotations

import numpy as np
import pytest
import torch
from mmseg.registry import METRICS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.pseudo_labels.cam_files import read_cams


@pytest.fixture
def writer(tmp_path):
    config = dict(type='WeakTrCAMWriter', folder=str(tmp_path), config_hash='abc', _scope_='mmseg')
    writer = METRICS.build(config)
    writer.dataset_meta = dict(classes=('background', 'cat', 'cow', 'dog'))
    return writer


def test_writes_one_file_per_image_and_gives_no_score(writer, tmp_path):
    cams = torch.rand(2, 3, 4, generator=torch.manual_seed(0))
    classes = torch.tensor([0, 2])
    empty = dict(sample_id='b', cams=cams[:0], cam_classes=classes[:0])

    scores = torch.tensor([0.75, 0.25, 0.5])
    sample = dict(sample_id='sub/a', cams=cams, cam_classes=classes, class_scores=scores)
    writer.process({}, [sample, empty])

    content = read_cams(tmp_path / 'sub' / 'a.npz')
    np.testing.assert_allclose(content.cams, cams, atol=1e-3)
    assert content.class_ids.tolist() == [0, 2]
    assert content.class_names == ('cat', 'dog')
    assert content.config_hash == 'abc'
    assert content.class_scores.tolist() == scores.tolist()
    assert read_cams(tmp_path / 'b.npz').class_scores is None
    assert read_cams(tmp_path / 'b.npz').cams.shape == (0, 3, 4)
    assert writer.evaluate(2) == writer.evaluate(99) == {}
