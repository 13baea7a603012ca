"""What the README.md of a training set says: what was cut and counted, and how to load it."""

from __future__ import annotations

from collections.abc import Sequence

import labels
from cluster import consensus, trust
from cluster.terminal import counted
from cluster.training import SPLITS, TrainingSet
from cluster.votes import NO_CLASS

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
- `left_out.csv`: the {left_out} that people have dealt with and that are not here.

{pixels}

## What it stands for

Only what passed a drop's cut could be labelled, and of that only what people have come to is here:
the set represents no more than that.

{drops}

Left out, of what people have dealt with:

{reasons}

## Labels

P_ and a class is how probable that class is, LABEL the most probable one, P_REAL the sum of
{real}. They come from the votes of {people}, {method}.{trust}
Neither {no_class} nor Skipped is a vote{excluded}.
An expert's label (EXPERT, {by_expert} of these) is taken for the truth. VOTES has the votes,
LABELERS says how many people gave them. DROP and CHUNK say with what it came to people, COMMENTS
what they said of it. GOLD is yes in the chunks that were drawn at random for the expert: where
EXPERT is there too, these are a test that favours neither easy nor hard cases. The columns after
COMMENTS are those of the metadata tables, empty where a drop's table has no such column; METADATA_
was put before a name that is one of ours.

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


def text(name: str, written: TrainingSet, method: str) -> str:
    """Return the README.md of a training set that is written, made by this method."""
    labelled, fits = written.labelled, written.format == "fits"
    out = sorted(labelled.hub.excluded)
    has = "detection has", "detections have"
    pixels = _PIXELS["fits" if fits else "gif"].format(gappy=counted(written.gappy, *has))
    if written.oblong:
        pixels += (
            f" {counted(written.oblong, *has)} a stamp that is not square: most likely the edge of "
            "a CCD cut it off, and then the detection is not in its centre, nor here."
        )
    drops = [
        (drop, made.cut or "none", made.total, written.drops[drop])
        for drop, made in labelled.drops.items()
    ]
    classes = [
        (label, *of_class, sum(of_class))
        for label in labels.CLASSES
        for of_class in [[written.classes[label, part] for part in SPLITS]]
    ]
    classes.append(("all", *written.per_split().values(), written.count))
    [(largest, most)] = written.groups.most_common(1)
    groups = f"{counted(len(written.groups), 'group')} by {written.group_column}"
    groups += f", the largest ({largest}) of {counted(most, 'detection')}."
    if told := written.ungrouped_told():
        groups += f" {told}"
    judged = labelled.consensus.trust
    sentences = [trust.choice(judged), trust.reach(judged)] if judged is not None else []
    if method == consensus.DEFAULT:
        sentences += trust.warnings(labelled.consensus)
    trusted = "".join(f"\n{sentence}" for sentence in sentences)
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
        real=" and ".join(labels.REAL),
        people=counted(len(labelled.consensus.people), "person", "people"),
        method=consensus.told(labelled.consensus, method),
        no_class=NO_CLASS,
        excluded=f", nor is what {' or '.join(out)} said (excluded)" if out else "",
        trust=trusted,
        by_expert=written.by_expert,
        classes=_markdown(("LABEL", *SPLITS, "all"), classes),
        groups=groups,
        numpy=_NUMPY,
        torch=_TORCH,
        filling=_FILLING if fits else "",
    )


def _markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table as Markdown; without rows, "None."."""
    lines: list[Sequence[object]] = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) if rows else "None."
