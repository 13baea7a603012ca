"""Where everything is in a window of some size, and the putting of widgets there.

Either all is below the stamps, the labels in one row or in two:

```
Search          Template        Difference
[             ] [             ] [             ]
[             ] [             ] [             ]
[Back] [Forward] [Newest]  [Blink] …  [Picture] [Help]  tools
Object ID 284239958             g band · 2014-12-09     caption, objid, facts
[ 1 ] [ 2 ] [ 3 ] [ 4 ] [ 5 ] [ 6 ] [ 7 ] [ 8 ]         labels
message, or prompt
[   ] [   ] [   ] [   ] [   ] [   ] [   ] [   ]         strip, where there is room for it
status                                under the pointer
progress ----------
```

or, in a window much wider than high, Object ID and all buttons are in a panel beside them. What
makes the stamps largest is taken. All lengths follow from `unit`, the height of normal text, which
grows with the window.
"""

from __future__ import annotations

import contextlib
import tkinter as tk
from itertools import groupby
from typing import NamedTuple

import labels
from window.keys import TOOLS, Key

SMALLEST, FIRST = (800, 450), (1280, 600)  # sizes of a window, FIRST at USUAL dots per inch
USUAL, FINEST = 96, 3  # beyond so many times as fine, a screen tells nonsense about itself
NAMES = tuple(label.name for label in labels.LABELS)

# in units:
LETTER, DIGIT = 0.56, 0.72  # width of a usual letter, and of a bold digit, at the most
LINE = 1.32  # height of a line of text
TITLE, ABOVE = 1.6, 2.0  # height of a stamp's name; where the stamps begin at the highest
TOOL, ID, MESSAGE, STATUS = 2.0, 1.8, 2.8, 1.6  # heights
FOOT = 2.4  # of the status line, the progress bar, and what is below them
CAPTION, DIGITS = 5.4, 32 * DIGIT  # widths of what is left of the facts
PART, NEAR, CLOSE = 0.6, 0.5, 0.25  # gaps: between parts, between what belongs together
LEAST = 64  # width of what is below the stamps, if the window has it
PANEL = 30  # width of what is beside the stamps
STRIP, STRIP_MOST = 5.8, 10  # heights
PROMPT = 7  # height of a question, its answer, and two lines of answers given earlier
KEY_MOST = 4.6  # height of a label button that does not need more


class Box(NamedTuple):
    """A place in the window, in screen pixels."""

    x: int
    y: int
    width: int
    height: int


