"""A site of our own on loopback: a Kerberos realm, an sshd that wants its tickets, and hubs.

Everything lies in one temporary folder and talks to 127.0.0.1 alone: nobody's real KDC, host,
ticket or ssh configuration is ever touched. It needs root, since sshd logs another user in.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, wait_until

REALM = "ARTIFACTSPY.TEST"
# The unix account that is made for the tests, and removed: this run's own, since what still runs
# for it is ended, and other checkouts are tested on the machine at the same time.
USER = f"spytester{os.getpid()}"
PASSWORD = PASSPHRASE = "dark spot in template center"
# What `tests/run` unpacks, and does not install: the Kerberos of Macs
HEIMDAL = ROOT / "tests" / ".venv" / "heimdal"
SYSTEM_PYTHON = "/usr/bin/python3"  # that account may not read into root's home, where pyenv lives


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """The realm, the host and the hub; started and stopped as a test likes."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="artifactspy-site-"))
        self.folder.chmod(0o755)
        self.kdc_port, self.ssh_port = free_port(), free_port()
        self._kdc = self._sshd = None
        self._doors = []
        self._account()
        self._realm()
        self._host()
        self._hub()
        self.start_kdc()
        self.start_sshd()

    # What it is made of

    def _account(self):
        for name in [entry.pw_name for entry in pwd.getpwall()]:
            number = name[len("spytester") :]
            if name.startswith("spytester") and number.isdecimal() and not alive(int(number)):
                remove_account(name)  # an interrupted run left it
        self.remote_home = self.folder / "remote-home"
        words = ["--no-create-home", "--home-dir", self.remote_home, "--shell", "/bin/sh"]
        # others may be writing to /etc/passwd
        add = ["useradd", *map(str, words), "--password", crypted(PASSWORD), USER]
        wait_until(lambda: subprocess.run(add, check=False).returncode == 0, what="the account")
        self.uid, self.gid = pwd.getpwnam(USER).pw_uid, pwd.getpwnam(USER).pw_gid
        self.remote_home.mkdir()
        os.chown(self.remote_home, self.uid, self.gid)

    def _realm(self):
        self.krb5_conf = self.folder / "krb5.conf"
        self.krb5_conf.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n"
            " dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            " rdns = false\n dns_canonicalize_hostname = false\n forwardable = false\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.kdc_port}\n }}\n"
            f"[domain_realm]\n localhost = {REALM}\n 127.0.0.1 = {REALM}\n"
        )
        (self.folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.kdc_port}\n"
            f" kdc_tcp_listen = 127.0.0.1:{self.kdc_port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {self.folder}/principal\n"
            f"  key_stash_file = {self.folder}/stash\n  max_life = 10h\n }}\n"
        )
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "KRB5_CONFIG": str(self.krb5_conf),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.folder}/nobody",
            "KRB5_KTNAME": str(self.folder / "keytab"),
        }
        run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master", env=self.environment)
        self.kadmin(f'addprinc -pw "{PASSWORD}" {USER}', "addprinc -pw other colleague")
        for host in ("localhost", "127.0.0.1"):
            self.kadmin(f"addprinc -randkey host/{host}")
            self.kadmin(f"ktadd -k {self.folder}/keytab host/{host}")

    def kadmin(self, *queries):
        for query in queries:
            run("kadmin.local", "-r", REALM, "-q", query, env=self.environment)

    def _host(self):
        self.host_key = self.folder / "host_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.host_key)
        Path("/run/sshd").mkdir(exist_ok=True)
        (self.folder / "sshd_config").write_text(
            f"Port {self.ssh_port}\nListenAddress 127.0.0.1\nHostKey {self.host_key}\n"
            "GSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\nGSSAPICleanupCredentials yes\n"
            "PasswordAuthentication no\nPubkeyAuthentication no\nKbdInteractiveAuthentication no\n"
            "AuthenticationMethods gssapi-with-mic\nUsePAM no\nMaxStartups 100\nStrictModes no\n"
            f"PidFile {self.folder}/sshd.pid\nSubsystem sftp internal-sftp\n"
        )
        self.known_hosts = self.folder / "known_hosts"
        self.ssh_config = self.folder / "ssh_config"
        self.ssh_config.write_text(
            f"Host *\n Port {self.ssh_port}\n UserKnownHostsFile {self.known_hosts}\n"
            " GlobalKnownHostsFile /dev/null\n"
        )
        self.trust()

    def trust(self):
        """Let the laptop know the host's key."""
        key = " ".join(self.host_key.with_suffix(".pub").read_text().split()[:2])
        self.known_hosts.write_text(
            f"[localhost]:{self.ssh_port} {key}\n[127.0.0.1]:{self.ssh_port} {key}\n"
        )

    def _hub(self):
        self.clone = self.folder / "clone"
        (self.clone / "cluster").mkdir(parents=True)
        for path in (*ROOT.glob("*.py"), *ROOT.glob("cluster/*.*")):
            shutil.copy(path, self.clone / path.relative_to(ROOT))
        self.hubs = 0

    def make_hub(self, *sources, folder=None):
        """Make a hub that the account may label at, and add tarballs to it; return its folder."""
        self.hubs += 1
        hub = folder or self.folder / f"hub{self.hubs}"
        hub.mkdir(mode=0o755, exist_ok=True)
        os.chown(hub, 0, self.gid)
        os.chmod(hub, 0o2755)
        self.cluster("init", hub)
        run("chgrp", "-R", str(self.gid), hub)
        self.cluster("init", hub)
        for number, source in enumerate(sources):
            self.cluster("add", hub, source, "--stamp", f"drop{number}")
        return hub

    def cluster(self, *words):
        return run(SYSTEM_PYTHON, "-m", "cluster", *words, cwd=self.clone)

    # What can fail

    def start_kdc(self):
        self._kdc = self._daemon(["krb5kdc", "-n", "-r", REALM])
        wait_until(lambda: listens(self.kdc_port), what="the KDC")

    def start_sshd(self):
        self._sshd = self._daemon(["/usr/sbin/sshd", "-D", "-f", self.folder / "sshd_config"])
        wait_until(lambda: listens(self.ssh_port), what="sshd")

    def _daemon(self, command):
        log = (self.folder / f"{Path(command[0]).name}.log").open("ab")
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def open_door(self, *lines):
        """Start another sshd, which lets the account in by these lines of its configuration.

        Returns a `Door`.
        """
        door = Door(self, *lines)
        door.process = self._daemon(["/usr/sbin/sshd", "-D", "-f", door.sshd_config])
        wait_until(lambda: listens(door.port), what="sshd")
        self._doors.append(door)
        return door

    def stop_kdc(self):
        end(self._kdc)

    def stop_sshd(self):
        """Stop the listener and the sessions that it began."""
        children = descendants(self._sshd.pid)
        end(self._sshd)
        for pid in children:
            kill(pid)
        wait_until(
            lambda: not any(alive(pid) for pid in children), what="the end of sshd's sessions"
        )

    def revive(self):
        """Start again what a test stopped."""
        if self._kdc.poll() is not None:
            self.start_kdc()
        if self._sshd.poll() is not None:
            self.start_sshd()
        self.trust()

    def close(self):
        for door in self._doors:
            door.break_connections()
            end(door.process)
        for process in (self._kdc, self._sshd):
            if process and process.poll() is None:
                if process is self._sshd:
                    self.stop_sshd()
                else:
                    end(process)
        remove_account(USER)
        shutil.rmtree(self.folder, ignore_errors=True)

    # A laptop

    def laptop(self, home):
        """Return the environment of a laptop of this site: a ticket cache, an ssh config."""
        return {
            "KRB5_CONFIG": str(self.krb5_conf),
            "KRB5CCNAME": f"FILE:{home}/ticket",
            "ARTIFACTSPY_SSH_CONFIG": str(self.ssh_config),
            "TMPDIR": str(home),
        }

    def get_ticket(self, home, principal=USER, password=PASSWORD, lifetime="1h"):
        env = {**self.environment, **self.laptop(home)}
        run("kinit", "-f", "-l", lifetime, f"{principal}@{REALM}", env=env, input=password + "\n")

    def address(self, hub):
        return f"{USER}@localhost:{hub}"


