"""One server on one fresh file system, from the mount to e2fsck, and what is measured between."""

import os

import machine
import processes
import upcalls
from servers import Failure


class Session:
    """`with Session(...) as session`: mounted inside, and in any case unmounted after."""

    def __init__(self, server, target, mountpoint, tracepoint=None):
        self.server = server
        self.target = target
        self.mountpoint = mountpoint
        self.peak_memory = 0
        self.mount_seconds = None
        self._tracepoint = tracepoint
        self._counter = None
        self._daemons = []
        self._is_mounted = False

    def path(self, *names):
        return os.path.join(self.mountpoint, *names)

    def mount(self):
        try:
            self.mount_seconds = self.server.mount(self.target, self.mountpoint)
        except Failure:
            self.target.detach()
            raise
        self._is_mounted = True
        self._daemons = self.server.daemons(self.mountpoint)
        if self._daemons and self._tracepoint is not None:
            device = os.stat(self.mountpoint).st_dev
            self._counter = upcalls.Counter(self._tracepoint, device)

    def unmount(self):
        if not self._is_mounted:
            return
        self.note_memory()
        if self._counter:
            self._counter.close()
            self._counter = None
        self._is_mounted = False
        self.server.unmount(self.target, self.mountpoint, self._daemons)

    def note_memory(self):
        self.peak_memory = max(self.peak_memory, processes.memory(self._daemons, "VmHWM"))

    def resident_memory(self):
        return processes.memory(self._daemons, "VmRSS")

    def make_cold(self):
        """Mounts anew, with no cache anywhere below or above."""
        self.unmount()
        machine.drop_caches()
        self.mount()

    def settle(self):
        """What came before is on disk, and not in the way."""
        os.sync()

    def measure(self, work):
        """Calls `work`, which returns an amount and the seconds it took; returns a sample of that and its cost."""
        busy, used = machine.cpu_seconds(), processes.cpu_seconds(self._daemons)
        asked = self._counter.count if self._counter else None
        amount, seconds = work(self)
        if self._daemons and not all(map(processes.is_alive, self._daemons)):
            raise Failure(f"{self.server.name} has died")
        sample = {
            "amount": amount,
            "seconds": seconds,
            "machine_cpu": machine.cpu_seconds() - busy,
            "daemon_cpu": processes.cpu_seconds(self._daemons) - used,
        }
        if asked is not None:
            sample["upcalls"] = self._counter.count - asked
        return sample

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.unmount()
        except Failure:
            # What went wrong first is the better explanation.
            if error is None:
                raise
        return False
