"""The machine: what it is, how its caches are dropped, what its processors have done."""

import os
import platform
import re
import subprocess


def output(*command):
    """Standard output of a command, stripped; empty if it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


def cpu_seconds():
    """Seconds that all processors together have been busy since boot."""
    with open("/proc/stat") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    user, nice, system, _, _, irq, softirq, _ = ticks
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _first(path, pattern):
    try:
        with open(path) as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return "unknown"
    return found.group(1).strip() if found else "unknown"


def _sysctl(path):
    return _first(path, r"(.*)")


def _storage(directory):
    device = output("findmnt", "-n", "-o", "SOURCE,FSTYPE,OPTIONS", "-T", directory)
    return " ".join(device.split())


def is_in_memory(directory):
    return output("findmnt", "-n", "-o", "FSTYPE", "-T", directory) in ("tmpfs", "ramfs")


def describe(work, servers):
    """What a reader must know to judge figures, as pairs of a name and a value."""
    processor = _first("/proc/cpuinfo", r"model name\s*:(.*)")
    memory = int(_first("/proc/meminfo", r"MemTotal:\s+(\d+)")) / 2**20
    facts = [
        ("processor", f"{os.cpu_count()} × {processor}"),
        ("memory", f"{memory:.1f} GiB"),
        ("kernel", platform.release()),
        ("distribution", _first("/etc/os-release", r'PRETTY_NAME="(.*)"')),
        ("below the image", _storage(work)),
        ("load at the start", f"{os.getloadavg()[0]:.2f}"),
        ("largest FUSE request", f"{_sysctl('/proc/sys/fs/fuse/max_pages_limit')} pages"),
        ("FUSE over io_uring", _sysctl("/sys/module/fuse/parameters/enable_uring")),
        ("source", output("git", "-C", os.path.dirname(__file__), "describe", "--always", "--dirty")),
        ("mke2fs", output("mke2fs", "-V").split("\n")[0]),
        ("fio", output("fio", "--version")),
    ]
    return facts + [(server.name, server.version) for server in servers if server.version]
