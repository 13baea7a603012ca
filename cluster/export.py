"""All that was labelled becomes a training set: one array of images, and soft labels beside it.

``training/STAMP/`` (STAMP is the time of the export, UTC) holds

- ``images.npy``: (N, 3, size, size), uint8 from 8-bit pictures or float32 from FITS, never both;
  Search, Template, Difference, row 0 the top of the picture; ``np.load`` can map it into memory.
- ``labels.csv``: row i is about image i. The columns of expert/consensus.csv without ENTROPY, then
  SPLIT (train, validation, test), then those of all metadata tables.
- ``classes.json``: the classes in the order of the P_ columns, and which of them are real.
- ``shapes.csv``: the detections whose stamps were cut or padded, ``left_out.csv``: those that
  people answered and that are not in the set, with the reason.
- ``README.md``: what was cut and counted, and how to load it.

It is written chunk by chunk into a hidden folder beside, which is renamed when it is whole.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import numpy as np

import disk
import labels
import scaling
import stamps
from cluster import agreement, receive
from cluster.hub import DAMAGED, STAMP, USAGE, Hub, HubError, counted, read, table

CHANNELS = ("Search", "Template", "Difference")  # in the order of stamps.KINDS
SPLITS = ("train", "validation", "test")
FORMATS = {"gif": "8-bit pictures", "fits": "FITS images"}
_COLUMNS = (*agreement.COLUMNS[:-1], "SPLIT")
_SHAPES = (
    "OBJID",
    *(f"{name.upper()}_{side}" for name in CHANNELS for side in ("HEIGHT", "WIDTH")),
)
_FILES = ("images.npy", "labels.csv", "shapes.csv", "left_out.csv")
_PART = re.compile(rf"\.{STAMP.pattern}\.(?P<host>.+)\.(?P<pid>[0-9]+)\.part")
_HEADER = 128  # bytes before the first pixel of images.npy: numpy fills up to a multiple of 64
_ABANDONED = 86400  # seconds without a write after which another machine's export is dead


def export(folder, size=51, format=None, method="dawid-skene"):
    """Write ``training/STAMP/``, print what is in it, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    size : int
        Height and width of every image in pixels; see `centred`.
    format : {None, "gif", "fits"}
        Which stamps: 8-bit pictures or FITS. None: the only ones the hub has.
    method : str
        A key of `agreement.METHODS`.

    Raises
    ------
    HubError
        Nothing was written: nobody has labelled anything, or there are both kinds of stamps. Or an
        archive could not be read to its end, which is told after all else was written.
    """
    hub = Hub(folder)
    hub.owner_only("export a training set")
    if not 1 <= size <= stamps.SIDE_LIMIT:
        raise HubError(
            f"An image cannot have {size} pixels a side: nothing was written. Give --size a number "
            f"from 1 to {stamps.SIDE_LIMIT}.",
            USAGE,
        )
    training = hub.folder / "training"
    _sweep(training)
    labelled = _Labelled(hub, method)
    if format is None:
        labelled.check_one_format()
    at = datetime.now(timezone.utc)
    while (target := training / at.strftime("%Y-%m-%d_%H-%M-%S")).exists():
        at += timedelta(seconds=1)
    part = training / f".{target.name}.{os.uname().nodename}.{os.getpid()}.part"
    part.mkdir()
    try:
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(part / name, "xb")) for name in _FILES]
            training_set = _TrainingSet(files, labelled, size, format)
            for number, chunk in enumerate(labelled.chunks, 1):
                training_set.take(chunk)
                _progress(f"chunk {number} of {len(labelled.chunks)}")
            _progress("")
            training_set.finish()
        listed = {
            "classes": agreement.CLASSES,
            "real": agreement.REAL,
            "meaning": {name: labels.BY_NAME[name].meaning for name in agreement.CLASSES},
            "channels": CHANNELS,
        }
        disk.write_whole(part / "classes.json", json.dumps(listed, indent=1).encode() + b"\n")
        disk.write_whole(part / "README.md", _readme(target.name, training_set, method).encode())
        os.rename(part, target)
    except BaseException:
        _progress("")
        shutil.rmtree(part, ignore_errors=True)
        raise
    disk.sync_folder(training)
    parts = training_set.per_split()
    print(
        f"Exported {counted(training_set.count, 'detection')} "
        f"({', '.join(f'{parts[name]} {name}' for name in SPLITS)}) to {target}; "
        f"{sum(training_set.left_out.values())} left out, {training_set.reshaped} cut or padded."
    )
    if told := training_set.ungrouped_told():
        sys.stderr.write(told + "\n")
    if training_set.damaged:
        raise HubError(
            f"{', '.join(training_set.damaged)} could not be read to the end, and {target} lacks "
            "what its left_out.csv says of that; all else is in it. Bring the archives back from a "
            "backup and export again.",
            DAMAGED,
        )
    return 0


def split(group):
    """Return train (80 %), validation or test (10 % each) for a group, the same for ever."""
    tenth = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, tenth - 7)]


def centred(pixels, size, fill):
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


def _sweep(training):
    """Remove what exports that died have left, and nothing that one may still be writing."""
    for path in training.glob(".*.part"):
        match = _PART.fullmatch(path.name)
        if match and _is_dead(path, match["host"], int(match["pid"])):
            shutil.rmtree(path)


def _is_dead(path, host, pid):
    if host != os.uname().nodename:
        return time.time() - max(p.stat().st_mtime for p in (path, *path.iterdir())) > _ABANDONED
    with contextlib.suppress(PermissionError):  # it is there, and another account's
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
    return False


def _progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}" if text else "\r\033[K")
        sys.stderr.flush()


class _Labelled:
    """What people have answered, and the chunks that it is in.

    `place` has a detection's index in `consensus`; `answered` are also those of which only the
    expert's Unsure is there. `columns` are all that the chunks' metadata tables have, `drops` has
    for each drop the cut that was made and how many detections passed it.
    """

    def __init__(self, hub, method):
        self.hub = hub
        self.consensus = agreement.of_hub(hub, method)
        self.place = {objid: index for index, objid in enumerate(self.consensus.objids)}
        self.known = self.consensus.known
        self.answered = self.place.keys() | receive.expert_rows(hub).keys()
        self.chunks, self.columns, self.drops = [], {}, {}
        for chunk in hub.chunks():
            columns, rows = self.metadata(chunk)
            drop = stamps.metadata_stamp(chunk.name)
            cut, total = self.drops.get(drop, (chunk.cut, 0))
            self.drops[drop] = cut, total + len(rows)
            if not self.answered.isdisjoint(rows):
                self.chunks.append(chunk)
                self.columns.update(dict.fromkeys(columns))
        if not self.known.any():
            raise HubError(
                "Nobody has labelled anything yet, so there is nothing to export: nothing was "
                "written. 'status' tells how far the people are."
            )

    def metadata(self, chunk):
        """Return the columns of a chunk's table without OBJID, and the fields by Object ID."""
        text = read(self.hub.folder / "metadata" / f"{chunk.name}.csv").decode("utf-8", "replace")
        header, *rows = filter(None, csv.reader(io.StringIO(text, newline="")))
        # a column that is named like one of ours must not be taken for it
        columns = [f"METADATA_{name}" if name in _COLUMNS else name for name in header[1:]]
        return columns, {row[0]: row[1:] for row in rows}

    def archive(self, chunk):
        return self.hub.folder / "chunks" / f"{chunk.name}.tar.gz"

    def check_one_format(self):
        """Ask for the format if the first stamps of the drops differ: before hours of reading."""
        first = {stamps.metadata_stamp(chunk.name): chunk for chunk in reversed(self.chunks)}
        found = set()
        for chunk in first.values():
            with contextlib.suppress(stamps.StampError):
                name, data = next(stamps.members(self.archive(chunk)), (None, None))
                if data is not None:
                    found.add(_format(stamps.decode(data, stamps.parse_name(name)[2])))
        if len(found) > 1:
            raise _both_formats()

    def triplets(self, chunk, wanted):
        """Go through the triplets in a chunk's archive: OBJID, {kind: (suffix, data)}."""
        parts = {}
        for name, data in stamps.members(self.archive(chunk)):
            kind, objid, suffix = stamps.parse_name(name)
            if objid in wanted:
                triplet = parts.setdefault(objid, {})
                triplet.setdefault(kind, (suffix, data))  # the first of several counts
                if len(triplet) == len(stamps.KINDS):
                    yield objid, parts.pop(objid)


