"""The daemon behind a mount: which process it is, what it has used."""

import os


def _arguments(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode(errors="replace").split("\0")


def _has_fuse_open(pid):
    directory = f"/proc/{pid}/fd"
    for name in os.listdir(directory):
        try:
            if os.readlink(f"{directory}/{name}") == "/dev/fuse":
                return True
        except OSError:
            continue
    return False


def daemons_of(mountpoint):
    """The processes that hold /dev/fuse open and were told of this mount point."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if mountpoint in _arguments(name) and _has_fuse_open(name):
                found.append(int(name))
        except OSError:
            continue
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def memory(pids, field):
    """VmHWM (peak) or VmRSS (now) of the processes together, in bytes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as file:
                for line in file:
                    if line.startswith(field + ":"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def cpu_seconds(pids):
    """Processor time that the processes have used, in steps of a clock tick."""
    ticks = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
