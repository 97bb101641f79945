"""What is mounted: an image in a file, or a block device, with a fresh file system for each session."""

import os
import re
import subprocess
import time

MKE2FS = ["mke2fs", "-q", "-F", "-t", "ext4"]
# "nodiscard" keeps mke2fs from punching holes: the first server must not pay for filling them.
FRESH = ["-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", "-i", "8192"]


def run(*command, **options):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


class Target:
    """`through_loop`: all servers get the same loop device, and not only the kernel."""

    def __init__(self, path, through_loop=False, is_device=False):
        self.path = path
        self.is_device = is_device
        self.through_loop = through_loop
        self._loop = None

    def make(self, size, options=FRESH, sparse=False):
        """A new file system of `size` bytes. Not sparse: a file's blocks exist, written once."""
        if not self.is_device:
            if sparse or not os.path.exists(self.path) or os.path.getsize(self.path) != size:
                self.remove()
                with open(self.path, "wb") as file:
                    if not sparse:
                        _fill(file, size)
                    file.truncate(size)
        run(*MKE2FS, *options, self.path, f"{size >> 10}K", stdout=subprocess.DEVNULL)

    @property
    def size(self):
        with open(self.path, "rb") as file:
            return file.seek(0, os.SEEK_END)

    def remove(self):
        self.detach()
        if not self.is_device and os.path.exists(self.path):
            os.remove(self.path)

    def attach(self):
        """The block device, by a loop device if need be."""
        if self.is_device:
            return self.path
        if self._loop is None:
            found = subprocess.run(
                ["losetup", "--find", "--show", self.path], check=True, capture_output=True, text=True
            )
            self._loop = found.stdout.strip()
        return self._loop

    def for_daemon(self):
        return self.attach() if self.through_loop else self.path

    def detach(self):
        """Returns when the loop device is gone: it could still write, and daemons refuse the image."""
        if self._loop is None:
            return
        subprocess.run(["losetup", "--detach", self._loop], capture_output=True)
        self._loop = None
        for _ in range(3000):
            query = ["losetup", "--noheadings", "--associated", self.path]
            if not subprocess.run(query, capture_output=True).stdout.strip():
                return
            time.sleep(0.01)
        raise OSError(f"another process keeps the loop device of {self.path} busy")

    def warm(self):
        """Has the page cache hold what of the image is not a hole."""
        with open(self.path, "rb", buffering=0) as file:
            position, size = 0, os.fstat(file.fileno()).st_size
            while position < size:
                try:
                    start = file.seek(position, os.SEEK_DATA)
                except OSError:
                    return
                position = file.seek(start, os.SEEK_HOLE)
                file.seek(start)
                while start < position and (read := len(file.read(min(1 << 20, position - start)))):
                    start += read

    def check(self):
        """What e2fsck has to say; empty if nothing."""
        done = subprocess.run(["e2fsck", "-fn", self.path], capture_output=True, text=True)
        if done.returncode == 0:
            return ""
        lines = [line for line in done.stdout.splitlines() if not re.match(r"(e2fsck|Pass) ", line)]
        return next((line for line in lines if line.strip()), f"e2fsck exits {done.returncode}")


def _fill(file, size):
    block = bytes(1 << 22)
    for _ in range(size // len(block) + 1):
        file.write(block)
    file.flush()
    os.fsync(file.fileno())
