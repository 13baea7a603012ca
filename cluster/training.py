"""The arrays and tables of a training set, written chunk by chunk as archives are read.

``images.npy`` holds (N, 3, size, size), uint8 from 8-bit pictures or float32 from FITS, never both;
row i of ``labels.csv`` is about image i; ``shapes.csv`` has the detections whose stamps were cut or
padded, ``left_out.csv`` those that people have dealt with and that are not in the set. Needs numpy.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import operator
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

import labelfile
import labels
import scaling
import stamps
from cluster import consensus, tables, verified, votes
from cluster.hub import USAGE, Hub, HubError, Listed, table
from cluster.terminal import counted

SPLITS = ("train", "validation", "test")
FORMATS = {"gif": "8-bit pictures", "fits": "FITS images"}
_COLUMNS = (*consensus.LABEL_COLUMNS, "SPLIT", "DROP", "CHUNK", "GOLD", "COMMENTS")
_SHAPES = (
    "OBJID",
    *(f"{name.upper()}_{side}" for name in stamps.TITLES for side in ("HEIGHT", "WIDTH")),
)
_HEADER = 128  # bytes before the first pixel of images.npy: numpy fills up to a multiple of 64


def split(group: str) -> str:
    """Return train (80 %), validation or test (10 % each) for a group, the same for ever."""
    tenth = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def centred(pixels: np.ndarray, size: int, fill: float) -> np.ndarray:
    """Cut or pad an image about its centre.

    Parameters
    ----------
    pixels : ndarray, shape (H, W)
    size : int
    fill : int or float
        What is put where the image has no pixels.

    Returns
    -------
    ndarray, shape (size, size)
        Pixel (H // 2, W // 2), where the detection is, has come to (size // 2, size // 2).
    """
    if pixels.shape == (size, size):
        return pixels
    image = np.full((size, size), fill, pixels.dtype)
    into, cut = [], []
    for side in pixels.shape:
        shift = size // 2 - side // 2
        begin, end = max(shift, 0), min(shift + side, size)
        into.append(slice(begin, end))
        cut.append(slice(begin - shift, end - shift))
    image[tuple(into)] = pixels[tuple(cut)]
    return image


class _Cut(NamedTuple):
    """What a drop was cut at, and how many detections passed."""

    cut: str
    total: int


class _Metadata(NamedTuple):
    """The columns of a chunk's table without OBJID, and the fields by Object ID."""

    columns: list[str]
    fields: dict[str, list[str]]


class Labelled:
    """What people have dealt with, and the chunks that it is in.

    `place` has a detection's index in `consensus`; `dealt_with` are also those of which only the
    expert's Unsure is there, `skipped` those whose stamps nobody could see, `excluded` those that
    only people looked at whose labels do not vote. `comments` has what was said of some. `columns`
    are all that the chunks' metadata tables have, `drops` has for each drop the cut that was made
    and how many detections passed it.
    """

    def __init__(self, hub: Hub, method: str):
        self.hub = hub
        expert, everyone = verified.expert_rows(hub), verified.gather(hub)
        no_votes = {objid for user, objid in everyone if user in hub.excluded}
        everyone = {key: row for key, row in everyone.items() if key[0] not in hub.excluded}
        self.comments = _comments(hub, everyone, expert)
        self.skipped = verified.only_skipped(itertools.chain(everyone.values(), expert.values()))
        given = votes.of_rows(everyone)
        del everyone  # some hundred bytes each: gone before the arrays are made
        self.consensus = consensus.weigh(given, votes.truth(expert), method)
        self.place = {objid: index for index, objid in enumerate(self.consensus.objids)}
        self.known = self.consensus.known
        self.excluded = no_votes - self.place.keys() - expert.keys()
        self.dealt_with = self.place.keys() | expert.keys() | self.excluded
        # of a detection that came anew, after it could only be skipped, the latest stamps count
        self._home: dict[str, str] = {}
        self.chunks: list[Listed] = []
        self.columns: dict[str, None] = {}
        self.drops: dict[str, _Cut] = {}
        for chunk in hub.chunks():
            columns, rows = self.metadata(chunk)
            drop = stamps.metadata_stamp(chunk.name)
            before = self.drops.get(drop, _Cut(chunk.cut, 0))
            self.drops[drop] = before._replace(total=before.total + len(rows))
            here = self.dealt_with.intersection(rows)
            self._home.update(dict.fromkeys(here, chunk.name))
            if here:
                self.chunks.append(chunk)
                self.columns.update(dict.fromkeys(columns))
        if not self.known.any():
            raise HubError(
                "Nobody has labelled anything yet, so there is nothing to export: nothing was "
                "written. 'status' tells how far the people are."
            )

    def metadata(self, chunk: Listed) -> _Metadata:
        """Return a chunk's table."""
        columns, rows = self.hub.metadata(chunk.name)
        # a column that is named like one of ours must not be taken for it
        names = [f"METADATA_{name}" if name in _COLUMNS else name for name in columns[1:]]
        return _Metadata(names, {row[0]: row[1:] for row in rows})

    def dealt_with_in(self, chunk: Listed, objids: Iterable[str]) -> Iterator[str]:
        """Go through those of a chunk's detections that were dealt with, and that are at home."""
        return (objid for objid in objids if self._home.get(objid) == chunk.name)

    def why_not(self, objid: str) -> str:
        """Return why a detection that was dealt with has no label."""
        if objid in self.excluded:
            return "only people who are excluded"
        return "could only be skipped" if objid in self.skipped else f"only {votes.NO_CLASS}"

    def check_one_format(self) -> None:
        """Ask for the format if the first stamps of the drops differ: before hours of reading."""
        first = {stamps.metadata_stamp(chunk.name): chunk for chunk in reversed(self.chunks)}
        found = set()
        for chunk in first.values():
            with contextlib.suppress(stamps.StampError):
                for name, data in stamps.members(self.hub.archive(chunk.name)):
                    parsed = stamps.parse_name(name)
                    if data is not None and parsed is not None:
                        found.add(_format(stamps.decode(data, parsed[2])))
                    break
        if len(found) > 1:
            raise _both_formats()


def _comments(
    hub: Hub, everyone: verified.Rows, expert: Mapping[str, labelfile.Row]
) -> dict[str, str]:
    """Return the comments by Object ID, each after its person's name, the expert's last."""
    by_expert = {(hub.expert, objid): row for objid, row in expert.items()}
    found: dict[str, list[str]] = {}
    for rows in (everyone, by_expert):
        said = {k: row.comment for k, row in rows.items() if row.action != labels.SKIPPED}
        for (user, objid), comment in sorted(filter(operator.itemgetter(1), said.items())):
            found.setdefault(objid, []).append(f"{user}: {comment}")
    return {objid: " | ".join(several) for objid, several in found.items()}


def _both_formats() -> HubError:
    return HubError(
        "People have labelled 8-bit pictures and FITS images, and a training set holds one kind: "
        "nothing was written. Say --format gif or --format fits.",
        USAGE,
    )


def _format(pixels: np.ndarray) -> str:
    return "gif" if pixels.dtype == np.uint8 else "fits"


class TrainingSet:
    """The files of a set that is being written, and what was counted.

    `classes` counts detections by (class, split), `drops` by drop, `groups` by group, `left_out`
    by reason; `ungrouped` have no group but themselves.
    """

    def __init__(self, folder: Path, labelled: Labelled, size: int, format: str | None):
        self.labelled, self.size, self.format = labelled, size, format
        self.asked = format is not None
        self.classes: Counter[tuple[str, str]] = Counter()
        self.drops, self.groups, self.left_out = Counter[str](), Counter[str](), Counter[str]()
        self.damaged: list[str] = []
        self.count = self.by_expert = self.reshaped = self.oblong = self.gappy = 0
        self.group_column = labelled.hub.rules.group_column
        self.ungrouped = 0
        self._files = contextlib.ExitStack()
        self._images = self._open(folder / "images.npy", bytes(_HEADER))
        columns = (*_COLUMNS, *labelled.columns)
        self._labels = self._open(folder / "labels.csv", table(columns, ()))
        self._shapes = self._open(folder / "shapes.csv", table(_SHAPES, ()))
        self._left_out = self._open(folder / "left_out.csv", table(("OBJID", "REASON"), ()))

    def _open(self, path: Path, data: bytes) -> IO[bytes]:
        file = self._files.enter_context(path.open("xb"))
        file.write(data)
        return file

    def __enter__(self) -> TrainingSet:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def take(self, chunk: Listed) -> None:
        """Write what people have labelled of a chunk."""
        metadata = self.labelled.metadata(chunk)
        reasons, wanted = {}, set()
        for objid in self.labelled.dealt_with_in(chunk, metadata.fields):
            place = self.labelled.place.get(objid)
            if place is not None and self.labelled.known[place]:
                wanted.add(objid)
            else:
                reasons[objid] = self.labelled.why_not(objid)
        written, shapes, lacking = [], [], "the archive lacks some of its stamps"
        try:
            stream = stamps.members(self.labelled.hub.archive(chunk.name))
            for objid, triplet in stamps.Triplets(stream, frozenset(wanted)):
                wanted.remove(objid)
                try:
                    planes = self._planes(triplet)
                except stamps.StampError as error:
                    reasons[objid] = str(error)
                    continue
                shape = [side for plane in planes for side in plane.shape]
                if {*shape} != {self.size}:
                    shapes.append((objid, *shape))
                    self.oblong += any(plane.shape[0] != plane.shape[1] for plane in planes)
                for plane in planes:
                    fill = np.nan if self.format == "fits" else 0
                    self._images.write(centred(plane, self.size, fill).tobytes())
                written.append(objid)
        except stamps.StampError as error:
            self.damaged.append(f"{chunk.name}.tar.gz")
            lacking = f"of the archive: {error}"
        reasons.update(dict.fromkeys(sorted(wanted), lacking))
        self._write(self._shapes, shapes)
        self._write(self._left_out, reasons.items())
        self._write(self._labels, self._lines(chunk, written, metadata))
        self.count += len(written)
        self.reshaped += len(shapes)
        self.left_out.update(reasons.values())
        self.drops[stamps.metadata_stamp(chunk.name)] += len(written)

    def _planes(self, triplet: Mapping[str, stamps.Part]) -> list[np.ndarray]:
        """Decode three stamps: uint8, or float32 with NaN where there is no value."""
        planes, gaps = [], False
        for kind in stamps.KINDS:
            part = triplet[kind]
            if part.data is None:
                raise stamps.StampError(f"{kind} larger than {stamps.MEMBER_LIMIT} bytes")
            try:
                pixels = stamps.decode(part.data, part.suffix)
            except stamps.StampError as error:
                raise stamps.StampError(f"{kind}: {error}") from error
            form = _format(pixels)
            self.format = self.format or form
            if form != self.format and not self.asked:
                raise _both_formats()
            if form != self.format:
                raise stamps.StampError(f"{FORMATS[form]}, not {FORMATS[self.format]}")
            if form == "fits":
                missing = scaling.missing_pixels(pixels)
                gaps = gaps or bool(missing.any())
                pixels = np.where(missing, np.nan, pixels).astype("<f4")
            planes.append(pixels)
        self.gappy += gaps
        return planes

    def _lines(
        self, chunk: Listed, objids: Sequence[str], metadata: _Metadata
    ) -> Iterator[tuple[str, ...]]:
        """Go through the rows of labels.csv for the detections of one chunk, and count them."""
        whole = self.labelled.consensus
        home = stamps.metadata_stamp(chunk.name), chunk.name, chunk.gold
        places = [self.labelled.place[objid] for objid in objids]
        some = whole._replace(
            objids=tuple(objids),
            posterior=whole.posterior[places],
            counts=whole.counts[places],
            expert=whole.expert[places],
        )
        for line in consensus.lines(some):
            named = dict(zip(metadata.columns, metadata.fields[line.objid]))
            group = tables.group(named.get(self.group_column, ""))
            if not group:
                self.ungrouped += 1
                group = line.objid
            self.groups[group] += 1
            self.classes[line.label, split(group)] += 1
            self.by_expert += line.expert != ""
            rest = (named.get(column, "") for column in self.labelled.columns)
            said = self.labelled.comments.get(line.objid, "")
            yield (*line.fields, split(group), *home, said, *rest)

    def _write(self, file: IO[bytes], rows: Iterable[Iterable[object]]) -> None:
        lines = list(rows)
        if lines:
            file.write(table(lines[0], lines[1:]))

    def finish(self) -> None:
        """Put the header before the images, now that their number is known, and sync all files."""
        if not self.count:
            reasons = "; ".join(f"{reason}: {n}" for reason, n in self.left_out.most_common())
            raise HubError(
                f"None of the labelled detections can be exported ({reasons}): nothing was "
                "written. Mend that, or ask for another --format."
            )
        self._images.seek(0)
        np.lib.format.write_array_header_1_0(
            self._images,
            {
                "descr": "|u1" if self.format == "gif" else "<f4",
                "fortran_order": False,
                "shape": (self.count, len(stamps.KINDS), self.size, self.size),
            },
        )
        assert self._images.tell() == _HEADER
        for file in (self._images, self._labels, self._shapes, self._left_out):
            file.flush()
            os.fsync(file.fileno())

    def per_split(self) -> dict[str, int]:
        """Count the detections of each split."""
        return {
            name: sum(n for (_, of), n in self.classes.items() if of == name) for name in SPLITS
        }

    def ungrouped_told(self) -> str | None:
        """Return a sentence on detections that may have relatives in another split, or None."""
        if not self.ungrouped or self.group_column == "OBJID":
            return None
        if self.ungrouped == self.count:
            return (
                f"No detection has a {self.group_column}, so each is a group of its own: if there "
                "are several stamps of one object, they may be on both sides of a split. Name the "
                "column that tells what is one object in hub.ini (group_column)."
            )
        return (
            f"{counted(self.ungrouped, 'detection has', 'detections have')} no "
            f"{self.group_column}: each is a group of its own."
        )