class Layout(NamedTuple):
    """The measures of a window, and what is where in it, in screen pixels; see `fit`.

    Attributes
    ----------
    width, height
        Of the window.
    unit
        Height of normal text.
    side
        Of a stamp's square. The squares are a `unit` apart.
    left, top
        Of the first stamp.
    caption, objid
        Where it says that an Object ID follows, and where that stands in one line.
    facts
        One line of what is known of the detection.
    labels, tools
        The buttons, in the order of `labels.LABELS` and of `keys.TOOLS`.
    message
        Two lines or more of sentences to the person.
    strip
        A row of thumbnails of what was labelled last; None where there is no room for it.
    status, progress
        How far one is, in words and as a bar.
    """

    width: int
    height: int
    unit: int
    side: int
    left: int
    top: int
    caption: Box
    objid: Box
    facts: Box
    labels: tuple[Box, ...]
    tools: tuple[Box, ...]
    message: Box
    strip: Box | None
    status: Box
    progress: Box

    @property
    def bottom(self) -> int:
        """Return where the stamps end."""
        return self.top + self.side

    def stamp(self, i: int) -> Box:
        """Return the square of one of the three stamps."""
        return Box(self.left + i * (self.side + self.unit), self.top, self.side, self.side)

    def title(self, i: int) -> Box:
        """Return where a stamp's name is."""
        above, height = round((TITLE + 0.1) * self.unit), round(TITLE * self.unit)
        return self.stamp(i)._replace(y=self.top - above, height=height)

    @property
    def across(self) -> Box:
        """Return where a sentence stands that is across the stamps."""
        height = 5 * self.unit
        width = 3 * self.side + 2 * self.unit
        return Box(self.left, self.top + (self.side - height) // 2, width, height)

    def label(self, name: str) -> Box:
        """Return where a label's button is."""
        return self.labels[NAMES.index(name)]

    @property
    def hint(self) -> Box:
        """Return the band below the buttons, which anything may cover for a moment."""
        return self.message._replace(height=self.progress.y - self.unit // 4 - self.message.y)

    @property
    def prompt(self) -> Box:
        """Return where a comment is asked for: a sentence, below it a line to type in, and more."""
        height = min(self.hint.height, PROMPT * self.unit)
        if self.strip and height > self.strip.y - self.hint.y:  # that is covered whole, or not
            height = self.strip.y + self.strip.height - self.hint.y
        return self.hint._replace(height=height)


def fit(width: int, height: int) -> Layout:
    """Fit the window's parts into `width` x `height` screen pixels, and make the stamps large."""
    unit = max(12, min(width // 96, height // 46))
    found = _below(width, height, unit, 1), _below(width, height, unit, 2)
    beside = _beside(width, height, unit)
    return max((*found, beside) if beside else found, key=_worth)


def _worth(fit: Layout) -> tuple[int, bool, bool]:
    """Return by what one of several layouts is chosen; of those that are equal it is the first."""
    return fit.side, fit.strip is not None, fit.labels[0].height <= KEY_MOST * fit.unit


def _below(width: int, height: int, unit: int, rows: int) -> Layout:
    """Put everything below the stamps, the labels in so many rows."""
    columns, between = -(-len(NAMES) // rows), (rows - 1) * (unit // 2)
    fixed = ABOVE + PART + TOOL + NEAR + ID + CLOSE + PART + MESSAGE + CLOSE + FOOT
    side, before = (width - 4 * unit) // 3, 0
    while side != before:  # smaller stamps have narrower buttons below them, which are higher
        before, span = side, max(3 * side + 2 * unit, min(width - 2 * unit, LEAST * unit))
        key = _key_height(span, columns, unit)
        needed = fixed * unit + rows * key + between
        side = max(1, min(side, int(height - needed)))

    # what is left is given to one after the other
    spare = max(0.0, height - needed - side)
    eighth = (span - 7 * (unit // 2)) // 8
    strip = min(spare - PART * unit, eighth + 2 * LINE * unit, STRIP_MOST * unit)
    strip = strip if strip >= STRIP * unit else 0
    spare -= strip + PART * unit if strip else 0
    taller = min(spare / rows, max(0, KEY_MOST * unit - key))
    spare -= rows * taller
    gap = min(spare / 6, 1.2 * unit)  # that much more between all parts
    spare -= 6 * gap

    left, first, key = (width - span) // 2, (width - 3 * side - 2 * unit) // 2, int(key + taller)
    top = int(ABOVE * unit + gap / 2 + spare / 3)
    y = top + side + PART * unit + gap
    tools = _toolbar(left, int(y), span, unit)
    y += (TOOL + NEAR) * unit + gap
    caption = Box(left, int(y), int(CAPTION * unit), int(ID * unit))
    objid = caption._replace(x=left + caption.width, width=int(DIGITS * unit))
    x = max(objid.x + objid.width + unit // 2, first + side + unit)
    facts = caption._replace(x=x, width=max(0, left + span - x))
    y += (ID + CLOSE) * unit + gap / 2
    buttons = _grid(Box(left, int(y), span, key), len(NAMES), columns, unit // 2)
    y += rows * key + between + PART * unit + gap
    message = Box(left, int(y), span, int(MESSAGE * unit + gap))
    below = Box(left, int(y + (MESSAGE + CLOSE) * unit + gap), span, int(strip))
    return Layout(
        *(width, height, unit, side, first, top, caption, objid, facts, buttons, tools, message),
        *(below if strip else None, *_foot(left, span, height, unit)),
    )


def _beside(width: int, height: int, unit: int) -> Layout | None:
    """Put Object ID and all buttons beside the stamps, or return None if there is no room."""
    panel, rows = PANEL * unit, -(-len(NAMES) // 2)
    under = int((PART + MESSAGE + CLOSE + FOOT) * unit)
    side, top = (width - panel - 5 * unit) // 3, int(ABOVE * unit)
    side = min(side, height - top - under)
    span = 3 * (side + unit) + panel
    left = (width - span) // 2
    x = left + 3 * (side + unit)
    caption = Box(x, top - round((TITLE + 0.1) * unit), int(CAPTION * unit), round(TITLE * unit))
    objid = caption._replace(x=x + caption.width, width=panel - caption.width)
    facts = Box(x, top, panel, int(ID * unit))
    tools = _grid(
        Box(x, top + facts.height + unit // 2, panel, int(TOOL * unit)), len(TOOLS), 4, unit // 3
    )
    begin = tools[-1].y + tools[-1].height + unit
    between = (rows - 1) * (unit // 2)
    key = min((top + side - begin - between) // rows, int(KEY_MOST * unit))
    if side < 1 or key < _key_height(panel, 2, unit):
        return None
    begin = top + side - rows * key - between
    buttons = _grid(Box(x, begin, panel, key), len(NAMES), 2, unit // 2)
    message = Box(left, top + side + int(PART * unit), span, int(MESSAGE * unit))
    return Layout(
        *(width, height, unit, side, left, top, caption, objid, facts, buttons, tools, message),
        *(None, *_foot(left, span, height, unit)),
    )


def _foot(left: int, span: int, height: int, unit: int) -> tuple[Box, Box]:
    """Return where the status line and the progress bar are."""
    status = Box(left, int(height - FOOT * unit), span, int(STATUS * unit))
    return status, status._replace(y=int(height - 0.6 * unit), height=unit // 4)


def _key_height(span: int, columns: int, unit: int) -> int:
    """Return how high the label buttons must be for their texts, so many in a row of a width."""
    letters = ((span + unit // 2) // columns - 1.5 * unit) / (LETTER * unit)
    texts = [f"✓ {label.key}  {label.text}" for label in labels.LABELS]
    longest = max(len(word) for text in texts for word in text.split())
    if longest > letters + 1:
        return 99 * unit  # no words are broken
    return int((LINE * max(_lines(text, letters) for text in texts) + 1) * unit)


def _lines(text: str, letters: float) -> int:
    """Count the lines of a text that is broken between words."""
    lines, room = 1, letters
    for word in text.split(" "):
        if len(word) > room and room < letters:
            lines, room = lines + 1, letters
        room -= len(word) + 1
    return lines


def _grid(first: Box, count: int, columns: int, gap: int) -> tuple[Box, ...]:
    """Put boxes into rows; `first` is as wide as a row and as high as each of them."""
    wide = (first.width + gap) / columns
    return tuple(
        first._replace(
            x=first.x + int(i % columns * wide),
            y=first.y + i // columns * (first.height + gap),
            width=int(wide) - gap,
        )
        for i in range(count)
    )


def tool_text(key: Key) -> str:
    """Return what stands on a tool's button."""
    return f"{key.tool} {key.shown.split(', ')[0]}"


def _letters(text: str) -> int:
    """Count letters; an arrow is as wide as two."""
    return sum(1 + (each > "\u2000") for each in text)


def _toolbar(left: int, y: int, span: int, unit: int) -> tuple[Box, ...]:
    """Put the tools in a row: what turns pages, what changes the look, and at its end the rest."""
    groups = [
        [LETTER * unit * _letters(tool_text(key)) for key in group]
        for _, group in groupby(TOOLS, key=lambda key: key.action.startswith("appearance."))
    ]
    gap, between = unit // 3, unit
    gaps = (len(TOOLS) - len(groups)) * gap + (len(groups) - 1) * between
    pad = min(1.6 * unit, (span - gaps - sum(map(sum, groups))) / len(TOOLS))
    boxes, x = [], float(left)
    for group in groups:
        if group is groups[-1]:  # to the right
            x = left + span - sum(group) - len(group) * (pad + gap) + gap
        for width in group:
            boxes.append(Box(int(x), y, int(width + pad), int(TOOL * unit)))
            x += width + pad + gap
        x += between - gap
    return tuple(boxes)


def put(widget: tk.Widget, box: Box | None) -> None:
    """Put a widget into its box, or away if it has none."""
    if box:
        widget.place(x=box.x, y=box.y, width=box.width, height=box.height)
    else:
        widget.place_forget()


def opening_size(
    stored: str, screen_width: int, screen_height: int, dpi: float = USUAL
) -> tuple[int, int]:
    """Return the size to open with: as it was left, ``WIDTHxHEIGHT``, if the screen holds it.

    The first time it is as many inches wide on a fine screen as on others, so that its text is.
    """
    fine = min(max(1, dpi / USUAL), FINEST)
    width, height = (round(length * fine) for length in FIRST)
    with contextlib.suppress(ValueError):
        width, height = map(int, stored.split("x"))
    width = max(SMALLEST[0], min(width, screen_width))
    return width, max(SMALLEST[1], min(height, screen_height - 60))
