"""The Help window: what to ask oneself, what each label means, the keys, whom to tell.

The examples are ``data/guide/NAME.png``, named after a label, and where there are more of it
``data/guide/NAME-*.png``: Search, Template and Difference side by side. The window stays open
beside the labelling window, which goes on working.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Sequence
from pathlib import Path

import labels
from window.colours import DIM, INK, PAPER, SCROLLBAR
from window.fonts import font

PICTURES = Path(__file__).resolve().parent.parent / "data" / "guide"


def examples(name: str, folder: Path = PICTURES) -> list[Path]:
    """Return the pictures of a label, in the order in which they are shown."""
    first = folder / f"{name}.png"
    return [*([first] if first.exists() else []), *sorted(folder.glob(f"{name}-*.png"))]


class Guide(tk.Toplevel):
    """The Help window.

    Parameters
    ----------
    root
        The labelling window, beside which it opens.
    contact
        Whom to tell about something remarkable; may be empty.
    unit
        Height of normal text in screen pixels.
    keys
        Keys, and what they do.
    """

    def __init__(
        self, root: tk.Tk, contact: str, unit: int, keys: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(root, class_="ArtifactSpy", background=PAPER)
        self._opener, self._unit = root, unit
        self._pictures: list[tk.PhotoImage] = []  # Tk forgets an image that nobody here holds
        self.title("ArtifactSpy: help")
        width = min(unit * 46, root.winfo_screenwidth() - 40)
        height = min(unit * 50, root.winfo_screenheight() - 80)
        # beside the labelling window if the screen has room for both
        beside = root.winfo_rootx() + root.winfo_width()
        left = max(0, min(beside, root.winfo_screenwidth() - width))
        self.geometry(f"{width}x{height}+{left}+{max(0, root.winfo_rooty())}")
        self.bind("<Escape>", lambda _: self.close())
        self._text = self._paper()
        self._write(contact, keys)
        self._text.configure(state="disabled")
        self._text.focus_set()  # so that the keys scroll

    def close(self) -> None:
        """Close it, and go back to labelling."""
        self.destroy()
        self._opener.focus_force()  # or the keys go nowhere

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
        write("end", "\nPixels for which there is no value are violet.\n", "dim")
        write("end", "\nThe labels\n", "head")
        write("end", "Each example: Search, Template, Difference.\n", "dim")
        for label in labels.LABELS:
            write("end", f"{label.key}  {label.title}\n", "name")
            for path in examples(label.name):
                self._show(path)
            write("end", f"{label.meaning}\n")
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

    def _show(self, path: Path) -> None:
        image = tk.PhotoImage(master=self, file=path).zoom(max(1, round(self._unit / 7)))
        self._pictures.append(image)
        self._text.image_create("end", image=image, pady=self._unit // 3)
        self._text.insert("end", "\n")
