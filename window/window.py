"""The labelling window of one session: what is shown, and what a press does.

What the person works through is in session/, how a stamp looks in scaling.py, what can be
answered in labels.py; the parts of the window are the other files here.
"""

from __future__ import annotations

import contextlib
import logging
import operator
import signal
import time
import tkinter as tk
from collections.abc import Callable, Mapping
from types import TracebackType

import labelfile
import labels
from session.session import Page, Session
from session.settings import SessionError, Settings, remember
from session.sync import Sync
from session.verdict import MARKS, NOTHING
from window import comment, keys, layout, strip
from window.appearance import Appearance
from window.colours import BAD_NEWS, DIM, INK, NEWS
from window.doorbell import Doorbell
from window.ending import Ending
from window.fonts import Fonts
from window.guide import Guide
from window.lines import Lines, answer_text, nothing_text, status_text
from window.panel import Panel
from window.screen import behave_as_on_macos, dress
from window.strip import Strip, Told
from window.view import View

GUARD = 0.150  # seconds after a new picture in which a press cannot have been meant for it
READ_AHEAD = 20  # ms after a picture is painted: earlier, decoding competes with the painting
log = logging.getLogger("artifactspy")


class Window:
    """The labelling window.

    Parameters
    ----------
    root
    settings
    stored
        How the window was left, in the words of ``settings.ini``.
    sync
    tell
        ``tell(text, end)`` prints to the terminal; `end` is a new line if not given.

    Attributes
    ----------
    session
    appearance
        Does what keys and tools change of the stamps' look.
    outcome
        Of the upload: sync.sh's exit code, and its sentence.
    """

    def __init__(
        self,
        root: tk.Tk,
        settings: Settings,
        stored: Mapping[str, str],
        sync: Sync,
        tell: Callable[..., None],
    ) -> None:
        self.root, self.settings, self._tell = root, settings, tell
        self._bell = Doorbell(root, self._signalled)
        self.session = Session(settings, sync, self._bell.deliver, self.refresh, self.say)
        self.outcome = 1, ""
        self._layout: layout.Layout | None = None
        self._painted = Page()  # what is on screen
        self._painted_at = 0.0
        self._reading_ahead: str | None = None  # the timer
        self._looking_back: str | None = None  # that of the strip
        self._last = ""  # label and detection
        self._comment: comment.Comment | None = None
        self._unseen = "", INK  # what was said while that lay over it
        self._guide: Guide | None = None
        self._closing: float | None = None  # when that was asked for
        self._ended = self._lost = False  # the labels were sent, or kept; there is no screen
        mode = "practice" if settings.practice else "expert" if settings.expert else ""
        self._icon = dress(root, f"ArtifactSpy: {mode}" if mode else "ArtifactSpy", stored)
        self._fonts = Fonts(root)
        root.protocol("WM_DELETE_WINDOW", self.close)
        behave_as_on_macos(root, self.close)
        root.report_callback_exception = self._bug
        # in this order: what is made later lies above, and comes later to Tab
        self._view = View(root, lambda text: self._lines.point(text))
        self._panel = Panel(root, self.act, self.press)
        self._strip = Strip(root, self.go_to)
        self._ending = Ending(root, self.act, self.go_to)
        self._lines = Lines(root)
        self.appearance = Appearance(self._view, stored, self._look_changed, self._lines.say)
        self._look_changed()
        self._keyboard = keys.Keyboard(root, self.act, self.press, self._panel.hint.show)
        self._keyboard.listen(root)
        root.bind("<Configure>", self._resized)
        if root.winfo_viewable():  # it was greeted in, and is as large as it will be
            size = root.winfo_width(), root.winfo_height()
            root.event_generate("<Configure>", width=size[0], height=size[1])

    # What is shown

    def _resized(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self.root:
            fit = layout.fit(event.width, event.height)
            if fit != self._layout:
                self._layout = fit
                self._fonts.resize(fit.unit)
                parts = self._view, self._panel, self._strip, self._ending, self._lines
                for part in (*parts, self._comment):
                    if part:
                        part.arrange(fit)
                self._look_changed()

    def _look_changed(self) -> None:
        self._panel.show_tools(self.appearance.in_use(), self.appearance.is_usual)
        if self._layout:
            self.session.show_as(self._layout.side, self.appearance.shown)

    def refresh(self) -> None:
        """Bring the window in line with the session."""
        if self._closing:
            return
        page, painted = self.session.page(), self._painted
        new = (page.detection, page.pictures) != (painted.detection, painted.pictures)
        if new or not page.detection:
            self._paint(page)
        verdict = self.session.verdict(page.detection.objid) if page.detection else NOTHING
        self._view.tell(verdict.place if self._painted.pictures else None)
        sign = MARKS[verdict.agrees] or MARKS[True]
        self._panel.show_label(page.answer.action if page.answer else None, sign)
        self._panel.wake_labels(self._painted.pictures is not None and not self._comment)
        self._lines.show_status(status_text(self.session, self._last), *self.session.progress())
        if not self._looking_back:  # when there is time
            self._looking_back = self.root.after(READ_AHEAD, self._look_back)

    def _paint(self, page: Page) -> None:
        # and not the same in another size or look
        turned = page.detection != self._painted.detection
        new = turned or self._painted.pictures is None
        self._painted = page
        if turned:
            self._tell_page(page)
        objid = page.detection.objid if page.detection else ""
        self._view.show(page.pictures, page.triplet, self.session.verdict(objid).place)
        self._panel.show_objid(objid, page.facts)
        self._panel.show_tools(self.appearance.in_use(), self.appearance.is_usual)
        self._show_end(not page.detection)
        if self.session.skips.stopped and not self._comment:
            self.root.focus_set()  # Enter answers that, and presses no button
        self.root.update_idletasks()
        if page.pictures:
            if new:
                self._painted_at = time.monotonic()
            self.session.clock.start()
            if self._reading_ahead:
                self.root.after_cancel(self._reading_ahead)
            self._reading_ahead = self.root.after(READ_AHEAD, self.session.read_ahead)

    def _tell_page(self, page: Page) -> None:
        self._lines.leave_page()
        if page.detection and page.answer:
            verdict = self.session.verdict(page.detection.objid)
            self._lines.say(answer_text(page.answer, verdict), NEWS[verdict.agrees])

    def _show_end(self, end: bool) -> None:
        """Show why there is no stamp, or at the end of all what it came to."""
        session = self.session
        if end and session.given and session.supply.exhausted and not session.skips.stopped:
            self._lines.say_across("")
            self._ending.show(session.report(), session.today, self._strip.thumbnails)
        else:
            self._ending.hide()
            self._lines.say_across(nothing_text(session) if end else "")

    def _look_back(self) -> None:
        """Bring the strip in line with the session; the stamps on screen come into it later."""
        self._looking_back = None
        objid = self._painted.detection.objid if self._painted.detection else ""
        if self._painted.pictures:
            self._strip.thumbnails.take(objid, self._view.search, self._strip.side)
        told = [
            Told(page.objid, ((f"{MARKS[verdict.agrees]} {labels.title(name)}".lstrip(), DIM),))
            for page, name, verdict in self.session.past(strip.COUNT)
        ]
        self._strip.show(told, objid)

    def say(self, text: str, colour: str = INK, stays: bool = True) -> None:
        """Show a sentence under the buttons and in the terminal, and keep it in the log.

        It `stays` until the next one, or goes with the page that it is about.
        """
        if not self._lost:
            self._lines.say(text, colour, stays)
        if self._comment:
            self._unseen = text, colour
        self._tell(text)
        log.info("%s", text)

    # What the person does

    def act(self, action: str) -> object:
        """Do what a `keys.Key` names, and return what that returns."""
        return operator.attrgetter(action)(self)()

    def press(self, name: str) -> bool:
        """Give the detection on screen a label, and return True.

        If the press cannot have been meant for it, do nothing and return False.
        """
        too_soon = time.monotonic() - self._painted_at < GUARD
        detection, pictures = self._painted.detection, self._painted.pictures
        if too_soon or self._closing or self._comment or not (detection and pictures):
            return False
        if self.session.lesson.stays:  # it is not meant for what comes next, and unseen so far
            self.forward()
            return True
        self._panel.light_up(name)
        if labels.BY_NAME[name].commented:
            self._ask(detection.objid, name)
        else:
            self._label(detection.objid, name)
        return True

    def _ask(self, objid: str, name: str) -> None:
        assert self._layout  # there is a picture
        if self._guide and self._guide.winfo_exists():  # it may lie where one is asked
            self._guide.close()
        self._comment = comment.Comment(
            self.root,
            self._layout,
            self._tell,
            objid,
            self.session.comments.offered,
            lambda text: self._commented(objid, name, text),
        )
        self._keyboard.typing = True
        self.refresh()

    def _commented(self, objid: str, name: str, text: str) -> None:
        self._comment, self._keyboard.typing = None, False
        (said, colour), self._unseen = self._unseen, ("", INK)
        if text:
            if said:
                self._lines.say(said, colour, stays=True)  # nobody has seen it on its page
            self._label(objid, name, text)
        else:
            self._lines.say(f"No comment: nothing was labelled. {said}".strip(), colour)
        self.refresh()

    def _label(self, objid: str, name: str, text: str = "") -> None:
        self._lines.leave_page()
        try:
            self.session.label(objid, name, text)
        except labelfile.LabelError as error:
            self.say(str(error), BAD_NEWS, stays=False)
        else:
            self._last = f"{labels.title(name)} {objid}"
            verdict = self.session.verdict(objid)
            if self.session.lesson.stays:
                self._painted_at = time.monotonic()  # nor is the rest of a double press
                self._lines.say(f"{verdict.sentence} Enter goes on.", NEWS[verdict.agrees])
            elif verdict.sentence and not self.session.page().answer:
                self._lines.say(verdict.sentence, NEWS[verdict.agrees])
            self.refresh()

    def back(self) -> None:
        """Go one page back, or cancel the comment that is asked for."""
        if self._comment:
            self._comment.cancel()
        elif not (self._closing or self.session.back()):
            self._lines.say("There is nothing earlier here.")

    def forward(self) -> None:
        """Go one page on, as far as pages were seen."""
        if not (self._comment or self._closing):
            self.session.turn(1)

    def newest(self) -> None:
        """Go forward to where the labelling stood."""
        self.go_to(None)

    def go_to(self, objid: str | None) -> None:
        """Go to a detection that was seen, or to the last one that was."""
        if not (self._comment or self._closing):
            self.session.go_to(objid)

    def go_on(self) -> None:
        """Take the comment that is typed; else keep a detection's label and go one page on.

        Or pass over what must be.
        """
        if self._comment:
            self._comment.enter()
            return
        if self._closing or self.session.go_on():
            return
        if self.session.page().answer:
            self.forward()

    def escape(self) -> None:
        """Cancel the comment that is asked for; else no button has the focus any longer."""
        if self._comment:
            self._comment.cancel()
        else:
            self.root.focus_set()

    def copy(self) -> None:
        """Put the Object ID on the clipboard."""
        if self._painted.detection:
            objid = self._painted.detection.objid
            self.root.clipboard_clear()
            self.root.clipboard_append(objid)
            self._lines.say(f"{objid} is on the clipboard.")

    def save_card(self) -> None:
        """Save a picture card of the detection."""
        if not self.session.save_card(lambda said: self.say(said, stays=False)):
            self._lines.say("There is nothing to make a picture of.")

    def help(self) -> bool:
        """Open the Help window, in which the keys work too, or close it; return True."""
        if self._guide and self._guide.winfo_exists():
            self._guide.close()
        elif self._layout:
            contact = self.settings.contact
            self._guide = Guide(self.root, contact, self._layout, keys.for_help())
            self._keyboard.listen(self._guide)
        return True

    # The end

    def _signalled(self, number: int) -> None:
        if number == signal.SIGINT or not self._closing:  # a closing terminal hangs up twice
            self.close()

    def close(self) -> None:
        """Send the labels, then go; asked again, go at once and send them another day."""
        now = time.monotonic()
        if self._closing:
            if now - self._closing > 1:  # not the second half of a double click
                self.session.supply.abandon()
            return
        if self._comment:
            self._comment.cancel()
        self._closing = now
        self._tell_sending()
        self.session.finish(self._finished)

    def _tell_sending(self) -> None:
        count = 0
        try:
            count = self.session.supply.to_send()
        except OSError as error:  # then they are not counted, and the window goes all the same
            log.warning("the labels cannot be counted: %s", error)
        if count:
            self._ending.hide()
            self._panel.wake_labels(False)
            self._lines.say_across(f"Sending {count} label{'s' * (count > 1)}")
            self._lines.say("Close once more to go now and send them at the next start.", DIM)

    def close_without_screen(self) -> None:
        """Send the labels and return: the screen is gone, and no widget can be touched."""
        self._lost = True
        if not self._closing:
            self._closing = time.monotonic()
            self.session.finish(self._finished)
        self._bell.answer_until(lambda: self._ended)

    def _finished(self, status: int, said: str) -> None:
        self.outcome, self._ended = (status, said), True
        if self._lost:
            return
        size = f"{self.root.winfo_width()}x{self.root.winfo_height()}"
        with contextlib.suppress(OSError, SessionError):
            remember(self.settings.home, window=size, **self.appearance.settings)
        self.root.destroy()

    def _bug(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        log.error("in the window", exc_info=(kind, error, trace))
        self.say(
            "Something went wrong that should not. The labels given so far are safe; please send "
            f"{self.settings.home / 'artifactspy.log'} to the developers.",
            BAD_NEWS,
        )
