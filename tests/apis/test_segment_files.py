from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.datasets.demo_scenes import CLASSES

TOOL = Path(__file__).parents[2] / 'tools/infer.py'


@pytest.fixture
def photos(tmp_path):
    """Images of every odd kind in a folder, one of them unreadable."""
    folder = tmp_path / 'photos'
    (folder / 'sub').mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (45, 70, 4), dtype=np.uint8)
    Image.fromarray(pixels[..., 0]).save(folder / 'gray.png')
    Image.fromarray(pixels).save(folder / 'rgba.png')
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / 'deep.png')
    turned = Image.Exif()
    turned[0x0112] = 6  # rotated by a quarter
    Image.fromarray(pixels[..., :3]).save(folder / 'sub/turned.jpg', exif=turned)
    (folder / 'broken.jpg').write_bytes(b'no image')
    return folder


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, 'argv', ['infer.py', *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOOL), run_name='__main__')
    return exit_.value.code


def test_tool_segments_a_folder_and_reports_what_it_cannot_read(
    photos, tiny_segmentor, monkeypatch, capsys
):
    config, checkpoint = tiny_segmentor
    out = photos / 'out'
    for _ in range(2):  # its own outputs are no inputs of the second time
        code = run(
            monkeypatch, photos, '--config', config, '--checkpoint', checkpoint, '--out-dir', out
        )
    assert code == 1
    assert 'broken.jpg' in capsys.readouterr().err
    content = json.loads((out / 'areas.json').read_text(encoding='utf-8'))
    assert [entry['file'].split('/')[-1] for entry in content['failed']] == ['broken.jpg']
    assert [entry['mask'] for entry in content['images']] == [
        'masks/deep.png',
        'masks/gray.png',
        'masks/rgba.png',
        'masks/sub/turned.png',
    ]
    for entry in content['images']:
        with Image.open(out / entry['mask']) as mask:
            assert mask.mode == 'P'
            labels = np.array(mask)
        with Image.open(out / entry['overlay']) as picture:
            assert picture.size == labels.shape[::-1]
        assert labels.shape == (entry['height'], entry['width'])
        counts = {CLASSES[i]: (labels == i).mean() for i in np.unique(labels)}
        assert entry['areas'] == pytest.approx(counts, abs=1e-6)
    assert (content['images'][3]['height'], content['images'][3]['width']) == (70, 45)
    assert list(content['colours']) == content['classes']
    assert all(re.fullmatch('#[0-9a-f]{6}', colour) for colour in content['colours'].values())
    assert sum(content['mean_areas'].values()) == pytest.approx(1, abs=1e-4)


def test_tool_says_what_is_wrong_in_one_line(tiny_segmentor, tmp_path, monkeypatch, capsys):
    config, checkpoint = tiny_segmentor
    arguments = ('--config', config, '--checkpoint', checkpoint)
    assert run(monkeypatch, tmp_path / 'absent.png', *arguments) == 2
    assert capsys.readouterr().err.strip().endswith('absent.png: no such file or folder')
    assert run(monkeypatch, tmp_path, *arguments, '--device', 'toaster') == 2
    assert "device 'toaster' cannot be used" in capsys.readouterr().err
