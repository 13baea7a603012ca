"""How far the hub is: what waits, who works on what, and when more stamps are needed.

Read off the people's folders and the verified files: one look per person, none per chunk. Standard
library only.
"""

from collections import Counter
from datetime import datetime, timezone

import labels
from cluster.handout import is_live, read_claim
from cluster.hub import Hub
from cluster.receive import gather

_FEW = 7  # chunks; the lead needs a day or two to make another drop


def status(folder):
    """Print how many chunks wait, are out and complete, and a line per person."""
    hub = Hub(folder)
    given = Counter(user for (user, _), row in gather(hub).items() if row.action != labels.SKIPPED)
    done, out = Counter(), Counter()
    lines = [("person", "labels", "has", "finished", "last seen (UTC)")]
    for person in sorted((hub.folder / "people").iterdir()):
        user = person.name
        if not labels.is_user(user) or person.is_symlink() or not person.is_dir():
            continue
        claimed, finished = hub.claimed(user)
        held = claimed - finished
        done.update(finished)
        out.update(name for name in held if is_live(hub, name, read_claim(person / name)))
        seen = datetime.fromtimestamp(person.stat().st_mtime, timezone.utc)
        counts = map(str, (given[user], len(held), len(finished)))
        lines.append((user, *counts, f"{seen:%Y-%m-%d %H:%M}"))
    names = [chunk.name for chunk in hub.chunks()]
    complete = sum(done[name] >= hub.settings.labelers for name in names)
    busy = sum(done[name] < hub.settings.labelers and out[name] > 0 for name in names)
    waiting = len(names) - complete - busy
    print(f"{waiting:6} chunks wait for someone\n{busy:6} are out\n{complete:6} are complete\n")
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *others, last in lines:
        print(first.ljust(widths[0]), *map(str.rjust, others, widths[1:-1]), last, sep="  ")
    if waiting < _FEW:
        print(f"\nFewer than {_FEW} chunks wait: run add soon.")
    return 0
