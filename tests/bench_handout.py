"""What asking and sending cost as a hub grows, and what a crowd at the door may not upset.

    tests/.venv/bin/python tests/bench_handout.py

Each function returns rows of (mark, ours, reference), times in seconds: the same command on a hub
that is large, and on one that is small. The large hubs are written file by file, without the syncs
that would make it a matter of hours, but in the formats that `next` and `receive` write.
"""

import contextlib
import hashlib
import io
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import labelfile  # noqa: E402
import labels  # noqa: E402
from cluster import handout  # noqa: E402
from cluster.claims import read_claim  # noqa: E402
from cluster.hub import Hub, Listed, now, table  # noqa: E402
from cluster.init import run as init  # noqa: E402

SIZE = 50  # detections in a chunk
STAMP = "2026-11-22_13-08-00"
TIME = "2026-11-22T14:00:00.123Z"


def name_of(number):
    """Return the name of a chunk, counted from 0."""
    return f"chunk--{number + 1:05d}--{STAMP}"


def objids_of(number):
    """Return the detections of a chunk."""
    return [str(10**9 + number * SIZE + place) for place in range(SIZE)]


def make_hub(folder, count):
    """Make a hub of so many chunks (of which there are no archives), a tenth of them gold."""
    with contextlib.redirect_stdout(io.StringIO()):
        init(folder)
    draw, rows = random.Random(count), []
    for number in range(count):
        gold = "yes" if draw.random() < 0.1 else ""
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        rows.append(
            Listed(name_of(number), sha256, "400000", str(SIZE), gold, "1", "PHOTPROB>=0.8")
        )
        (folder / "claims" / rows[-1].name).mkdir()
        lines = [(objid, "57000.1", "g", "12.5", "0.97", objid[:8]) for objid in objids_of(number)]
        header = ("OBJID", "MJD", "FLT", "FLUXCAL", "PHOTPROB", "SNID")
        (folder / "metadata" / f"{rows[-1].name}.csv").write_bytes(table(header, lines))
    (folder / "chunks.csv").write_bytes(table(Listed._fields, rows))
    return Hub(folder)


def claim(hub, number, user, slot, done=True):
    """Write the files of a claim."""
    name, person = name_of(number), hub.folder / "people" / user
    person.mkdir(exist_ok=True)
    line = f"{user} {now()}\n"
    (hub.folder / "claims" / name / str(slot)).write_text(line)
    (person / name).write_text(line)
    if done:
        (person / f"{name}.done").write_text(line)


def fill(hub, full, done=True):
    """Let 40 people have so many of the first chunks, three each."""
    for number in range(full):
        for slot in range(1, hub.rules.labelers + 1):
            claim(hub, number, f"user{(3 * number + slot) % 40}", slot, done)


def timed(*words):
    """Return the seconds that a command took."""
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def interleaved(small, large, rounds):
    """Time two commands in turns, given their words by round; return both medians."""
    pairs = [(timed(*small(turn)), timed(*large(turn))) for turn in range(rounds)]
    return tuple(map(statistics.median, zip(*pairs)))


def growth(home, few=200, many=20_000, rounds=15):
    """Measure `next` on few and on many chunks, nearly all of them full, for newcomers and others.

    Each newcomer asks once. "at first" is when nobody has noted yet what is full. The regular one
    holds one chunk and asks for another.
    """
    rows = []
    for state, done in (("complete", True), ("out", False)):
        hubs = [make_hub(home / f"{state}{count}", count) for count in (few, many)]
        for hub, count in zip(hubs, (few, many)):
            fill(hub, count - 50, done)

        def ask(hub, user, *have):
            return (hub.folder / "hub", "next", "--as", user, *(("--have", *have) if have else ()))

        def newcomer(hub, turn):
            return ask(hub, f"new{turn}")

        def regular(hub, _):
            names, done = hub.claimed("reg")
            return ask(hub, "reg", *(names - done))

        def at_first(hub, turn):
            for path in hub.folder.glob("people/*/full"):
                path.unlink()
            return ask(hub, f"first{turn}")

        for mark, words in (
            ("at first", at_first),
            ("a newcomer", newcomer),
            ("a regular", regular),
        ):
            small, large = interleaved(
                *(lambda turn, hub=hub, words=words: words(hub, turn) for hub in hubs), rounds
            )
            rows.append((f"next, the rest {state}, {mark}", large, small))
    return rows


def upload(hub, number, user, second, foreign=0):
    """Put labels of a chunk where scp puts them; return the words that receive them."""
    objids = [*objids_of(number)[foreign:], *["77"] * foreign]
    lines = [labelfile.Row(objid, "Good", "", TIME, STAMP, "1.50") for objid in objids]
    data = table(labelfile.COLUMNS, lines)
    at = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(1.7e9 + second))
    (hub.folder / "incoming" / f".{user}--{at}.csv.part").write_bytes(data)
    file = f"{user}--{at}.csv"
    return hub.folder / "hub", "receive", file, hashlib.sha256(data).hexdigest(), "--as", user


