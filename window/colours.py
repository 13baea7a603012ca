"""Every colour of the window and of Help in one place; a picture card has three of its own."""

from typing import NamedTuple

GROUND, INK, DIM = "#1d1f23", "#ececea", "#a4a9b1"  # of the window, its text, and quiet text
CELL = "#121316"  # where a stamp is not, and what is typed stands on it
MARK = "#ffd866"  # what points at something
BANNER = "#343a45"  # behind a sentence across the stamps
ASLEEP, FAINT = "#24272c", "#9298a1"  # a button that does nothing now, and its text
GOOD_NEWS, BAD_NEWS = "#7fd6a0", "#ffab91"
NEWS = {True: GOOD_NEWS, False: BAD_NEWS, None: INK}  # of a label that is right, wrong, or neither
PAPER, SCROLLBAR = "#26282d", "#4a4e56"  # of Help


class Shades(NamedTuple):
    """A button's colours."""

    usual: str
    pointed: str  # with the pointer on it
    pressed: str
    text: str
    edge: str


# By a label's kind. They are calmer than the stars, and can be told apart by those who see no green
# from red, too: one is warm, one is cold. A tool must not outshine the labels.
BUTTONS = {
    "artifact": Shades("#5a2f28", "#6e3a31", "#a34a3a", "#f6e6e2", "#6e3a31"),
    "real": Shades("#1b5560", "#23656f", "#2b7988", "#f0fbfa", "#23656f"),
    "neutral": Shades("#34373d", "#454951", "#646b77", "#f0f1f3", "#454951"),
    "tool": Shades("#25282d", "#343a45", "#565d69", "#d3d7dd", "#3f444d"),
}
