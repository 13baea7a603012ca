"""The Help window: what to ask oneself, what each label means, the keys, whom to tell.

It stays open beside the labelling window, which goes on working, and does not cover its stamps:
where the screen has no room beside that window, it opens over what is below or beside the stamps.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Sequence

import labels
from window.colours import DIM, INK, PAPER, SCROLLBAR
from window.example import HIGH, WIDE, Example, examples
from window.fonts import font
from window.layout import Box, Layout

ELSEWHERE = (
    f"Rings, satellite trails and cosmic rays: {labels.BY_NAME['Other'].title}, and the comment "
    "says which. Pixels for which there is no value are violet."
)
LEAST = 150  # screen pixels of a stamp of an example
FRAME = 40  # what a desktop puts around a window, and above it


class Guide(tk.Toplevel):
    """The Help window.

    Parameters
    ----------
    root
        The labelling window, beside which it opens.
    contact
        Whom to tell about something remarkable; may be empty.
    fit
        Where the stamps are in it.
    keys
        Keys, and what they do.
    """

    def __init__(
        self, root: tk.Tk, contact: str, fit: Layout, keys: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(root, class_="ArtifactSpy", background=PAPER)
        self._opener, self._unit = root, fit.unit
        self._zoom = max(-(-LEAST // HIGH), round(fit.unit / 5))
        self.title("ArtifactSpy: help")
        window = Box(root.winfo_rootx(), root.winfo_rooty(), fit.width, fit.height)
        screen = Box(0, 0, root.winfo_screenwidth(), root.winfo_screenheight())
        least = WIDE * self._zoom + 6 * fit.unit
        x, y, width, height = where(window, fit, screen, least, HIGH * self._zoom + 3 * fit.unit)
        self.geometry(f"{width}x{height}+{x}+{y}")
        self.bind("<Escape>", lambda _: self.close())
        self._text = self._paper()
        self._write(contact, keys)
        self._text.configure(state="disabled")
        self._text.focus_set()  # so that the keys scroll

    def close(self) -> None:
        """Close it, and go back to labelling."""
        before = self._opener.focus_lastfor() or self._opener
        self.destroy()
        before.focus_force()  # or the keys go nowhere

    def _paper(self) -> tk.Text:
        unit = self._unit
        self._fonts = (
            font(self, unit),
            font(self, unit, "bold"),
            font(self, int(unit * 1.35), "bold"),
        )
        plain, bold, large = self._fonts
        bar = tk.Scrollbar(
            self,
            background=SCROLLBAR,
            activebackground=DIM,
            troughcolor=PAPER,
            borderwidth=0,
            highlightthickness=0,
        )
        text = tk.Text(
            self,
            wrap="word",
            background=PAPER,
            foreground=INK,
            font=plain,
            borderwidth=0,
            highlightthickness=0,
            padx=unit * 1.5,
            pady=unit,
            spacing2=unit // 5,
            cursor="arrow",
            yscrollcommand=bar.set,
        )
        bar.configure(command=text.yview)
        bar.pack(side="right", fill="y")
        text.pack(side="left", fill="both", expand=True)
        text.tag_configure("head", font=large, spacing3=unit // 2)
        text.tag_configure("name", font=bold, spacing1=unit)
        text.tag_configure("answer", font=bold, lmargin2=unit * 1.3, spacing3=unit // 3)
        text.tag_configure("dim", foreground=DIM, spacing3=unit)
        text.tag_configure("item", lmargin2=unit * 1.3, spacing3=unit // 3)
        text.tag_configure("key", tabs=(unit * 10,), lmargin2=unit * 10, spacing3=unit // 4)
        return text

    def _write(self, contact: str, keys: Sequence[tuple[str, str]]) -> None:
        write = self._text.insert
        write("end", "Ask yourself, in this order\n", "head")
        for label in sorted(labels.LABELS, key=lambda label: label.asked):
            answer = f"{label.key} {label.title}\n"
            write("end", f"{label.question}  →  ", "item", answer, "answer")
        write("end", f"{ELSEWHERE}\n", "dim")
        write("end", "\nThe labels\n", "head")
        told = "Each example: Search, Template, Difference; a ring is where to look.\n"
        write("end", told, "dim")
        for label in labels.LABELS:
            write("end", f"{label.key}  {label.title}\n", "name")
            write("end", f"{label.meaning}\n", "item")
            for path in examples(label.name):
                self._text.window_create(
                    "end",
                    window=Example(self._text, path, self._zoom),
                    padx=self._unit // 3,
                    pady=self._unit // 3,
                )
            write("end", "\n")
        write("end", "\nKeys\n", "head")
        for names, what in keys:
            write("end", f"{names}\t{what}\n", "key")
        write("end", "\nIf you see something, say something\n", "head")
        write(
            "end",
            "Nobody has looked at these images before you. Whatever strikes you as remarkable may "
            "be just that: note the Object ID and tell "
            f"{contact or 'whoever runs the campaign'}.\n",
        )


def where(window: Box, fit: Layout, screen: Box, width: int, height: int) -> Box:
    """Return where Help opens: where it covers no stamp, if there is such a place.

    Parameters
    ----------
    window, screen
        Where they are; all in screen pixels.
    fit
        Where the stamps are in the window.
    width, height
        The least that Help needs.
    """
    right, left = screen.width - window.x - window.width, window.x
    end = window.x + fit.left + 3 * (fit.side + fit.unit)  # of the stamps
    down = window.y + fit.bottom + fit.unit // 2
    tall = min(50 * fit.unit, screen.height - 2 * FRAME)
    wide, top = min(46 * fit.unit, screen.width - FRAME), max(0, window.y)
    top = min(top, screen.height - FRAME - tall)
    if right >= width:
        return Box(window.x + window.width, top, min(wide, right), tall)
    if left >= width:
        return Box(left - min(wide, left), top, min(wide, left), tall)
    if screen.height - FRAME - down >= height:
        wide = min(max(width, fit.width), screen.width - max(0, window.x))
        return Box(max(0, window.x), down, wide, screen.height - FRAME - down)
    if screen.width - end >= width:
        return Box(end, top, screen.width - end, tall)
    return Box(max(0, screen.width - wide), top, wide, tall)
