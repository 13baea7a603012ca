"""What is in the archives and folders that stamps come in, with links followed inside each.

What a link leads to outside is not read, and told as what it is. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import archive
import stamps
from cluster.hub import HubError, files_below, read

_UNREADABLE = f"cannot be read, or is larger than {stamps.MEMBER_LIMIT} bytes"
_OUTSIDE = "is a link that leads outside, which is not followed"
_NOWHERE = "is a link to what is not there"
_LINKS = 8  # one behind another that are followed


class Came(NamedTuple):
    """A stamp as it came: what its name says, and its bytes, or None and why there are none."""

    kind: str
    objid: str
    suffix: str
    data: bytes | None
    why: str | None


class Sources:
    """Reads sources of stamps; `passed` and `example` are how many files were none, and a name."""

    def __init__(self) -> None:
        self.passed, self.example = 0, ""

    def read(self, path: Path) -> Iterator[Came]:
        """Go through the stamps in an archive or a folder, with no more than one in memory.

        Raises
        ------
        stamps.StampError
            It is neither, or cannot be read to its end.
        """
        if path.is_dir():
            return self._folder(path)
        if path.exists() and not path.is_file():  # a pipe would keep us waiting
            raise stamps.StampError("it is neither an archive nor a folder")
        return self._archive(path)

    def _folder(self, top: Path) -> Iterator[Came]:
        for path, real, why in walk(top):
            data = None
            if stamps.parse_name(path) and why is None:
                with contextlib.suppress(OSError, HubError):
                    data = read(real, stamps.MEMBER_LIMIT)
            yield from self._named(path, data, why or _UNREADABLE)

    def _archive(self, path: Path) -> Iterator[Came]:
        import sqlite3

        # hard links may be as many as stamps; without a name it is private, and gone with us
        with contextlib.closing(sqlite3.connect("", isolation_level=None)) as index:
            index.execute("CREATE TABLE link (name TEXT PRIMARY KEY, target TEXT)")

            def other(name: str, target: str | None) -> None:
                if target is None or stamps.parse_name(name) is None:
                    self._pass_over(name)
                else:
                    row = (posixpath.normpath(name), target)
                    index.execute("INSERT OR REPLACE INTO link VALUES (?, ?)", row)

            for name, data in stamps.members(path, float("inf"), other):
                yield from self._named(name, data, _UNREADABLE)
            if not index.execute("SELECT count(*) FROM link").fetchone()[0]:
                return
            # what they lead to may have come before or after, and under any name: once more
            for _ in range(_LINKS):
                index.execute(
                    "UPDATE link SET target = (SELECT next.target FROM link next "
                    "WHERE next.name = link.target) WHERE target IN (SELECT name FROM link)"
                )
            index.execute("CREATE INDEX led ON link (target)")

            def leading(name: str) -> list[str]:
                where = (posixpath.normpath(name),)
                rows = index.execute("SELECT name FROM link WHERE target = ?", where)
                return [link for (link,) in rows]

            for name, data in archive.files(path, lambda name: bool(leading(name)), float("inf")):
                for link in leading(name):
                    index.execute("DELETE FROM link WHERE name = ?", (link,))
                    yield from self._named(link, data, _UNREADABLE)
            for link, target in index.execute("SELECT name, target FROM link"):
                outside = target.startswith(("/", "../")) or target == ".."
                yield from self._named(link, None, _OUTSIDE if outside else _NOWHERE)

    def _named(self, path: str, data: bytes | None, why: str) -> Iterator[Came]:
        parsed = stamps.parse_name(path)
        if parsed is None:
            self._pass_over(path)
        else:
            yield Came(*parsed, data, why if data is None else None)

    def _pass_over(self, path: str) -> None:
        self.passed += 1
        # what was meant for a stamp tells more than a list that came along
        if not self.example or (_is_meant(path) and not _is_meant(self.example)):
            self.example = os.path.basename(path)


def _is_meant(path: str) -> bool:
    """Tell whether a file's name looks as if a stamp had been meant."""
    return os.path.basename(path).lower().startswith(stamps.KINDS)


def walk(top: Path) -> Iterator[tuple[str, str, str | None]]:
    """Go through the files in a folder: path, what a link leads to, and why it is not followed."""
    inside = os.path.join(os.path.realpath(top), "")
    try:
        for path in files_below(top):
            real, why = path, None
            if os.path.islink(path):
                real = os.path.realpath(path)
                if not real.startswith(inside):
                    why = _OUTSIDE
                elif not os.path.exists(real):
                    why = _NOWHERE
            yield path, real, why
    except OSError as error:
        raise stamps.StampError(f"{error.filename} cannot be read ({error.strerror})") from error
