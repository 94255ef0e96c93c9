from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.evaluation.score_files import confusion_scores, sweep_scores, write_scores
from weaktr_mmseg.pseudo_labels.thresholds import ThresholdSweep
from weaktr_mmseg.report import page, write_report, write_report_or_warn
from weaktr_mmseg.report.run_files import read_run
from weaktr_mmseg.report.sections import class_table
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import write_mask

TOOL = Path(__file__).parents[2] / 'tools/report.py'
CLASSES, PALETTE = ['background', 'c<at', 'dog'], [[0, 0, 0], [255, 0, 0], [0, 255, 0]]
SUMMARY = dict(
    metrics=dict(cam_fused_miou=60.27, cam_fused_miou_oracle=60.57, val_miou=None, image_map=96.7),
    stages=dict(
        cam=dict(seconds=88.8, chosen_by='fixed'),
        pseudo_labels=dict(seconds=0.0),
        retrain=dict(seconds=3700, title='Retraining', folder='retrain', chosen_by='oracle'),
    ),
    threshold=dict(value=0.4, chosen_by='label-free'),
    environment=dict(torch='2.1', gpus=[]),
    command='python tools/train.py configs/weaktr_demo.py --x "<y>"',
)


@pytest.fixture
def bare_run(tmp_path):
    """A run that left a summary alone."""
    (tmp_path / 'summary.json').write_text(json.dumps(SUMMARY), encoding='utf-8')
    return tmp_path


@pytest.fixture
def run(bare_run):
    """A run with everything that a report shows."""
    folder = bare_run
    (folder / 'weaktr_demo.py').write_text('randomness = dict(seed=7)\n', encoding='utf-8')
    for stage in ('cam', 'retrain'):
        logs = folder / stage / 'start' / 'vis_data'
        logs.mkdir(parents=True)
        lines = [dict(loss=2.0 - i, loss_cls=1.0, iter=i, step=i, epoch=1) for i in range(2)]
        lines.append({'cam/image_map': 90.0, 'mIoU': 50.0, 'step': 1})
        torn = '{"loss": 1.'
        (logs / 'scalars.json').write_text(
            '\n'.join([*map(json.dumps, lines), torn]), encoding='utf-8'
        )
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, (9, 9)).astype(np.uint8)
    sweep = ThresholdSweep(3, np.arange(100) / 100)
    sweep.update(rng.random((2, 9, 9)), [0, 1], truth)
    maps = dict(fused=sweep_scores(sweep, 0.4), coarse=sweep_scores(sweep, 0.4))
    write_scores(folder / 'pseudo_labels/scores_train.json', dict(classes=CLASSES, maps=maps))
    weights = dict(mean=rng.random((4, 3)), std=np.zeros((4, 3)), passes=1200)
    write_scores(folder / 'pseudo_labels/head_weights_train.json', weights)
    image, mask = folder / 'photo.jpg', folder / 'truth.png'
    Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(image)
    write_mask(mask, truth, PALETTE)
    meta = dict(classes=CLASSES, palette=PALETTE, **confusion_scores(np.eye(3, dtype=int)))
    example = dict(img_path=str(image), seg_map_path=str(mask), miou=12.3)
    write_mask(folder / 'retrain/examples/a.png', truth, PALETTE)
    gone = dict(example, img_path='gone.jpg', prediction='examples/a.png')
    shown = [dict(example, prediction='examples/a.png'), gone]
    write_scores(folder / 'retrain/scores_val.json', dict(meta, best=shown, worst=shown))
    write_mask(folder / 'pseudo_labels/masks/a.png', truth, PALETTE)
    examples = [dict(example, mask='masks/a.png', seg_map_path=None, miou=None)]
    write_scores(folder / 'pseudo_labels/scores_masks.json', dict(meta, examples=examples))
    return folder


