"""The way to the hub: `Sync` calls ``sync.sh``, the only place that knows ssh and Kerberos."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from session.settings import ROOT, Settings, remember

NOTHING_LEFT, UNREACHABLE, NO_TICKET, INTERRUPTED = 3, 4, 5, 130  # exit codes of sync.sh
# Seconds: a chunk of FITS stamps is some MB, which a bad hotel network takes minutes for
SYNC_TIMEOUT = 900
GRACE = (
    3  # seconds from SIGTERM to SIGKILL: what is stopped, or waits for a dead disk, heeds no other
)
_STEP = 0.1  # seconds until a call notices that it is to end
_WORDS = 1000  # of a sentence, in letters; and no more is kept of what is said than some of them
log = logging.getLogger("artifactspy")


def has_terminal() -> bool:
    """Tell whether a person at a terminal can be asked: a background job would only be stopped."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # the terminal was closed
        return False


def tidy(folder: str | Path) -> None:
    """Remove what a program or a sync.sh that was killed left in a folder for temporary files.

    Parameters
    ----------
    folder : str or Path
        In which everyone may write: only what is the user's own goes, and whose process has gone.
    """
    for path in Path(folder).glob("artifactspy-*"):
        match = re.match(r"artifactspy-(\d+)-", path.name)
        with contextlib.suppress(OSError, OverflowError):
            if match and path.lstat().st_uid == os.getuid() and not _lives(int(match[1])):
                shutil.rmtree(path, ignore_errors=True)  # which follows no link


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its whole group, in a few seconds at most."""
    if process.poll() is not None:
        return
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 1)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):  # where even that does not help
            process.wait(patience)


class _Terminal:
    """Leaves the terminal to a group of processes, and takes it back as it was.

    So Ctrl+C reaches whoever asks and not the program, and one who asks can be ended with a group.
    """

    def __init__(self, group: int):
        self._had = has_terminal()
        if self._had:
            self._state = termios.tcgetattr(0)
            self._give(group)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGCONT)  # it may have asked already, and was stopped

    def _give(self, group: int) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with contextlib.suppress(OSError):  # it was closed, or the group has ended
            os.tcsetpgrp(0, group)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def take(self) -> None:
        """Take it back; what was typed of an answer that nobody waits for any more goes."""
        if self._had:
            self._give(os.getpgrp())
            with contextlib.suppress(OSError, termios.error):  # closed
                if termios.tcgetattr(0) != self._state:
                    termios.tcflush(0, termios.TCIFLUSH)
                    termios.tcsetattr(0, termios.TCSANOW, self._state)


def _apart() -> None:
    """Begin a group in the same terminal, which nothing could wake if Ctrl+Z stopped it."""
    os.setpgrp()
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)


class Sync:
    """The way to the hub: calls ``sync.sh``, one call at a time, and can stop it.

    To a remote hub one connection is held open, which makes each call 0.2 s faster, and without
    which a host that wants a password or a code each time could not be talked to. It ends when its
    standard input does, so that it cannot outlive this process.
    """

    def __init__(self, chosen: Settings):
        self._chosen, self._remembered = chosen, not chosen.given
        # a socket's path holds some 104 bytes at most on macOS, and nobody else may reach it
        self._private = ""
        for folder in {"/tmp", tempfile.gettempdir()}:
            tidy(folder)
        if chosen.remote:
            with contextlib.suppress(OSError):  # then each call makes a connection of its own
                prefix = f"artifactspy-{os.getpid()}-"
                self._private = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
        self._environment = dict(
            os.environ,
            ARTIFACTSPY_HUB=chosen.hub,
            ARTIFACTSPY_USER=chosen.user,
            ARTIFACTSPY_REALM=chosen.realm,
            ARTIFACTSPY_DATA=str(chosen.data),
            ARTIFACTSPY_SOCKET=f"{self._private}/ssh" if self._private else "",
            ARTIFACTSPY_EXPERT="yes" if chosen.expert else "",
        )
        config = os.environ.get("ARTIFACTSPY_SSH_CONFIG")
        if config:  # sync.sh runs in another folder
            self._environment["ARTIFACTSPY_SSH_CONFIG"] = os.path.abspath(config)
        self._connection: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()  # so that no call begins between "stop" and its effect
        self._ending = 0  # 1: only what is `last` is begun, 2: nothing is

    def login(self, quick: bool = False) -> int:
        """Open the connection, and ask in the terminal what the host wants to be told.

        Parameters
        ----------
        quick : bool
            A person with a ticket and with stamps to label need not wait for the host.

        Returns
        -------
        int
            Exit code of sync.sh, which has said why; 0 once the connection is open.
        """
        self._disconnect()
        environment = dict(
            self._environment, ARTIFACTSPY_ASK="yes", ARTIFACTSPY_QUICK="yes" if quick else ""
        )
        with self._starting:
            if self._ending > 1:
                return 1
            self._connection = process = subprocess.Popen(
                [ROOT / "sync.sh", "connect"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                preexec_fn=_apart,
            )
        terminal, answered = _Terminal(process.pid), False
        try:
            assert process.stdout is not None
            while self._ending < 2:  # the person may want to go meanwhile
                if select.select([process.stdout], [], [], _STEP)[0]:
                    answered = True
                    if process.stdout.readline():
                        return 0
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        return process.wait(GRACE)
                    break
            return 1
        finally:
            if not answered:
                _end(process)
            terminal.take()

    def _connect(self) -> None:
        """Hold a connection open; where that fails, each call makes its own and says why."""
        if self._private and (self._connection is None or self._connection.poll() is not None):
            self._disconnect()
            self._connection = subprocess.Popen(
                [ROOT / "sync.sh", "connect"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _disconnect(self) -> None:
        process, self._connection = self._connection, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            if process.stdout is not None:  # else nobody sees what it says when it is ended
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE)
            _end(process)

    def call(self, verb: str) -> tuple[int, str]:
        """Run sync.sh, in a worker thread; see `run` for what is returned.

        Where the connection broke that was held open, which says nothing of the host, once more.
        """
        for attempt in (1, 2):
            self._connect()
            held = Path(self._environment["ARTIFACTSPY_SOCKET"]).is_socket()
            status, said = self.run([ROOT / "sync.sh", verb], SYNC_TIMEOUT, last=verb == "upload")
            log.info("sync.sh %s: exit %d: %s", verb, status, said)
            if status == NO_TICKET:  # the host keeps the ticket that a connection began with
                self._disconnect()
            if attempt == 2 or not held or status != UNREACHABLE:
                break
        return status, said

    def remember(self) -> None:
        """Keep hub and user for the next time; to be called once the hub has answered.

        Raises
        ------
        SessionError
            They cannot be kept.
        """
        if not self._remembered:
            self._remembered = True
            remember(self._chosen.home, **self._chosen.given)

    @property
    def forgets(self) -> bool:
        """Tell whether the next start will not know hub and user, since the hub never answered."""
        return not self._remembered

    def run(
        self,
        command: Sequence[str | Path],
        timeout: float,
        last: bool = False,
        heard: Callable[[str], None] | None = None,
    ) -> tuple[int, str]:
        """Run a command without a terminal, in a group of its own that can be ended whole.

        Parameters
        ----------
        command : list
        timeout : float
            Seconds.
        last : bool
            Begin it even after `only_upload`.
        heard : callable, optional
            ``heard(line)``: the last whole line it has written, each time it wrote something.

        Returns
        -------
        status : int
            Its exit code; 1 also when it was stopped or took too long.
        said : str
            The last line it wrote, which is one sentence for the user.
        """
        with self._starting:
            if self._ending > last:
                return 1, "Stopped; nothing is lost."
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert process.stdout is not None
        with process.stdout as pipe:
            words, end, why = b"", time.monotonic() + timeout, ""
            while not why:
                gone = process.poll() is not None  # someone else may hold the pipe open
                if select.select([pipe], [], [], 0 if gone else _STEP)[0]:
                    new = os.read(pipe.fileno(), 65536)
                    words = (words + new)[-8 * _WORDS :]
                    if not new:
                        break
                    lines = words.split(b"\n")
                    if heard is not None and len(lines) > 1:
                        heard(lines[-2].decode(errors="replace"))
                elif gone:
                    break
                if self._ending > last:
                    why = "Stopped; nothing is lost."
                elif time.monotonic() > end:
                    why = f"It took longer than {timeout // 60:.0f} minutes and was ended; "
                    why += "nothing is lost."
        if not why:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
        if why or process.poll() is None:
            _end(process)
            return 1, why or "It did not end by itself; nothing is lost."
        said = words.decode(errors="replace").strip().rpartition("\n")[2]
        return process.returncode, "".join(c if c.isprintable() else "?" for c in said)[:_WORDS]

    def only_upload(self) -> None:
        """End a fetch that is under way, and begin no further one: its claim stays ours."""
        with self._starting:
            self._ending = 1

    def stop(self) -> None:
        """End what is under way, and begin nothing more."""
        with self._starting:
            self._ending = 2

    def close(self) -> None:
        """End the connection."""
        self._disconnect()
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)
