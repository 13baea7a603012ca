"""A campaign, from `init` to a trained classifier, as a lead and twelve people go through it."""

import collections
import contextlib
import csv
import hashlib
import io
import multiprocessing
import os
import random
import sys
import zoneinfo
from datetime import datetime, timedelta, timezone
from pathlib import Path

import conftest
import numpy as np
import pytest

sys.path.insert(0, str(conftest.ROOT / "data"))

import simulate  # noqa: E402

import labelfile  # noqa: E402
import labels  # noqa: E402
import stamps  # noqa: E402
from cluster import (  # noqa: E402
    add,
    check,
    collect,
    consensus,
    earlier,
    export,
    handout,
    hub,
    init,
    receive,
    report,
    verified,
)

# How many of each class: a draw of the last two takes the longest.
DRAWS = {
    "PsfInTemplate": 50,
    "DarkSpotInTemplateCenter": 50,
    "Good": 50,
    "Marginal": 50,
    "BadSubtraction": 20,
    "NoisyTemplate": 20,
}
EPOCHS = 4  # of each object: it comes in four orientations
# What each of twelve people recognises; two of them are not much good.
SKILL = dict(
    zip(
        ["ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "lou"],
        (0.95, 0.92, 0.9, 0.9, 0.88, 0.85, 0.85, 0.8, 0.8, 0.75, 0.5, 0.35),
    )
)
MISTAKEN = {
    "Good": "Marginal",
    "Marginal": "Good",
    "PsfInTemplate": "Good",
    "DarkSpotInTemplateCenter": "NoisyTemplate",
    "BadSubtraction": "PsfInTemplate",
    "NoisyTemplate": "DarkSpotInTemplateCenter",
}
OWNER = hub.account_name(os.getuid())


def draw(number, label):
    """Return the stamps of one object at all its epochs, as the bytes of GIFs."""
    detection, _ = simulate.simulate(label, np.random.default_rng([41, number]))
    turns = (np.asarray, np.fliplr, np.flipud, lambda image: image[::-1, ::-1])
    return [[simulate.gif(turn(gray)) for gray in simulate.grays(detection)] for turn in turns]


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory):
    """Two drops of simulated stamps with their tables, and the truth as {OBJID: label}."""
    wanted = [label for label, count in DRAWS.items() for _ in range(count)]
    with multiprocessing.get_context("fork").Pool() as pool:
        drawn = pool.starmap(draw, enumerate(wanted), chunksize=5)
    folder = tmp_path_factory.mktemp("deliveries")
    members, tables, truth = ({}, {}), ([], []), {}
    for number, (label, epochs) in enumerate(zip(wanted, drawn)):
        for epoch, triplet in enumerate(epochs):
            objid = str(int(hashlib.sha256(b"%d %d" % (number, epoch)).hexdigest()[:8], 16))
            truth[objid] = label
            drop = epoch % 2  # later epochs of an object come with a later drop
            tables[drop].append((objid, 5000 + number, 59000 + 7 * epoch))
            for kind, data in zip(stamps.KINDS, triplet):
                members[drop][f"stamps/{kind}{objid}.gif"] = data
    found = []
    for drop in range(2):
        source = conftest.tarball(folder / f"night{drop}.tar.gz", members[drop])
        table = folder / f"night{drop}.csv"
        table.write_bytes(hub.table(("OBJID", "SNID", "MJD"), tables[drop]))
        found.append((str(source), str(table)))
    return found, truth