def test_report_has_every_section_and_needs_no_other_file(run):
    html = write_report(run).read_text(encoding='utf-8')
    assert 'Not available' not in html
    assert 'seed 7' in html
    assert html.count('<img src="data:image/') == 3 + 3 + 2  # best, worst, pseudo label
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search(r'url\(|@import|https?://', html)
    assert 'c&lt;at' in html and 'c<at' not in html
    assert '--x &#34;&lt;y&gt;&#34;' in html
    assert '1 h 1 min' in html  # 3700 s
    for svg in re.findall(r'<svg.*?</svg>', html, re.DOTALL):
        assert 'NaN' not in svg and 'nan' not in svg


def test_what_a_later_start_repeats_replaces_the_earlier(run):
    logs = run / 'cam/tstart_2/vis_data'
    logs.mkdir(parents=True)
    later = dict(loss=0.25, loss_cls=0.5, iter=1, step=1, epoch=1)
    (logs / 'scalars.json').write_text(json.dumps(later), encoding='utf-8')
    losses = {line['iter']: line['loss'] for line in read_run(run).logs['cam'] if 'iter' in line}
    assert losses == {0: 2.0, 1: 0.25}


def test_label_free_and_oracle_are_marked(run):
    html = write_report(run).read_text(encoding='utf-8')
    rows = {
        key: row
        for row in re.findall(r'<tr>.*?</tr>', html)
        for key in re.findall(r'<code>(\w+)</code>', row)
    }
    assert '>oracle<' in rows['cam_fused_miou_oracle'] and '60.57' in rows['cam_fused_miou_oracle']
    assert '>label-free<' in rows['cam_fused_miou'] and '60.27' in rows['cam_fused_miou']
    assert '–' in rows['val_miou']


def test_run_without_masks_says_what_is_missing(bare_run, tmp_path):
    html = write_report(bare_run, tmp_path / 'sub/page.html').read_text(encoding='utf-8')
    assert html.count('Not available') == 10
    assert 'it needs masks' in html


def test_damaged_and_foreign_folders(run, tmp_path):
    (run / 'retrain/scores_val.json').write_text('{', encoding='utf-8')
    with pytest.raises(WeakTrInputError, match=r'scores_val\.json: expected scores as JSON'):
        write_report(run)
    (run / 'summary.json').write_text('{}', encoding='utf-8')
    (run / 'retrain/scores_val.json').unlink()
    with pytest.raises(WeakTrInputError, match=r"summary\.json: expected the key 'metrics'"):
        write_report(run)


def test_tool(bare_run, tmp_path, monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['report.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(TOOL), run_name='__main__')
        return exit_.value.code, capsys.readouterr()

    code, output = call(bare_run, '--out', tmp_path / 'page.html')
    assert (code, output.out.strip()) == (0, str(tmp_path / 'page.html'))
    code, output = call(tmp_path / 'absent')
    assert code == 2
    assert output.err.startswith('error: ') and output.err.count('\n') == 1


def test_a_fault_at_the_end_of_a_run_is_a_warning(bare_run, monkeypatch):
    lines = []
    monkeypatch.setattr(page, 'print_log', lambda message, **_: lines.append(message))
    write_report_or_warn(bare_run)
    assert lines == [f'Report: {bare_run / "report.html"}']
    (bare_run / 'summary.json').write_text('{', encoding='utf-8')
    write_report_or_warn(bare_run)
    assert lines[1].startswith('No report.html: WeakTrInputError: ')


def test_the_class_table_shows_the_threshold_of_the_run(run):
    maps = read_run(run).cam_scores['maps']['fused']
    maps['chosen'].update(iou=[1.0, 2.0, 3.0], miou=2.0)
    maps['oracle'].update(iou=[7.0, 8.0, 9.0], miou=8.0)
    scores = dict(classes=CLASSES, maps=dict(fused=maps))
    write_scores(run / 'pseudo_labels/scores_train.json', scores)
    table = class_table(read_run(run))
    assert table['columns'][0] == 'fused CAM'
    assert [row['values'][0] for row in table['rows']] == [1.0, 2.0, 3.0]
    assert table['means'][0] == 2.0
