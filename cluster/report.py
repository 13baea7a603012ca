"""How far the hub is: what waits, who works on what, and when more stamps are needed.

Read off the people's folders and the verified files: one look per person, none per chunk. Standard
library only.
"""

from collections import Counter
from datetime import datetime, timezone

import labels
from cluster.handout import is_live, read_claim
from cluster.hub import Hub, counted
from cluster.receive import gather

_FEW = 7  # chunks, as the warning says; the lead needs a day or two to make another drop


def status(folder):
    """Print how many chunks are complete, with labelers or need more of them; then the people."""
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
    needed = hub.settings.labelers
    names = [chunk.name for chunk in hub.chunks()]
    complete = sum(done[name] >= needed for name in names)
    # `next` gives a chunk to another person as long as fewer than needed have it or finished it
    lacking = Counter(have for name in names if (have := done[name] + out[name]) < needed)
    waiting = sum(lacking.values())
    busy = len(names) - complete - waiting
    told = [f"{complete} complete", f"{waiting} {'needs' if waiting == 1 else 'need'} more people"]
    if busy:
        told.insert(1, f"{busy} with labelers")
    if waiting:
        parts = (
            f"{counted(lacking[have], 'has', 'have')} {have} of {needed}"
            for have in sorted(lacking)
        )
        told[-1] += f" ({', '.join(parts)})"
    print(f"chunks {len(names):3}: {', '.join(told)}\n")
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *others, last in lines:
        print(first.ljust(widths[0]), *map(str.rjust, others, widths[1:-1]), last, sep="  ")
    if waiting < _FEW:
        print(
            "\nFewer than seven chunks wait for someone: add more stamps soon (add), so that "
            "nobody runs dry."
        )
    return 0
