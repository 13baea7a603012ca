"""What a person works through: which detection is on screen, its label, back and forth.

A `Session` is used from one thread, the window's. Stamps are read on the reader's thread
(pictures.py) and the hub is talked to on the errands' (supply.py); both hand messages over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import labelfile
import labels
import stamps
from look import Look
from session import card, practice, summary
from session.clock import Clock, Today
from session.comments import Comments, earlier
from session.folder import PLACES, Folder, Record
from session.lesson import Lesson
from session.line import Detection, Line
from session.pictures import (
    AllOpened,
    Broken,
    Drawing,
    Message,
    Opened,
    Pictures,
    Unreadable,
    Wanted,
)
from session.settings import Settings
from session.skips import Skips
from session.supply import Supply
from session.sync import Sync
from session.verdict import NOTHING, Verdict, Verdicts
from session.worker import Deliver, Worker

if TYPE_CHECKING:
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
    answer : labelfile.Row or None
        The label that was given earlier.
    triplet : tuple of three scaling.Stamp or None
        None while they are being read.
    facts : str
        What the hub tells of the detection, in one line; may be empty.
    """

    detection: Detection | None = None
    pictures: list[bytes] | None = None
    answer: labelfile.Row | None = None
    triplet: tuple[Stamp, Stamp, Stamp] | None = None
    facts: str = ""


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
    clock : Clock
        Runs while a picture is on screen; the window starts it.
    comments : Comments
        Those that can be had again.
    skips : Skips
        What is passed over, and whether that stops the sitting.
    given : dict
        Object ID -> ACTION of what was labelled in this session.
    lesson : Lesson
        What stays on screen, because it was missed in practice.
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
        self._practice = practice.Practice(chosen, sync.run) if chosen.practice else None
        self._pictures = Pictures(self._reading, self._folder, deliver, self._receive, say)
        self.supply = Supply(
            sync,
            self._folder,
            self._errands,
            deliver,
            left=lambda: self._line.left,
            read_on=self._pictures.read_on,
            changed=changed,
            say=say,
            before=self._bring if self._practice else None,
        )
        self._line = Line()
        self._answers: dict[str, labelfile.Row] = {}
        self._facts: dict[str, str] = {}
        self._chunks: dict[str, tuple[str, ...]] = {}  # by name, the detections
        self._gone: dict[str, str] = {}  # chunks that could not be read again -> why
        self._today = Today()
        self._verdicts = Verdicts()
        self.lesson = Lesson(self._line, self._verdicts, self._answers)
        self._begun = self._closing = False
        self._began = time.monotonic()
        self.clock, self.comments = Clock(), Comments(chosen.comments)
        self.skips = Skips(self._record, say)
        self.given: dict[str, str] = {}

    def start(self) -> None:
        """Close what a crashed session left, then begin to read chunks and to fetch more.

        Raises
        ------
        SessionError
            The data folder cannot be written to.
        """
        self._folder.make()
        if self._practice:
            self.supply.text = "preparing the practice stamps"
            self._errands.do(self._practice.begin, then=lambda _: self._pictures.read_on())
        else:
            for sentence in self._folder.settle_crashed():
                self._say(sentence)
            self._pictures.read_on()

    def _bring(self, tell: Callable[[str], None]) -> None:  # on the errands' thread
        assert self._practice
        self._deliver(self._verdicts.truth.update, self._practice.bring(tell))

    # What the reader hands over

    def _receive(self, message: Message) -> None:
        if self._closing:
            return
        if isinstance(message, Broken):
            self.skips.stop(message.sentence)
            self._changed()
        elif isinstance(message, Opened):
            self._opened(message)
        elif isinstance(message, AllOpened):
            self._all_opened()
        elif isinstance(message, Drawing):
            self._pictures.take(message)
            if message.detection == self.page().detection:
                self.skips.shown()
                self._changed()
        else:
            self._pictures.take(message)
            self._cannot_show(message)
        if self.skips.stopped and self._line.detection:
            self.clock.stop(self._line.detection.objid)

    def _opened(self, chunk: Opened) -> None:
        if not chunk.damage:
            self._gone.pop(chunk.chunk, None)
        if not chunk.damage or len(chunk.objids) > len(self._chunks.get(chunk.chunk, ())):
            self._chunks[chunk.chunk] = chunk.objids  # else an earlier, better copy is on the line
        self._verdicts.votes.update(chunk.votes)
        self._facts.update(chunk.facts)
        for objid, answer in chunk.answers.items():
            self._answers.setdefault(objid, answer)
        self._add_pages(chunk)
        if chunk.whole:
            self._tell_faults(chunk)
        self._show()  # which asks for the picture, before more is read
        self._pictures.read_on()

    def _add_pages(self, chunk: Opened) -> None:
        known = {detection.objid for detection in self._line.pages}
        # practice counts through all its chunks, which nobody need know of
        others = sum(page.chunk != chunk.chunk for page in self._line.pages) * bool(self._practice)
        every = [
            Detection(objid, chunk.chunk, others + number)
            for number, objid in enumerate(chunk.objids, 1)
            if objid not in known
        ]
        answers = [self._answers.get(detection.objid) for detection in every]
        old = [
            (answer.time, place, detection)
            for place, (answer, detection) in enumerate(zip(answers, every))
            if answer and answer.action != labels.SKIPPED
        ]
        new = [detection for answer, detection in zip(answers, every) if not answer]
        self._line.add((detection for *_, detection in sorted(old)), new)
        self.supply.opened(len(new))

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
            known = {detection.objid for detection in self._line.pages} | self._answers.keys()
            self._answers |= self.skips.add(
                {objid: why for objid, why in chunk.incomplete.items() if objid not in known},
                stamps.metadata_stamp(chunk.chunk),
                in_a_row=not chunk.objids,
            )

    def _all_opened(self) -> None:
        def counted(today: set[str]) -> None:
            self._today.add(today)
            self._changed()

        if not self._begun:
            self._begun = True
            self._reading.do(self._folder.labelled_today, then=counted)
            find = self._folder.of_label_files, earlier, *PLACES
            self._reading.do(*find, then=self.comments.remember)
            if not self.settings.practice:
                drop = self._pictures.drop_finished
                self._errands.do(self.supply.send_earlier, then=lambda _: drop())
        self.supply.all_opened()
        self._show()

    def _cannot_show(self, message: Unreadable) -> None:
        detection, reason, gone = message
        if gone and self._gone.get(detection.chunk) != reason:  # once a chunk
            self._gone[detection.chunk] = reason
            self._say(f"{reason}: its detections are passed over, the hub gives them again.")
        self._show()

    # What the window asks

    @property
    def today(self) -> int:
        """Return how many detections were labelled today, in earlier sessions too."""
        return self._today.count

    @property
    def next_ready(self) -> bool:
        """Tell whether detections of another chunk follow those of this page's."""
        return not self._line.ends_here

    def page(self) -> Page:
        """Return the `Page` to show now."""
        detection = self._line.detection
        if detection is None or self.skips.stopped:
            return Page()
        answer = self._answers.get(detection.objid)
        facts = self._facts.get(detection.objid, "")
        drawing = self._pictures.drawing(detection.objid)
        if drawing is None:
            return Page(detection, answer=answer, facts=facts)
        # what is on screen already stays there until it is drawn anew
        shown = drawing.wanted == self._pictures.wanted or self.clock.runs
        pictures = drawing.pictures if shown else None
        return Page(detection, pictures, answer, drawing.triplet, facts)

    def progress(self) -> tuple[int, int]:
        """Return how many detections of this page's chunk are dealt with, and how many it has.

        Past the end of the line that is the last chunk's, and 0 of 1 before there is any. In
        practice it is those of all chunks, and of what will still be made.
        """
        if self._practice:
            return len(self._answers), max(1, self._practice.total)
        detection = self._line.last
        if detection is None:
            return 0, 1
        objids = self._chunks[detection.chunk]
        return sum(objid in self._answers for objid in objids), len(objids)

    def show_as(self, side: int, look: Look) -> None:
        """Ask for pictures of `side` screen pixels in a look from now on."""
        if self._pictures.want(Wanted(side, look)) and not self.skips.stopped:
            self._pictures.draw(self._line.around()[:1])

    def read_ahead(self) -> None:
        """Have the pictures of this page and of its neighbours drawn, and forget the others."""
        self._pictures.keep(self._line.around())
        if not self.skips.stopped:
            self._pictures.draw(self._line.around())

    def _show(self) -> None:
        """Settle on a page that can be shown, and have it drawn."""
        self._drop_unreadable()
        page = self.page()
        if page.pictures:
            self.skips.shown()
        elif page.detection:
            self.read_ahead()
        elif self._begun and self._line.detection is None:
            self.skips.ended()
        self._changed()

    def _drop_unreadable(self) -> None:
        """Take pages that cannot be shown off the line, beginning with this one."""
        unreadable = self._pictures.unreadable
        while (
            not self.skips.stopped
            and (detection := self._line.detection)
            and detection.objid in unreadable
        ):
            answered = detection.objid in self._answers
            self._line.drop(answered)
            reason = unreadable[detection.objid]
            if reason == self._gone.get(detection.chunk):  # no word on the stamps themselves
                self._pictures.forgive(detection.objid)
            elif not answered:
                stamp = stamps.metadata_stamp(detection.chunk)
                self._answers |= self.skips.add({detection.objid: reason}, stamp)

    # What the person does

    def label(self, objid: str, name: str, comment: str = "") -> None:
        """Keep a label for the detection on screen, on disk, and go one page on.

        In practice a miss stays on screen until one goes on: see `lesson`.

        Parameters
        ----------
        objid : str
            The detection that the person looks at.
        name : str
            Of one of `labels.LABELS`.
        comment : str
            One line; see `labelfile.clean_comment`.

        Raises
        ------
        labelfile.LabelError
            It could not be kept, or `objid` is not what is on screen; the page stays.
        """
        detection = self._line.detection
        if detection is None or detection.objid != objid:
            raise labelfile.LabelError(f"{objid} is no longer on screen: nothing was labelled.")
        self.clock.stop(objid)
        self.comments.add(comment)  # now: where the disk is full, nobody types it again
        stamp = stamps.metadata_stamp(detection.chunk)
        before = self._answers.get(objid, labelfile.Row()).time
        entry = labelfile.row(objid, name, comment, stamp, self.clock.seconds(objid), after=before)
        try:
            self._record.append(entry)
        except labelfile.LabelError:
            self.clock.start()
            raise
        stays = self.lesson.misses(objid, name)
        self._line.answered(first=objid not in self._answers, stays=stays)
        self._today.add([objid])
        self._answers[objid] = entry
        if objid not in self.lesson.repeated:
            self.given[objid] = name
        self.clock.labelled(objid)
        if stays:
            self.clock.start()
        self._show()
        self.supply.check()

    def back(self) -> bool:
        """Go one page back, and tell whether there is one."""
        return self.turn(-1)

    def go_to(self, objid: str | None = None) -> bool:
        """Go to a detection that was seen, or to the last one that was; tell whether there is."""
        pages = self._line.seen_ahead if objid is None else self._line.way_to(objid)
        return bool(pages) and self.turn(pages or 0)

    def go_on(self) -> bool:
        """Go on though stamps in a row cannot be shown; tell whether that was the question."""
        if not self.skips.go_on():
            return False
        self._show()
        return True

    def turn(self, pages: int) -> bool:
        """Go so many pages on, as far as pages were seen, or back; tell whether one may."""
        before = self._line.detection
        if self.skips.stopped or not self._line.may_turn(pages):
            return False
        if before:
            self.clock.stop(before.objid)
        if not self.lesson.leave(ahead=pages > 0):
            self._line.turn(pages)
        self._show()
        return True

    def verdict(self, objid: str) -> Verdict:
        """Tell what is known of a detection, once it has a label."""
        answer = self._answers.get(objid)
        return self._verdicts.on(objid, answer.action) if answer else NOTHING

    def past(self, count: int) -> list[tuple[Detection, str, Verdict]]:
        """Return the latest pages that one has left behind, with their ACTIONs; see `Line.past`."""
        return [
            (page, answer.action, self.verdict(page.objid))
            for page in self._line.past(count)
            if (answer := self._answers.get(page.objid))
        ]

    def save_card(self, say: Callable[[str], None] | None = None) -> bool:
        """Write a picture of this page for others to see, in the background, and say where.

        Parameters
        ----------
        say : callable, optional
            Told where, instead of the session's own.

        Returns
        -------
        bool
            False if there is nothing to be seen.
        """
        page, wanted = self.page(), self._pictures.wanted
        if page.detection is None or page.triplet is None or wanted is None:
            return False
        save = card.save, self.settings, page.detection.objid, page.detection.chunk
        self._reading.do(*save, page.triplet, wanted.look, page.answer, then=say or self._say)
        return True

    # The end

    def finish(self, done: Callable[[int, str], None]) -> None:
        """Settle the label file and send what is there, in the background.

        Parameters
        ----------
        done : callable
            ``done(status, said)`` on the window's thread: sync.sh's exit code (0 also if there
            was nothing to send), and its sentence.
        """
        if self._line.detection:
            self.clock.stop(self._line.detection.objid)
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

    def report(self) -> summary.Report:
        """Return what the session came to so far."""
        shown, elapsed = sum(map(self.clock.seconds, self.given)), time.monotonic() - self._began
        file = None if self.settings.practice or not self.given else self._record.path
        return summary.report(self.given, self._verdicts, shown, elapsed, file)

    def summary(self) -> list[str]:
        """Describe the session for the terminal, as lines of text."""
        return summary.lines(self.report())
