"""The page as a file, and the command that writes it."""

from __future__ import annotations

import base64
import io
import json
import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from review_classes import CLASSES, PALETTE

from weaktr_mmseg.review import write_review
from weaktr_mmseg.review.thumbnails import mask_thumbnail, photo_thumbnail
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import write_mask

TOOL = Path(__file__).parents[2] / 'tools/review.py'


def blocks(page: Path) -> dict:
    """The JSON in a page by the id of its script element."""
    pattern = r'<script type="application/json" id="([\w-]+)">(.*?)</script>'
    return {
        k: json.loads(v) for k, v in re.findall(pattern, page.read_text(encoding='utf-8'), re.S)
    }


def picture(code: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(code)))


def test_page_has_every_photograph_the_most_suspicious_first(labelled_run, tmp_path):
    done = write_review(labelled_run, tmp_path / 'page.html')
    found = blocks(done.path)
    items = found['data']['items']
    assert len(items) == done.images == 150
    assert found['data']['classes'] == CLASSES
    scores = [item['score'] for item in items]
    assert scores == sorted(scores, reverse=True)
    first, second = items[:2]
    assert first['name'] == '006.jpg' and first['reasons'][0] == ['no-evidence', 0.99, [0]]
    assert second['name'] == 'sub/003.jpg' and ['unlabelled', 0.9, [1]] in second['reasons']
    assert second['scores'] == [0.95, 0.9, 0.01]


def test_pictures_are_those_of_the_photographs(labelled_run, tmp_path):
    found = blocks(write_review(labelled_run, tmp_path / 'page.html', side=20).path)
    items, pictures = found['data']['items'], found['pictures-0'] + found['pictures-1']
    assert len(pictures) == len(items) and found['data']['chunk'] == len(found['pictures-0'])
    index = next(i for i, item in enumerate(items) if item['name'] == 'sub/001.jpg')
    photograph, mask = map(picture, pictures[index])
    assert photograph.size == mask.size == (20, 15)
    colours = np.array(mask.convert('RGBA')).reshape(-1, 4)
    (label,) = items[index]['labels']
    assert {tuple(c[:3]) for c in colours if c[3]} == {tuple(PALETTE[label + 1])}


def test_page_needs_no_other_file_and_escapes_names(labelled_run, tmp_path):
    html = write_review(labelled_run, tmp_path / 'page.html').path.read_text(encoding='utf-8')
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search(r'url\(|@import|https?://', html)
    assert 'c<ow>' not in html


def test_predictions_are_compared_where_there_are_any(labelled_run, tmp_path):
    other = np.zeros((30, 40), np.uint8)
    other[20:, 20:] = 3
    write_mask(tmp_path / 'predictions/sub/001.png', other, PALETTE)
    found = blocks(write_review(labelled_run, tmp_path / 'p.html', tmp_path / 'predictions').path)
    items = found['data']['items']
    assert items[0]['name'] == 'sub/001.jpg' and items[0]['reasons'][0][:2] == ['disagreement', 1.0]
    assert [len(entry) for entry in found['pictures-0']] == [3] + [2] * 99


def test_masks_at_the_end_of_a_run_are_compared(labelled_run, tmp_path):
    run = tmp_path / 'run'
    shutil.copytree(labelled_run, run)
    other = np.full((30, 40), 3, np.uint8)
    write_mask(run / 'masks/sub/001.png', other, PALETTE)
    first = blocks(write_review(run).path)['data']['items'][0]
    assert first['name'] == 'sub/001.jpg' and first['reasons'][0][0] == 'disagreement'
    with pytest.raises(WeakTrInputError, match='expected a folder of masks'):
        write_review(run, predictions=tmp_path / 'none')


def test_a_run_that_kept_no_maps(labelled_run, tmp_path):
    run = tmp_path / 'run'
    shutil.copytree(labelled_run, run)
    shutil.rmtree(run / 'pseudo_labels/cams')
    items = blocks(write_review(run).path)['data']['items']
    assert items[0]['name'] == '006.jpg' and items[0]['scores'] is None


def test_folders_that_are_no_runs(labelled_run, tmp_path):
    with pytest.raises(WeakTrInputError, match='expected the folder of a pipeline'):
        write_review(tmp_path)
    run = tmp_path / 'run'
    shutil.copytree(labelled_run, run)
    (run / 'pseudo_labels/masks/006.png').write_bytes(b'no mask')
    with pytest.raises(WeakTrInputError, match=r'006\.png: expected a mask'):
        write_review(run)
    shutil.rmtree(run / 'pseudo_labels/masks')
    (run / 'pseudo_labels/masks').mkdir()
    with pytest.raises(WeakTrInputError, match='no mask of the 150 training photographs'):
        write_review(run)
    (run / 'config.py').write_text('model = dict()', encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r'config of a pipeline \(cam_stage\)'):
        write_review(run)


@pytest.mark.parametrize('mode', ['RGB', 'L', 'P', 'RGBA', 'CMYK'])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_thumbnails_of_every_kind(tmp_path, mode, suffix):
    if (mode, suffix) in (('P', '.jpg'), ('RGBA', '.jpg'), ('CMYK', '.png')):
        return
    turned = Image.Exif()
    turned[0x0112] = 6  # rotated by a quarter
    path = tmp_path / f'photo{suffix}'
    Image.new(mode, (400, 200)).save(path, exif=turned)
    small = picture(photo_thumbnail(path, 50))
    assert small.size == (25, 50) and small.mode == 'RGB' and small.format == 'JPEG'


def test_unreadable_photographs_are_named(tmp_path):
    (tmp_path / 'photo.jpg').write_bytes(b'nothing')
    with pytest.raises(ValueError, match=r'photo\.jpg'):
        photo_thumbnail(tmp_path / 'photo.jpg', 50)


def test_masks_are_not_blended(tmp_path):
    mask = np.random.default_rng(0).integers(0, 4, (100, 100)).astype(np.uint8)
    mask[:50] = 255
    small = np.array(picture(mask_thumbnail(mask, PALETTE, 20)).convert('RGB')).reshape(-1, 3)
    assert set(map(tuple, small.tolist())) == {*map(tuple, PALETTE), (224, 224, 224)}


def test_tool(labelled_run, tmp_path, monkeypatch, capsys):
    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', ['review.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(TOOL), run_name='__main__')
        return exit_.value.code

    page = tmp_path / 'page.html'
    assert run(labelled_run, '--out', page, '--side', 32) == 0
    told = capsys.readouterr().out
    assert told.startswith(f'150 photographs, the most suspicious first: {page}\n')
    assert 'review.csv, goes beside labels.csv' in told
    assert run(tmp_path / 'absent') == 2
    assert 'expected the folder of a pipeline' in capsys.readouterr().err
    assert run(labelled_run, '--side', 0) == 2
    assert 'side: expected at least 8 pixels, got 0' in capsys.readouterr().err
