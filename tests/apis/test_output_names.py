"""Whatever photographs are called, each gets an output of its own, made from it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from weaktr_mmseg.apis.annotations import FORMATS, ExportOptions, export_masks
from weaktr_mmseg.apis.images import find_images
from weaktr_mmseg.apis.segment_files import segment_files
from weaktr_mmseg.datasets.file_index import index_folder
from weaktr_mmseg.evaluation.cam_writer import WeakTrCAMWriter
from weaktr_mmseg.pseudo_labels.cam_files import read_cams
from weaktr_mmseg.utils.errors import WeakTrInputError
from weaktr_mmseg.utils.masks import read_mask, write_mask

hypothesis = pytest.importorskip('hypothesis')
st = hypothesis.strategies

STEMS = ('a', 'a.jpg', 'a.jpg_1', 'a.png', 'a_1', 'A', '\u00e4', 'a\u0308', 'sub/a', 'x' * 252)
SUFFIXES = ('.jpg', '.png', '.JPG')
names = st.builds('{}{}'.format, st.sampled_from(STEMS), st.sampled_from(SUFFIXES))
names = names.filter(lambda name: len(name) <= 255)
trees = st.sets(names, min_size=1, max_size=6)
property_test = hypothesis.settings(max_examples=120)
CLASSES = ['background', *(f'class {number}' for number in range(1, 30))]


class OwnLabel:
    """Gives every pixel of a photograph the label that its colour says."""

    model = SimpleNamespace(
        dataset_meta=dict(classes=CLASSES, palette=[[i, i, i] for i in range(len(CLASSES))])
    )

    def __call__(self, image, present=None):
        return image[..., 0]


def write_photographs(folders):
    """Writes photographs of different colours, as PNG whatever they are called."""
    labels = {}
    for folder, files in folders.items():
        for file in sorted(files):
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            labels[str(path)] = len(labels) + 1
            Image.new('RGB', (2, 3), (labels[str(path)],) * 3).save(path, format='PNG')
    return labels


@property_test
@hypothesis.given(trees, trees, st.booleans())
def test_infer_writes_a_mask_for_each_photograph(first, second, again):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        labels = write_photographs({root / '1': first, root / '2': second})
        inputs = [root / '1', root / '2', *([root / '1' / min(first)] if again else [])]
        content = segment_files(OwnLabel(), inputs, root / 'out')
        failed = {entry['file'] for entry in content['failed']}
        assert all('too long' in entry['error'] for entry in content['failed'])
        assert {entry['file'] for entry in content['images']} | failed == set(labels)
        written = [entry['mask'] for entry in content['images']]
        assert len(written) == len(set(written)) == len(labels) - len(failed)
        for entry in content['images']:
            assert (read_mask(root / 'out' / entry['mask']) == labels[entry['file']]).all()
            assert (root / 'out' / entry['overlay']).is_file()


@property_test
@hypothesis.given(trees)
def test_maps_and_pseudo_labels_have_a_file_for_each_image(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        labels = write_photographs({root / 'images': files})
        index = index_folder(str(root / 'images'))
        if index.faults:  # names that would share a file are refused
            return
        writer = WeakTrCAMWriter(str(root / 'cams'))
        writer.dataset_meta = dict(classes=CLASSES)
        for sample_id, file in index.items():
            label = labels[str(root / 'images' / file)]
            write_mask(root / f'masks/{sample_id}.png', np.full((3, 2), label), [[0, 0, 0]])
            write_maps(writer, sample_id, label)
        for sample_id, file in index.items():
            label = labels[str(root / 'images' / file)]
            assert read_cams(root / f'cams/{sample_id}.npz').class_ids.tolist() == [label]
            assert (read_mask(root / f'masks/{sample_id}.png') == label).all()
        assert len(list((root / 'masks').rglob('*.png'))) == len(files)


def write_maps(writer, sample_id, label):
    import torch

    sample = dict(sample_id=sample_id, cams=torch.ones(1, 3, 2), cam_classes=torch.tensor([label]))
    writer.process({}, [sample])


@pytest.mark.parametrize('name', FORMATS)
@property_test
@hypothesis.given(files=trees)
def test_export_has_an_entry_for_each_photograph_or_refuses(name, files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_photographs({root / 'images': files})
        content = segment_files(OwnLabel(), [root / 'images'], root / 'predicted')
        out, options = root / 'out', ExportOptions(CLASSES)
        try:
            done = export_masks(
                root / 'predicted/masks', root / 'images', out, name, options, copy_images=True
            )
        except WeakTrInputError as error:
            assert any(text in str(error) for text in ('look the same', 'differ in their suffix'))
            return
        assert done.images == done.regions == len(content['images'])
        entries = {
            'coco': lambda: [i['file_name'] for i in json.loads(done.path.read_bytes())['images']],
            'yolo': lambda: list((out / 'labels').rglob('*.txt')),
            'labelstudio': lambda: [t['data']['image'] for t in json.loads(done.path.read_bytes())],
            'cvat': lambda: done.path.read_bytes().split(b'<image ')[1:],
            'voc': lambda: list((out / 'SegmentationClass').rglob('*.png')),
        }[name]()
        assert len(entries) == len(set(entries)) == len(content['images'])
        copies = [path for path in out.rglob('*') if path.suffix.lower() in SUFFIXES]
        masks = 2 * len(entries) if name == 'voc' else 0  # of classes and objects
        assert len(copies) - masks == len(content['images'])


def test_masks_that_a_person_has_drawn_are_not_replaced(tmp_path):
    write_photographs({tmp_path / 'images': ['a.jpg', 'b.jpg']})
    write_mask(tmp_path / 'masks/b.png', np.full((3, 2), 7), [[0, 0, 0]])
    with pytest.raises(WeakTrInputError, match=r'masks/b\.png: would be replaced'):
        segment_files(OwnLabel(), [tmp_path / 'images'], tmp_path)
    assert (read_mask(tmp_path / 'masks/b.png') == 7).all()
    assert not (tmp_path / 'masks/a.png').exists()
    (tmp_path / 'masks/b.png').unlink()
    for _ in range(2):  # its own masks are replaced
        assert len(segment_files(OwnLabel(), [tmp_path / 'images'], tmp_path)['images']) == 2


def test_a_number_is_not_that_of_another_photograph(tmp_path):
    write_photographs(
        {tmp_path / '1': ['a.jpg', 'a.jpg_1.png'], tmp_path / '2': ['a.jpg'], tmp_path / '3': []}
    )
    found = find_images([tmp_path / '1', tmp_path / '2'])
    assert [file.name for file in found] == ['a.jpg_2', 'a.jpg_1', 'a.jpg_3']
