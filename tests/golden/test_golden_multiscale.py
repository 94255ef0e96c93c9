"""Multi-scale activation maps and label maps agree with the authors' implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.registry import MODELS

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.datasets.transforms import PackImageLabelInputs, WeakTrMultiScale
from weaktr_mmseg.models import WeakTrCAMSegmentor
from weaktr_mmseg.pseudo_labels.labelling import label_map

GOLDEN_PATTERN = 'multiscale_cam*.npz'


@pytest.fixture
def model(golden, build_cam_model) -> WeakTrCAMSegmentor:
    """Network of the golden file with the normalisation of the published CAM stage."""
    model = build_cam_model(golden)
    model.data_preprocessor = MODELS.build(
        dict(
            type='WeakTrDataPreprocessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
        )
    )
    return model.double()


@torch.no_grad()
def predict(model, golden, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Run the test pipeline and the model; return the present classes and their maps."""
    rgb, label = golden[f'{name}/image'], golden[f'{name}/label']
    results = dict(
        img=np.ascontiguousarray(rgb[..., ::-1]),
        img_path=name,
        sample_id=name,
        ori_shape=rgb.shape[:2],
        image_labels=np.flatnonzero(label).tolist(),
        num_foreground=len(label),
    )
    transforms = (
        WeakTrMultiScale(golden.meta['scales']),
        PackImageLabelInputs(meta_keys=('img_path', 'ori_shape')),
    )
    for transform in transforms:
        results = transform(results)
    (sample,) = model.test_step(pseudo_collate([results]))
    return sample.cam_classes.numpy(), sample.cams.numpy()


def test_maps_and_label_maps(model, golden):
    images = golden.groups('img')
    assert images
    for name in images:
        classes, cams = predict(model, golden, name)

        np.testing.assert_array_equal(classes, golden[f'{name}/cam_keys'])
        np.testing.assert_allclose(cams, golden[f'{name}/cam'], rtol=0, atol=2e-4)

        labels = label_map(cams, classes, golden.meta['threshold'])
        assert (labels == golden[f'{name}/pseudo']).mean() >= 0.999
