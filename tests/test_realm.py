"""The way to a real host: a real sshd that wants a real ticket of a real KDC, all on loopback."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pexpect
import pytest
import realm
from conftest import ROOT, busybox_tools, hold, tarball, triplets, verified, wait_until
from onscreen import pass_time
from realm import PASSWORD, REALM, USER, heimdal_tools

import labelfile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run an sshd of its own")


@pytest.fixture(scope="module")
def _site():
    site = realm.Site()
    yield site
    site.close()


@pytest.fixture
def site(_site):
    _site.revive()
    return _site


@pytest.fixture
def hub(site, tmp_path):
    """A hub behind the sshd, with one chunk of 12 detections, 101 to 112."""
    return site.make_hub(tarball(tmp_path / "drop.tar.gz", triplets(range(101, 113))))


class Laptop:
    """A laptop of this site, on which sync.sh is called by hand."""

    def __init__(self, site, hub, home, shell="sh"):
        self.site, self.home, self.shell = site, home, shell.split()
        self.data = home / "data"
        self.data.mkdir(parents=True)
        settings = f"hub = {site.address(hub)}\nrealm = {REALM}\n"
        (self.data / "settings.ini").write_text(f"[artifactspy]\n{settings}")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ARTIFACTSPY_DATA": str(self.data),
            **site.laptop(home),
        }

    def have(self, tools):
        """Let the tools of a folder stand above the machine's."""
        self.environment["PATH"] = f"{tools}:{self.environment['PATH']}"

    def command(self, verb):
        return [*self.shell, str(ROOT / "sync.sh"), verb]

    def sync(self, verb):
        return subprocess.run(
            self.command(verb),
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, verb):
        return subprocess.Popen(
            self.command(verb),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def slow_down(self):
        """Let uploads stop after some kB, until the file is there that is returned: a slow line."""
        folder, go = self.home / "bin", self.home / "go"
        folder.mkdir()
        (folder / "ssh").write_text(
            "#!/bin/sh\ncase $* in\n"
            f"*'exec cat >'*) {{ head -c 9000; while [ ! -e '{go}' ]; do sleep 0.05; done; cat; }}"
            ' | /usr/bin/ssh "$@" ;;\n*) exec /usr/bin/ssh "$@" ;;\nesac\n'
        )
        (folder / "ssh").chmod(0o755)
        self.have(folder)
        return go

    def write_labels(self, *rows, size=0):
        folder = self.data / "labels" / "waiting"
        folder.mkdir(parents=True, exist_ok=True)
        file = labelfile.LabelFile(folder, USER)
        for objid, action in rows:
            file.append(labelfile.row(objid, action, "x" * size, "drop0"))
        file.close()
        return file.path

    def chunks(self):
        return sorted(path.name for path in (self.data / "chunks").iterdir())

    def sent(self):
        return sorted(path.name for path in (self.data / "labels" / "sent").iterdir())


@pytest.fixture(params=["bash --posix", "busybox sh"])  # the program itself runs it by /bin/sh
def laptop(request, site, hub, tmp_path):
    """A laptop with a ticket; that with busybox has Heimdal's Kerberos, as a Mac has."""
    laptop = Laptop(site, hub, tmp_path / "laptop", request.param)
    if request.param == "busybox sh":
        laptop.have(heimdal_tools(busybox_tools(tmp_path / "tools")))
    site.get_ticket(laptop.home)
    yield laptop
    assert not strays(laptop.home), "a process is left"
    assert not list(laptop.data.glob("**/*.part")), "a part is left here"


def trickle(path):
    """Let a file of the hub arrive as slowly as the test writes to what is returned."""
    path.rename(path.with_suffix(".whole"))
    os.mkfifo(path)
    path.chmod(0o644)
    return os.open(path, os.O_RDWR)


def strays(home):
    """Return the command lines of living processes that belong to a laptop's program."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            words = (process / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if f"ARTIFACTSPY_DATA={home}".encode() in environment and words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))  # ssh renames itself
    return found


def one_sentence(done, code):
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


# sync.sh: what goes well


def test_fetch_and_upload_over_ssh(laptop, hub):
    assert laptop.sync("fetch").stdout == "Fetched chunk--00001--drop0.\n"
    path = laptop.write_labels(("101", "Good"), ("102", "Unsure"))
    assert laptop.sync("upload").stdout == "The hub has taken in 2 labels.\n"
    assert laptop.sent() == [path.name]
    assert verified(hub) == {"101": "Good", "102": "Unsure"}
    assert "Nothing is left" in one_sentence(laptop.sync("fetch"), 3)
    assert not list(hub.glob("people/*/.*"))
    owner = (hub / "verified" / path.name).stat().st_uid
    assert owner == laptop.site.uid  # the ticket decides who speaks


def test_a_login_shell_that_greets_disturbs_nothing(laptop, site):
    profile = site.remote_home / ".ssh"
    profile.mkdir(exist_ok=True)
    (profile / "rc").write_text("echo 'Welcome to the cluster'; echo 'artifactspy 2 is out' >&2\n")
    try:
        assert laptop.sync("fetch").returncode == 0
        assert laptop.chunks() == ["chunk--00001--drop0.tar.gz"]
    finally:
        shutil.rmtree(profile)


def test_status_tells_the_ticket_and_its_end(laptop):
    laptop.sync("fetch")
    laptop.write_labels(("101", "Good"))
    said = laptop.sync("status").stdout
    end = r"(\d\d/\d\d/\d\d|\w{3} \d\d) \d\d:\d\d:\d\d"  # MIT's words, or Heimdal's
    assert re.search(rf"ticket   {USER}@{REALM}, until {end}", said)
    assert "stamps   11 detections to label, in 1 chunks" in said
    assert "labels   1 files waiting" in said


def test_a_ticket_of_somebody_else_is_left_alone(laptop, site):
    site.get_ticket(laptop.home, "colleague", "other")
    before = (laptop.home / "ticket").read_bytes()
    assert "no valid ticket" in one_sentence(laptop.sync("fetch"), 5)
    cache = f"FILE:{laptop.home}/krb5cc_artifactspy_{os.getuid()}_{USER}@{REALM}"
    own = {**site.laptop(laptop.home), "KRB5CCNAME": cache}
    words = ["kinit", "-f", f"{USER}@{REALM}"]
    realm.run(*words, env={**site.environment, **own}, input=PASSWORD + "\n")
    assert laptop.sync("fetch").returncode == 0
    assert (laptop.home / "ticket").read_bytes() == before


def test_the_ticket_is_there_at_the_other_end_too(laptop, hub):
    script = hub / "hub"
    script.rename(hub / "real-hub")
    script.write_text(f'#!/bin/sh\nklist >&2 || exit 1\nexec "{hub}/real-hub" "$@"\n')
    script.chmod(0o755)
    assert laptop.sync("fetch").returncode == 0


def test_a_hub_that_does_not_want_tickets_gets_none(laptop, site):
    config = site.folder / "plain_config"
    config.write_text("Host *\n GSSAPIAuthentication no\n" + site.ssh_config.read_text())
    laptop.environment["ARTIFACTSPY_SSH_CONFIG"] = str(config)
    settings = laptop.data / "settings.ini"
    settings.write_text(settings.read_text().replace(f"realm = {REALM}", "realm = none"))
    assert "does not let" in one_sentence(laptop.sync("fetch"), 5)


def test_what_the_shell_over_there_complains_of_does_not_hide_the_hubs_answer(laptop, hub):
    script = hub / "hub"
    script.write_text(
        "#!/bin/sh\necho 'Could not chdir to home directory /afs/x: Permission denied' >&2\n"
        "echo 'Idle sessions are timed out' >&2\necho 'This hub knows you not.' >&2\nexit 7\n"
    )
    assert one_sentence(laptop.sync("fetch"), 7) == "This hub knows you not."


# sync.sh: what goes wrong, and comes back


def test_without_a_ticket_it_is_code_5(laptop, site):
    (laptop.home / "ticket").unlink()
    path = laptop.write_labels(("101", "Good"))
    for verb in ("fetch", "upload"):
        assert "There is no valid ticket for" in one_sentence(laptop.sync(verb), 5)
    assert "no terminal to ask" in one_sentence(laptop.sync("login"), 5)
    assert "ticket   none for" in laptop.sync("status").stdout
    site.get_ticket(laptop.home)
    assert laptop.sync("fetch").returncode == 0 and laptop.sync("upload").returncode == 0
    assert laptop.sent() == [path.name]


def test_an_expired_ticket_is_code_5(laptop, site):
    site.get_ticket(laptop.home, lifetime="2s")
    environment = {**site.environment, **site.laptop(laptop.home)}

    def expired():
        return subprocess.run(["klist", "-s"], env=environment, check=False).returncode

    wait_until(expired, what="the ticket's end")
    assert "There is no valid ticket for" in one_sentence(laptop.sync("fetch"), 5)


def test_somebody_whom_the_host_does_not_know_is_code_5(laptop, site):
    site.get_ticket(laptop.home, "colleague", "other")
    settings = laptop.data / "settings.ini"
    settings.write_text(settings.read_text().replace(USER, "colleague"))
    assert "does not let colleague in" in one_sentence(laptop.sync("fetch"), 5)


def test_a_host_that_is_down_is_code_4_until_it_is_back(laptop, site, hub):
    path = laptop.write_labels(("101", "Good"))
    site.stop_sshd()
    for verb in ("fetch", "upload"):
        sentence = one_sentence(laptop.sync(verb), 4)
        assert "localhost cannot be reached" in sentence
    site.start_sshd()
    assert laptop.sync("fetch").returncode == 0 and laptop.sync("upload").returncode == 0
    assert laptop.sent() == [path.name] and verified(hub) == {"101": "Good"}


def test_a_host_that_goes_down_during_a_fetch_costs_nothing(laptop, site, tmp_path):
    big = {name: data * 4 for name, data in triplets(range(1, 51)).items()}
    hub = site.make_hub(tarball(tmp_path / "big.tar.gz", big))
    settings = laptop.data / "settings.ini"
    settings.write_text(f"[artifactspy]\nhub = {site.address(hub)}\nrealm = {REALM}\n")
    (path,) = hub.glob("chunks/*.tar.gz")
    line = trickle(path)
    fetching = laptop.begin("fetch")
    folder = laptop.data / "chunks"
    os.write(line, path.with_suffix(".whole").read_bytes()[:9000])
    wait_until(lambda: any(part.stat().st_size for part in folder.glob(".*.part")))
    site.stop_sshd()
    _, said = fetching.communicate()
    path.with_suffix(".whole").rename(path)
    assert fetching.returncode == 4 and "the chunk stays yours" in said
    assert laptop.chunks() == []
    site.start_sshd()
    assert laptop.sync("fetch").returncode == 0 and len(laptop.chunks()) == 1
    assert len(list(hub.glob("claims/*/*"))) == 1


def test_a_host_that_goes_down_during_an_upload_costs_nothing(laptop, site, hub):
    laptop.sync("fetch")
    path = laptop.write_labels(*[(str(101 + n % 12), "Good") for n in range(150)], size=2000)
    go = laptop.slow_down()
    sending = laptop.begin("upload")
    wait_until(lambda: any(part.stat().st_size for part in hub.glob("people/*/.*.part")))
    site.stop_sshd()
    go.touch()
    _, said = sending.communicate()
    assert sending.returncode == 4 and "The labels are safe in" in said
    assert path.exists() and not verified(hub)
    site.start_sshd()
    assert laptop.sync("upload").returncode == 0
    assert laptop.sent() == [path.name] and len(verified(hub)) == 12
    assert not list(hub.glob("people/*/.*"))


def test_an_acknowledgement_that_is_lost_counts_nothing_twice(laptop, site, hub):
    laptop.sync("fetch")
    path = laptop.write_labels(("101", "Good"))
    script = hub / "hub"
    script.rename(hub / "real-hub")
    script.write_text(  # it answers where to send the file, and not that it has taken it in
        f'#!/bin/sh\nls "{hub}"/people/*/.*.part >/dev/null 2>&1 || exec "{hub}/real-hub" "$@"\n'
        f'"{hub}/real-hub" "$@" >/dev/null\nexec sleep 60\n'
    )
    script.chmod(0o755)
    sending = laptop.begin("upload")
    wait_until(lambda: verified(hub))
    site.stop_sshd()
    sending.communicate()
    assert sending.returncode == 4 and path.exists()
    (hub / "real-hub").rename(script)
    site.start_sshd()
    assert laptop.sync("upload").returncode == 0
    assert laptop.sent() == [path.name] and verified(hub) == {"101": "Good"}


def test_a_chunk_altered_on_the_way_is_code_6(laptop, hub):
    (path,) = hub.glob("chunks/*.tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes(9))
    assert "arrived damaged" in one_sentence(laptop.sync("fetch"), 6)
    assert laptop.chunks() == []
    path.write_bytes(whole)
    assert laptop.sync("fetch").returncode == 0
    assert len(list(hub.glob("claims/*/*"))) == 1


def test_the_expert_gets_what_others_said_with_the_stamps(laptop, hub):
    table = hub / "chunks.csv"
    header, *rows = [line.split(",") for line in table.read_text().splitlines()]
    for row in rows:
        row[header.index("gold")] = "yes"
    table.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    subprocess.run(["chown", "-R", USER, hub], check=True)
    laptop.environment["ARTIFACTSPY_EXPERT"] = "yes"
    done = laptop.sync("fetch")
    assert done.returncode == 0, done.stderr
    name = rows[0][0]
    assert laptop.chunks() == [f"{name}.csv", f"{name}.tar.gz"]
    votes = laptop.data / "chunks" / f"{name}.csv"
    assert votes.read_text() == "OBJID,USER,ACTION,COMMENT\n"
    assert not list(hub.glob("claims/*/*"))


def test_a_hub_whose_disk_is_full_keeps_the_labels_here(laptop, site, small_disk):
    hub = site.make_hub(folder=small_disk / "hub")
    settings = laptop.data / "settings.ini"
    settings.write_text(f"[artifactspy]\nhub = {site.address(hub)}\nrealm = {REALM}\n")
    path = laptop.write_labels(*[(str(n), "Good") for n in range(1, 300)], size=900)
    sentence = one_sentence(laptop.sync("upload"), 1)
    assert "The labels are safe in" in sentence and path.exists()
    assert not list(hub.glob("people/*/.*")) and not verified(hub)


def test_a_hub_that_may_not_be_written_to_keeps_the_labels_here(laptop, hub):
    laptop.sync("fetch")
    path = laptop.write_labels(("101", "Good"))
    (hub / "people" / USER).chmod(0o555)
    sentence = one_sentence(laptop.sync("upload"), 5)
    assert "may not read or write there" in sentence and path.exists()
    (hub / "people" / USER).chmod(0o755)
    assert laptop.sync("upload").returncode == 0


def test_a_folder_without_a_hub_is_code_7(laptop, hub):
    (hub / "hub").unlink()
    assert "There is no hub in" in one_sentence(laptop.sync("fetch"), 7)


def test_an_unknown_host_key_is_never_accepted_unasked(laptop, site):
    site.known_hosts.write_text("")
    assert "host key of localhost is not known here" in one_sentence(laptop.sync("fetch"), 5)
    assert site.known_hosts.read_text() == ""


def test_a_changed_host_key_lets_nobody_in(laptop, site):
    realm.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", laptop.home / "other")
    key = (laptop.home / "other.pub").read_text()
    site.known_hosts.write_text(f"[localhost]:{site.ssh_port} {key}")
    assert "another host key than before" in one_sentence(laptop.sync("fetch"), 5)


def test_two_laptops_of_one_person_in_the_same_second_lose_nothing(laptop, site, hub, tmp_path):
    other = Laptop(site, hub, tmp_path / "other")
    site.get_ticket(other.home)
    for machine in (laptop, other):
        assert machine.sync("fetch").returncode == 0
    assert len(list(hub.glob("claims/*/*"))) == 1
    path = laptop.write_labels(("101", "Good"), ("102", "Good"))
    twin = other.write_labels(("103", "Unsure"))
    twin = twin.rename(twin.with_name(path.name))
    sending = [machine.begin("upload") for machine in (laptop, other)]
    for process in sending:
        process.communicate()
    for machine in (laptop, other):  # one may have met the other's half file, and is told to repeat
        machine.sync("upload")
        assert machine.sent() == [path.name]
    assert verified(hub) == {"101": "Good", "102": "Good", "103": "Unsure"}


# The program


@pytest.fixture
def begin(site, start, tmp_path):
    """Start the program on a laptop of this site."""
    home = tmp_path / "laptop"
    home.mkdir()

    def program(hub, *options, **how):
        words = ["--hub", site.address(hub), "--realm", REALM, *options]
        return start(*words, home=home, env=site.laptop(home), **how)

    program.home = home
    yield program
    assert not strays(home), "a process is left"
    assert not list(home.glob("data/**/*.part"))
    assert not list(home.glob("artifactspy-*"))


def test_a_session_from_the_password_to_the_acknowledgement(begin, hub):
    program = begin(hub)
    program.terminal.expect_exact(f"Password for {USER}@{REALM}: ")
    program.terminal.sendline(PASSWORD)
    program.open_window()
    rows = [program.label(key) for key in "1666"]
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}
    assert "The hub has taken in 4 labels." in program.said()
    # the next start has a ticket, and asks for nothing
    program = begin(hub).open_window()
    row = program.label("5")
    assert program.close() == 0
    assert verified(hub)[row.objid] == "Marginal" and "Password" not in program.said()


def test_who_does_not_own_the_hub_behind_ssh_is_no_expert(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub, "--expert", terminal=False)
    assert program.end() == 2, "it is said before a window opens"
    assert program.said() == (
        f"Labelling as {USER} for {site.address(hub)}.\n"
        f"ArtifactSpy: Only root, who owns this hub, is its expert, not {USER}: nothing was "
        "changed. Ask without --expert for chunks to label.\n"
    )
    assert not list(hub.glob("claims/*/*")) and not list(program.data.glob("chunks/*"))
    assert not (program.data / "settings.ini").exists(), "nothing is remembered"
    program = begin(hub).open_window()
    assert program.close() == 0, "now there is a chunk here"
    program = begin(hub, "--expert").open_window("ArtifactSpy: expert")
    program.terminal.expect_exact("Only root, who owns this hub, is its expert")
    row = program.label("6")
    assert program.close() == 0
    assert verified(hub) == {row.objid: "Good"} and not list(hub.glob("expert/verified/*"))


def test_after_three_wrong_passwords_one_labels_offline_and_the_next_start_sends(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    first = program.label("6")
    assert program.close() == 0
    (begin.home / "ticket").unlink()
    program = begin(hub)
    for _ in range(3):
        program.terminal.expect_exact(f"Password for {USER}@{REALM}: ")
        program.terminal.sendline("wrong")
    program.open_window()
    assert "11 detections are here to be labelled; labels are sent when you can" in program.said()
    rows = [first, program.label("1"), program.label("7")]
    program.screen.close_window(program.window)
    for _ in range(3):  # the end is another chance
        program.terminal.expect_exact(f"Password for {USER}@{REALM}: ")
        program.terminal.sendline("wrong again")
    assert program.end() == 1
    assert "The labels are safe in" in program.said()
    assert verified(hub) == {first.objid: "Good"}
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    wait_until(lambda: len(verified(hub)) == 3)
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}


@pytest.mark.parametrize("gone", ["connection", "delegated ticket"])
def test_a_ticket_that_goes_in_mid_session_is_asked_for_at_the_end(begin, site, hub, gone):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    row = program.label("6")
    (begin.home / "ticket").unlink()
    if gone == "connection":  # an open one would still work
        site.stop_sshd()
        site.start_sshd()
    else:  # what AFS does to a connection whose delegated ticket has ended: the hub refuses
        script, first = hub / "hub", hub / "incoming" / ".first"
        script.rename(hub / "real-hub")
        script.write_text(
            f'#!/bin/sh\n[ -e "{first}" ] || echo "$KRB5CCNAME" >"{first}"\n'
            f'if [ "$(cat "{first}")" = "$KRB5CCNAME" ]; then\n'
            "  echo 'Your ticket at the hub has ended: log in again.' >&2\n  exit 5\nfi\n"
            f'exec "{hub}/real-hub" "$@"\n'
        )
        script.chmod(0o755)
    program.screen.close_window(program.window)
    program.terminal.expect_exact(f"Password for {USER}@{REALM}: ")
    program.terminal.sendline(PASSWORD)
    assert program.end() == 0
    assert verified(hub) == {row.objid: "Good"}


def test_a_host_without_sftp_is_no_worse(site, hub, tmp_path):
    """A door that a key opens unasked; no subsystem is named, so that today's scp fails."""
    door = site.open_door("PasswordAuthentication no")
    realm.run("ssh-keygen", "-p", "-P", PASSWORD, "-N", "", "-f", door.folder / "key")
    laptop = Laptop(site, hub, tmp_path / "laptop")
    laptop.environment.update(door.environment)
    for verb in ("login", "fetch"):
        done = laptop.sync(verb)
        assert done.returncode == 0, done.stderr
    path = laptop.write_labels(("101", "Good"))
    assert laptop.sync("upload").returncode == 0
    assert laptop.sent() == [path.name] and verified(hub) == {"101": "Good"}
    for address in (f"{USER}@[::1]:{hub}", f"ssh://{USER}@localhost{hub}"):
        laptop.environment["ARTIFACTSPY_HUB"] = address
        assert laptop.sync("fetch").returncode == 3


def test_a_greeting_before_a_file_is_no_part_of_it(site, hub, tmp_path):
    door = site.open_door("PasswordAuthentication no", "SetEnv BASH_ENV=/dev/null")
    realm.run("ssh-keygen", "-p", "-P", PASSWORD, "-N", "", "-f", door.folder / "key")
    with door.sshd_config.open("a") as config:
        config.write('ForceCommand echo "Welcome to the cluster"; sh -c "$SSH_ORIGINAL_COMMAND"\n')
    os.kill(door.process.pid, signal.SIGHUP)  # it reads that, and goes on listening
    wait_until(lambda: realm.listens(door.port))
    laptop = Laptop(site, hub, tmp_path / "laptop")
    laptop.environment.update(door.environment)
    assert laptop.sync("fetch").returncode == 0
    assert laptop.chunks() == ["chunk--00001--drop0.tar.gz"]


@pytest.fixture
def held(laptop):
    """Hold a connection open, as the program does, and share it."""
    folder = tempfile.mkdtemp(prefix=f"artifactspy-{os.getpid()}-", dir="/tmp")
    laptop.environment["ARTIFACTSPY_SOCKET"] = f"{folder}/ssh"
    connection = subprocess.Popen(
        laptop.command("connect"),
        env=laptop.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert connection.stdout.readline() == b"open\n"
    yield
    connection.stdin.close()
    assert connection.wait(10) == 0
    shutil.rmtree(folder)


@pytest.mark.parametrize("way", ["a connection a call", "one held open"])
def test_a_hub_that_sends_without_end_is_cut_off_over_ssh(request, laptop, hub, way):
    if way == "one held open":
        request.getfixturevalue("held")
    (path,) = hub.glob("chunks/*.tar.gz")
    path.unlink()
    os.mkfifo(path)
    path.chmod(0o644)
    feeder = subprocess.Popen(["sh", "-c", f"exec cat /dev/zero >{path}"])
    done = laptop.sync("fetch")
    assert "arrived damaged" in one_sentence(done, 6)
    feeder.wait(10)
    (hub / "hub").write_text("#!/bin/sh\nexec yes\n")
    assert len(laptop.sync("fetch").stderr) < 1000


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
def test_a_long_principal_is_found_in_a_collection(site, hub, tmp_path, shell):
    name = "someone.with.a.very.long.name-01"
    site.kadmin(f"addprinc -pw long {name}")
    laptop = Laptop(site, hub, tmp_path / "laptop", shell)
    (laptop.home / "tickets").mkdir()
    laptop.environment["KRB5CCNAME"] = f"DIR:{laptop.home}/tickets"
    for principal, password in ((name, "long"), ("colleague", "other")):
        environment = {**site.environment, "KRB5CCNAME": f"DIR:{laptop.home}/tickets"}
        words = ["kinit", "-f", f"{principal}@{REALM}"]
        realm.run(*words, env=environment, input=password + "\n")
    realm.run("kswitch", "-p", f"colleague@{REALM}", env=environment)
    laptop.environment["ARTIFACTSPY_USER"] = name
    assert f"ticket   {name}@{REALM}, until" in laptop.sync("status").stdout


@pytest.mark.parametrize("shell", ["dash", "bash --posix"])
@pytest.mark.parametrize("place", ["ours", "default", "theirs"])
def test_what_lies_in_the_way_of_the_ticket_does_not_hang(site, hub, tmp_path, shell, place):
    laptop = Laptop(site, hub, tmp_path / "laptop", shell)
    ours = laptop.home / f"krb5cc_artifactspy_{os.getuid()}_{USER}@{REALM}"
    if place == "ours":
        site.get_ticket(laptop.home, "colleague", "other")
        os.mkfifo(ours)
    elif place == "default":
        os.mkfifo(laptop.home / "ticket")
    else:
        site.get_ticket(laptop.home, "colleague", "other")
        ours.write_text("not a ticket")
        os.chown(ours, 1, 1)
    done = subprocess.run(
        laptop.command("fetch"),
        env=laptop.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    said = one_sentence(done, 5)
    assert ("is no file of yours" in said) == (place != "default")


def test_a_locked_account_is_told_as_such(site, hub, tmp_path):
    site.kadmin("addprinc -pw locked locked", "modprinc -allow_tix locked")
    laptop = Laptop(site, hub, tmp_path / "laptop")
    laptop.environment["ARTIFACTSPY_USER"] = "locked"
    terminal = pexpect.spawn(
        str(ROOT / "sync.sh"), ["login"], env=laptop.environment, encoding="utf-8"
    )
    terminal.expect_exact(f"Your account at {REALM} is locked, disabled or expired")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 5


# Heimdal's kinit and klist, in a terminal


@pytest.fixture
def mac(site, hub, tmp_path):
    """A laptop without a ticket, whose Kerberos is Heimdal."""
    laptop = Laptop(site, hub, tmp_path / "laptop")
    laptop.have(heimdal_tools(tmp_path / "tools"))
    return laptop


def log_in(laptop, **environment):
    return pexpect.spawn(
        *(str(ROOT / "sync.sh"), ["login"]),
        env={**laptop.environment, **environment},
        encoding="utf-8",
        timeout=20,
    )


def ended(terminal):
    said = terminal.read()
    terminal.close()
    return terminal.exitstatus, said.strip().splitlines()[-1]


def test_heimdal_asks_in_the_terminal_and_its_ticket_opens_the_hub(mac):
    terminal = log_in(mac)
    terminal.expect("assword: *$")
    terminal.sendline("wrong")
    terminal.expect_exact("That password was not right; two tries more.")
    terminal.expect("assword: *$")
    terminal.sendline(PASSWORD)
    code, said = ended(terminal)
    assert (code, said) == (0, "Logging in at localhost.")
    said = mac.sync("status").stdout
    assert re.search(rf"ticket   {USER}@{REALM}, until .*\d\d:\d\d:\d\d", said)
    assert re.search(r"system   Linux .*, OpenSSH_.*, Heimdal 7\.", said)
    assert mac.sync("fetch").stdout == "Fetched chunk--00001--drop0.\n"
    assert ended(log_in(mac))[0] == 0, "and nothing is asked a second time"


def test_after_three_wrong_passwords_heimdal_gives_up(mac):
    terminal = log_in(mac)
    for _ in range(3):
        terminal.expect("assword: *$")
        terminal.sendline("wrong")
    assert ended(terminal)[0] == 5
    assert "There is no valid ticket" in one_sentence(mac.sync("fetch"), 5)


def test_what_heimdal_complains_of_is_told_as_what_mits_does(mac, site):
    site.kadmin("addprinc -pw x1 gone", "modprinc -allow_tix gone")
    site.kadmin("addprinc -pw x1 ended", "modprinc -expire 2001-01-01 ended")
    for user, told in (
        ("gone", f"Your account at {REALM} is locked, disabled or expired"),
        ("ended", f"Your account at {REALM} is locked, disabled or expired"),
        ("nobody-at-all", f"{REALM} knows no nobody-at-all"),
    ):
        terminal = log_in(mac, ARTIFACTSPY_USER=user)
        if terminal.expect(["assword: *$", pexpect.EOF]) == 0:
            terminal.sendline("x1")
            terminal.expect(pexpect.EOF)
        assert told in terminal.before
        terminal.close()
        assert terminal.exitstatus == 5
    site.stop_kdc()
    terminal = log_in(mac)
    if terminal.expect(["assword: *$", pexpect.EOF], timeout=90) == 0:
        terminal.sendline("x1")
        terminal.expect(pexpect.EOF, timeout=90)
    terminal.close()
    assert f"No Kerberos server of {REALM} can be reached" in terminal.before
    assert terminal.exitstatus == 4


def test_heimdal_leaves_a_ticket_of_somebody_else_alone(mac, site):
    site.get_ticket(mac.home, "colleague", "other")
    before = (mac.home / "ticket").read_bytes()
    terminal = log_in(mac)
    terminal.expect("assword: *$")
    terminal.sendline(PASSWORD)
    assert ended(terminal)[0] == 0
    assert mac.sync("fetch").stdout == "Fetched chunk--00001--drop0.\n"
    assert (mac.home / "ticket").read_bytes() == before


def test_a_connection_that_is_stopped_does_not_keep_the_window(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    wait_until(lambda: [words for words in strays(begin.home) if "-M -N" in words])
    program.label("6")
    hung = [pid for pid in realm.descendants(program.pid) if "-M -N" in realm.words(pid)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    program.screen.close_window(program.window)
    pass_time(1.1)  # less may be the second half of a double click
    began = time.monotonic()
    program.screen.close_window(program.window)
    assert hung and program.end() == 1
    assert time.monotonic() - began < 12
    assert list((program.data / "labels" / "waiting").iterdir())


ASKING = {
    "password": ["PasswordAuthentication yes", "PubkeyAuthentication no"],
    "key with a passphrase": ["PasswordAuthentication no"],
}


@pytest.fixture(scope="module", params=ASKING)
def door(request, _site):
    """A way in for which somebody has to be asked each time."""
    return _site.open_door("Subsystem sftp internal-sftp", *ASKING[request.param])


@pytest.fixture
def come_in(door, site, start, tmp_path):
    """Start the program on a laptop that goes through that door."""
    home = tmp_path / "laptop"
    home.mkdir()

    def program(hub, *options, **how):
        words = ["--hub", site.address(hub), "--realm", "none", *options]
        environment = {"TMPDIR": str(home), **door.environment}
        return start(*words, home=home, env=environment, **how)

    program.home = home
    yield program
    wait_until(lambda: not strays(home), what="the end of all")


PROMPT = "(password|passphrase for key .*): "


def prompts(program):
    return len(re.findall(r"(?:password|passphrase for key .*): ", program.said()))


def test_a_host_that_asks_each_time_asks_once_a_sitting(come_in, hub):
    program = come_in(hub)
    program.terminal.expect(PROMPT)
    program.terminal.sendline(PASSWORD)
    program.open_window()
    rows = [program.label(key) for key in "16"]
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}
    assert prompts(program) == 1


def test_a_connection_that_breaks_is_asked_for_once_more_at_the_end(come_in, door, hub):
    program = come_in(hub)
    program.terminal.expect(PROMPT)
    program.terminal.sendline(PASSWORD)
    row = program.open_window().label("6")
    door.break_connections()
    program.screen.close_window(program.window)
    program.terminal.expect(PROMPT)
    program.terminal.sendline(PASSWORD)
    assert program.end() == 0
    assert verified(hub) == {row.objid: "Good"}
    assert prompts(program) == 2


def test_closing_again_while_the_terminal_asks_ends_it(come_in, door, hub):
    program = come_in(hub)
    program.terminal.expect(PROMPT)
    program.terminal.sendline(PASSWORD)
    program.open_window().label("6")
    door.break_connections()
    program.screen.close_window(program.window)
    program.terminal.expect(PROMPT)
    program.terminal.send(PASSWORD[:4])
    pass_time(1.1)  # less may be the second half of a double click
    began = time.monotonic()
    program.screen.close_window(program.window)
    assert program.end() == 1
    assert time.monotonic() - began < 8
    assert len(list((program.data / "labels" / "waiting").iterdir())) == 1


def test_a_master_connection_of_the_users_own_is_used_and_left_open(come_in, door, hub):
    config, own = door.ssh_config.read_text(), door.folder / "own"
    door.ssh_config.write_text(f"{config} ControlMaster auto\n ControlPath {own}\n")
    asker = come_in.home / "asker"
    asker.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    asker.chmod(0o755)
    words = ["ssh", "-F", str(door.ssh_config), f"{USER}@localhost"]
    environment = {**os.environ, "SSH_ASKPASS": str(asker), "SSH_ASKPASS_REQUIRE": "force"}
    master = subprocess.Popen([*words, "-M", "-N"], env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until(own.is_socket)
        program = come_in(hub).open_window()
        row = program.label("6")
        assert program.close() == 0
        assert verified(hub) == {row.objid: "Good"} and prompts(program) == 0
        assert subprocess.run([*words, "-O", "check"], check=False).returncode == 0
    finally:
        realm.end(master)
        door.ssh_config.write_text(config)


def test_ctrl_c_at_the_first_prompt_leaves_nothing(come_in, hub):
    program = come_in(hub)
    program.terminal.expect(PROMPT)
    program.terminal.sendintr()
    assert program.end() == 2
    assert not program.data.exists()


def test_by_hand_a_host_that_asks_is_answered_once_a_call(come_in, door, site, hub):
    data = come_in.home / "data"
    data.mkdir()
    environment = {
        **door.environment,
        "PATH": os.environ["PATH"],
        "TMPDIR": str(come_in.home),
        "ARTIFACTSPY_HUB": site.address(hub),
        "ARTIFACTSPY_DATA": str(data),
    }
    terminal = pexpect.spawn(str(ROOT / "sync.sh"), ["fetch"], env=environment, encoding="utf-8")
    terminal.expect(PROMPT)
    terminal.sendline(PASSWORD)
    terminal.expect_exact("Fetched chunk--00001--drop0.")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_closing_again_while_kerberos_asks_ends_it(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    program.label("6")
    (begin.home / "ticket").unlink()
    site.stop_sshd()
    site.start_sshd()
    program.screen.close_window(program.window)
    program.terminal.expect_exact(f"Password for {USER}@{REALM}: ")
    pass_time(1.1)  # less may be the second half of a double click
    began = time.monotonic()
    program.screen.close_window(program.window)
    assert program.end() == 1
    assert time.monotonic() - began < 8
    assert list((program.data / "labels" / "waiting").iterdir())


def test_an_unknown_host_key_is_asked_about_in_the_terminal(begin, site, hub):
    site.known_hosts.write_text("")
    site.get_ticket(begin.home)
    program = begin(hub)
    program.terminal.expect_exact("Are you sure you want to continue connecting")
    program.terminal.sendline("yes")
    program.open_window()
    program.label("6")
    assert program.close() == 0 and len(verified(hub)) == 1


def test_without_a_network_one_labels_what_is_there(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    rows = [program.label("6")]
    assert program.close() == 0
    site.stop_sshd()
    program = begin(hub).open_window()
    rows.append(program.label("1"))
    assert program.close() == 1
    assert "localhost cannot be reached" in program.said()
    assert "sends them" in program.said()
    site.start_sshd()
    program = begin(hub).open_window()
    wait_until(lambda: len(verified(hub)) == 2)
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in rows}


def test_without_a_terminal_nobody_is_asked_for_a_password(begin, hub):
    program = begin(hub, terminal=False).open_window(picture=False)
    assert program.close() == 0
    assert "Password" not in program.said()


def test_one_connection_serves_the_session_and_ends_with_it(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    wait_until(lambda: [words for words in strays(begin.home) if "-M -N" in words])
    folders = f"artifactspy-{program.pid}-*"  # other programs have others
    assert list(Path("/tmp").glob(folders))
    program.label("6")
    assert program.close() == 0
    assert not strays(begin.home)
    assert not list(Path("/tmp").glob(folders))


@pytest.mark.parametrize("whole_group", [True, False])
def test_kill_9_leaves_no_ssh(begin, site, hub, whole_group):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    wait_until(lambda: [words for words in strays(begin.home) if "-M -N" in words])
    if whole_group:
        os.killpg(os.getpgid(program.pid), signal.SIGKILL)
    else:
        os.kill(program.pid, signal.SIGKILL)
    program.end()
    wait_until(lambda: not strays(begin.home), what="the end of all")


def test_a_terminal_closed_during_an_upload_loses_nothing(begin, site, hub):
    site.get_ticket(begin.home)
    program = begin(hub).open_window()
    row = program.label("6")
    asked, go = hold(hub)
    program.screen.close_window(program.window)
    wait_until(asked.exists)
    program.terminal.ptyproc.fileobj.close()
    go.touch()
    wait_until(lambda: verified(hub) == {row.objid: "Good"})
    wait_until(lambda: not strays(begin.home), what="the end of the program")
    waiting, sent = (list((program.data / "labels" / p).iterdir()) for p in ("waiting", "sent"))
    assert len(waiting) + len(sent) == 1


def test_fetching_is_tried_again_while_offline_and_says_so(begin, site, hub, monkeypatch):
    site.get_ticket(begin.home)
    site.stop_sshd()
    program = begin(hub)
    program.terminal.expect("localhost cannot be reached")
    program.open_window(picture=False)
    end = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > end)
    site.start_sshd()
    log = program.data / "artifactspy.log"
    wait_until(lambda: "sync.sh fetch: exit 4" in log.read_text())
    wait_until(lambda: "sync.sh fetch: exit 0" in log.read_text(), 45)
    assert program.close() == 0
