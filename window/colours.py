"""Every colour of the window and of Help in one place; a picture card has three of its own."""

from typing import NamedTuple

GROUND, INK, DIM = "#1d1f23", "#ececea", "#a4a9b1"  # of the window, its text, and quiet text
CELL = "#121316"  # where a stamp is not, and what is typed stands on it
MARK = "#ffd866"  # what points at something
BANNER = "#343a45"  # behind a sentence across the stamps
ASLEEP, FAINT = "#2a2d32", "#7d838d"  # a button that does nothing now, and its text
GOOD_NEWS, BAD_NEWS = "#7fd6a0", "#ffab91"
NEWS = {True: GOOD_NEWS, False: BAD_NEWS, None: INK}  # of a label that is right, wrong, or neither
PAPER, SCROLLBAR = "#26282d", "#4a4e56"  # of Help


class Shades(NamedTuple):
    """A button's colours."""

    usual: str
    pointed: str  # with the pointer on it
    pressed: str
    text: str


BUTTONS = {  # by a label's kind; a tool must not outshine the labels
    "artifact": Shades("#a3352b", "#bd4539", "#f07a6c", "white"),
    "real": Shades("#1f7a45", "#279457", "#58c98a", "white"),
    "neutral": Shades("#474c55", "#5b616b", "#9aa1ad", "white"),
    "tool": Shades(GROUND, "#343a45", "#5b616b", "#c9cdd3"),
}
