"""Clients at the same time: what each more adds."""

from fixtures import PER_DIRECTORY
from workloads import direct


def measure(place, server, size):
    tools, sizes = place.tools, place.sizes
    place.target.make(sizes.image)
    with place.session(server) as session:
        files = [session.path("files"), "--files", sizes.files, "--per-directory", PER_DIRECTORY]
        files += ["--clients", size]
        created, seconds = tools.driver("create", *files)
        create = created / seconds
        session.make_cold()
        looked, seconds = tools.driver("stat", *files)
        stat = looked / seconds
        data = session.path("data")
        tools.fio(data, "write", "1M", size=sizes.data, end_fsync=1)
        read, seconds = tools.fio(
            data, "randread", "4k", size=sizes.data, io_size=sizes.data // 4, numjobs=size,
            **direct(4),
        )  # fmt: skip
        asked, asking = tools.driver("statfs", session.path(""), "--clients", size)
    return {
        "create": (create, True),
        "stat": (stat, True),
        "read": (read / 4096 / seconds, True),
        "statfs": (asked / asking, True),
    }