def _both_formats():
    return HubError(
        "People have labelled 8-bit pictures and FITS images, and a training set holds one kind: "
        "nothing was written. Say --format gif or --format fits.",
        USAGE,
    )


def _format(pixels):
    return "gif" if pixels.dtype == np.uint8 else "fits"


class _TrainingSet:
    """The files of a set that is being written, and what was counted.

    `classes` counts detections by (class, split), `drops` by drop, `groups` by group, `left_out`
    by reason; `ungrouped` have no group but themselves.
    """

    def __init__(self, files, labelled, size, format):
        self.labelled, self.size, self.format = labelled, size, format
        self.asked = format is not None
        self.classes, self.drops, self.groups = Counter(), Counter(), Counter()
        self.left_out, self.damaged = Counter(), []
        self.count = self.by_expert = self.reshaped = self.oblong = self.gappy = 0
        self.group_column = labelled.hub.settings.group_column
        self.ungrouped = 0
        columns = (*_COLUMNS, *labelled.columns)
        self._files = files
        self._images, self._labels, self._shapes, self._left_out = files
        self._images.write(bytes(_HEADER))
        self._labels.write(table(columns, ()))
        self._shapes.write(table(_SHAPES, ()))
        self._left_out.write(table(("OBJID", "REASON"), ()))

    def take(self, chunk):
        """Write what people have labelled of a chunk."""
        columns, fields = self.labelled.metadata(chunk)
        reasons, wanted = {}, set()
        for objid in filter(self.labelled.answered.__contains__, fields):
            place = self.labelled.place.get(objid)
            if place is not None and self.labelled.known[place]:
                wanted.add(objid)
            else:
                reasons[objid] = "only Unsure or Skipped"
        written, shapes, lacking = [], [], "the archive lacks some of its stamps"
        try:
            for objid, triplet in self.labelled.triplets(chunk, wanted):
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
        self._write(self._labels, self._lines(written, columns, fields))
        self.count += len(written)
        self.reshaped += len(shapes)
        self.left_out.update(reasons.values())
        self.drops[stamps.metadata_stamp(chunk.name)] += len(written)

    def _planes(self, triplet):
        """Decode three stamps: uint8, or float32 with NaN where there is no value."""
        planes, gaps = [], False
        for kind in stamps.KINDS:
            suffix, data = triplet[kind]
            if data is None:
                raise stamps.StampError(f"{kind} larger than {stamps.MEMBER_LIMIT} bytes")
            try:
                pixels = stamps.decode(data, suffix)
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
                gaps = gaps or missing.any()
                pixels = np.where(missing, np.nan, pixels).astype("<f4")
            planes.append(pixels)
        self.gappy += bool(gaps)
        return planes

    def _lines(self, objids, columns, fields):
        """Go through the rows of labels.csv for the detections of one chunk, and count them."""
        consensus = self.labelled.consensus
        places = [self.labelled.place[objid] for objid in objids]
        some = consensus._replace(
            objids=objids,
            posterior=consensus.posterior[places],
            counts=consensus.counts[places],
            expert=consensus.expert[places],
        )
        for objid, label, *line, _ in agreement.lines(some):
            named = dict(zip(columns, fields[objid]))
            group = named.get(self.group_column, "").strip()
            if not group:
                self.ungrouped += 1
                group = objid
            self.groups[group] += 1
            self.classes[label, split(group)] += 1
            self.by_expert += line[-1] != ""
            rest = (named.get(column, "") for column in self.labelled.columns)
            yield (objid, label, *line, split(group), *rest)

    def _write(self, file, rows):
        rows = list(rows)
        if rows:
            file.write(table(rows[0], rows[1:]))

    def finish(self):
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
                "shape": (self.count, len(CHANNELS), self.size, self.size),
            },
        )
        assert self._images.tell() == _HEADER
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())

    def per_split(self):
        """Count the detections of each split."""
        return {
            name: sum(n for (_, of), n in self.classes.items() if of == name) for name in SPLITS
        }

    def ungrouped_told(self):
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


