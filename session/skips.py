"""What is passed over because its stamps cannot be shown, and when the hub may be told of it.

A row *Skipped* counts as dealt with. Were it this computer that can show no stamp at all, such rows
would use up a drop that nobody has seen: so they are held back until another picture was shown, and
`LIMIT` of them in a row stop the sitting until the person says go on. An error that is not the
stamps' stops it for good, and what is held back then is never written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import labelfile
import labels
from session.folder import Record

LIMIT = 5  # in a row; one bad stamp is no news, and so many are hardly an accident
log = logging.getLogger("artifactspy")


class Skips:
    """The detections that one sitting passes over.

    Parameters
    ----------
    record : Record
    say : callable
        ``say(sentence)``: something the user should know.

    Attributes
    ----------
    stopped : str
        Why the sitting does not go on, as a sentence; empty if it does.
    """

    def __init__(self, record: Record, say: Callable[[str], None]):
        self._record, self._say = record, say
        self._held: list[labelfile.Row] = []
        self._in_a_row = 0
        self._seen = self._broken = False  # a picture was shown; nothing can be shown any more
        self.stopped = ""

    def add(
        self, reasons: Mapping[str, str], stamp: str, in_a_row: bool = True
    ) -> dict[str, labelfile.Row]:
        """Pass over detections, and return their rows, by Object ID.

        Parameters
        ----------
        reasons : mapping
            Object ID -> why its stamps cannot be shown.
        stamp : str
            Their METADATA_STAMP.
        in_a_row : bool
            Whether there is nothing between them that can be shown.
        """
        rows = {}
        for objid, why in reasons.items():
            log.warning("%s of %s is skipped: %s", objid, stamp, why)
            rows[objid] = labelfile.row(objid, labels.SKIPPED, labelfile.shorten(why), stamp)
        if rows:
            self._held += rows.values()
            one = next(iter(rows))
            what = f"{one} is" if len(rows) == 1 else f"{len(rows)} detections are"
            self._say(f"{what} passed over, the stamps cannot be shown: {reasons[one]}.")
        self._in_a_row += len(rows) * in_a_row
        if self._in_a_row >= LIMIT:
            self._ask()
        return rows

    def shown(self) -> None:
        """Write what was held back: here is a picture, so it was the stamps' fault."""
        self._seen = True
        if not self.stopped:
            self._write()

    def ended(self) -> None:
        """Write what was held back at the end of the line, or ask if no picture was ever shown."""
        if self._seen:
            self.shown()
        elif self._held and not self.stopped:
            self._ask()

    def go_on(self) -> bool:
        """Write what was held back: the person says so. Tell whether they were asked."""
        if self._broken or not self.stopped:
            return False
        self.stopped = ""
        self._write()
        return True

    def stop(self, sentence: str) -> None:
        """Go on no more: it is not the stamps that are to blame."""
        if not self._broken:
            self._broken, self.stopped = True, sentence
            self._say(sentence)

    def _ask(self) -> None:
        count, last = len(self._held), self._held[-1]
        what = f"{count} detections in a row" if count > 1 else last.objid
        self.stopped = (
            f"The stamps of {what} cannot be shown ({last.comment}). The hub is told nothing until "
            "you press Enter, which passes them over for good; if this computer may be to blame, "
            "close the window instead: your labels are safe."
        )
        self._say(self.stopped)

    def _write(self) -> None:
        """Write the rows, at the latest together with the next label."""
        rows, self._held, self._in_a_row = self._held, [], 0
        if rows:
            self._record.owe(*rows)
            try:
                self._record.append()
            except labelfile.LabelError as error:
                self._say(str(error))
