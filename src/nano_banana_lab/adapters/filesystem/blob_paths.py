"""Where a key's file lies below the root, and back.

An ordinary key is its own path: `users/anonymous/2026/11/22/x.png`. Since a key is only text, three rules keep every
other key inside the root and apart from all the rest:

- A file's name holds a dot and a folder's name holds none, so the blobs `a` and `a/b` never want the same name:
  a dot of a folder's name is written `%2E`, and a file's name without a dot gets `%.` at its end.
- `%`, a backslash and a leading dot are written `%25`, `%5C` and `%2E`; an empty folder name is a lone `%`.
  So nothing is called `.` or `..`, and names with a leading dot are free for the store's own use.
- A name longer than 255 bytes is cut into nested folders whose names end in `%+`.

Names are compared byte by byte, which needs a case-sensitive file system.
"""

import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nano_banana_lab.core.storage.blob_limits import check_key

MAX_FILE_NAME = 255
"""Bytes in one name, the same on every common file system (NAME_MAX)."""

_PIECE = 200
_CUT = "%+"
_EMPTY = "%"
_NO_DOT = "%."
_ESCAPES = {"\\": "%5C", ".": "%2E", "%": "%25"}
_CHARACTER = re.compile(r"%[0-9A-F]{2}|.", re.DOTALL)


def path_of(key: str) -> tuple[str, ...]:
    """The names of the folders and of the file below the root that hold the blob `key`."""
    *folders, last = key.split("/")
    return (*folders_of(folders), *_file(last))


def folders_of(segments: list[str]) -> tuple[str, ...]:
    """The names of the folders for these whole segments of a key."""
    return tuple(chain.from_iterable(_folder(segment) for segment in segments))


def keys_below(root: Path, prefix: str) -> Iterator[str]:
    """Every key below `root` that begins with `prefix` and has a file, in the order of the keys' UTF-8 bytes.

    Follows no symbolic link and passes over what this store would not have written.
    """
    folders = prefix.split("/")[:-1]
    ahead = [("".join(f"{folder}/" for folder in folders), folders_of(folders), True)]
    while ahead:
        key, names, is_folder = ahead.pop()
        if is_folder:
            ahead += sorted(_children(root, key, names, prefix), reverse=True)
        elif _is_own(key, names):
            yield key


def _children(root: Path, key: str, names: tuple[str, ...], prefix: str) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Key, path and whether it is a folder, of each entry with a whole name; cut names are put together."""
    try:
        entries = os.scandir(root.joinpath(*names))
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            child = key + _meaning(entry.name, is_folder=is_folder)
            wanted = child.startswith(prefix) or (is_folder and prefix.startswith(child))
            if not wanted or entry.is_symlink() or entry.name.startswith("."):
                continue
            if is_folder and entry.name.endswith(_CUT):
                yield from _children(root, child, (*names, entry.name), prefix)
            else:
                yield child, (*names, entry.name), is_folder


def _is_own(key: str, names: tuple[str, ...]) -> bool:
    """Whether the key is legal and this file is where its blob belongs."""
    try:
        check_key(key)
    except ValueError:
        return False
    return path_of(key) == names


def _folder(segment: str) -> tuple[str, ...]:
    name = _escaped(segment, "\\%.") or _EMPTY
    return (name,) if len(name.encode()) <= MAX_FILE_NAME else _cut(name)


def _file(segment: str) -> tuple[str, ...]:
    name = _escaped(segment, "\\%")
    if name.startswith("."):
        name = _ESCAPES["."] + name[1:]
    if "." not in name:
        name += _NO_DOT
    if len(name.encode()) <= MAX_FILE_NAME:
        return (name,)
    *folders, last = _cut(_escaped(segment, "\\%."))
    return (*folders, last + _NO_DOT)


def _cut(name: str) -> tuple[str, ...]:
    """The name in pieces of at most 200 bytes, never cut within a character or an escape."""
    pieces = [""]
    for character in _CHARACTER.findall(name):
        if len(pieces[-1].encode()) + len(character.encode()) > _PIECE:
            pieces.append("")
        pieces[-1] += character
    return (*(piece + _CUT for piece in pieces[:-1]), pieces[-1])


def _meaning(name: str, *, is_folder: bool) -> str:
    """What one name on disk adds to a key."""
    if not is_folder:
        return _plain(name.removesuffix(_NO_DOT))
    if name.endswith(_CUT):
        return _plain(name.removesuffix(_CUT))
    return "/" if name == _EMPTY else _plain(name) + "/"


def _escaped(text: str, special: str) -> str:
    return "".join(_ESCAPES[character] if character in special else character for character in text)


def _plain(name: str) -> str:
    for character, escape in _ESCAPES.items():
        name = name.replace(escape, character)
    return name
