"""The review page of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ..utils.errors import WeakTrInputError, input_errors
from ..utils.files import atomic_path
from ..utils.masks import read_mask
from ..utils.progress import progress_bar
from .run_images import LabelledRun, RunImage, read_labelled_run
from .suspicion import KINDS, Evidence, Suspicion, find_suspicions, gather_evidence
from .thumbnails import mask_thumbnail, photo_thumbnail

REVIEW_FILE = 'review.html'
FINAL_MASKS = 'masks'  # of a pipeline with pipeline.masks
SCRIPTS = ('ticks.js', 'review.js')
CHUNK = 100  # photographs in one block of pictures
LEAST_SIDE = 8
SHOWN = 0.3  # weaker suspicions are not listed


class _Card(NamedTuple):
    evidence: Evidence
    pictures: list[str]  # photograph, pseudo label and, if there is one, prediction


class Written(NamedTuple):
    """What was written.

    Attributes:
        path: The page.
        images: Number of photographs.
    """

    path: Path
    images: int


def write_review(
    work_dir: str | Path,
    out: str | Path | None = None,
    predictions: str | Path | None = None,
    side: int = 192,
    workers: int = 4,
) -> Written:
    """Writes one HTML file with all labelled photographs, the most suspicious first.

    It needs no other file and no network. Pictures lie in it in blocks of a hundred, which the
    browser decodes when they come into view.

    Args:
        work_dir: Folder of a pipeline whose pseudo labels are made.
        out: File to write; ``review.html`` in ``work_dir`` when None.
        predictions: Folder of masks by the segmentor, ``<sample id>.png``; photographs without one
            are shown without. ``masks`` in ``work_dir``, if it is there, when None.
        side: Longest side of a picture in pixels.
        workers: Number of threads that read files.

    Raises:
        WeakTrInputError: If the folder is not that of a run, a file cannot be read, ``predictions``
            is no folder, or pictures would be too small to see.
    """
    if side < LEAST_SIDE:
        raise WeakTrInputError(f'side: expected at least {LEAST_SIDE} pixels, got {side}')
    run = read_labelled_run(work_dir)
    if predictions is None:
        predictions = run.folder / FINAL_MASKS
    elif not Path(predictions).is_dir():
        raise WeakTrInputError(f'{predictions}: expected a folder of masks; there is none')
    make = partial(_card, run=run, predictions=predictions, side=side)
    with ThreadPoolExecutor(workers) as pool:
        cards = list(progress_bar(pool.map(make, run.images), len(run.images), 'Reading'))
    reasons = find_suspicions([card.evidence for card in cards])
    strongest = [max((r.score for r in found), default=0.0) for found in reasons]
    order = sorted(range(len(cards)), key=lambda i: (-strongest[i], run.images[i].name))
    target = Path(out) if out is not None else run.folder / REVIEW_FILE
    items = [_item(run.images[i], cards[i].evidence, reasons[i]) for i in order]
    pictures = [cards[i].pictures for i in order]
    with atomic_path(target) as temporary, temporary.open('w', encoding='utf-8') as file:
        file.writelines(_render(run, items, pictures))
    return Written(target, len(cards))


def _card(image: RunImage, run: LabelledRun, predictions: str | Path, side: int) -> _Card:
    with input_errors(str(image.file)):
        mask, prediction = run.mask(image), None
        pictures = [photo_thumbnail(image.file, side), mask_thumbnail(mask, run.palette, side)]
        path = Path(predictions) / f'{image.sample_id}.png'
        if path.is_file():
            prediction = read_mask(path)
            pictures.append(mask_thumbnail(prediction, run.palette, side))
        evidence = gather_evidence(
            image.labels, mask, len(run.classes) - 1, run.cams(image), run.threshold, prediction
        )
    return _Card(evidence, pictures)


def _item(image: RunImage, evidence: Evidence, reasons: Sequence[Suspicion]) -> dict[str, Any]:
    """What the page knows of a photograph beside its pictures."""
    shown = [reason for reason in reasons if reason.score >= SHOWN]
    return dict(
        name=image.name,
        labels=image.labels,
        score=round(max((reason.score for reason in reasons), default=0.0), 3),
        reasons=[[r.kind, round(r.score, 2), r.classes] for r in shown],
        scores=None if evidence.scores is None else [round(float(p), 2) for p in evidence.scores],
    )


def _render(
    run: LabelledRun, items: Sequence[dict], pictures: Sequence[Sequence[str]]
) -> Iterable[str]:
    """The page piece by piece: with thousands of photographs it is large."""
    package = files(__package__)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((package / 'review.html.j2').read_text(encoding='utf-8'))
    names = json.dumps([item['name'] for item in items])
    title = run.folder.resolve().name
    data = dict(
        key=f'{title}-{hashlib.sha256(names.encode()).hexdigest()[:12]}',
        classes=run.classes[1:],
        colours=['#{:02x}{:02x}{:02x}'.format(*colour) for colour in run.palette[1:]],
        kinds=KINDS,
        chunk=CHUNK,
        items=items,
    )
    blocks = (_json(pictures[start : start + CHUNK]) for start in range(0, len(pictures), CHUNK))
    return template.generate(
        title=title,
        style=Markup((package / 'review.css').read_text(encoding='utf-8')),
        scripts=[Markup((package / name).read_text(encoding='utf-8')) for name in SCRIPTS],
        data=_json(data),
        blocks=blocks,
    )


def _json(value: Any) -> Markup:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(',', ':'))
    return Markup(text.replace('<', '\\u003c'))
