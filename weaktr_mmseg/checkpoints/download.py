"""Weights by name, address or path, as a file on this machine."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

import torch
from mmengine.dist import barrier

from ..utils.errors import WeakTrError, WeakTrInputError, WeakTrMissingFileError
from ..utils.files import atomic_path, file_digest
from ..utils.progress import progress_bar
from .published import PUBLISHED

TIMEOUT = 30  # seconds without an answer
_BLOCK = 1 << 20
_HASH = re.compile(r'-([a-f0-9]{8,})\.')  # of PyTorch's file names, resnet-0123abcd.pth


def locate(checkpoint: str | os.PathLike, cache: str | os.PathLike | None = None) -> Path:
    """Finds a file of weights, which is downloaded once if need be.

    Args:
        checkpoint: A name in :data:`PUBLISHED`, an http(s) address, or a path. ``#sha256=...``
            at the end of an address states the content's SHA-256.
        cache: Folder of downloads; None for PyTorch's, ``TORCH_HOME/hub/checkpoints``.

    Returns:
        Path of the file.

    Raises:
        WeakTrMissingFileError: If there is no such name or file.
        WeakTrInputError: If it cannot be downloaded, or is not what its publisher has signed.
    """
    name = os.fspath(checkpoint)
    name = PUBLISHED.get(name, name)
    if name.startswith(('http://', 'https://')):
        url, _, sha256 = name.partition('#sha256=')  # as pip writes it
        found = _HASH.search(_file_name(url))
        return fetch(url, sha256 or (found[1] if found else ''), cache)
    path = Path(name).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        meant = f'did you mean {near[0]!r}? ' if near else ''
        raise WeakTrMissingFileError(
            f'{name}: no such checkpoint, neither a file nor a name; {meant}'
            f'names are {", ".join(PUBLISHED)}'
        )
    return path


def fetch(url: str, sha256: str = '', cache: str | os.PathLike | None = None) -> Path:
    """Downloads a file unless it was downloaded before. One process of a machine does it.

    Args:
        url: Its http(s) address.
        sha256: Its SHA-256 in hexadecimal or the beginning of it; empty if unknown.
        cache: Folder of downloads; None for PyTorch's.

    Returns:
        Path of the file.

    Raises:
        WeakTrInputError: If it cannot be downloaded completely, or has another SHA-256.
    """
    folder = Path(cache or os.path.join(torch.hub.get_dir(), 'checkpoints'))
    path = folder / _file_name(url)
    try:
        if int(os.environ.get('LOCAL_RANK', 0)) == 0:
            if not path.is_file():
                _download(url, path, sha256)
            elif sha256:
                _compare(file_digest(path), sha256, f'{path}, downloaded before; delete it')
    finally:
        barrier()
    if not path.is_file():
        raise WeakTrMissingFileError(f'{path}: was not downloaded by the first process')
    return path


def _download(url: str, path: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    try:
        request = Request(url, headers={'User-Agent': 'weaktr_mmseg'})
        with urlopen(request, timeout=TIMEOUT) as answer, atomic_path(path) as temporary:
            size = int(answer.headers.get('Content-Length') or 0)
            bar = progress_bar(total=size or None, desc=path.name, unit='B', unit_scale=True)
            with temporary.open('wb') as file, bar:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    digest.update(block)
                    bar.update(len(block))
                if size and file.tell() != size:
                    raise OSError(f'it ends after {file.tell()} of {size} bytes')
            _compare(digest.hexdigest(), sha256, url)
    except WeakTrError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        reason = str(error).strip() or type(error).__name__
        raise WeakTrInputError(
            f'{url}: cannot be downloaded ({reason}); download it by other means and put it at '
            f'{path}, or name your file in its place'
        ) from error


def _compare(found: str, sha256: str, where: str) -> None:
    if not found.startswith(sha256):
        raise WeakTrInputError(
            f'{where}: expected the SHA-256 {sha256[:16]}..., got {found[:16]}...: the file is '
            'damaged or another one'
        )


def _file_name(url: str) -> str:
    return Path(unquote(urlparse(url).path)).name
