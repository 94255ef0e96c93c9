"""Time and memory until a data set is ready, for label files of the sizes people have.

Writes label files and empty images into a temporary folder and builds each data set in a process of
its own. Memory is the peak of the whole process, with PyTorch and mmseg loaded. Other jobs on the
machine lengthen the seconds more than the CPU seconds.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from weaktr_mmseg.datasets.coco_categories import COCO_CATEGORIES, COCO_CATEGORY_IDS

VOC_TRAINAUG = 10_582
# Images, images with an object, objects of COCO 2014.
COCO14 = dict(train=(82_783, 82_081, 604_907), val=(40_504, 40_137, 291_875))
PIPELINE = 'coco14_pipeline'
CHECK = 'check_data_10k'
ROOT = Path(__file__).parents[2]
CLASSES = ['background', *COCO_CATEGORIES.values()]
LIMITS = {  # seconds, MB
    'manifest_csv_10k': (2, 1000),
    'manifest_json_10k': (2, 1000),
    'voc_xml_10582': (10, 1000),
    'coco14_82081': (10, 1000),
    PIPELINE: (10, 2000),
    CHECK: (10, 2000),
}


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=LIMITS, help='run one case')
    parser.add_argument('--json', metavar='FILE', help='write the figures')
    parser.add_argument('--measure', nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_manifest(root: Path, suffix: str, classes: int = len(CLASSES) - 1) -> dict:
    """Writes 10,000 images in 100 folders with one to three labels each."""
    rng = random.Random(0)
    labels = {
        f'{index % 100:02d}/photo {index}.jpg': rng.sample(
            CLASSES[1 : classes + 1], rng.randint(1, 3)
        )
        for index in range(10_000)
    }
    _touch(root / 'images', labels)
    if suffix == '.json':
        text = json.dumps(labels)
    else:
        text = '\n'.join(
            ['image,labels', *(f'{name},{";".join(names)}' for name, names in labels.items())]
        )
    (root / f'labels{suffix}').write_text(text, encoding='utf-8')
    return dict(
        type='ImageLabelDataset',
        data_prefix=dict(img_path='images'),
        labels=dict(type='manifest', path=f'labels{suffix}'),
        metainfo=dict(classes=CLASSES),
    )


def write_voc(root: Path) -> dict:
    """Writes annotations and a split of VOC12's augmented training size."""
    rng = random.Random(0)
    names = [f'2007_{index:06d}' for index in range(VOC_TRAINAUG)]
    _touch(root / 'JPEGImages', [f'{name}.jpg' for name in names])
    (root / 'Annotations').mkdir()
    box = '<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>'
    for name in names:
        objects = ''.join(
            f'<object><name>{rng.choice(("cat", "dog", "person"))}</name><pose>Left</pose>'
            f'<truncated>0</truncated><difficult>0</difficult>{box}</object>'
            for _ in range(rng.randint(1, 5))
        )
        (root / f'Annotations/{name}.xml').write_text(
            f'<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename>'
            f'<size><width>500</width><height>375</height></size>{objects}</annotation>',
            encoding='utf-8',
        )
    (root / 'trainaug.txt').write_text('\n'.join(names), encoding='utf-8')
    return dict(type='WeakTrVOCDataset', ann_file='trainaug.txt')


def write_coco14(root: Path, split: str = 'train') -> dict:
    """Writes annotations with as many images, objects and bytes as instances_*2014.json."""
    rng = random.Random(0)
    images, labelled, objects = COCO14[split]
    ids = sorted(rng.sample(range(1, 600_000), images))
    files = [f'COCO_{split}2014_{image_id:012d}.jpg' for image_id in ids]
    _touch(root / f'{split}2014', files)
    outlines = [
        json.dumps([[round(rng.uniform(0, 640), 2) for _ in range(length)]])
        for length in (20, 40, 60, 80, 100, 120, 160)
    ]
    (root / 'annotations').mkdir(exist_ok=True)
    path = root / f'annotations/instances_{split}2014.json'
    with path.open('w', encoding='utf-8') as file:
        entries = [
            dict(license=5, file_name=name, height=480, width=640, id=image_id)
            for name, image_id in zip(files, ids)
        ]
        file.write(f'{{"images": {json.dumps(entries)}, "annotations": [')
        for index in range(objects):
            image_id = ids[index] if index < labelled else ids[index % labelled]
            file.write(
                f'{", " if index else ""}{{"segmentation": {rng.choice(outlines)}, '
                f'"area": 702.1057499999998, "iscrowd": 0, "image_id": {image_id}, '
                f'"bbox": [473.07, 395.93, 38.65, 28.67], '
                f'"category_id": {rng.choice(COCO_CATEGORY_IDS)}, "id": {index}}}'
            )
        categories = [dict(id=key, name=name) for key, name in COCO_CATEGORIES.items()]
        file.write(f'], "categories": {json.dumps(categories)}}}')
    return dict(type='WeakTrCOCO14Dataset')


def write_coco14_pipeline(root: Path) -> dict:
    """Writes both splits with masks."""
    mask = io.BytesIO()
    Image.fromarray(np.ones((48, 64), np.uint8)).save(mask, format='PNG')
    for split in COCO14:
        write_coco14(root, split)
        (root / f'masks/{split}2014').mkdir(parents=True)
        for image in (root / f'{split}2014').iterdir():
            (root / f'masks/{split}2014/{image.stem}.png').write_bytes(mask.getvalue())
    return {}


