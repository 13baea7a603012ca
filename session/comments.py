"""The comments that can be had again by a digit, and what a line that is typed stands for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import labelfile
import labels

OFFERED = 9  # so that one digit is enough
READ = 1 << 20  # bytes of label files, the latest, in which earlier comments are looked for


class Comments:
    """Those that are offered, by their number from 1, in one sitting.

    The site's own stand first, in its order; then what the person said most often in earlier
    sittings. A new one takes the next number; once there are nine, it takes the last number that
    nobody used in this sitting. So the numbers are much the same from day to day, and what a
    hand has learnt in a sitting stays as it is until the end of it.

    Parameters
    ----------
    site
        The site's own comments.
    """

    def __init__(self, site: Iterable[str] = ()) -> None:
        self._offered: list[str] = []
        self._given: set[str] = set()  # in this sitting, whatever their capitals
        self.remember(site)

    @property
    def offered(self) -> tuple[str, ...]:
        """Return what can be had by its number, at most `OFFERED`."""
        return tuple(self._offered)

    def remember(self, comments: Iterable[str]) -> None:
        """Offer more, in this order, as long as there are numbers: none that is taken changes."""
        for comment in comments:
            if len(self._offered) < OFFERED and not self._has(comment):
                self._offered.append(comment)

    def add(self, comment: str) -> None:
        """Offer a comment that was given now, unless it is empty."""
        if not comment:
            return
        if not self._has(comment):
            unused = [
                i for i, each in enumerate(self._offered) if each.casefold() not in self._given
            ]
            if len(self._offered) < OFFERED:
                self._offered.append(comment)
            elif unused:
                self._offered[unused[-1]] = comment
        self._given.add(comment.casefold())

    def _has(self, comment: str) -> bool:
        return comment.casefold() in map(str.casefold, self._offered)


def understand(text: str, offered: Sequence[str]) -> str:
    """Return the comment that a typed line stands for: itself, or one that is offered.

    Parameters
    ----------
    text
        The line.
    offered
        What a number alone stands for, from 1: as it was offered when it was asked.

    Raises
    ------
    labelfile.LabelError
        It is too long, or there is no comment of that number.
    """
    line = labelfile.clean_comment(text)
    if not line.isdecimal():  # a number alone is a slip: who would know what it meant?
        return line
    if len(line) == 1 and 0 < int(line) <= len(offered):
        return offered[int(line) - 1]
    raise labelfile.LabelError(
        f"There is no comment {line[:9]}: nothing was labelled, please say it in words."
    )


def earlier(paths: Iterable[Path]) -> list[str]:
    """Find what was said in earlier sittings: the most frequent first, of equals the latest.

    Parameters
    ----------
    paths
        One person's label files. No more of them are read than `READ` allows, the latest first.

    Returns
    -------
    list of str
        At most `OFFERED`, each as it was written last.
    """
    counts: dict[str, int] = {}
    spelt: dict[str, str] = {}
    room = READ
    for path in sorted(paths, key=lambda path: path.name, reverse=True):
        room -= path.stat().st_size
        if room < 0:
            break
        for comment in reversed(_comments_in(path.read_bytes())):
            key = comment.casefold()
            counts[key] = counts.get(key, 0) + 1
            spelt.setdefault(key, comment)
    often = sorted(counts, key=lambda key: -counts[key])
    return [spelt[key] for key in often[:OFFERED]]


def _comments_in(data: bytes) -> list[str]:
    """Return the comments in a label file; the lines of other labels are not taken apart."""
    names = [label.name for label in labels.LABELS if label.commented]
    head, *lines = data.split(b"\n")
    kept = [line for line in lines if any(name.encode() in line for name in names)]
    rows = labelfile.parse(b"\n".join([head, *kept, b""])).rows
    return [
        row.comment
        for row in rows
        if row.action in names and row.comment and labelfile.check(row) is None
    ]
