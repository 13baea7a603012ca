"""What practice makes of a miss: it stays until the person goes on, and its kind comes back.

What was not recognised stays with its ring, and what gives it away. Another of its kind comes soon
after, or, where none is left, the same detection once more. Where no truth is known, as in every
session but practice, nothing here does anything.
"""

from __future__ import annotations

import labelfile
from session.line import Detection, Line
from session.verdict import Verdicts

SOON = 3  # other pages that come before


class Lesson:
    """One sitting's misses.

    Parameters
    ----------
    line : Line
    verdicts : Verdicts
    answers : dict
        Object ID -> the label that was given, of all that have one.

    Attributes
    ----------
    stays : str
        Object ID of the miss that is still on screen; empty if there is none.
    repeated : set of str
        The detections that come once more; the first answer is the one that tells something.
    """

    def __init__(self, line: Line, verdicts: Verdicts, answers: dict[str, labelfile.Row]):
        self._line, self._verdicts, self._answers = line, verdicts, answers
        self._another = False  # of its kind is left
        self.stays = ""
        self.repeated: set[str] = set()

    def misses(self, objid: str, action: str) -> bool:
        """Take in the label of the detection on screen, and tell whether it was a miss."""
        truth = self._verdicts.truth
        self.stays = ""
        if objid not in truth or self._verdicts.on(objid, action).agrees:
            return False

        def alike(page: Detection) -> bool:
            return page.objid in truth and truth[page.objid].label == truth[objid].label

        self.stays = objid
        self._another = self._line.bring(alike, SOON)
        return True

    def leave(self, ahead: bool) -> bool:
        """Leave what stays; tell whether it was put off, so that the next page has its place.

        Parameters
        ----------
        ahead : bool
            One goes on, and not back.
        """
        objid, self.stays = self.stays, ""
        if not objid or not ahead or self._another or objid in self.repeated:
            return False
        if not self._line.put_off(SOON):
            return False
        self.repeated.add(objid)
        del self._answers[objid]
        return True
