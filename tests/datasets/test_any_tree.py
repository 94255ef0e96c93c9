"""Whatever files a folder and rows a table have: nothing is dropped or mistaken in silence.

What a person would mean is computed here from the names alone. Names are made of few parts, so that
they often differ only in suffix, case, Unicode form or folder.
"""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path, PurePosixPath

import pytest

from weaktr_mmseg.datasets.custom_dataset import WeakTrCustomDataset
from weaktr_mmseg.datasets.faults import ERROR

hypothesis = pytest.importorskip('hypothesis')
st = hypothesis.strategies

CLASSES = ['background', 'cat', 'dog']
STEMS = ('a', 'a.b', 'a.jpg', 'A', 'a b', '\u00e4', 'a\u0308', 'sub/a', 'sub/a.b', 'a_1')
SUFFIXES = ('.jpg', '.png', '.JPG')
MASK_ENDS = ('.png', '.PNG', '_mask.png', '.jpg.png', '.jpg')
images = st.sets(st.builds('{}{}'.format, st.sampled_from(STEMS), st.sampled_from(SUFFIXES)))
masks = st.sets(st.builds('{}{}'.format, st.sampled_from(STEMS), st.sampled_from(MASK_ENDS)))
row_names = st.builds(
    '{}{}{}'.format,
    st.sampled_from(('', './', ' ')),
    st.sampled_from((*STEMS, 'sub\\a')),
    st.sampled_from((*SUFFIXES, '')),
)
rows = st.lists(st.tuples(row_names, st.sets(st.sampled_from(CLASSES[1:]))), max_size=4)
property_test = hypothesis.settings(max_examples=300)


def composed(name):
    return unicodedata.normalize('NFC', name.strip().replace('\\', '/').removeprefix('./'))


def stem(name):
    return PurePosixPath(name).with_suffix('').as_posix()


def files_meant(name, files):
    """The files that a name in a table means: the one of that name, or those without suffix."""
    whole = [file for file in files if composed(file) == composed(name)]
    return whole or [file for file in files if stem(composed(file)) == composed(name)]


def scan(files, mask_files, table):
    """Scans a folder; returns image file -> (labels, mask file), and the faults."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in (*(f'images/{f}' for f in files), *(f'masks/{f}' for f in mask_files)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        (root / 'classes.txt').write_text('cat\ndog\n', encoding='utf-8')
        lines = ('"{}",{}\n'.format(name, ';'.join(sorted(labels))) for name, labels in table)
        (root / 'labels.csv').write_text('image,labels\n' + ''.join(lines), encoding='utf-8')
        dataset = WeakTrCustomDataset(
            folder, ann_file='', masks=True, unlabelled='keep', lazy_init=True
        )
        infos, faults = dataset.scan()
        found = {}
        for info in infos:
            names = [CLASSES[1 + i] for i in info['image_labels']]
            mask = info.get('seg_map_path')
            relative = None if mask is None else Path(mask).relative_to(root / 'masks').as_posix()
            image = Path(info['img_path']).relative_to(root / 'images').as_posix()
            found[image] = (set(names), relative)
        assert len(found) == len(infos)
        return found, faults


def test_the_reference_knows_what_a_person_means():
    files = ['a.jpg', 'a.jpg.png', 'A.jpg', 'sub/a.png']
    assert files_meant('a.jpg', files) == ['a.jpg']
    assert files_meant(' sub\\a', files) == ['sub/a.png']
    assert files_meant('a', ['a.jpg', 'a.png']) == ['a.jpg', 'a.png']


@property_test
@hypothesis.given(images.filter(bool), rows)
def test_every_row_reaches_its_image_or_is_named(files, table):
    found, faults = scan(files, (), table)
    fatal = [fault.line for fault in faults if fault.severity == ERROR]
    meant = [files_meant(name, files) for name, _ in table]
    for (name, labels), candidates in zip(table, meant):
        once = len(candidates) == 1 and meant.count(candidates) == 1
        reached = once and found.get(candidates[0], (None,))[0] == labels
        named = any(composed(name) in line for line in fatal)
        shared = len(candidates) > 1 and any(repr(candidates[0]) in line for line in fatal)
        assert reached or named or shared, (name, fatal)
    if not fatal:
        assert set(found) == {candidates[0] for candidates in meant}
        unlisted = any(fault.check == 'image-unlisted' for fault in faults)
        assert unlisted == (len(found) < len(files))


@property_test
@hypothesis.given(images.filter(bool), masks)
def test_every_mask_reaches_its_image_or_is_counted(files, mask_files):
    found, faults = scan(files, mask_files, [(name, {'cat'}) for name in sorted(files)])
    if any(fault.check == 'images' for fault in faults):
        return  # images or masks that share a name, which another test is about
    used = set()
    for image, (_, mask) in found.items():
        expected = [
            file
            for file in mask_files
            if file.lower().endswith('.png') and composed(file[:-4]) == stem(composed(image))
        ]
        assert [mask] == (expected or [None])
        used |= set(expected)
    stray = [fault.message for fault in faults if fault.check == 'mask-stray']
    assert bool(stray) == bool(mask_files - used)
    for message in stray:
        assert f'has {len(mask_files)} files, {len(used)} of them belong to images' in message


@property_test
@hypothesis.given(images.filter(bool))
def test_images_of_one_name_are_refused(files):
    _, faults = scan(files, (), [(name, {'cat'}) for name in sorted(files)])
    names = [stem(composed(file)) for file in files]
    shared = {name for name in names if names.count(name) > 1}
    refused = [fault.line for fault in faults if fault.check == 'images']
    assert bool(refused) == bool(shared)
    for file in files:
        if stem(composed(file)) in shared:
            assert any(f"'{file}'" in line for line in refused)
