"""The Object ID, what is known of the detection, and every button: tools, and the labels."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Mapping
from functools import partial

import labels
from window.button import Button
from window.colours import DIM, INK
from window.fonts import BOLD, fitting, line
from window.hint import Hint
from window.keys import TOOLS
from window.layout import Layout, put, tool_text


class Panel:
    """The buttons of a window.

    Parameters
    ----------
    root
    act
        ``act(action)`` does what a `keys.Key` names.
    press
        ``press(name)`` gives a label, and returns whether it did.

    Attributes
    ----------
    hint
        Tells of a label while the pointer rests on its button.
    """

    def __init__(
        self, root: tk.Tk, act: Callable[[str], object], press: Callable[[str], bool]
    ) -> None:
        self._caption = line(root, text="Object ID", foreground=DIM)
        self._objid = line(root, font=BOLD, foreground=INK, cursor="hand2")
        self._objid.bind("<ButtonRelease-1>", lambda _: act("copy"))
        self._facts = line(root, foreground=DIM)
        self._known, self._room = "", 0
        self._tools = {
            key.action: Button(
                root,
                tool_text(key),
                "tool",
                partial(act, key.action),
                guarded=key.action == "help",  # the second click would close it
            )
            for key in TOOLS
        }
        self.hint = Hint(root)
        self._labels = {
            label.name: Button(
                root,
                f"{label.key}  {label.text}",
                label.kind,
                partial(press, label.name),
            )
            for label in labels.LABELS
        }
        for name, button in self._labels.items():
            self.hint.watch(button, name)

    def arrange(self, fit: Layout) -> None:
        """Take the places that a layout gives."""
        for button in (*self._tools.values(), *self._labels.values()):
            button.configure(highlightthickness=max(2, fit.unit // 6))
        self.hint.arrange(fit)
        put(self._caption, fit.caption)
        put(self._objid, fit.objid)
        put(self._facts, fit.facts)
        self._room = fit.facts.width
        self.show_objid(self._objid.cget("text"), self._known)
        for button, box in zip(self._tools.values(), fit.tools):
            put(button, box)
        for button, box in zip(self._labels.values(), fit.labels):
            put(button, box)
            button.configure(wraplength=box.width - fit.unit)

    def show_objid(self, objid: str, facts: str = "") -> None:
        """Show the Object ID, or none, and what is known of it in a line that may be shortened."""
        self._objid.configure(text=objid)
        self._known = facts
        self._facts.configure(text=fitting(self._facts, facts, self._room))

    def show_label(self, name: str | None, sign: str = "✓") -> None:
        """Mark the label that the detection has."""
        for each, button in self._labels.items():
            button.mark(each == name, sign)

    def wake_labels(self, awake: bool) -> None:
        """Show whether a label can be given."""
        for button in self._labels.values():
            button.wake(awake)

    def show_tools(self, in_use: Mapping[str, bool], usual: bool) -> None:
        """Mark the tools in use, and show whether there is anything to reset."""
        for action, used in in_use.items():
            self._tools[action].mark(used)
        self._tools["appearance.reset"].wake(not usual)

    def light_up(self, name: str) -> None:
        """Show for a moment that a label was given."""
        self.hint.hide()
        self._labels[name].light_up()