CASES = {
    'manifest_csv_10k': lambda root: write_manifest(root, '.csv'),
    'manifest_json_10k': lambda root: write_manifest(root, '.json'),
    'voc_xml_10582': write_voc,
    'coco14_82081': write_coco14,
    PIPELINE: write_coco14_pipeline,
    CHECK: lambda root: write_manifest(root, '.csv', classes=12),
}


def _touch(folder: Path, names: Iterable[str]) -> None:
    made = set()
    for name in names:
        path = folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.touch()


def measure(config: dict) -> dict:
    """Builds a data set in this process."""
    from mmseg.registry import DATASETS

    import weaktr_mmseg  # noqa: F401

    start, cpu = time.perf_counter(), time.process_time()
    dataset = DATASETS.build(dict(config, _scope_='mmseg'))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return dict(
        images=len(dataset), seconds=round(seconds, 2), cpu=round(cpu, 2), peak_mb=_peak_mb()
    )


def measure_pipeline(root: str) -> dict:
    """Starts the pipeline of ``weaktr_coco.py`` up to its training: checks, schedules, resume."""
    import weaktr_mmseg  # noqa: F401
    from weaktr_mmseg.data_check.check_data import check_data
    from weaktr_mmseg.datasets.listing_cache import listed_once
    from weaktr_mmseg.pipeline import stages  # noqa: F401
    from weaktr_mmseg.pipeline.preflight import check_pipeline
    from weaktr_mmseg.pipeline.stage import Run, chosen_stages
    from weaktr_mmseg.pipeline.stage_configs import resolve_pipeline
    from weaktr_mmseg.pipeline.update_schedule import fit_schedules
    from weaktr_mmseg.utils.configs import find_configs, read_config
    from weaktr_mmseg.utils.shipped_files import shipped_folder

    options = ['cam_stage.optim_wrapper.type=OptimWrapper']  # there may be no GPU
    cfg = resolve_pipeline(read_config(shipped_folder() / 'configs/weaktr_coco.py', options))
    for dataset in find_configs(cfg._cfg_dict, 'WeakTrCOCO14Dataset'):
        dataset['data_root'] = root
    run = Run(cfg, Path(cfg.work_dir))
    chosen = chosen_stages(cfg.pipeline)
    start, cpu = time.perf_counter(), time.process_time()
    with listed_once():
        report = check_data(cfg, pixels=False)
        fit_schedules(cfg)
        check_pipeline(cfg, chosen)
        for stage in chosen:
            made = dict(inputs=stage.inputs(run), digest='')
            run.results[stage.name] = made
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    faults = [problem.line for problem in report.errors if 'heckpoint' not in problem.check]
    assert not faults, faults
    images = sum(data['samples'] for data in run.results['cam']['inputs']['data'].values())
    return dict(images=images, seconds=round(seconds, 2), cpu=round(cpu, 2), peak_mb=_peak_mb())


def measure_check(root: str) -> dict:
    """Runs ``tools/check_data.py --quick`` on own data, in a process of its own."""
    options = ['cam_stage.model.backbone.init_cfg=None', 'model.backbone.init_cfg=None']
    command = [sys.executable, str(ROOT / 'tools/check_data.py')]
    command += [str(ROOT / 'configs/weaktr_custom.py'), '--quick', '--cfg-options', *options]
    start = time.perf_counter()
    subprocess.run(
        command, env={**os.environ, 'WEAKTR_DATA': root}, stdout=subprocess.DEVNULL, check=True
    )
    seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, peak_mb = used.ru_utime + used.ru_stime, _peak_mb(resource.RUSAGE_CHILDREN)
    return dict(images=10_000, seconds=round(seconds, 2), cpu=round(cpu, 2), peak_mb=peak_mb)


def _peak_mb(whose: int = resource.RUSAGE_SELF) -> int:
    peak = resource.getrusage(whose).ru_maxrss
    return round(peak / (1024**2 if sys.platform == 'darwin' else 1024))


def run_case(name: str) -> dict:
    """Writes the files of a case and measures it in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        config = dict(CASES[name](Path(folder)), data_root=folder)
        command = [sys.executable, __file__, '--measure', name, json.dumps(config)]
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding='utf-8', check=True)
    return dict(name=name, **json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Runs the command line."""
    args = parse_args()
    if args.measure:
        config = json.loads(args.measure[1])
        tools = {PIPELINE: measure_pipeline, CHECK: measure_check}
        name = args.measure[0]
        print(json.dumps(tools[name](config['data_root']) if name in tools else measure(config)))
        return 0
    row = '{:<20}{:>8}{:>9}{:>7}{:>7}{:>9}{:>7}'.format
    print(row('case', 'images', 'seconds', 'CPU s', 'limit', 'peak MB', 'limit'))
    results = []
    for name in [args.only] if args.only else LIMITS:
        result = run_case(name)
        results.append(result)
        seconds, peak = LIMITS[name]
        print(
            f'{name:<20}{result["images"]:>8,}{result["seconds"]:>9.2f}{result["cpu"]:>7.2f}'
            f'{seconds:>7}{result["peak_mb"]:>9,}{peak:>7,}'
        )
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1), encoding='utf-8')
    within = all(
        result['seconds'] < LIMITS[result['name']][0]
        and result['peak_mb'] < LIMITS[result['name']][1]
        for result in results
    )
    return 0 if within else 1


if __name__ == '__main__':
    sys.exit(main())
