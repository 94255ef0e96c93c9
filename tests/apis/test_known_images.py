from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.apis.known_images import known_images
from weaktr_mmseg.utils.masks import write_mask
from weaktr_mmseg.utils.palette import voc_palette


@pytest.fixture
def cfg(tmp_path, write_image):
    """Two photographs of which the first has a mask."""
    for index, name in enumerate(('a', 'b')):
        write_image(tmp_path / f'images/{name}.jpg', seed=index)
    write_mask(tmp_path / 'masks/a.png', np.zeros((16, 24), np.uint8), voc_palette(3))
    (tmp_path / 'labels.csv').write_text('image,labels\na.jpg,cat\nb.jpg,dog\n', encoding='utf-8')
    dataset = dict(
        type='ImageLabelDataset',
        _scope_='mmseg',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        labels=dict(type='manifest', path='labels.csv'),
        metainfo=dict(classes=['background', 'cat', 'dog'], palette=voc_palette(3)),
    )
    return Config(dict(test_dataloader=dict(dataset=dataset)))


def test_labels_are_known_also_where_a_mask_is_missing(cfg, tmp_path):
    images = [tmp_path / f'images/{name}.jpg' for name in 'ab']
    known = known_images(cfg, images)
    assert [known[path]['image_labels'] for path in images] == [[0], [1]]
    assert not any('seg_map_path' in info for info in known.values())
    write_mask(tmp_path / 'masks/b.png', np.zeros((16, 24), np.uint8), voc_palette(3))
    assert all('seg_map_path' in info for info in known_images(cfg, images).values())


def test_a_data_set_that_cannot_be_read_knows_nothing(cfg, tmp_path):
    (tmp_path / 'labels.csv').unlink()
    assert known_images(cfg, [tmp_path / 'images/a.jpg']) == {}