_NUMPY = """\
import csv, json, numpy as np
images = np.load("images.npy", mmap_mode="r")
rows = list(csv.DictReader(open("labels.csv", encoding="utf-8", newline="")))
classes = json.load(open("classes.json"))["classes"]
soft = np.array([[row["P_" + name] for name in classes] for row in rows], dtype=float)
train = np.array([row["SPLIT"] == "train" for row in rows])
"""
_TORCH = """\
import csv, json, numpy as np, torch
rows = list(csv.DictReader(open("labels.csv", encoding="utf-8", newline="")))
names = ["P_" + name for name in json.load(open("classes.json"))["classes"]]
soft = torch.tensor([[float(row[name]) for name in names] for row in rows])
data = torch.utils.data.TensorDataset(torch.from_numpy(np.load("images.npy", mmap_mode="c")), soft)
train = torch.utils.data.Subset(data, [i for i, r in enumerate(rows) if r["SPLIT"] == "train"])
"""
_README = """\
# Training set {name}

{count} of the hub {hub} that people have labelled.

- `images.npy`: {dtype} of shape ({number}, 3, {size}, {size}): Search, Template and Difference.
  Row 0 is the top of the picture, the detection is at pixel ({centre}, {centre}).
- `labels.csv`: row i below its header is about `images[i]`.
- `classes.json`: the classes in the order of the P_ columns, and what they mean.
- `shapes.csv`: the {reshaped} with a stamp that is not {size} x {size}. It was cut or padded about
  its centre, pixel (height // 2, width // 2); padding is {padding}.
- `left_out.csv`: the {left_out} that people answered and that are not here, with the reason.

{pixels}

## What it stands for

Only what passed a drop's cut could be labelled, and of that only what people have come to is here:
the set represents no more than that.

{drops}

Left out, of what people have answered:

{reasons}

## Labels

P_ and a class is how probable that class is, LABEL the most probable one, P_REAL the sum of
{real}. They come from the votes of {people}, {method}.
Unsure and Skipped are no votes. An expert's label (EXPERT, {by_expert} of these) is taken for the
truth. VOTES has the votes, LABELERS says how many people gave them. The columns after SPLIT are
those of the metadata tables, empty where a drop's table has no such column; METADATA_ was put
before a name that is one of ours.

{classes}

## Splits

{groups} SPLIT follows from a group's name alone: its SHA-256, taken for a number,
modulo 10, is 0 to 7 in train, 8 in validation and 9 in test. So it is the same in every export,
and no group is in two splits.

## Loading it

With numpy, in this folder:

```python
{numpy}```

With PyTorch:

```python
{torch}```

`torch.utils.data.DataLoader(train, 64, shuffle=True)` then gives batches `x, p`, and
`torch.nn.functional.cross_entropy(model(x.float()), p)` takes such soft labels as they are.
{filling}"""
_PIXELS = {
    "gif": "The values are those of the 8-bit pictures, 0 black to 255 white: whoever made them "
    "has scaled each stamp by limits of its own.",
    "fits": "The values are those of the FITS files, not scaled: stamps differ in unit and sky "
    "level. NaN stands where there is no value: NaN, infinities and 1e30 or more in the file, and "
    "exact zeros that fill a row, a column or 3 x 3 pixels. {gappy} such pixels.",
}
_FILLING = """
Levels and missing pixels of a batch (`some`: its indices) can be dealt with like this; a stamp
without any value becomes 0 all over:

```python
x = np.ma.masked_invalid(images[some])
x = x - np.ma.median(x, axis=(2, 3), keepdims=True)
x = (x / x.std(axis=(2, 3), keepdims=True)).filled(0)
```
"""
_METHODS = {
    "dawid-skene": "weighed by how each person has been found to confuse the classes (Dawid and "
    "Skene 1979)",
    "majority": "each class by its share of the votes",
}


