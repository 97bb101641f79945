"""Where measuring happens: directories, the image or device, the source tree."""

import os
import shutil
import stat
import subprocess
import tempfile

import upcalls
from servers import is_mounted, unmount
from session import Session
from target import Target


class Place:
    """`with Place(...) as place`: nothing of it is left after."""

    def __init__(self, options, tools):
        parent = options.work or os.environ.get("TMPDIR", "/var/tmp")
        # The mount table knows no symbolic links.
        self.work = tempfile.mkdtemp(prefix="fuse4fs-bench.", dir=os.path.realpath(parent))
        self.tools = tools
        self.sizes = options.sizes
        self.patience = options.patience
        self.mountpoint = os.path.join(self.work, "mnt")
        self.source = os.path.join(self.work, "source")
        self._tracepoint = upcalls.tracepoint()
        image = os.path.join(self.work, "disk.img")
        self.target = Target(options.device or image, options.loop, bool(options.device))
        os.mkdir(self.mountpoint)

    def make_source(self):
        self.tools.driver("source-tree", self.source, "--files", self.sizes.tree)

    def session(self, server):
        return Session(server, self.target, self.mountpoint, self._tracepoint)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            if is_mounted(self.mountpoint):
                unmount(self.mountpoint)
        finally:
            self.target.detach()
            shutil.rmtree(self.work, ignore_errors=True)
        return False


def confirm(device, needed, is_confirmed):
    """Ends the program unless `device` is a large enough block device that is not in use, and the user agrees to lose its contents."""
    if not os.path.exists(device) or not stat.S_ISBLK(os.stat(device).st_mode):
        raise SystemExit(f"scripts/bench: {device} is no block device")
    try:
        os.close(os.open(device, os.O_RDWR | os.O_EXCL))
    except OSError as error:
        raise SystemExit(f"scripts/bench: {device} is in use, or cannot be written: {error.strerror}")
    if Target(device, is_device=True).size < needed:
        raise SystemExit(f"scripts/bench: {device} is too small: it takes {needed >> 20} MiB")
    if is_confirmed:
        return
    subprocess.run(["lsblk", "-o", "NAME,SIZE,MODEL,FSTYPE,LABEL,MOUNTPOINTS", device])
    print(f"EVERYTHING ON {device} WILL BE LOST. Type its name to go on: ", end="", flush=True)
    try:
        answer = input().strip()
    except EOFError:
        answer = ""
    if answer != device:
        raise SystemExit("scripts/bench: that is not its name; nothing was done")
