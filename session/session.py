"""What a person works through: the line of detections, the labels given, back and forth.

A `Session` is used from one thread, the window's. Stamps are read on the reader's thread
(pictures.py) and the hub is talked to on the errands' (supply.py); both hand messages over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import labels
import stamps
from look import Look
from session import card, practice, summary
from session.clock import Clock
from session.comments import Comments
from session.folder import Folder, Record
from session.pictures import (
    AllOpened,
    Detection,
    Drawing,
    Message,
    Opened,
    Pictures,
    Unreadable,
    Wanted,
)
from session.settings import Settings
from session.supply import Supply
from session.sync import Sync
from session.verdict import NOTHING, Truth, Verdict, Verdicts
from session.worker import Deliver, Worker

if TYPE_CHECKING:
    from pathlib import Path

    from scaling import Stamp

log = logging.getLogger("artifactspy")


class Page(NamedTuple):
    """What the window shows: see `Session.page`.

    Attributes
    ----------
    detection : Detection or None
        None past the end of the line.
    pictures : list of bytes or None
        See `scaling.picture`; on screen still in an earlier look, None while they are drawn first.
    answer : labels.Row or None
        The label that was given earlier.
    triplet : tuple of three scaling.Stamp or None
        None while they are being read.
    """

    detection: Detection | None = None
    pictures: list[bytes] | None = None
    answer: labels.Row | None = None
    triplet: tuple[Stamp, Stamp, Stamp] | None = None


class Session:
    """One sitting of one person.

    Parameters
    ----------
    chosen : Settings
    sync : Sync
    deliver : callable
        ``deliver(function, *arguments)``, from any thread: calls it soon on the window's.
    changed : callable
        Called without arguments, on the window's thread, when `page` or `supply` is new.
    say : callable
        ``say(sentence)``, on the window's thread: something the user should know.

    Attributes
    ----------
    supply : Supply
        How the supply of chunks stands.
    comments : Comments
        Those given in this session.
    given : dict
        Object ID -> ACTION of what was labelled in this session.
    """

    def __init__(
        self,
        chosen: Settings,
        sync: Sync,
        deliver: Deliver,
        changed: Callable[[], None],
        say: Callable[[str], None],
    ):
        self.settings, self._sync = chosen, sync
        self._deliver, self._changed, self._say = deliver, changed, say
        log_path = str(chosen.home / "artifactspy.log")
        self._reading = Worker("reader", deliver, say, log_path)
        self._errands = Worker("errands", deliver, say, log_path)
        self._folder = Folder(chosen.data, chosen.user)
        self._record = Record(self._folder)
        self._pictures = Pictures(self._reading, self._folder, deliver, self._receive, say)
        self.supply = Supply(
            sync,
            self._folder,
            self._errands,
            deliver,
            left=lambda: self._left,
            fetched=self._pictures.read_on,
            changed=changed,
            say=say,
        )
        self._pages: list[Detection] = []
        self._at = self._seen = 0  # the page on screen, and the last that was
        self._left = 0  # pages without an answer
        self._answers: dict[str, labels.Row] = {}
        self._chunks: dict[str, tuple[str, ...]] = {}  # by name, the detections
        self._unreadable: dict[str, str] = {}
        self._gone: dict[str, str] = {}  # chunks that could not be read again -> why
        self._today: set[str] = set()
        self._clock = Clock()
        self._verdicts = Verdicts()
        self._begun = self._closing = False
        self._began = time.monotonic()
        self.comments = Comments()
        self.given: dict[str, str] = {}

    def start(self) -> None:
        """Close what a crashed session left, then begin to read chunks and to fetch more.

        Raises
        ------
        SessionError
            The data folder cannot be written to.
        """
        self._folder.make()
        if self.settings.practice:
            self.supply.text = "preparing the practice stamps"
            self._errands.do(self._prepare_practice)
        else:
            for sentence in self._folder.settle_crashed():
                self._say(sentence)
            self._pictures.read_on()

    def _prepare_practice(self) -> None:  # on the errands' thread
        truth = practice.prepare(self.settings, self._sync.run)
        self._deliver(self._begin_practice, truth)

    def _begin_practice(self, truth: dict[str, Truth]) -> None:
        self._verdicts.truth.update(truth)
        self._pictures.read_on()

    # What the reader hands over

    def _receive(self, message: Message) -> None:
        if self._closing:
            return
        if isinstance(message, Opened):
            self._opened(message)
        elif isinstance(message, AllOpened):
            self._all_opened()
        elif isinstance(message, Drawing):
            self._pictures.take(message)
            if message.detection == self.page().detection:
                self._changed()
        else:
            self._pictures.take(message)
            self._cannot_show(message)

    def _opened(self, chunk: Opened) -> None:
        if not chunk.damage:  # the detections of an earlier, better copy are on the line
            self._gone.pop(chunk.chunk, None)
            self._chunks[chunk.chunk] = chunk.objids
        self._chunks.setdefault(chunk.chunk, chunk.objids)
        self._verdicts.votes.update(chunk.votes)
        self._answers = {**chunk.answers, **self._answers}
        self._append_pages(chunk)
        if chunk.whole:
            self._tell_faults(chunk)
        self._show()  # which asks for the picture, before more is read
        self._pictures.read_on()

    def _append_pages(self, chunk: Opened) -> None:
        known = {detection.objid for detection in self._pages}
        every = [
            Detection(objid, chunk.chunk, number)
            for number, objid in enumerate(chunk.objids, 1)
            if objid not in known
        ]
        old = [detection for detection in every if self._is_labelled(detection.objid)]
        old.sort(key=lambda detection: self._answers[detection.objid].time)
        new = [detection for detection in every if detection.objid not in self._answers]
        # what was labelled earlier goes before all, and the page on screen stays the page on screen
        self._pages[:0] = old
        self._at += len(old)
        self._seen += len(old)
        self._pages += new
        self._left += len(new)
        self.supply.opened(len(new))

    def _is_labelled(self, objid: str) -> bool:
        answer = self._answers.get(objid)
        return answer is not None and answer.action != labels.SKIPPED

    def _tell_faults(self, chunk: Opened) -> None:
        file = f"{chunk.chunk}.tar.gz"
        if chunk.damage:
            self._say(
                f"{file}: {chunk.damage}; {len(chunk.objids)} detections in it can be "
                "labelled, the hub is asked for the rest."
            )
        elif not chunk.objids and not chunk.incomplete:
            self._say(f"{file} holds no stamps: the session goes on without it.")
        else:
            known = {detection.objid for detection in self._pages} | self._answers.keys()
            self._skip(
                {objid: why for objid, why in chunk.incomplete.items() if objid not in known},
                stamps.metadata_stamp(chunk.chunk),
            )

    def _all_opened(self) -> None:
        if not self._begun:
            self._begun = True
            self._reading.do(self._count_today)
            if not self.settings.practice:
                self._errands.do(self._send_earlier)
        self.supply.all_opened()
        self._show()

    def _count_today(self) -> None:  # on the reader's thread
        self._deliver(self._counted, self._folder.labelled_today())

    def _counted(self, today: set[str]) -> None:
        self._today |= today
        self._changed()

    def _send_earlier(self) -> None:  # on the errands' thread
        self.supply.send_earlier()
        self._reading.do(self._pictures.reader.drop_finished)

    def _cannot_show(self, message: Unreadable) -> None:
        detection, reason, gone = message
        self._unreadable[detection.objid] = reason
        if gone and self._gone.get(detection.chunk) != reason:  # once a chunk
            self._gone[detection.chunk] = reason
            self._say(f"{reason}: its detections are passed over, the hub gives them again.")
        self._show()

    # What the window asks

    @property
    def today(self) -> int:
        """Return how many detections were labelled today, in earlier sessions too."""
        return len(self._today)

    @property
    def next_ready(self) -> bool:
        """Tell whether detections of another chunk follow those of this page's."""
        detection = self.page().detection
        return detection is not None and self._pages[-1].chunk != detection.chunk

    @property
    def pace(self) -> float | None:
        """Return how many labels a minute are given, or None if nobody knows yet."""
        return self._clock.pace

    def page(self) -> Page:
        """Return the `Page` to show now."""
        if self._at == len(self._pages):
            return Page()
        detection = self._pages[self._at]
        answer = self._answers.get(detection.objid)
        drawing = self._pictures.drawing(detection.objid)
        if drawing is None:
            return Page(detection, answer=answer)
        # what is on screen already stays there until it is drawn anew
        shown = drawing.wanted == self._pictures.wanted or self._clock.runs
        return Page(detection, drawing.pictures if shown else None, answer, drawing.triplet)

    def progress(self) -> tuple[int, int]:
        """Return how many detections of this page's chunk are dealt with, and how many it has.

        Past the end of the line that is the last chunk's, and 0 of 1 before there is any.
        """
        if not self._pages:
            return 0, 1
        detection = self._pages[min(self._at, len(self._pages) - 1)]
        objids = self._chunks[detection.chunk]
        return sum(objid in self._answers for objid in objids), len(objids)

    def show_as(self, side: int, look: Look) -> None:
        """Ask for pictures of `side` screen pixels in a look from now on."""
        if self._pictures.want(Wanted(side, look)):
            self._draw(self._at)

    def read_ahead(self) -> None:
        """Have the pictures of this page and of its neighbours drawn, and forget the others."""
        near = [self._at, self._at + 1, self._at - 1, self._at + 2]
        self._pictures.keep([self._pages[i] for i in near if 0 <= i < len(self._pages)])
        self._draw(*near)

    def _draw(self, *places: int) -> None:
        there = [self._pages[i] for i in places if 0 <= i < len(self._pages)]
        self._pictures.draw(d for d in there if d.objid not in self._unreadable)

    def painted(self) -> None:
        """Start the clock of the page that has just become visible."""
        self._clock.start()

    def _leave(self) -> None:
        detection = self.page().detection
        if detection:
            self._clock.stop(detection.objid)

    def _show(self) -> None:
        """Settle on a page that can be shown, and have it drawn."""
        self._drop_unreadable()
        self._seen = max(self._seen, self._at)
        page = self.page()
        if page.detection and page.pictures is None:
            self.read_ahead()
        self._changed()

    def _drop_unreadable(self) -> None:
        """Take pages that cannot be shown off the line, beginning with this one."""
        while (detection := self.page().detection) and detection.objid in self._unreadable:
            del self._pages[self._at]
            if self._at < self._seen:
                self._seen -= 1
            answered = detection.objid in self._answers
            if not answered:
                self._left -= 1
            reason = self._unreadable[detection.objid]
            if reason == self._gone.get(detection.chunk):  # no word on the stamps themselves
                del self._unreadable[detection.objid]
            elif not answered:
                self._skip({detection.objid: reason}, stamps.metadata_stamp(detection.chunk))

    def _skip(self, reasons: dict[str, str], stamp: str) -> None:
        """Write Skipped rows, at the latest together with the next label."""
        if not reasons:
            return
        for objid, why in reasons.items():
            log.warning("%s of %s is skipped: %s", objid, stamp, why)
            self._answers[objid] = labels.row(objid, labels.SKIPPED, labels.shorten(why), stamp)
            self._record.owe(self._answers[objid])
        one = next(iter(reasons))
        what = f"{one} is" if len(reasons) == 1 else f"{len(reasons)} detections are"
        self._say(f"{what} passed over, the stamps cannot be shown: {reasons[one]}.")
        try:
            self._record.append()
        except labels.LabelError as error:
            self._say(str(error))

    # What the person does

    def label(self, objid: str, name: str, comment: str = "") -> None:
        """Keep a label for the detection on screen, on disk, and go one page on.

        Parameters
        ----------
        objid : str
            The detection that the person looks at.
        name : str
            Of one of `labels.LABELS`.
        comment : str
            One line; see `labels.clean_comment`.

        Raises
        ------
        labels.LabelError
            It could not be kept, or `objid` is not what is on screen; the page stays.
        """
        detection = self.page().detection
        if detection is None or detection.objid != objid:
            raise labels.LabelError(f"{objid} is no longer on screen: nothing was labelled.")
        self._leave()
        self.comments.add(comment)  # now: where the disk is full, nobody types it again
        stamp = stamps.metadata_stamp(detection.chunk)
        entry = labels.row(objid, name, comment, stamp, self._clock.seconds(objid))
        try:
            self._record.append(entry)
        except labels.LabelError:
            self.painted()
            raise
        if objid not in self._answers:
            self._left -= 1
        self._today.add(objid)
        self._answers[objid] = entry
        self.given[objid] = name
        self._clock.labelled(objid)
        self._at += 1
        self._show()
        self.supply.check()

    def back(self) -> bool:
        """Go one page back, and tell whether there is one."""
        return self._turn(-1)

    def forward(self) -> None:
        """Go one page on, as far as pages were seen."""
        self._turn(1)

    def newest(self) -> None:
        """Go to the last page that was seen."""
        self._turn(self._seen - self._at)

    def _turn(self, pages: int) -> bool:
        target = self._at + pages
        if not 0 <= target <= self._seen:
            return False
        self._leave()
        self._at = target
        self._show()
        return True

    def verdict(self, objid: str) -> Verdict:
        """Tell what is known of a detection, once it has a label."""
        answer = self._answers.get(objid)
        return self._verdicts.on(objid, answer.action) if answer else NOTHING

    def telling_place(self, objid: str) -> tuple[int, int, int] | None:
        """Return where a practice detection gives itself away, once it has a label: see `Truth`."""
        truth = self._verdicts.truth.get(objid)
        return truth.place if truth and objid in self._answers else None

    def save_card(self) -> bool:
        """Write a picture of this page for others to see, in the background, and say where.

        Returns
        -------
        bool
            False if there is nothing to be seen.
        """
        page, wanted = self.page(), self._pictures.wanted
        if page.detection is None or page.triplet is None or wanted is None:
            return False
        self._reading.do(self._save_card, page.detection, page.triplet, wanted.look, page.answer)
        return True

    def _save_card(
        self,
        detection: Detection,
        triplet: tuple[Stamp, Stamp, Stamp],
        look: Look,
        answer: labels.Row | None,
    ) -> None:  # on the reader's thread
        said = card.save(self.settings, detection.objid, detection.chunk, triplet, look, answer)
        self._deliver(self._say, said)

    # The end

    def to_send(self) -> int:
        """Count the detections whose labels the hub does not have yet."""
        return self._folder.to_send()

    def finish(self, done: Callable[[int, str], None]) -> None:
        """Settle the label file and send what is there, in the background.

        Parameters
        ----------
        done : callable
            ``done(status, said)`` on the window's thread: sync.sh's exit code (0 also if there
            was nothing to send), and its sentence.
        """
        self._leave()
        self._closing = True
        self.supply.close()
        self._errands.close(self._finish, done)

    def _finish(self, done: Callable[[int, str], None]) -> None:  # on the errands' thread
        try:
            self._record.settle()
            status, said = self.supply.send_last()
            self._reading.close(self._pictures.reader.drop_finished).result()
        except Exception as error:  # whatever it is, the window must be able to go
            log.exception("at the end")
            why = getattr(error, "strerror", None) or error
            status, said = 1, f"The labels are on disk, in {self.settings.data / 'labels'}, but "
            said += f"could not be sent ({why}): the next start tries again."
        self._deliver(done, status, said)

    def abandon(self) -> None:
        """Stop waiting for the hub: what is not acknowledged is sent at the next start."""
        self._sync.stop()

    def summary(self) -> list[str]:
        """Describe the session for the terminal, as lines of text."""
        shown = sum(map(self._clock.seconds, self.given))
        told = summary.lines(self.given, shown, time.monotonic() - self._began)
        return told + self._verdicts.table(self.given) if self.given else told

    def whereabouts(self) -> Path | None:
        """Return where this session's label file is now, or None if it has none."""
        return None if self.settings.practice or not self.given else self._record.path