def _readme(name, written, method):
    """Return the README.md of a `_TrainingSet`."""
    labelled, fits = written.labelled, written.format == "fits"
    has = "detection has", "detections have"
    pixels = _PIXELS[written.format].format(gappy=counted(written.gappy, *has))
    if written.oblong:
        pixels += (
            f" {counted(written.oblong, *has)} a stamp that is not square: most likely the edge of "
            "a CCD cut it off, and then the detection is not in its centre, nor here."
        )
    drops = [
        (drop, cut or "none", total, written.drops[drop])
        for drop, (cut, total) in labelled.drops.items()
    ]
    classes = [
        (label, *of_class, sum(of_class))
        for label in agreement.CLASSES
        for of_class in [[written.classes[label, part] for part in SPLITS]]
    ]
    classes.append(("all", *written.per_split().values(), written.count))
    [(largest, most)] = written.groups.most_common(1)
    groups = f"{counted(len(written.groups), 'group')} by {written.group_column}"
    groups += f", the largest ({largest}) of {counted(most, 'detection')}."
    if told := written.ungrouped_told():
        groups += f" {told}"
    return _README.format(
        name=name,
        hub=labelled.hub.folder,
        number=written.count,
        count=counted(written.count, "detection"),
        dtype="float32" if fits else "uint8",
        size=written.size,
        centre=written.size // 2,
        reshaped=counted(written.reshaped, "detection"),
        padding="NaN" if fits else "0",
        left_out=counted(sum(written.left_out.values()), "detection"),
        pixels=pixels,
        drops=_markdown(("drop", "cut", "detections", "of these here"), drops),
        reasons=_markdown(("reason", "detections"), written.left_out.most_common()),
        real=" and ".join(agreement.REAL),
        people=counted(len(labelled.consensus.people), "person", "people"),
        method=_METHODS[method],
        by_expert=written.by_expert,
        classes=_markdown(("LABEL", *SPLITS, "all"), classes),
        groups=groups,
        numpy=_NUMPY,
        torch=_TORCH,
        filling=_FILLING if fits else "",
    )


def _markdown(header, rows):
    """Return a table as Markdown; without rows, "none"."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) if rows else "None."