def past(hub, given):
    """Write what so many labels, three of each detection, have left: 40 people's finished work."""
    chunks = given // (SIZE * hub.rules.labelers)
    fill(hub, chunks)
    draw, actions = random.Random(1), [label.name for label in labels.LABELS]
    for number in range(chunks):
        for slot in range(1, hub.rules.labelers + 1):
            user = f"user{(3 * number + slot) % 40}"
            lines = [
                (objid, draw.choice(actions), "", TIME, STAMP, "1.50")
                for objid in objids_of(number)
            ]
            at = time.strftime("%Y-%m-%d_%H-%M-%S", time.gmtime(1.6e9 + 60 * number))
            file = f"{user}--{at}.csv"
            (hub.folder / "incoming" / file).write_bytes(table(labelfile.COLUMNS, lines))
            lines = [(*line, user) for line in lines]
            header = (*labelfile.COLUMNS, "USER")
            (hub.folder / "verified" / file).write_bytes(table(header, lines))


def receiving(home, given=1_000_000, rounds=15):
    """Measure `receive` of 50 rows, with so many labels there and with none."""
    chunks = given // (SIZE * 3) + 50
    hubs = [make_hub(home / name, chunks) for name in ("none", "million")]
    past(hubs[1], given)
    for hub in hubs:
        for turn in range(rounds):
            claim(hub, chunks - 1 - turn, f"user{turn % 40}", 1, done=False)
    rows = []
    # for a row of no chunk of theirs, all the tables of what a person ever had are read
    for mark, foreign in (("receive 50 rows", 0), ("as many, one of no chunk of theirs", 1)):
        words = (
            lambda turn, hub=hub, foreign=foreign: upload(
                hub, chunks - 1 - turn, f"user{turn % 40}", 2 * turn + foreign, foreign
            )
            for hub in hubs
        )
        small, large = interleaved(*words, rounds)
        rows.append((f"{mark}, {given:,} there", large, small))
    return rows


def rush(home, people=40, rounds=200, chunks=110):
    """Let people ask at the same moment, and count what must not be.

    In each round everyone asks for one more chunk; when all have all, or after ten rounds, whatever
    comes first, the hub begins anew. Returns the faults found as (mark, number, 0).
    """
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(people + 1), fork.SimpleQueue()
    folders = [home / f"rush{turn}" for turn in range(-(-rounds // 10))]

    def child(user):
        have = []
        for turn in range(rounds):
            folder = folders[turn // 10]
            if turn % 10 == 0:
                have = []
            barrier.wait()
            told = io.StringIO()
            with contextlib.redirect_stdout(told):
                handout.run(folder, have, as_user=user)
            words = told.getvalue().splitlines()[-1].split()
            have += words[2:3]
            barrier.wait()
            results.put((turn, user, words[2] if len(words) == 5 else None))

    children = [fork.Process(target=child, args=(f"user{n}",)) for n in range(people)]
    for process in children:
        process.start()
    faults = Counter()
    for turn in range(rounds):
        folder = folders[turn // 10]
        if turn % 10 == 0:
            hub, had = make_hub(folder, chunks), Counter()
            gold = {hub.chunks()[place].name for place in hub.chunks().gold()}
        barrier.wait()
        barrier.wait()
        asked = [results.get() for _ in range(people)]
        slots = {
            chunk.name: [
                read_claim(path).user for path in (hub.folder / "claims" / chunk.name).iterdir()
            ]
            for chunk in hub.chunks()
        }
        for _, user, name in asked:
            had[user, name] += name is not None
            if name is None:
                faults["turned away"] += any(
                    len(users) < hub.rules.labelers and user not in users
                    for users in slots.values()
                )
        for name, users in slots.items():
            faults["too many"] += name not in gold and len(users) > hub.rules.labelers
            faults["twice in a chunk"] += len(users) != len(set(users))
        faults["twice to a person"] += sum(number > 1 for number in had.values())
        faults["nobody's"] += sum(user not in slots[name] for user, name in had if name is not None)
    for process in children:
        process.join()
    marks = ("too many", "twice in a chunk", "twice to a person", "turned away", "nobody's")
    return [(f"{people} people, {rounds} times: {mark}", faults[mark], 0) for mark in marks]


def main():
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        for measure in (growth, receiving, rush):
            began = time.perf_counter()
            for mark, ours, reference in measure(Path(folder)):
                ratio = f"{ours / reference:.2f}" if reference else "-"
                print(f"{mark:<50}{ours:9.4f}{reference:9.4f}{ratio:>7}", flush=True)
            print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
