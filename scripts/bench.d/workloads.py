"""The workloads, in the order in which they run and are reported, each with the floor that fuse4fs is to reach.

A workload is prepared off the clock, made cold if it is to be, and run. It returns an amount (bytes or
operations) and seconds. The floor is a ratio to the kernel's ext4, where more is better.
"""

import os
from dataclasses import dataclass
from typing import Callable


@dataclass
class Workload:
    name: str
    floor: float
    unit: str
    run: Callable
    prepare: Callable = lambda f: None
    is_cold: bool = False

    @property
    def counts_bytes(self):
        return self.unit == "MB/s"


ALL = []


def workload(name, floor, unit="files/s", prepare=lambda f: None, cold=False):
    def register(run):
        ALL.append(Workload(name, floor, unit, run, prepare, cold))
        return run

    return register


def data(f):
    f.need_data()


def warm_data(f):
    f.need_data()
    f.need_warm(f.data)


def files(f):
    f.need_files()


def tree(f):
    f.need_tree()


@workload("sequential write 1 MiB + fsync", 0.95, "MB/s", lambda f: f.need_no_data())
def sequential_write(f):
    return f.tools.fio(f.data, "write", "1M", size=f.sizes.data, end_fsync=1, create_on_open=1)


@workload("sequential read, cold", 0.95, "MB/s", data, cold=True)
def sequential_read_cold(f):
    return f.tools.fio(f.data, "read", "1M", size=f.sizes.data)


@workload("sequential read, warm", 0.90, "MB/s", warm_data)
def sequential_read_warm(f):
    return f.tools.fio(f.data, "read", "1M", size=f.sizes.data, loops=4)


@workload("random read 4 KiB, cold", 1.25, "reads/s", data, cold=True)
def random_read(f):
    return blocks(
        f.tools.fio(f.data, "randread", "4k", size=f.sizes.data, io_size=f.sizes.data // 8)
    )


@workload("random write 4 KiB buffered", 1.00, "writes/s", data)
def random_write(f):
    return blocks(f.tools.fio(f.data, "randwrite", "4k", size=f.sizes.data, end_fsync=1))


@workload("direct read 1 MiB, depth 8", 1.00, "MB/s", warm_data)
def direct_read(f):
    return f.tools.fio(f.data, "read", "1M", size=f.sizes.data, loops=4, **direct(8))


@workload("direct random read 4 KiB, depth 16", 0.45, "reads/s", warm_data)
def direct_random_read(f):
    return blocks(f.tools.fio(f.data, "randread", "4k", size=f.sizes.data, **direct(16)))


@workload("direct random write 4 KiB, depth 16", 0.30, "writes/s", warm_data)
def direct_random_write(f):
    return blocks(f.tools.fio(f.data, "randwrite", "4k", size=f.sizes.data, **direct(16)))


@workload("append 4 KiB + fsync each", 1.0, "appends/s")
def append(f):
    path = f.session.path("appended")
    result = f.tools.driver("append", path, "--count", f.sizes.appends)
    os.remove(path)
    return result


@workload("create 4 KiB files", 0.33, prepare=lambda f: f.need_no_files())
def create(f):
    return f.tools.driver("create", *f.file_set())


@workload("stat, cold", 0.25, prepare=files, cold=True)
def stat_cold(f):
    return f.tools.driver("stat", *f.file_set())


def warm_names(f):
    f.need_files()
    f.tools.driver("stat", *f.file_set())


@workload("stat, warm", 1.00, prepare=warm_names)
def stat_warm(f):
    return f.tools.driver("stat", *f.file_set(), "--times", 5)


@workload("readdir, cold", 0.80, "names/s", prepare=files, cold=True)
def readdir(f):
    return f.tools.driver("list", *f.file_set())


@workload("open+read small files, cold", 0.48, prepare=files, cold=True)
def read_small_cold(f):
    return f.tools.driver("read", *f.file_set())


def warm_files(f):
    f.need_files()
    f.tools.driver("read", *f.file_set())


@workload("open+read small files, warm", 0.70, prepare=warm_files)
def read_small_warm(f):
    return f.tools.driver("read", *f.file_set(), "--times", 3)


@workload("rename", 0.40, prepare=warm_names)
def rename(f):
    f.has_renamed = True
    return f.tools.driver("rename", *f.file_set())


def any_files(f):
    if not f.has_renamed:
        f.need_files()


@workload("unlink tree", 0.28, prepare=any_files)
def unlink(f):
    result = f.tools.driver("unlink", *f.file_set())
    f.has_renamed = False
    os.rmdir(f.files)
    return result


@workload("cp -a of a source tree", 0.60, prepare=lambda f: f.need_no_tree())
def copy(f):
    return f.sizes.tree, f.tools.command("cp", "-a", f.source, f.tree)


@workload("find -newer, cold", 0.48, prepare=tree, cold=True)
def find_newer(f):
    return f.sizes.tree, f.tools.command("find", f.tree, "-newer", f.source)


@workload("grep -r, cold", 0.75, prepare=tree, cold=True)
def grep(f):
    return f.sizes.tree, f.tools.command("grep", "-r", "no such words", f.tree, allowed=(1,))


# Peak of resident memory in bytes, over all of the above: here less is better.
MEMORY_FLOOR = 64 * 2**20


def direct(depth):
    return {"direct": 1, "ioengine": "libaio", "iodepth": depth}


def blocks(result):
    amount, seconds = result
    return amount // 4096, seconds