class Campaign:
    """A hub, and everyone who works on it through the real verbs."""

    def __init__(self, folder, truth):
        self.hub, self.truth = folder / "hub", truth
        self.laptops = folder / "laptops"
        self.told = {}  # what the last answer to an upload said, by person
        self.had = collections.defaultdict(list)  # whose chunks
        self("init", init.run)
        ini = self.hub / "hub.ini"
        ini.write_text(ini.read_text().replace("chunk_size = 50", "chunk_size = 25"))

    def __call__(self, what, verb, *words, **options):
        """Run a verb on the hub; return the last line it printed, or None if there is no chunk."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = verb(str(self.hub), *words, **options)
        assert status in (0, 3), f"{what}: {said.getvalue()}"
        self.said = said.getvalue()
        return self.said.splitlines()[-1] if status == 0 else None

    def answer(self, user, objid):
        """Return what a person says to a detection: the same whenever they are asked."""
        dice = random.Random(f"{'the expert' if user == OWNER else user} {objid}")
        chance, truth = dice.random(), self.truth[objid]
        if chance > 0.97:
            return "Unsure" if chance < 0.995 else labels.SKIPPED
        if user == OWNER or dice.random() < SKILL[user]:
            return truth
        if dice.random() < 0.6:
            return MISTAKEN[truth]
        return dice.choice([name for name in consensus.CLASSES if name != truth])

    def label_one_chunk(self, user):
        """Ask for a chunk, label it and send the labels; False if there was none."""
        expert = user == OWNER
        as_user = None if expert else user
        line = self("next", handout.run, expert=expert, as_user=as_user)
        if line is None:
            return False
        _, _, name, sha256, size = line.split()
        where = self.hub / "expert" if name.startswith("review--") else self.hub
        path = where / "chunks" / f"{name}.tar.gz"
        data = path.read_bytes()
        assert (hashlib.sha256(data).hexdigest(), str(len(data))) == (sha256, size)
        chunk = stamps.Chunk(path)
        assert chunk.objids and not chunk.incomplete and not chunk.damage
        self.had[user].append(name)
        folder = self.laptops / user
        folder.mkdir(parents=True, exist_ok=True)
        file = labelfile.LabelFile(folder, user)
        file.append(
            *(
                labelfile.row(objid, self.answer(user, objid), "", chunk.metadata_stamp, 2.5)
                for objid in chunk.objids
            )
        )
        file.close()
        data = file.path.read_bytes()
        (self.hub / "incoming" / f".{file.path.name}.part").write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        line = self("receive", receive.run, file.path.name, sha256, as_user=as_user)
        _, _, _, accepted, rejected, *self.told[user] = line.split()
        assert (int(accepted), int(rejected)) == (len(chunk.objids), 0), self.said
        return True

    def agreed(self, user):
        """Count how often a person and the expert agreed in gold chunks, and of how many."""
        opened = hub.Hub(self.hub)
        gold = {chunk.name for chunk in opened.chunks() if chunk.gold} & {*self.had[user]}
        objids = [objid for name in gold & {*self.had[OWNER]} for objid in opened.objids(name)]
        pairs = [(self.answer(user, objid), self.answer(OWNER, objid)) for objid in objids]
        pairs = [pair for pair in pairs if not {"Unsure", labels.SKIPPED}.intersection(pair)]
        return [str(sum(one == other for one, other in pairs)), str(len(pairs))]

    def label_all(self):
        """Let everyone label until nobody gets a chunk any more, in turns."""
        left = list(SKILL)
        while left:
            left = [user for user in left if self.label_one_chunk(user)]


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def features(images):
    """Describe images (N, 3, 51, 51) by what is in rings about their centre."""
    y, x = np.mgrid[:51, :51] - 25
    radius = np.hypot(x, y)
    edges = (0, 1.2, 2.2, 3.2, 4.5, 6, 8, 11, 15, 20)
    found = []
    for inner, outer in zip(edges, edges[1:]):
        ring = images[:, :, (radius >= inner) & (radius < outer)].astype(np.float32)
        found += [ring.mean(2), ring.min(2), ring.max(2), ring.std(2)]
    return np.concatenate(found, axis=1)


def test_a_campaign_ends_in_a_classifier_as_good_as_one_that_knew_the_truth(deliveries, tmp_path):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import GroupKFold

    ((first, second), truth) = deliveries
    campaign = Campaign(tmp_path, truth)
    campaign("add", add.run, [first[0]], metadata=first[1], stamp="first", seed=3)
    campaign.label_all()
    campaign("collect", collect.run)
    while campaign.label_one_chunk(OWNER):  # all gold chunks, then all that is in dispute
        pass
    campaign("collect", collect.run)
    agreed = {user: campaign.agreed(user) for user in SKILL}
    campaign("add", add.run, [second[0]], metadata=second[1], stamp="second", seed=4)
    campaign.label_all()
    assert {user: campaign.told[user] for user in SKILL} == agreed, "at their next upload"
    assert all(int(compared) >= 20 for _, compared in agreed.values())
    for _ in range(6):
        campaign.label_one_chunk(OWNER)
    campaign("collect", collect.run)

    # each chunk went to three people, gold ones to more, none twice to anyone
    chunks = list(hub.Hub(campaign.hub).chunks())
    gold = {chunk.name for chunk in chunks if chunk.gold}
    assert sum(int(chunk.detections) for chunk in chunks) == len(truth) and len(gold) >= 2
    by_chunk = collections.Counter(name for user in SKILL for name in campaign.had[user])
    assert all(len(set(names)) == len(names) for names in campaign.had.values())
    assert {by_chunk[chunk.name] for chunk in chunks if chunk.name not in gold} == {3}
    assert all(by_chunk[name] >= 3 for name in gold)
    assert gold <= set(campaign.had[OWNER])
    assert any(name.startswith("review--") for name in campaign.had[OWNER])

    # the consensus beats the majority, and knows who is how good
    opened = hub.Hub(campaign.hub)
    right = {}
    for method in consensus.METHODS:
        found = consensus.of_hub(opened, method)
        said = [consensus.CLASSES[label] for label in found.label]
        hits = [truth[objid] == label for objid, label in zip(found.objids, said)]
        right[method] = np.mean(np.array(hits)[found.known])
    assert right["dawid-skene"] > max(0.95, right["majority"]), right
    guessed = consensus.of_hub(opened).confusion[:, :6, :6].diagonal(axis1=1, axis2=2).mean(1)
    assert np.corrcoef(guessed, list(SKILL.values()))[0, 1] > 0.9

    page = tmp_path / "report.html"
    campaign("report", report.run, html=str(page))
    for user in SKILL:
        assert user in campaign.said and user in page.read_text()
    campaign("consensus", consensus.run)
    assert len(table(campaign.hub / "expert" / "consensus.csv")) == len(truth)
    campaign("export", export.run)

    # what was exported, and the classifier
    [folder] = (campaign.hub / "training").iterdir()
    rows, images = table(folder / "labels.csv"), np.load(folder / "images.npy", mmap_mode="r")
    assert 0.98 * len(truth) < len(rows) == len(images) <= len(truth)
    splits = collections.defaultdict(set)
    for row in rows:
        splits[row["SNID"]].add(row["SPLIT"])
    assert len(splits) == sum(DRAWS.values())
    assert all(len(names) == 1 for names in splits.values()), "no object is in two splits"
    true = np.array([truth[row["OBJID"]] for row in rows])
    given = np.array([row["LABEL"] for row in rows])
    described, objects = features(images), [row["SNID"] for row in rows]

    def accuracy(of, weight):
        """Train on four fifths of the objects, ask for the last one, and so on: one is too few."""
        right = 0
        for known, asked in GroupKFold(5).split(described, groups=objects):
            classifier = ExtraTreesClassifier(100, min_samples_leaf=3, random_state=1)
            classifier.fit(described[known], of[known], weight[known])
            right += (classifier.predict(described[asked]) == true[asked]).sum()
        return right / len(rows)

    sure = np.array([float(row[f"P_{row['LABEL']}"]) for row in rows])
    by_truth, by_labels = accuracy(true, np.ones_like(sure)), accuracy(given, sure)
    assert by_truth > 0.85
    assert by_labels >= by_truth - 0.02, (by_labels, by_truth)
    campaign("check", check.run)


def test_real_batches_go_through_a_campaign(real, tmp_path):
    batches = sorted(path.name[:-7] for path in real.glob("*.tar.gz"))
    truth = {}
    for batch in batches:
        for number, row in enumerate(table(real / f"{batch}.csv")):
            truth[row["OBJID"]] = list(MISTAKEN)[number % len(MISTAKEN)]
    campaign = Campaign(tmp_path, truth)
    for batch in batches:
        source, metadata = str(real / f"{batch}.tar.gz"), str(real / f"{batch}.csv")
        campaign("add", add.run, [source], metadata=metadata, stamp=batch, seed=1)
    campaign.label_all()
    while campaign.label_one_chunk(OWNER):
        pass
    campaign("collect", collect.run)
    campaign("report", report.run, html=str(tmp_path / "report.html"))
    campaign("consensus", consensus.run)
    with pytest.raises(hub.HubError, match="--format gif or --format fits"):
        campaign("export", export.run)
    count = 0
    for form, dtype in (("gif", np.uint8), ("fits", np.float32)):
        campaign("export", export.run, format=form)
        name = campaign.said.partition(" to ")[2].partition(";")[0]
        images = np.load(Path(name) / "images.npy", mmap_mode="r")
        rows = table(Path(name) / "labels.csv")
        assert images.dtype == dtype and images.shape == (len(rows), 3, 51, 51)
        left_out = table(Path(name) / "left_out.csv")
        assert len(rows) + len(left_out) == len(truth)
        assert np.mean([truth[row["OBJID"]] == row["LABEL"] for row in rows]) > 0.9
        count += len(rows)
    assert 0.97 * len(truth) < count <= len(truth)
    campaign("check", check.run)


# ---- a campaign that moves over ----

ZONE = zoneinfo.ZoneInfo("America/Chicago")
NIGHTS = "19-09-10_09-00-00", "19-10-01_09-00-00"  # the STAMPs
DESCRIBED = "MJD", "FLT", "PHOTPROB", "OBJID", "SNID"
# when each began, UTC: dee labelled in the night in which clocks were put back, bob's second table
# went through a spreadsheet
SITTINGS = [
    ("ann", datetime(2019, 9, 11, 18, 0, 7)),
    ("bob", datetime(2019, 9, 12, 3, 59, 58)),
    ("cid", datetime(2019, 10, 2, 22, 30, 1)),
    ("dee", datetime(2019, 11, 3, 5, 30, 20)),
    ("bob", datetime(2021, 1, 5, 15, 0)),
]


class Earlier:
    """The folder of an earlier version, and all that anyone said in it."""

    def __init__(self, root):
        self.root, self.said, self.expert, self.described = root, {}, {}, {}
        self.objids = [str(10**17 + 37 * number) for number in range(200)]
        for folder in ("ImageBank/Batches", "Results/Metadata", "Results/UserResults"):
            (root / folder).mkdir(parents=True)
        batches, results = root / "ImageBank" / "Batches", root / "Results" / "UserResults"
        for number in range(20):
            stamp, objids = NIGHTS[number // 10], self.objids[10 * number : 10 * number + 10]
            name = f"batch--{number + 1:05d}--{stamp}"
            names = [f"{name}/{kind}{objid}.gif" for objid in objids for kind in stamps.KINDS]
            members = {name: conftest.tiny_gif(name) for name in names}
            conftest.tarball(batches / f"{name}.tar.gz", members)
        for night, stamp in enumerate(NIGHTS):
            lines = [DESCRIBED]
            for place, objid in enumerate(self.objids[100 * night : 100 * night + 100]):
                told = f"{58000 + place}.25", "griz"[place % 4], f"0.{place:02d}", objid
                lines.append((*told, f"{1240000 + place // 3}"))
                self.described[objid] = dict(zip(DESCRIBED, lines[-1]))
            (root / "Results" / "Metadata" / f"{stamp}.csv").write_bytes(
                hub.table(lines[0], lines[1:])
            )
        for number, (user, begun) in enumerate(SITTINGS):
            self._sit(results, number, user, begun)
        (results / "eve--09-13-19_10-00-00.csv").write_bytes(b"")
        (batches / "batch--00021--19-10-01_09-00-00.tar.gz").write_bytes(b"")
        current = sorted(batches.iterdir())[3]
        (batches / f"CURRENT--{current.name}").write_bytes(current.read_bytes())
        (root / "log.txt").write_text(f"CURRENT: {current.name}")
        self._judge(root / "Results")

    def _sit(self, results, number, user, begun):
        """Let a person label forty in two hours; the first of them once more in the middle."""
        names = sorted(labels.BY_NAME)
        first, lines, spreadsheet = 35 * number, [], begun.second == 0
        objids = self.objids[first : first + 40]
        for place, objid in enumerate([*objids[:32], objids[0], *objids[32:]]):
            at = begun + timedelta(minutes=3 * place)
            action = names[(place + number) % len(names)]
            comment = f'"{user}", {place}' if action == "Other" else ""
            wall = at.replace(tzinfo=timezone.utc).astimezone(ZONE)
            told = f"{wall:%m/%d/%y %H:%M:%S}"
            if spreadsheet:
                told = f"{wall.month}/{wall.day}/{wall:%y} {wall.hour}:{wall:%M}"
            lines.append((place, objid, action, comment, told, ",".join(NIGHTS)))
            self.said[user, objid] = action, comment, f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
        text = hub.table(("", "OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP"), lines)
        name = f"{user}--{begun:%m-%d-%y_%H-%M-%S}.csv"
        (results / name).write_bytes(text.replace(b"\n", b"\r\n") if spreadsheet else text)

    def _judge(self, results):
        """Let the expert label some, look at what people were unsure of, and list a few."""
        mine, unsure = self.objids[::10], self.objids[5:200:20]
        mine = [(objid, "Marginal", "mine, seen") for objid in mine]
        unsure = [(objid, "PsfInTemplate", "") for objid in (*unsure, self.objids[0])]
        self.tables = [results / "me" / "my_labels.csv", results / "UNSURE_19-10-05_10-00-00.csv"]
        self.tables[0].parent.mkdir()
        self.tables[0].write_bytes(hub.table(("OBJID", "LABEL", "RM_COMMENT"), mine))
        self.tables[1].write_bytes(hub.table(("OBJID", "ACTION", "COMMENT"), unsure))
        self.expert = {objid: (action, comment) for objid, action, comment in (*mine, *unsure)}
        self.again = self.objids[7], self.objids[10]
        self.tables.append(results / "again.txt")
        self.tables[2].write_text("\n".join(("OBJID", *self.again)))


def test_a_campaign_moves_over_without_losing_a_label_or_a_column(tmp_path):
    old = Earlier(tmp_path / "hub")
    campaign = Campaign(tmp_path, {})
    opened = hub.Hub(campaign.hub)
    files = sorted(map(str, old.root.glob("[IR]*/[BMU]*/*"))) + [str(old.root / "log.txt")]
    for _ in range(2):  # again, and nothing changes
        campaign("import", earlier.run, files, timezone="America/Chicago")
        passed = [line for line in campaign.said.splitlines() if line.startswith("Passed over")]
        assert len(passed) == 4 and "rejected" not in campaign.said
        rows = verified.gather(opened)
        found = {key: (row.action, row.comment, row.time) for key, row in rows.items()}
        assert found == old.said
        chunks = list(opened.chunks())
        assert [chunk.detections for chunk in chunks] == ["10"] * 20
    described = {}
    for chunk in chunks:
        columns, lines = opened.metadata(chunk.name)
        described.update({line[0]: dict(zip(columns, line)) for line in lines})
    assert described == old.described

    campaign("import", earlier.run, [*map(str, old.tables)], timezone="UTC", expert=True)
    rows = verified.expert_rows(opened)
    assert {objid: (row.action, row.comment) for objid, row in rows.items()} == old.expert
    for user in ("ann", "bob", "cid", "dee"):  # nobody is asked again for what they have done
        had = {objid for who, objid in old.said if who == user}
        line = campaign("next", handout.run, as_user=user)
        objids = opened.objids(line.split()[2])
        assert len(had.intersection(objids)) <= 5
    while line := campaign("next", handout.run, [*campaign.had[OWNER]], expert=True):
        campaign.had[OWNER].append(line.split()[2])
    first = next(name for name in campaign.had[OWNER] if name.startswith("review--"))
    assert opened.objids(first)[:2] == list(old.again)

    campaign("collect", collect.run)
    campaign("export", export.run)
    [folder] = (campaign.hub / "training").iterdir()
    splits, votes = collections.defaultdict(set), 0
    for row in table(folder / "labels.csv"):
        assert {name: row[name] for name in DESCRIBED} == old.described[row["OBJID"]]
        assert row["EXPERT"] == old.expert.get(row["OBJID"], [""])[0]
        splits[row["SNID"]].add(row["SPLIT"])
        votes += int(row["LABELERS"])
    assert votes == sum(labels.is_vote(action) for action, _, _ in old.said.values())
    assert all(len(names) == 1 for names in splits.values()), "no object is in two splits"
    campaign("check", check.run)
