"""Names of files and classes, in one form wherever they come from: folders, tables, XML, COCO."""

from __future__ import annotations

import difflib
import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable

# Soft hyphen, zero-width space, word joiner, byte order mark, marks and controls of direction.
_INVISIBLE = dict.fromkeys(
    (0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)
_SPACE = re.compile(r'\s')
_CLEAN = re.compile(r'(?!\./)[!-\[\]-~]*')  # printable ASCII without white space and backslash
_SEPARATORS = re.compile(r'[,|/&+\t、，；｜]')
_LONGEST_NAME = 255  # bytes, of most file systems
_OUTPUT_SUFFIX = len('.png')  # of masks; maps end in .npz
_NOTHING = {
    '',
    '-',
    '?',
    'empty',
    'n/a',
    'na',
    'nan',
    'nil',
    'none',
    'null',
    'unlabeled',
    'unlabelled',
}
_LOOK_ALIKE_SCRIPTS = {'LATIN', 'CYRILLIC', 'GREEK'}


def clean_label(text: str) -> str:
    """Returns a class name as a person sees it.

    Accents are composed (NFC), characters without a glyph go, and runs of white space, the
    non-breaking one included, become one space.

    Examples:
        >>> clean_label('\\ufeff traffic\\u00a0 light\\u200b')
        'traffic light'
    """
    return ' '.join(_visible(text).split())


def clean_path(text: str) -> str:
    """Returns the name of a file in the form in which names are compared.

    Windows separators become ``/``, a leading ``./`` goes, accents are composed (macOS stores them
    decomposed), and characters that nobody sees go, so that a list written on one system matches
    the files on another.

    Examples:
        >>> clean_path('.\\\\garden\\\\001.jpg ')
        'garden/001.jpg'
    """
    if _CLEAN.fullmatch(text):
        return text
    if not text.isascii():  # bytes that the locale did not decode are UTF-8
        text = text.encode('utf-8', 'surrogateescape').decode('utf-8', 'surrogateescape')
    text = _SPACE.sub(' ', _visible(text).replace('\\', '/')).strip()
    while text.startswith('./'):
        text = text[2:].lstrip('/')
    if sys.getfilesystemencoding() == 'ascii':  # the form in which files can be opened there
        text = text.encode('utf-8', 'surrogateescape').decode('ascii', 'surrogateescape')
    return text


def loose(name: str) -> str:
    """Returns what is left of a name without case, width, spaces, hyphens and underscores."""
    return re.sub(r'[\s_-]+', '', unicodedata.normalize('NFKC', name).casefold())


def similar_neighbour(path: str) -> str:
    """Returns what to add to the message that a local file or folder is missing.

    Args:
        path: What is missing.
    """
    folder, name = os.path.split(path.rstrip('/' + os.sep))
    others = sorted(os.listdir(folder or '.')) if os.path.isdir(folder or '.') else []
    present = {loose(other): other for other in others}
    near = difflib.get_close_matches(loose(name), present, n=1, cutoff=0.7)
    return f", but '{present[near[0]]}' is there" if near else ''


def leaves_folder(name: str) -> bool:
    """Tells whether a path, taken below a folder, would lead out of it.

    Such a name would write activation maps and masks elsewhere.
    """
    parts = name.replace('\\', '/').split('/')
    return '..' in parts or parts[0] == '' or '\0' in name


def too_long(name: str) -> bool:
    """Tells whether a mask cannot be named after an image, whose name is given without suffix."""
    if 4 * len(name) <= _LONGEST_NAME - _OUTPUT_SUFFIX:  # no character has more bytes
        return False
    longest = max(len(os.fsencode(part)) for part in name.split('/'))
    return longest > _LONGEST_NAME - _OUTPUT_SUFFIX


def looks_like_several(label: str, others: Collection[str]) -> bool | None:
    """Tells whether a label is a list of labels in another notation than semicolons.

    Args:
        label: The label.
        others: All labels or classes.

    Returns:
        True if it surely is, None if it may be, False otherwise.
    """
    if label[:1] in ('[', '{'):  # a list of Python or JSON
        return True if re.search('["\',]', label) else None
    parts = [clean_label(part) for part in _SEPARATORS.split(label)]
    if len(parts) < 2:
        return False
    if all(part in others for part in parts):
        return True
    return None if re.search(r'[,|、，；｜]', label) else False


def odd_names(names: Iterable[str]) -> dict[str, str]:
    """Finds class names that are probably not what they look like.

    Returns:
        Name -> what is odd: it stands for no label, has a character that cannot be read or letters
        of two alphabets that look alike, or differs from another only in case, spaces or hyphens.
    """
    found: dict[str, str] = {}
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        alike[loose(name)].append(name)
        odd = [c for c in name if unicodedata.category(c) in ('Cc', 'Cn', 'Co') or c == '\ufffd']
        scripts = {unicodedata.name(c, '').split(' ')[0] for c in name if c.isalpha()}
        if name.casefold().strip(' .<>()') in _NOTHING:
            found[name] = 'looks like a missing label; leave its cell empty'
        elif odd:
            found[name] = f'has the character U+{ord(odd[0]):04X}, which cannot be read'
        elif len(mixed := scripts & _LOOK_ALIKE_SCRIPTS) > 1:
            found[name] = f'mixes {" and ".join(sorted(mixed)).title()} letters, which look alike'
    for first, *rest in alike.values():
        for name in rest:
            found[name] = f"differs from the class '{first}' only in case, spaces or hyphens"
    return found


def _visible(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize('NFC', text.translate(_INVISIBLE))
