from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from weaktr_mmseg.evaluation import WeakTrScoreWriter
from weaktr_mmseg.utils.confusion import confusion_matrix, mean_iou
from weaktr_mmseg.utils.masks import read_mask

META = dict(classes=('background', 'cat', 'dog'), palette=[[0, 0, 0], [255, 0, 0], [0, 255, 0]])


def make_samples(count=6, masks=True):
    """Predictions of images of two folders with equal names, better from one to the next."""
    generator = torch.manual_seed(0)
    samples = []
    for index in range(count):
        truth = torch.randint(0, 3, (1, 6, 7), generator=generator)
        wrong = torch.rand((1, 6, 7), generator=generator) > (index + 1) / (count + 1)
        sample = dict(
            img_path=f'folder{index % 2}/image{index // 2}.jpg',
            pred_sem_seg=dict(data=torch.where(wrong, (truth + 1) % 3, truth)),
        )
        if masks:
            truth[0, 0, 0] = 255
            sample.update(gt_sem_seg=dict(data=truth), seg_map_path=f'truth{index}.png')
        samples.append(sample)
    return samples


def write(folder, samples, examples=2):
    writer = WeakTrScoreWriter(str(folder / 'scores.json'), examples)
    writer.dataset_meta = META
    for start in range(0, len(samples), 2):
        writer.process({}, samples[start : start + 2])
    assert writer.evaluate(len(samples)) == {}
    return folder / 'scores.json'


def test_scores_equal_those_of_the_summed_confusion(tmp_path):
    samples = make_samples()
    scores = json.loads(write(tmp_path, samples).read_text(encoding='utf-8'))
    arrays = [
        [sample[key]['data'][0].numpy().astype(np.uint8) for key in ('gt_sem_seg', 'pred_sem_seg')]
        for sample in samples
    ]
    confusions = [confusion_matrix(truth, found, 3) for truth, found in arrays]
    assert scores['confusion'] == sum(confusions).tolist()
    assert scores['miou'] == pytest.approx(mean_iou(sum(confusions)))
    assert scores['images'] == 6

    order = np.argsort([mean_iou(confusion) for confusion in confusions])
    paths = [samples[index]['img_path'] for index in order]
    assert [entry['img_path'] for entry in scores['worst']] == paths[:2]
    assert [entry['img_path'] for entry in scores['best']] == paths[:-3:-1]
    for entry in (*scores['best'], *scores['worst']):
        index = next(i for i, s in enumerate(samples) if s['img_path'] == entry['img_path'])
        assert np.array_equal(read_mask(tmp_path / entry['prediction']), arrays[index][1])
        assert entry['seg_map_path'] == f'truth{index}.png'


def test_images_without_masks_give_no_file(tmp_path):
    assert not write(tmp_path, make_samples(masks=False)).exists()


def test_some_images_with_masks(tmp_path):
    samples = make_samples(4) + make_samples(2, masks=False)
    assert json.loads(write(tmp_path, samples).read_text(encoding='utf-8'))['images'] == 4
