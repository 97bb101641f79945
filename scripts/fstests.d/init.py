#!/usr/bin/env python3
"""The first process of a test's namespaces: sets them up, runs the test, and ends with everything in them.

All orphans become its children, daemons among them. So it learns how a server ended, and writes what must not be
into log/events: a server that crashed, a test that took too long.
"""

import os
import shutil
import signal
import subprocess
import sys
import time

work, tree, server, limit, name = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
# Where work/log is once the namespaces are set up; its own path may be covered then.
LOG = "/mnt/work/log"
# Signals that end a process which has made a mistake; others are sent by tests and by init.
CRASHES = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP}


def event(kind, text):
    """Writes down what must not be: `kind` is "crash" or "hang"."""
    with open(os.path.join(LOG, "events"), "a") as file:
        file.write(f"{kind}\t{text}\n")


def command_of(pid):
    """The name of a process, also of one that has ended and was not waited for."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "?"


def processes():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != 1]


class Reaper:
    """Waits for children, its own and those it inherits, until one of them ends or time is up."""

    def __init__(self, server):
        self.server = server
        self.statuses = {}

    def until(self, pid, deadline):
        while pid not in self.statuses:
            if time.monotonic() > deadline:
                return None
            if not self.reap():
                time.sleep(0.05)
        return self.statuses[pid]

    def reap(self):
        """Collects one child that has ended, if there is one."""
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if ended is None:
            return False
        command = command_of(ended.si_pid)
        _, status = os.waitpid(ended.si_pid, 0)
        self.statuses[ended.si_pid] = status
        if command == self.server and os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            if number in CRASHES or number == signal.SIGKILL:
                event("crash", f"the server was ended by signal {number} ({signal.Signals(number).name})")
        elif command == self.server and status != 0:
            with open(os.path.join(LOG, "server"), "a") as file:
                file.write(f"--- a server ended with exit code {os.WEXITSTATUS(status)}\n")
        return True

    def drain(self, seconds):
        deadline = time.monotonic() + seconds
        while processes() and time.monotonic() < deadline:
            if not self.reap():
                time.sleep(0.05)
        return not processes()


def threads_of(pid):
    try:
        return sorted(int(entry) for entry in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return []


def record_stacks():
    """What hangs: of all processes, each thread with where it is in the kernel; and where in the program, for servers, if a tool is there."""
    with open(os.path.join(LOG, "stacks"), "w") as out:
        for pid in processes():
            try:
                with open(f"/proc/{pid}/cmdline") as command:
                    words = command.read().replace("\0", " ")
            except OSError:
                continue
            out.write(f"=== {pid} {command_of(pid)} ({words})\n")
            for thread in threads_of(pid):
                try:
                    with open(f"/proc/{pid}/task/{thread}/comm") as comm, open(f"/proc/{pid}/task/{thread}/stack") as stack:
                        out.write(f"--- thread {thread} {comm.read()}{stack.read()}")
                except OSError:
                    pass
            if command_of(pid) == server and (tool := stack_tool(pid)):
                out.flush()
                try:
                    subprocess.run(tool, check=False, timeout=30, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
                except subprocess.TimeoutExpired:
                    out.write(f"{tool[0]} did not end\n")


def stack_tool(pid):
    """The command that prints the stacks of a process, of elfutils or else of gdb; None where neither is installed."""
    if shutil.which("eu-stack"):
        return ["eu-stack", "-p", str(pid)]
    if shutil.which("gdb"):
        return ["gdb", "--batch", "-p", str(pid), "-ex", "thread apply all backtrace"]
    return None


def abort_connections():
    """Ends the FUSE connections of the mounts in here: processes that wait for an answer get an error."""
    with open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            if not after.startswith("fuse"):
                continue
            major, minor = map(int, before.split()[2].split(":"))
            # The kernel names a connection after its device number, in the kernel's own encoding.
            try:
                with open(f"/sys/fs/fuse/connections/{major << 20 | minor}/abort", "w") as abort:
                    abort.write("1")
            except OSError:
                pass


def unmount_rest():
    """Unmounts the FUSE mounts that the test left, the newest first: their servers write back and end."""
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file if line.partition(" - ")[2].startswith("fuse")]
    for point in reversed(points):
        path = point.encode().decode("unicode_escape")
        try:
            subprocess.run(["umount", path], check=False, timeout=20, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            event("hang", f"{path} could not be unmounted within 20 seconds")


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def run_check():
    environment = {
        "PATH": "/mnt/work/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/mnt/work/home",
        "TERM": "dumb",
        "LANG": "C",
        "TMPDIR": f"/mnt/{os.path.basename(work)}/tmp",
        "HOST_OPTIONS": "/mnt/work/local.config",
        "DIFF_LENGTH": "30",
        # No cache of what was on the loop devices before.
        "BLKID_FILE": "/dev/null",
        # Newer trees know that processes may have a namespace of their own.
        "FSTESTS_ISOL": "privatens",
    }
    # The keyring of the session that this began in may be gone, and tests of encryption want one.
    session = ["keyctl", "session", "-"] if shutil.which("keyctl") else []
    with open(os.path.join(LOG, "check"), "w") as out:
        return subprocess.Popen(
            session + ["bash", "./check", name], cwd="/mnt/fstests", env=environment, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True)


def main():
    if subprocess.run(["bash", os.path.join(work, "namespace.sh"), work, tree], check=False).returncode != 0:
        return 125

    reaper = Reaper(server)
    test = run_check()
    status = reaper.until(test.pid, time.monotonic() + limit)
    if status is None:
        record_stacks()
        event("hang", f"the limit of {limit} seconds was exceeded")

    # A server that is killed from here on is killed by us.
    kill(pid for pid in processes() if command_of(pid) != server)
    if status is not None:
        unmount_rest()
        reaper.drain(10)
    reaper.server = None
    abort_connections()
    kill(processes())
    if not reaper.drain(30):
        record_stacks()
        event("hang", "processes cannot be killed: see stacks")
    return 124 if status is None else abs(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main())
