"""Extents in one file: what it costs to find the right one."""

from scale_directory import SPARSE
from servers import Kernel

BLOCKS = 100_000
READS = 20_000


def prepare(place, size):
    place.target.make(2 << 30, SPARSE, sparse=True)
    with place.session(Kernel()) as session:
        place.tools.driver(
            "fragment", session.path("file"), "--extents", size, "--blocks", BLOCKS
        )


def measure(place, server, size):
    with place.session(server) as session:
        session.make_cold()
        place.target.warm()
        done, seconds = place.tools.driver(
            "read-blocks", session.path("file"), "--extents", size, "--blocks", BLOCKS,
            "--count", READS, "--seconds", place.patience / 4,
        )  # fmt: skip
    return {"read": (seconds * 1e6 / done, done == READS)}
