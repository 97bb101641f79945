"""The servers of the file system: the kernel, or a daemon that a command starts."""

import os
import shlex
import subprocess
import time

import machine
import processes
from target import run


class Failure(Exception):
    """A server did not do what was asked of it."""


def is_mounted(mountpoint):
    with open("/proc/self/mountinfo") as file:
        return any(line.split()[4] == mountpoint for line in file)


def unmount(mountpoint):
    """By force if it must be, which is a failure."""
    for attempt in range(50):
        done = subprocess.run(["umount", mountpoint], capture_output=True, text=True)
        if done.returncode == 0 or not is_mounted(mountpoint):
            return
        time.sleep(0.02 * (attempt + 1))
    subprocess.run(["umount", "--lazy", mountpoint], capture_output=True)
    raise Failure(f"cannot unmount: {done.stderr.strip()}")


class Kernel:
    """The kernel's ext4: what everybody is compared with."""

    name = "kernel"
    version = ""

    def mount(self, target, mountpoint):
        """Seconds until it was usable."""
        device = target.attach()
        start = time.perf_counter()
        done = subprocess.run(
            ["mount", "-t", "ext4", device, mountpoint], capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            raise Failure(done.stderr.strip())
        return seconds

    def daemons(self, mountpoint):
        return []

    def unmount(self, target, mountpoint, daemons):
        unmount(mountpoint)
        target.detach()


class Daemon:
    """A FUSE server; its command is given the device and the mount point."""

    patience = 60

    def __init__(self, name, command, log, version=""):
        self.name = name
        self.command = shlex.split(command)
        self.version = version
        self._log = log

    def mount(self, target, mountpoint):
        return self._start([*self.command, target.for_daemon(), mountpoint], mountpoint)

    def _start(self, command, mountpoint):
        """A command that ends has mounted; one that stays has when the mount is there."""
        with open(self._log, "ab") as log:
            start = time.perf_counter()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        appeared = None
        while (now := time.perf_counter()) < start + self.patience:
            code = process.poll()
            if code is not None:
                if code == 0 and is_mounted(mountpoint):
                    return now - start
                raise Failure(f"{self.name} exits {code} instead of mounting; see {self._log}")
            if appeared is None and is_mounted(mountpoint):
                appeared = now
            if appeared is not None and now > appeared + 1:
                return appeared - start
            time.sleep(0.0005)
        process.kill()
        process.wait()
        raise Failure(f"{self.name} has not mounted after {self.patience} seconds")

    def daemons(self, mountpoint):
        return processes.daemons_of(mountpoint)

    def unmount(self, target, mountpoint, daemons):
        """Ends when the daemon has: only then everything is in the image."""
        try:
            unmount(mountpoint)
            deadline = time.monotonic() + self.patience
            while any(map(processes.is_alive, daemons)):
                if time.monotonic() > deadline:
                    raise Failure(f"{self.name} does not end")
                time.sleep(0.002)
        finally:
            for pid in filter(processes.is_alive, daemons):
                os.kill(pid, 9)
            self._release(target)

    def _release(self, target):
        target.detach()


class Forward(Daemon):
    """libfuse's passthrough_ll on top of the kernel's ext4: passes calls on, and does nothing else."""

    source = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"

    def __init__(self, name, log, work):
        self._below = os.path.join(work, "below")
        os.makedirs(self._below, exist_ok=True)
        program = os.path.join(work, "passthrough_ll")
        options = f"source={self._below},writeback,cache=always,timeout=86400,allow_other"
        super().__init__(name, f"{program} -o {options}", log, "libfuse's passthrough_ll")
        self._build(program)

    def _build(self, program):
        flags = machine.output("pkg-config", "--cflags", "--libs", "fuse3").split()
        source, directory = self.source, os.path.dirname(self.source)
        if not os.path.exists(source):
            raise SystemExit(f"scripts/bench: there is no {source}, which libfuse3-dev brings")
        run("gcc", "-O2", "-w", f"-I{directory}", "-o", program, source, *flags)

    def mount(self, target, mountpoint):
        Kernel().mount(target, self._below)
        try:
            return self._start([*self.command, mountpoint], mountpoint)
        except Failure:
            self._release(target)
            raise

    def _release(self, target):
        if is_mounted(self._below):
            unmount(self._below)
        target.detach()


def make(words, binary, work, log):
    """The servers that the command line names."""
    servers = []
    for word in words:
        name, equals, command = word.partition("=")
        if equals:
            servers.append(Daemon(name, command, log))
        elif word == "kernel":
            servers.append(Kernel())
        elif word == "forward":
            servers.append(Forward(word, log, work))
        elif word == "fuse4fs":
            version = machine.output(binary, "--version").replace("\n", ", ")
            servers.append(Daemon(word, shlex.quote(binary), log, version))
        elif word == "fuse2fs":
            version = machine.output("dpkg-query", "-W", "-f", "${Version}", "fuse2fs")
            servers.append(Daemon(word, "fuse2fs", log, version))
        else:
            raise SystemExit(f"scripts/bench: there is no server {word}; give it as {word}=COMMAND")
    return servers
