"""How costs grow: studies of one size each, every one with the curves that it yields."""

from dataclasses import dataclass
from typing import Callable

import scale_clients
import scale_directory
import scale_extents
import scale_volume
import scale_walk
from rounds import note
from servers import Failure
from tools import WorkFailure


@dataclass
class Study:
    """`places`: sizes. `prepare(place, size)` makes what all servers find; `measure(place, server, size)` returns
    a value for each key of `curves`, which are (title, unit), and whether it got to the end."""

    name: str
    x: str
    curves: dict
    places: list
    quick: list
    measure: Callable
    prepare: Callable = lambda place, size: None


STUDIES = [
    Study(
        "files in a directory",
        "files in the directory",
        {
            "create": ("Create in one directory", "µs per file"),
            "lookup": ("Look up in one directory, caches empty", "µs per file"),
            "unlink": ("Unlink all of one directory", "µs per file"),
        },
        [1_000, 10_000, 100_000, 1_000_000],
        [1_000, 10_000],
        scale_directory.measure,
    ),
    Study(
        "extents of a file",
        "extents",
        {"read": ("Read 4 KiB at random in 400 MB, mount fresh, image in memory", "µs per read")},
        [1, 10, 100, 1_000, 10_000, 100_000],
        [1, 100, 10_000],
        scale_extents.measure,
        scale_extents.prepare,
    ),
    Study(
        "mount by size",
        "GiB",
        {"mount": ("Mount an empty image, caches empty", "ms")},
        [1, 16, 128, 1_024, 4_096, 16_384],
        [1, 128, 1_024],
        scale_volume.measure,
        scale_volume.prepare_empty,
    ),
    Study(
        "mount of 1 TiB by fullness",
        "percent in use",
        {"mount": ("Mount a 1 TiB image that is in use, caches empty", "ms")},
        [10, 50, 90],
        [90],
        scale_volume.measure,
        scale_volume.prepare_full,
    ),
    Study(
        "walk over many files",
        "files in the tree",
        {
            "memory": ("Resident memory after a walk", "MiB"),
            "time": ("A walk that looks at every file, image in memory", "µs per file"),
        },
        [10_000, 100_000, 1_000_000],
        [1_000, 10_000],
        scale_walk.measure,
        scale_walk.prepare,
    ),
    Study(
        "clients",
        "clients",
        {
            "create": ("Create 4 KiB files, a directory each", "files/s"),
            "stat": ("stat, caches empty", "files/s"),
            "read": ("Direct random reads of 4 KiB", "reads/s"),
            "statfs": ("statfs", "requests/s"),
        },
        [1, 2, 4, 8],
        [1, 2, 4, 8],
        scale_clients.measure,
    ),
]


def titles():
    return [study.name for study in STUDIES]


def run(options, place, servers, results):
    chosen = [study for study in STUDIES if not options.only or options.only.search(study.name)]
    if not chosen:
        raise SystemExit("scripts/bench: no curve has such a name; --list prints them")
    kept = [curve for curve in results.data.get("curves", []) if curve["study"] not in
            {study.name for study in chosen}]  # fmt: skip
    results.data["curves"] = kept
    for study in chosen:
        Run(study, options, place, servers, results).run()


class Run:
    """A server that did not get to the end at one size is spared the larger ones."""

    def __init__(self, study, options, place, servers, results):
        self._study = study
        self._place = place
        self._servers = servers
        self._results = results
        places = study.quick if options.quick else study.places
        self._places = [at for at in places if not options.limit or at <= options.limit]
        self._curves = {
            key: {"study": study.name, "title": title, "x": study.x, "y": unit, "points": []}
            for key, (title, unit) in study.curves.items()
        }
        results.data["curves"] += self._curves.values()

    def run(self):
        exhausted = set()
        for at in self._places:
            note(f"{self._study.name}: {at:,}")
            self._study.prepare(self._place, at)
            for server in self._servers:
                if server.name not in exhausted and not self._run_server(server, at):
                    exhausted.add(server.name)
            self._place.target.remove()

    def _run_server(self, server, at):
        values, reason = {}, None
        try:
            values = self._study.measure(self._place, server, at)
        except (Failure, WorkFailure, OSError) as error:
            reason = str(error)
            note(f"  {server.name}: {reason}")
        for key, curve in self._curves.items():
            value, complete = values.get(key, (None, False))
            if value is None and reason is None:
                # It has no such value.
                continue
            point = {"server": server.name, "at": at, "value": value, "complete": complete}
            curve["points"].append({**point, "reason": reason} if reason else point)
        self._results.save()
        return reason is None and all(complete for _, complete in values.values())
