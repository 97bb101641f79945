"""Files in a tree: what a walk over it costs, and what stays in memory."""

from scale_directory import SPARSE
from servers import Kernel

PER_DIRECTORY = 1000


def prepare(place, size):
    place.target.make(size * 1024 + (512 << 20), [*SPARSE, "-N", str(size * 2)], sparse=True)
    with place.session(Kernel()) as session:
        place.tools.driver(
            "create", session.path("files"), "--files", size,
            "--per-directory", PER_DIRECTORY, "--bytes", 0,
        )  # fmt: skip


def measure(place, server, size):
    with place.session(server) as session:
        session.make_cold()
        place.target.warm()
        # A size has find look at every file.
        seconds = place.tools.command("find", session.path("files"), "-size", "+1G")
        memory = session.resident_memory() / 2**20
    values = {"time": (seconds * 1e6 / size, True)}
    return {**values, "memory": (memory, True)} if memory else values
