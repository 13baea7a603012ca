"""One part of the window by itself, to be looked at: ``python3 -m window PART``.

It shows a simulated detection of data/practice, and prints what is done to it. Another part that
can be looked at is another function in `PARTS`. All parts together: ``./ArtifactSpy --practice``.
"""

from __future__ import annotations

import operator
import sys
import tkinter as tk

import labels
import scaling
import stamps
from session.settings import ROOT
from session.summary import report
from session.verdict import Truth, Verdicts
from window import keys, layout
from window.appearance import Appearance
from window.button import Button
from window.colours import BUTTONS, DIM, GROUND
from window.comment import Comment
from window.ending import Ending
from window.fonts import Fonts
from window.guide import Guide
from window.lines import Lines
from window.panel import Panel
from window.screen import open_display
from window.strip import Strip, Thumbnails, Told
from window.view import View

OBJID = "207993870"


class ViewAlone:
    """The view with all that changes its look: keys, a held click, a drag with the right button."""

    def __init__(self, root: tk.Tk, fit: layout.Layout) -> None:
        folder, self._side = ROOT / "data" / "practice", fit.side
        files = {kind: (folder / f"{kind}{OBJID}.gif").read_bytes() for kind in stamps.KINDS}
        encoded = {kind: stamps.Part(".gif", data) for kind, data in files.items()}
        self._triplet = scaling.triplet(OBJID, encoded)
        self._view = View(root, print)
        self.appearance = Appearance(self._view, {}, self._draw, print)
        self._view.arrange(fit)
        self._draw()
        keys.Keyboard(root, self._act, print).listen(root)

    def _draw(self) -> None:
        pictures = scaling.pictures(self._triplet, self._side, self.appearance.shown)
        self._view.show(pictures, self._triplet, (0, 25, 25))

    def _act(self, action: str) -> None:
        if action.startswith("appearance."):
            operator.attrgetter(action)(self)()


def panel(root: tk.Tk, fit: layout.Layout) -> None:
    """Show the Object ID and all buttons, one of them as the label that was given."""
    shown = Panel(root, print, lambda name: print(name) is None)
    shown.arrange(fit)
    shown.show_objid(OBJID)
    shown.show_label(labels.LABELS[0].name)


def button(root: tk.Tk, fit: layout.Layout) -> None:
    """Show buttons of each kind: as it is, marked, and asleep."""
    for row, kind in enumerate(BUTTONS):
        for column, state in enumerate(("as it is", "marked", "asleep")):
            shown = Button(root, f"{kind}, {state}", kind, lambda: print("pressed") is None)
            shown.mark(state == "marked")
            shown.wake(state != "asleep")
            shown.grid(row=row, column=column, ipadx=fit.unit, ipady=fit.unit)


def lines(root: tk.Tk, fit: layout.Layout) -> None:
    """Show all that is said below and across the stamps."""
    shown = Lines(root)
    shown.arrange(fit)
    shown.say("A sentence to the person.")
    shown.show_status("12 of 50 · 57 today · next chunk ready", 12, 50)
    shown.say_across("A sentence across the stamps")
    shown.point("Search  x 26  y 26:  148")


def strip(root: tk.Tk, fit: layout.Layout) -> Strip:
    """Show two of the latest labels, the second of them on the stamps."""
    shown = Strip(root, print)
    shown.arrange(fit)
    for objid in ("1", "2"):
        photo = tk.PhotoImage(master=root, file=ROOT / "data" / "icon.png")
        shown.thumbnails.take(objid, photo, shown.side)
    shown.show([*(Told(str(n), ((labels.LABELS[n].title, DIM),)) for n in (1, 2))], "2")
    return shown


def ending(root: tk.Tk, fit: layout.Layout) -> None:
    """Show what practice came to."""
    verdicts = Verdicts()
    for number, label in enumerate(labels.LABELS):
        verdicts.truth[str(number)] = Truth(label.name, "a hint", (0, 25, 25))
    given = dict.fromkeys(verdicts.truth, labels.LABELS[0].name)
    shown = Ending(root, print, print)
    shown.arrange(fit)
    shown.show(report(given, verdicts, shown=24.0, elapsed=60.0), 8, Thumbnails())


def comment(root: tk.Tk, fit: layout.Layout) -> None:
    """Ask for a comment, in the terminal and in the window."""

    def done(text: str) -> None:
        print(text)
        root.destroy()

    asked = Comment(root, fit, print, OBJID, ["satellite trail", "cosmic ray"], done)
    acts = {"go_on": asked.enter, "escape": asked.cancel}
    keyboard = keys.Keyboard(root, lambda action: acts.get(action, lambda: print(action))(), print)
    keyboard.listen(root)
    keyboard.typing = True


def guide(root: tk.Tk, fit: layout.Layout) -> None:
    """Show Help."""
    Guide(root, "", fit, keys.for_help())


SIZE = 1280, 800  # in which everything has a place
PARTS = {
    "view": ViewAlone,
    **{part.__name__: part for part in (panel, button, lines, strip, ending, comment, guide)},
}


def main() -> None:
    """Open the part that is named."""
    if len(sys.argv) != 2 or sys.argv[1] not in PARTS:
        sys.exit(f"python3 -m window PART: one of {', '.join(PARTS)}")
    root = open_display()
    root.title(f"ArtifactSpy: {sys.argv[1]}")
    root.geometry("{}x{}".format(*SIZE))
    root.configure(background=GROUND)
    fonts, fit = Fonts(root), layout.fit(*SIZE)
    fonts.resize(fit.unit)
    root.update()  # Help opens beside a window that is there
    kept = PARTS[sys.argv[1]](root, fit)  # Tk forgets a picture that nobody in Python holds
    root.mainloop()
    del kept


if __name__ == "__main__":
    main()