class Door:
    """Another way into the host, for which a person is asked each time: no ticket opens it.

    Attributes
    ----------
    environment : dict
        That of a laptop which goes through it.
    """

    def __init__(self, site, *lines):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(dir=site.folder))
        self.folder.chmod(0o755)
        self.sshd_config = self.folder / "sshd_config"
        self.sshd_config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nListenAddress ::1\n"
            f"HostKey {site.host_key}\nStrictModes no\nUsePAM no\nMaxStartups 100\n"
            f"PidFile {self.folder}/pid\nAuthorizedKeysFile {self.folder}/key.pub\n"
            + "".join(f"{line}\n" for line in lines)
        )
        words = ["-f", self.folder / "key", "-N", PASSPHRASE]
        run("ssh-keygen", "-q", "-t", "ed25519", *words)
        (self.folder / "key.pub").chmod(0o644)
        key = " ".join(site.host_key.with_suffix(".pub").read_text().split()[:2])
        hosts = ",".join(f"[{name}]:{self.port}" for name in ("localhost", "127.0.0.1", "::1"))
        (self.folder / "known_hosts").write_text(f"{hosts} {key}\n")
        self.ssh_config = self.folder / "ssh_config"
        self.ssh_config.write_text(
            f"Host *\n Port {self.port}\n UserKnownHostsFile {self.folder}/known_hosts\n"
            " GlobalKnownHostsFile /dev/null\n IdentitiesOnly yes\n GSSAPIAuthentication no\n"
            f" IdentityFile {self.folder}/key\n"
        )
        self.environment = {
            "ARTIFACTSPY_SSH_CONFIG": str(self.ssh_config),
            "ARTIFACTSPY_REALM": "none",
        }

    def break_connections(self):
        """End the sessions of it; who comes anew is let in."""
        for pid in descendants(self.process.pid):
            kill(pid)


