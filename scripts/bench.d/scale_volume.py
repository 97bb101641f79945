"""Size of the file system: what it costs to mount it."""

import os
import statistics

import machine
from scale_directory import SPARSE
from servers import Kernel
from target import run

GIBI = 1 << 30
TIMES = 5


def prepare_empty(place, size):
    """Files on ext4 end a block short of 16 TiB."""
    place.target.make(min(size * GIBI, (16 << 40) - GIBI), SPARSE, sparse=True)


def prepare_full(place, percent):
    """Thousands of directories, which the kernel spreads over the groups, and large files up to `percent`."""
    place.target.make(1 << 40, SPARSE, sparse=True)
    with place.session(Kernel()) as session:
        place.tools.driver(
            "create", session.path("files"), "--files", 16_000, "--per-directory", 2
        )
        for number in range(percent * 1024 // 100 // 8):
            run("fallocate", "--length", str(8 * GIBI), session.path(f"large{number}"))


def measure(place, server, size):
    times = []
    for _ in range(TIMES):
        machine.drop_caches()
        with place.session(server) as session:
            os.statvfs(place.mountpoint)
            times.append(session.mount_seconds * 1000)
    return {"mount": (statistics.median(times), True)}
