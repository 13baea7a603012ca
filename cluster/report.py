"""How far the hub is: what waits, who works on what, and when more stamps are needed.

Everything is read off the people's folders and the verified files, so that it costs one look per
person and not one per chunk. Standard library only.
"""

from collections import Counter
from datetime import datetime, timezone

import labels
from cluster.handout import is_live, read_claim
from cluster.hub import Hub, is_user
from cluster.receive import gather

_FEW = 7  # chunks; the lead needs a day or two to make another drop


def status(folder):
    """Print chunks and people, and warn when stamps run short."""
    hub = Hub(folder)
    rows, seen = gather(hub)
    given = Counter(user for (user, _), row in rows.items() if row.action != labels.SKIPPED)
    done, out, lines = Counter(), Counter(), []
    for person in sorted((hub.folder / "people").iterdir()):
        user = person.name
        if not is_user(user) or person.is_symlink() or not person.is_dir():
            continue
        claimed, finished = hub.claimed(user)
        held = claimed - finished
        done.update(finished)
        out.update(name for name in held if is_live(hub, name, read_claim(person / name)))
        last = max(person.stat().st_mtime, seen.get(user, 0))
        time = datetime.fromtimestamp(last, timezone.utc).strftime("%Y-%m-%d %H:%M")
        lines.append((user, str(given[user]), str(len(held)), str(len(finished)), time))
    names = [chunk.name for chunk in hub.chunks()]
    complete = sum(done[name] >= hub.settings.labelers for name in names)
    busy = sum(done[name] < hub.settings.labelers and out[name] > 0 for name in names)
    waiting = len(names) - complete - busy
    print(f"{waiting:6} chunks wait for someone\n{busy:6} are out\n{complete:6} are complete\n")
    _print_table((("person", "labels", "has", "finished", "last seen (UTC)"), *lines))
    if waiting < _FEW:
        print(f"\nFewer than {_FEW} chunks wait: run add soon.")
    return 0


def _print_table(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *others, last in lines:
        cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:-1]), last]
        print("  ".join(cells))