def remove_account(name):
    """End what still runs for an account, and remove it with the tickets delegated to it."""
    uid = pwd.getpwnam(name).pw_uid
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == uid:
                kill(int(process.name))
    for ticket in Path("/tmp").glob(f"krb5cc_{uid}_*"):
        ticket.unlink()
    remove = ["userdel", name]
    done = (0, 6)  # 6: another run has removed it
    wait_until(lambda: subprocess.run(remove, check=False, capture_output=True).returncode in done)


def heimdal_tools(folder):
    """Put Heimdal's kinit and klist into a folder for the front of PATH."""
    libraries = ":".join(map(str, [*HEIMDAL.glob("usr/lib/*"), *HEIMDAL.glob("usr/lib/*/heimdal")]))
    if not libraries:
        pytest.skip(f"Heimdal is not in {HEIMDAL}: Debian's packages could not be fetched")
    folder.mkdir(parents=True, exist_ok=True)
    for name, tool in (("kinit", "kinit.heimdal"), ("klist", "heimtools klist")):
        (folder / name).write_text(
            f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{HEIMDAL}/usr/bin/"{tool} "$@"\n'
        )
        (folder / name).chmod(0o755)
    return folder


def crypted(password):
    return run("openssl", "passwd", "-6", "-stdin", input=password).strip()


def run(*words, **how):
    how.setdefault("text", True)
    done = subprocess.run(list(map(str, words)), capture_output=True, check=False, **how)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def end(process):
    process.terminate()
    process.wait()


def words(pid):
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def descendants(pid):
    """Return the ids of all processes below one."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found
