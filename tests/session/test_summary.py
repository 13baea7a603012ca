"""What the terminal is told at the end."""

from conftest import put, triplets

import labels
from session import summary, verdict


def test_the_summary_draws_how_often_each_label_was_given(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 9)))
    subject = desk().open()
    assert subject.session.summary() == ["No labels this time."]
    for name in ("Good", "Marginal", "Good", "Good", "Unsure", "Good"):
        subject.label(name)
    subject.session.back()
    subject.pump(lambda: subject.session.page().pictures)
    subject.label("Unsure")  # the last Good: what counts is the latest
    assert subject.session.summary()[1:] == [
        f"  Marginal                         1  {'#' * 10}",
        f"  Good                             3  {'#' * 30}",
        f"  Unsure                           2  {'#' * 20}",
    ]


def test_the_summary_of_practice_sets_labels_against_truth(desk, tmp_path):
    put(tmp_path, "a--x.tar.gz", triplets(range(1, 6)))
    subject = desk().open()
    made = ("Good", "Good", "Good", "BadSubtraction")
    subject.session._verdicts.truth = {
        str(n): verdict.Truth(name, "HINT", (1, 25, 25)) for n, name in enumerate(made, 1)
    }
    for name in ("Good", "Marginal", "Good", "Unsure"):
        subject.label(name)
        subject.session.turn(1)  # from a miss
        subject.pump(lambda: subject.session.page().pictures)
    lines = subject.session.summary()
    keys = "".join(f"    {label.key}" for label in labels.LABELS)
    at = lines.index(f"what they were, labelled as       {keys}")
    first, second = lines[at + 1 : at + 3]
    assert first.startswith(
        "  1  Bad Subtraction                  .    .    .    .    .    .    1    ."
    )
    assert second.startswith(
        "  6  Good                             .    .    .    .    1    2    .    ."
    )
    assert lines[-1] == "2 of 4 right. Practice labels are not kept."


def known(**kinds):
    """Return verdicts on detections 1, 2, ... of practice, which are of these kinds."""
    verdicts = verdict.Verdicts()
    truth = [name for name, count in kinds.items() for _ in range(count)]
    verdicts.truth = {
        str(n): verdict.Truth(name, "HINT", (1, 25, 25)) for n, name in enumerate(truth, 1)
    }
    return verdicts


def test_the_report_of_practice_tells_the_weakest_classes_and_each_miss():
    verdicts = known(Good=4, Marginal=2, NoisyTemplate=2, BadSubtraction=1)
    said = ["Good"] * 3 + ["Unsure", "Good", "Good", "NoisyTemplate", "Good", "BadSubtraction"]
    told = summary.report(dict(zip(map(str, range(1, 10)), said)), verdicts, 18.0, 60.0)
    assert told.right == 5 and told.pace == "9 labels in 1 min 0 s, 2.0 s on screen each"
    assert {objid: label.name for objid, label in told.misses.items()} == {
        "4": "Good",
        "5": "Marginal",
        "6": "Marginal",
        "8": "NoisyTemplate",
    }
    assert [(row.label.name, row.right, row.total) for row in told.weakest] == [
        ("Marginal", 0, 2),
        ("NoisyTemplate", 1, 2),
    ]
    assert [row.label.name for row in told.table] == [
        "BadSubtraction",
        "NoisyTemplate",
        "Marginal",
        "Good",
    ]


def test_the_report_compares_with_what_others_said_where_that_is_known():
    verdicts = verdict.Verdicts()
    given = {"1": "Good", "2": "Marginal", "3": "Unsure", "4": "Good"}
    assert summary.report(given, verdicts, 1.0, 1.0).compared == 0
    votes = [verdict.Vote("bob", "Good", ""), verdict.Vote("eve", "Unsure", "")]
    verdicts.votes = dict.fromkeys("123", votes)
    told = summary.report(given, verdicts, 1.0, 1.0)
    assert (told.agreed, told.compared) == (1, 2) and told.table == [] and not told.misses
