"""What the hub takes in time and memory, and how near its consensus comes to the truth.

    tests/.venv/bin/python tests/bench_hub.py [--json] [--only PART ...]

Every mark stands beside its reference, and both are measured in this run: another way to do the
same, the same on a small hub, or what is allowed. Crowds are those of crowd.py, of twenty seeds.
"all" counts the errors of the campaign: over all detections, of which the expert has labelled a
tenth, beside the majority of the votes. "blind" leaves out what the expert labelled, and there
the best that any method can do closes 0.79 of the gap in crowd 1 (what sampling from the true
model, hyperparameters known, closes of it). The consensus is the one that hidden gold chooses,
beside Dawid and Skene's alone.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import bench_add  # noqa: E402
import bench_export  # noqa: E402
import bench_handout  # noqa: E402
import crowd  # noqa: E402

from cluster import consensus, hub  # noqa: E402
from cluster.votes import CLASSES  # noqa: E402
from labelfile import COLUMNS  # noqa: E402

SEEDS = range(20)
FREE = ("-", -math.inf, math.inf)  # told, without a target
# the first that begins a mark counts: the target, and what the ratio is at least and at most
TARGETS = (
    ("crowd 1, gap closed, all", "at least 0.80", 0.8, math.inf),
    ("crowd ., calibration", "at most 0.06", 0, 1),
    ("crowd ., log-loss", "no larger", 0, 1.02),
    ("crowd 2, the worst seed", "never worse", 0, 1),
    ("consensus", "within", 0, 1),
    ("next", "2 times", 0, 2),
    ("receive", "1.5 times", 0, 1.5),
    (".* people, .* times", "none", 0, 0),
    ("add", "2.5 times", 0, 2.5),
    ("its memory|export .*memory", "within", 0, 1),
    ("export", "1.5 times", 0, 1.5),
)
# VmHWM counts from the start of the program; what getrusage tells includes its parent's memory
CONSENSUS = """
import sys
from cluster.consensus import run
run(sys.argv[1])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def crowds(_):
    """Measure the consensus on both crowds: errors, the gap that is closed, and calibration."""
    rows = []
    for number, shared in ((1, False), (2, True)):
        people = [crowd.simulate(seed, shared) for seed in SEEDS]
        scores = np.array([crowd.score(one, by_gold) for one in people])
        mean, name = crowd.Score(*scores.mean(axis=0)), f"crowd {number}"
        alone = crowd.Score(*np.mean([crowd.score(one) for one in people], axis=0))
        all_, blind = crowd.closed(*mean[:3]), crowd.closed(*mean[3:6])
        worst, best = np.sort(crowd.closed(*scores.T[:3]))[[0, -1]]
        hardest = int(np.argmax(scores[:, 4] / scores[:, 3]))
        rows += [
            (f"{name}, errors beside the majority's, all", mean.ours, mean.majority),
            (f"{name}, errors beside the oracle's, all", mean.ours, mean.oracle),
            (f"{name}, gap closed, all", all_, 1),
            (f"{name}, gap closed by seed, worst", worst, 1),
            (f"{name}, gap closed by seed, best", best, 1),
            (f"{name}, gap closed, blind", blind, 1),
            (f"{name}, the worst seed's errors, blind", *scores[hardest, [4, 3]]),
            (f"{name}, errors beside Dawid and Skene's, blind", mean.blind_ours, alone.blind_ours),
            (f"{name}, calibration error, blind", mean.calibration, 0.06),
            (f"{name}, log-loss beside Dawid and Skene's, blind", mean.loss, alone.loss),
        ]
    return rows


def by_gold(votes, expert):
    """Weigh votes as `consensus` does by default: all that the expert labels here is gold."""
    return consensus.weigh(votes, expert, gold=expert)


def million(home, count=1_000_000, people=100):
    """Measure the verb `consensus`: seconds of the 120 and MiB of the 2048 that it may take.

    Three people have labelled each detection, in uploads of 50, and the expert a tenth.
    """
    folder = home / "million"
    command = [sys.executable, "-m", "cluster", "init", folder]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    one = crowd.simulate(0, people=people, detections=-(-count // 3), guessing=people // 10)
    votes = one.votes
    for number, user in enumerate(votes.people):
        mine = votes.person == number
        objids = [votes.objids[item] for item in votes.item[mine]]
        uploads(folder / "verified", user, list(zip(objids, votes.answer[mine].tolist())))
    owner = hub.account_name(os.getuid())
    uploads(folder / "expert" / "verified", owner, list(one.expert.items()))
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CONSENSUS, folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    assert f" of {len(votes.item)} votes " in done.stdout, done.stdout
    memory = int(done.stdout.split()[-2]) / 1024
    mark = f"consensus of {count:,} labels"
    return [(f"{mark}, s", seconds, 120), (f"{mark}, MiB", memory, 2048)]


def uploads(folder, user, given):
    """Write a person's labels, (OBJID, class) each, as verified files of 50 rows."""
    for number in range(0, len(given), 50):
        at = time.gmtime(1.78e9 + 12 * number)
        told = time.strftime("%Y-%m-%dT%H:%M:%S.123Z", at)
        rows = [
            (objid, CLASSES[answer], "", told, "2026-11-22_13-08-00", "2.50", user)
            for objid, answer in given[number : number + 50]
        ]
        path = folder / f"{user}--{time.strftime('%Y-%m-%d_%H-%M-%S', at)}.csv"
        path.write_bytes(hub.table((*COLUMNS, "USER"), rows))


def handout(home):
    """Measure `next` and `receive` as the hub grows, and what a rush upsets."""
    measures = (bench_handout.growth, bench_handout.receiving, bench_handout.rush)
    return [row for measure in measures for row in measure(home)]


def export(_):
    """Measure `export`."""
    return bench_export.measure_time() + bench_export.measure_memory()


PARTS = {
    "crowd": crowds,
    "million": million,
    "handout": handout,
    "add": bench_add.measure,
    "export": export,
}


def judge(mark, ours, reference):
    """Return a row of the table: mark, ours, reference, ratio, target, met."""
    fitting = (rest for start, *rest in TARGETS if re.match(start, mark))
    target, least, most = next(fitting, FREE)
    ratio = ours / reference if reference else None
    # where nothing may be, there is no ratio
    return mark, ours, reference, ratio, target, least <= (ours if ratio is None else ratio) <= most


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    given = parser.parse_args()
    names = ("mark", "ours", "reference", "ratio", "target", "met")
    if not given.json:
        print("{:<62}{:>10}{:>11}{:>8}  {:<14}{}".format(*names))
    rows = []
    for part in given.only:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found = [judge(*row) for row in PARTS[part](Path(folder))]
        rows += found
        sys.stderr.write(f"({part}: {time.perf_counter() - began:.0f} s)\n")
        if not given.json:
            for mark, ours, reference, ratio, target, met in found:
                shown = "-" if ratio is None else f"{ratio:.3f}"
                verdict = ("yes" if met else "no") if target != FREE[0] else "-"
                line = f"{mark:<62}{ours:>10.4g}{reference:>11.4g}{shown:>8}  {target:<14}{verdict}"
                print(line, flush=True)
    if given.json:
        print(json.dumps([dict(zip(names, row)) for row in rows], indent=1))


if __name__ == "__main__":
    main()
