"""Greets who starts without a name, and asks: practise, or label for the survey."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Mapping

from session.settings import SessionError, Settings
from window.button import Button
from window.colours import BAD_NEWS, CELL, DIM, GROUND, INK
from window.doorbell import Doorbell
from window.fonts import BOLD, PLAIN, Fonts, line
from window.layout import fit
from window.presses import meaning
from window.screen import dress

WELCOME = (
    "You look at three pictures of a detection in the sky, and say with one key whether it is "
    "real, or what went wrong."
)
PRACTICE = "Simulated detections: each time you are told what it was, and what gives it away."
LABELLING = "Real detections, for {}: you need an account there."
NO_HUB = (
    "No survey is set in site.ini: to label, start with ./ArtifactSpy --hub HOST:FOLDER --user NAME"
)
WHO = "Your account there, then Enter (the terminal may ask for its password):"


def greet(
    root: tk.Tk, stored: Mapping[str, str], hub: str, label_as: Callable[[str], Settings]
) -> Settings | None:
    """Ask whether to practise or to label, and wait for the answer.

    Parameters
    ----------
    root
    stored
        How the window was left, in the words of ``settings.ini``.
    hub
        That of the survey; empty if none is set.
    label_as
        ``label_as(name)`` returns what is chosen for an account; or raises `SessionError`, whose
        sentence is shown.

    Returns
    -------
    Settings or None
        What `label_as` returned; None to practise.

    Raises
    ------
    SystemExit
        The window was closed.
    """
    greeting = _Greeting(root, stored, hub, label_as)
    root.mainloop()
    greeting.leave()
    if not greeting.answered:
        raise SystemExit(0)
    return greeting.chosen


class _Greeting:
    def __init__(
        self,
        root: tk.Tk,
        stored: Mapping[str, str],
        hub: str,
        label_as: Callable[[str], Settings],
    ) -> None:
        self._root, self._hub, self._label_as = root, hub, label_as
        self.answered = False
        self.chosen: Settings | None = None
        self._bell = Doorbell(root, lambda _: root.quit())
        self._icon = dress(root, "ArtifactSpy", stored)
        self._fonts = Fonts(root)
        root.protocol("WM_DELETE_WINDOW", root.quit)
        self._page = tk.Frame(root, background=GROUND)
        self._page.place(relx=0.5, rely=0.45, anchor="center")
        self._texts = [line(self._page, text="Welcome to ArtifactSpy", font=BOLD, foreground=INK)]
        self._say(WELCOME, INK)
        self._practise = self._button("Practise (5 minutes)   Enter, P", self._choose_practice)
        self._say(PRACTICE)
        self._label = self._button("Label   L", self._ask)
        self._say(LABELLING.format(hub) if hub else NO_HUB)
        self._label.wake(bool(hub))
        self._who = line(self._page, text=WHO, foreground=INK)
        self._name = tk.Entry(
            self._page,
            font=PLAIN,
            background=CELL,
            foreground=INK,
            insertbackground=INK,
            borderwidth=0,
            highlightthickness=2,
        )
        self._complaint = line(self._page, foreground=BAD_NEWS, justify="left")
        for part in self._texts:
            part.pack(anchor="w")
        self._name.bind("<Return>", self._named)
        self._name.bind("<KP_Enter>", self._named)
        self._name.bind("<Escape>", lambda _: self._ask_no_more())
        self._bound = [
            ("<KeyPress>", root.bind("<KeyPress>", self._pressed)),
            ("<Configure>", root.bind("<Configure>", self._resized)),
        ]
        self._practise.focus_set()

    def _say(self, text: str, colour: str = DIM) -> None:
        self._texts.append(line(self._page, text=text, foreground=colour, justify="left"))

    def _button(self, text: str, command: Callable[[], object]) -> Button:
        button = Button(self._page, text, "neutral", command)
        self._texts.append(button)
        return button

    def _resized(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self._root:
            unit, width = fit(event.width, event.height).unit, min(event.width * 4 // 5, 720)
            self._fonts.resize(unit)
            self._complaint.configure(wraplength=max(width, 42 * unit))
            for part in self._texts:
                part.configure(wraplength=max(width, 42 * unit))
                button = isinstance(part, Button)
                part.pack_configure(
                    pady=(2 * unit, unit // 2) if button else unit // 3,
                    ipadx=unit if button else 0,
                    ipady=unit // 2 if button else 0,
                )

    # What the person does

    def _pressed(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self._name:
            return
        focus = self._root.focus_get()
        aqua = self._root.tk.call("tk", "windowingsystem") == "aqua"
        key = meaning(event.keysym, event.char, event.keycode, int(event.state), aqua)
        if key in ("Return", "KP_Enter", "space") and isinstance(focus, Button):
            focus.invoke()
        elif key in ("Return", "KP_Enter", "p", "P"):
            self._choose_practice()
        elif key in ("l", "L"):
            self._ask()

    def _choose_practice(self) -> None:
        self.answered = True
        self._root.quit()

    def _ask(self) -> None:
        if self._hub:
            for part in (self._who, self._name, self._complaint):
                part.pack(anchor="w", pady=(8, 0))
            self._name.focus_set()

    def _ask_no_more(self) -> None:
        for part in (self._who, self._name, self._complaint):
            part.pack_forget()
        self._practise.focus_set()

    def _named(self, _: tk.Event[tk.Misc]) -> None:
        name = self._name.get().strip()
        if name:
            try:
                self.chosen = self._label_as(name)
            except SessionError as error:
                self._complaint.configure(text=str(error))
            else:
                self.answered = True
                self._root.quit()

    def leave(self) -> None:
        """Leave nothing in the window."""
        for event, name in self._bound:
            self._root.unbind(event, name)
        self._page.destroy()
        self._bell.close()
        del self._fonts  # the next window makes its own, of the same names
        if self.chosen:  # the terminal may ask for a password before the window opens
            self._root.withdraw()
