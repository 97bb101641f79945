"""The entry of scripts/load, which sees to everything that this needs."""

import argparse
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

from rounds import Rounds
from server import Failure, Server, run

DESCRIPTION = """\
Many clients do mixed operations on one mount while the daemon is stopped and continued, its connection aborted, and
killed, again and again. Every client knows what it has written: after each end what was fsynced is there, everything
else is as it was at some moment, after an unmount in good order everything is exact, and e2fsck has nothing to say.
It ends with figures, and with an exit code that is not 0 at the first fault."""


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/load", description=DESCRIPTION)
    add = parser.add_argument
    add("--fuse4fs", metavar="PATH", help="the daemon; without it, what scripts/build makes")
    add("--clients", type=int, default=64, metavar="N", help="how many clients (%(default)s)")
    add("--seconds", type=float, default=3600, metavar="N", help="for how long (%(default)s)")
    add("--seed", type=int, default=None, metavar="N", help="decides operations and times; printed")
    add("--user", default="nobody", help="who mounts and works, when root runs this (%(default)s)")
    add("--size", default="1G", help="of the image, as mke2fs takes it (%(default)s)")
    add("--block-size", type=int, default=4096, metavar="N", help="of the image (%(default)s)")
    add("--journal", type=int, default=8, metavar="N", help="MiB of the journal (%(default)s)")
    add("--share", type=int, default=2048, metavar="N", help="KiB that a client stores (%(default)s)")
    add("--interval", type=float, nargs=2, default=(3, 20), metavar="N", help="seconds of a round (3 20)")
    add("--memory", type=int, default=256, metavar="N", help="MiB that the daemon may use (%(default)s)")
    add("--threads", type=int, default=100, metavar="N", help="threads and descriptors it may have (%(default)s)")
    add("--patience", type=int, default=300, metavar="N", help="seconds a client may take (%(default)s)")
    add("--work", help="where the image is made (the temporary directory)")
    add("--keep", metavar="DIR", help="where the image and the daemon's log go after a fault")
    add("-o", default="", metavar="OPTIONS", help="mount options")
    options = parser.parse_args(words)
    options.fuse4fs = os.environ.get("LOAD_FUSE4FS", options.fuse4fs)
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(4), "big")
    return options


def identity(options):
    """User and group of an ordinary user when root runs this; None when an ordinary user does."""
    if os.getuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(options.user)
    except KeyError:
        raise SystemExit(f"scripts/load: there is no user {options.user}; --user takes another") from None
    return (entry.pw_uid, entry.pw_gid)


def prepare(work, is_root):
    """What a bare machine lacks, in this process's own mount namespace."""
    if not os.path.exists("/dev/fuse"):
        raise SystemExit("scripts/load: there is no /dev/fuse; the kernel or this container lacks it")
    if not is_root:
        return
    status = os.stat("/dev/fuse")
    if stat.S_IMODE(status.st_mode) & 0o006 != 0o006:
        node = os.path.join(work, "fuse")
        os.mknod(node, stat.S_IFCHR | 0o666, status.st_rdev)
        os.chmod(node, 0o666)
        run("mount", "--bind", node, "/dev/fuse")
    if not os.path.ismount("/sys/fs/fuse/connections"):
        run("mount", "-t", "fusectl", "none", "/sys/fs/fuse/connections")


def keep(options, server):
    if not options.keep:
        return ""
    os.makedirs(options.keep, exist_ok=True)
    for path in (server.image, server.log):
        if os.path.exists(path):
            run("cp", "--sparse=always", path, options.keep)
    return f"; the image and the daemon's log are in {options.keep}"


def main(words):
    options = parse(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    user = identity(options)
    work = tempfile.mkdtemp(prefix="fuse4fs-load.", dir=options.work)
    os.chmod(work, 0o755)
    server = None
    try:
        prepare(work, user is not None)
        server = Server(options, work, user)
        rounds = Rounds(options, server, lambda line: print(line, flush=True))
        print(f"seed {options.seed}", flush=True)
        try:
            rounds.run()
            failure = None
        except (Failure, subprocess.SubprocessError) as error:
            failure = error
        print(rounds.figures.report(), flush=True)
        if failure is None:
            print("no fault")
            return 0
        kept = keep(options, server)
        print(f"scripts/load: seed {options.seed}, at {time.ctime()}: {failure}{kept}", file=sys.stderr)
        return 1
    finally:
        if server is not None:
            server.clear()
        if os.path.ismount("/dev/fuse"):
            subprocess.run(["umount", "--lazy", "/dev/fuse"], capture_output=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
