"""The way to the hub: `Sync` calls ``sync.sh``, the only place that knows ssh and Kerberos."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from session.settings import ROOT, Settings

NOTHING_LEFT, NO_TICKET = 3, 5  # exit codes of sync.sh
# Seconds: a chunk of FITS stamps is some MB, which a bad hotel network takes minutes for
SYNC_TIMEOUT = 900
log = logging.getLogger("artifactspy")


def has_terminal() -> bool:
    """Tell whether a person at a terminal can be asked: a background job would only be stopped."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # the terminal was closed
        return False


class Sync:
    """The way to the hub: calls ``sync.sh``, one call at a time, and can stop it.

    To a remote hub one connection is held open, which makes each call 0.2 s faster. It stays in
    this process' group, so that it cannot outlive it.
    """

    def __init__(self, chosen: Settings):
        # a socket's path holds some 104 bytes at most on macOS, and nobody else may reach it
        self._private = ""
        if chosen.remote:
            with contextlib.suppress(OSError):  # then each call makes a connection of its own
                self._private = tempfile.mkdtemp(prefix="artifactspy-", dir="/tmp")
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
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()  # so that no call begins between "stop" and its effect
        self._ending = 0  # 1: only what is `last` is begun, 2: nothing is

    def login(self, quick: bool = False) -> int:
        """Get a ticket, asking in the terminal if need be; return sync.sh's exit code.

        With `quick`, a person with a ticket and with stamps to label need not wait for the host.
        """
        environment = dict(self._environment, ARTIFACTSPY_QUICK="yes" if quick else "")
        return subprocess.call([ROOT / "sync.sh", "login"], cwd=ROOT, env=environment)

    def _connect(self) -> None:
        """Hold a connection open; where that fails, each call makes its own and says why."""
        if self._private and not Path(self._environment["ARTIFACTSPY_SOCKET"]).exists():
            self._disconnect()
            self._connection = subprocess.Popen(
                [ROOT / "sync.sh", "connect"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,  # its end tells sync.sh that this process has gone
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _disconnect(self) -> None:
        if self._connection is not None:
            if self._connection.stdin is not None:
                self._connection.stdin.close()
            try:
                self._connection.wait(5)
            except subprocess.TimeoutExpired:  # nothing may keep the window from going
                self._connection.kill()
            self._connection = None

    def call(self, verb: str) -> tuple[int, str]:
        """Run sync.sh, in a worker thread; see `run` for what is returned."""
        self._connect()
        status, said = self.run([ROOT / "sync.sh", verb], SYNC_TIMEOUT, last=verb == "upload")
        log.info("sync.sh %s: exit %d: %s", verb, status, said)
        if status == NO_TICKET:  # the host keeps the ticket that a connection began with
            self._disconnect()
        return status, said

    def run(
        self, command: Sequence[str | Path], timeout: float, last: bool = False
    ) -> tuple[int, str]:
        """Run a command without a terminal, in a group of its own that can be ended whole.

        Parameters
        ----------
        command : list
        timeout : float
            Seconds.
        last : bool
            Begin it even after `only_upload`.

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
            self._process = process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._end()
            process.communicate()
            return 1, f"It took longer than {timeout // 60} minutes and was ended; nothing is lost."
        finally:
            self._process = None
        text = output.decode(errors="replace").strip()
        return process.returncode, text.splitlines()[-1] if text else ""

    def _end(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def only_upload(self) -> None:
        """End a fetch that is under way, and begin no further one: its claim stays ours."""
        with self._starting:
            self._ending = 1
            self._end()

    def stop(self) -> None:
        """End what is under way, and begin nothing more."""
        with self._starting:
            self._ending = 2
            self._end()

    def close(self) -> None:
        """End the connection."""
        self._disconnect()
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)
