"""The labels a person can give, with all that they mean: how they are offered, what they amount to.

Another label is another entry of `LABELS`: its button, its key, its place in Help, and that it is a
class of the consensus, follow. How labels are kept is in labelfile.py. Standard library only.
"""

from __future__ import annotations

from typing import NamedTuple


class Label(NamedTuple):
    """One answer: its name in the file, how the window offers it, and what it amounts to.

    Attributes
    ----------
    name : str
        What stands in the file.
    title : str
        What people call it.
    kind : str
        "artifact", "real" or "neutral"; decides the colour.
    key : str
        The character that gives it.
    asked : int
        Which of the questions that a labeler asks in turn leads to it.
    question : str
        That question; if the answer is yes, this is the label.
    meaning : str
        What to look for, as Help tells it.
    vote : bool
        It is a class that a detection can belong to.
    commented : bool
        It takes a comment.
    """

    name: str
    title: str
    kind: str
    key: str
    asked: int
    question: str
    meaning: str
    vote: bool = True
    commented: bool = False

    @property
    def text(self) -> str:
        """What stands on the button: the title, and that a comment is asked for."""
        return f"{self.title} (comment)" if self.commented else self.title


LABELS = (
    Label(
        "BadSubtraction",
        "Bad Subtraction",
        "artifact",
        "1",
        1,
        "Difference: is a bright blob right beside a dark one?",
        "Difference shows bright right beside dark: the two images were not aligned.",
    ),
    Label(
        "PsfInTemplate",
        "Point Source in Template",
        "artifact",
        "2",
        2,
        "Template: is a point source exactly in the centre?",
        "A point source sits exactly in the centre of Template, even if a galaxy is beside it: "
        "most likely a star of our own galaxy that varies.",
    ),
    Label(
        "NoisyTemplate",
        "Noisy Template",
        "artifact",
        "3",
        4,
        "All three: only noise, nothing one could call a star or a galaxy?",
        "Template is too noisy to make out anything by eye, and none of the three stamps shows "
        "anything one could call a star or a galaxy.",
    ),
    Label(
        "DarkSpotInTemplateCenter",
        "Dark Spot in Template Center",
        "artifact",
        "4",
        3,
        "Template: do several dark pixels touch exactly in the centre?",
        "Several dark pixels touch each other exactly in the centre of Template: a defect there "
        "leaves a false source in Difference.",
    ),
    Label(
        "Marginal",
        "Marginal",
        "real",
        "5",
        6,
        "Could it be that, but noise or a nearby core stands in the way?",
        "It could well be Good, but noise, or a transient too near the core of the galaxy, stands "
        "in the way of being sure.",
    ),
    Label(
        "Good",
        "Good",
        "real",
        "6",
        5,
        "Transient and host in Search, the host alone in Template, the transient alone in "
        "Difference?",
        "Search shows the transient and its host galaxy, Template the host alone, Difference the "
        "transient alone.",
    ),
    Label(
        "Unsure",
        "Unsure",
        "neutral",
        "7",
        8,
        "No idea?",
        "You cannot tell. That is an answer too: an expert will look at it.",
        vote=False,
    ),
    Label(
        "Other",
        "Other",
        "neutral",
        "8",
        7,
        "None of these, and you can say what it is?",
        "None of these, and there is something to say: a clean point source without any host, a "
        "ring, a satellite's trail, a cosmic ray, the detector's edge. You write a comment.",
        commented=True,
    ),
)
BY_NAME = {label.name: label for label in LABELS}
SKIPPED = "Skipped"  # the program's own: the stamps could not be shown
ACTIONS = frozenset(BY_NAME) | {SKIPPED}
CLASSES = tuple(label.name for label in LABELS if label.vote)
REAL = tuple(label.name for label in LABELS if label.kind == "real")


def is_vote(action: str) -> bool:
    """Tell whether an ACTION names a class: Unsure, Skipped and unknown ones do not."""
    return action in CLASSES


def title(action: str) -> str:
    """Return what people call an ACTION."""
    return BY_NAME[action].title if action in BY_NAME else action
