"""Where everything is in a window of some size, and the putting of widgets there.

```
Search      Template    Difference  Object ID      caption
[        ]  [        ]  [        ]  284239958      objid
[        ]  [        ]  [        ]  [Back] [Help]  tool: two columns, these two above the others
[        ]  [        ]  [        ]  Forward Newest
[        ]  [        ]  [        ]  [ 7          ]  beside: labels, from below
[ 1 ] [ 2 ] [ 3 ] [ 4 ] [ 5 ] [ 6 ]                 below: labels, from the left
message
status                               under the pointer
progress ----------
```

All follows from `unit`, the height of normal text: it grows with the window.
"""

from __future__ import annotations

import contextlib
import tkinter as tk
from typing import NamedTuple

import labels
from window.keys import TOOLS

SMALLEST, FIRST = (800, 450), (1280, 600)  # sizes of a window, FIRST at USUAL dots per inch
USUAL, FINEST = 96, 3  # beyond so many times as fine, a screen tells nonsense about itself
BELOW = tuple(label.name for label in labels.LABELS if label.place == "below")
BESIDE = tuple(label.name for label in labels.LABELS if label.place == "side")
ROWS = -(-len(TOOLS) // 2)


class Box(NamedTuple):
    """A place in the window, in screen pixels."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """The measures of a window in screen pixels, and the boxes that follow from them; see `fit`."""

    width: int
    height: int
    unit: int  # height of normal text
    side: int  # of a stamp's square
    left: int  # of the first stamp
    top: int  # of the stamps
    keys: int  # height of a label button
    panel: int  # width of what is beside the stamps
    tools: int  # height of a small button, 0 where there is no room for them

    @property
    def beside(self) -> int:
        """Return where what is beside the stamps begins."""
        return self.left + 3 * (self.side + self.unit)

    @property
    def bottom(self) -> int:
        """Return where the stamps end."""
        return self.top + self.side

    def stamp(self, i: int) -> Box:
        """Return the square of one of the three stamps."""
        return Box(self.left + i * (self.side + self.unit), self.top, self.side, self.side)

    def title(self, i: int) -> Box:
        """Return where a stamp's name is."""
        return self.stamp(i)._replace(y=self.top - 1.7 * self.unit, height=1.5 * self.unit)

    @property
    def across(self) -> Box:
        """Return where a sentence stands that is across the stamps."""
        width, middle = self.beside - self.unit - self.left, self.top + self.side // 2
        return Box(self.left, middle - 5 * self.unit // 2, width, 5 * self.unit)

    @property
    def caption(self) -> Box:
        """Return where it says that an Object ID follows."""
        return Box(self.beside, self.top - 1.7 * self.unit, self.panel, 1.5 * self.unit)

    @property
    def objid(self) -> Box:
        """Return where the Object ID is."""
        return Box(self.beside, self.top - 0.2 * self.unit, self.panel, 2.6 * self.unit)

    def large_tool(self, i: int) -> Box:
        """Return where Back or Help is."""
        return self._column(i, self.top + 3 * self.unit, 2.4 * self.unit)

    def tool(self, i: int) -> Box | None:
        """Return where a small button is, or None if there is no room for them."""
        y = self.top + 5.8 * self.unit + i // 2 * self.tools
        return self._column(i % 2, y, self.tools) if self.tools else None

    def _column(self, i: int, y: float, height: float) -> Box:
        half = (self.panel - self.unit // 2) // 2
        return Box(self.beside + i * (half + self.unit // 2), y, half, height)

    def label(self, name: str) -> Box:
        """Return where a label's button is."""
        if name in BESIDE:
            above = len(BESIDE) - 1 - BESIDE.index(name)
            y = self.bottom - self.keys - above * (self.keys + self.unit // 2)
            return Box(self.beside, y, self.panel, self.keys)
        wide = (self.beside - self.left - self.unit + self.unit // 2) / len(BELOW)
        x = int(self.left + BELOW.index(name) * wide)
        return Box(x, self.bottom + self.unit, int(wide - self.unit // 2), self.keys)

    @property
    def message(self) -> Box:
        """Return where sentences to the person stand."""
        return self._line(self.bottom + 1.6 * self.unit + self.keys, 2.8 * self.unit)

    @property
    def status(self) -> Box:
        """Return where it says how far one is."""
        return self._line(self.height - 2.4 * self.unit, 1.6 * self.unit)

    @property
    def progress(self) -> Box:
        """Return where a bar says so."""
        return self._line(self.height - 0.6 * self.unit, self.unit // 4)

    def _line(self, y: float, height: float) -> Box:
        return Box(self.left, y, self.width - 2 * self.left, height)


def fit(width: int, height: int) -> Layout:
    """Fit the window's parts into `width` x `height` screen pixels, and make the stamps large."""
    unit = max(12, min(width // 88, height // 38))
    panel = 14 * unit
    keys = int(3.4 * unit)
    below = keys + 7 * unit  # the label buttons, the message and the status line
    side = min((width - panel - 5 * unit) // 3, height - below - 3 * unit)
    spare = height - below - 3 * unit - side
    # beside the stamps, below Object ID, Back and Help: rows of tools, and label buttons
    room, gaps = side - int(6.2 * unit), len(BESIDE) * unit // 2
    tools = min(2 * unit, (room - len(BESIDE) * keys - gaps) // ROWS)
    tools = tools if tools >= 1.5 * unit else 0
    # taller where there is room for it
    keys = min(keys + min(spare // 2, 2 * unit), (room - ROWS * tools - gaps) // len(BESIDE))
    left = (width - 3 * side - 3 * unit - panel) // 2
    top = 2 * unit + max(0, height - side - keys - 9 * unit) // 2
    return Layout(width, height, unit, side, left, top, keys, panel, tools)


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
