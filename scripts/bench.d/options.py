"""The command line."""

import argparse
import os
import re
from dataclasses import dataclass

MEBI = 2**20

EPILOG = """\
servers:
  fuse4fs               this project's, as scripts/build makes it, or as --fuse4fs says
  fuse2fs               Debian's
  kernel                its ext4, on a loop device: what all others are compared with
  forward               libfuse's passthrough_ll on the kernel's ext4: what passing on alone costs
  NAME=COMMAND          any other; COMMAND is given the device and the mount point

what is fair:
  Each server mounts as its users would: the daemons the image file, the kernel a loop device on it. So
  each has one page cache of its own, and below it that of the image, which is on the same disk in the same
  place for all. With --loop all are given the loop device; daemons then have its page cache as well. With
  --device all are given the same block device, and nothing is in between. The file system is a new one
  for each server and round, with the same options. What is called cold is mounted anew, after everything
  was written and all caches were dropped. The journal and the barriers are on, where a server has them.

examples:
  scripts/bench --quick                         a look, in about two minutes
  scripts/bench --rounds 3                      the table in docs/benchmarks.md
  scripts/bench --only 'stat|create' fuse4fs    two rows, for fuse4fs and the kernel
  scripts/bench kernel fuse4fs 'other=/opt/fuse4fs -o rw'
  scripts/bench --device /dev/sdX               on a real disk, WHICH LOSES EVERYTHING ON IT
  scripts/bench scale --quick                   how costs grow
  scripts/bench scale --only mount fuse4fs
  scripts/bench report --output DIR             the tables and the page again, from DIR/results.json

The table goes to standard output; results.json, results.md (for docs/benchmarks.md) and report.html go to
the directory that --output names. Root must run it: for loop devices, and to drop caches.
"""


@dataclass
class Sizes:
    """Bytes of the data file, numbers of files, files in the source tree, appends; bytes of the image."""

    data: int
    files: int

    @property
    def tree(self):
        return max(self.files // 5, 100)

    @property
    def appends(self):
        return max(self.files // 20, 50)

    @property
    def image(self):
        """The data twice, the small files, the source tree twice, a journal, and as much again in room."""
        needed = 2 * self.data + self.files * 8192 + 2 * self.tree * 32768 + 256 * MEBI
        return -(-needed * 3 // 2 // MEBI) * MEBI


def size(text):
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if not found or not int(found.group(1)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 256M, 1G")
    return int(found.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30}[found.group(2)]


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def pattern(text):
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}")


def parse(words):
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        usage="%(prog)s [run|scale|report] [OPTION...] [SERVER...]",
        description="Measures fuse4fs against other servers of ext4: data, metadata, and how both scale.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="SERVER", help="who is measured (kernel fuse4fs fuse2fs)")
    add("--quick", action="store_true", help="smaller and two rounds: for a look, not for figures")
    add("--only", type=pattern, metavar="PATTERN", help="workloads or curves with matching names only")
    add("--list", action="store_true", help="print the names of workloads and curves, and end")
    add("--rounds", type=positive, metavar="N", help="rounds (3; quick 2)")
    add("--size", type=size, metavar="SIZE", help="size of the data file (256M; quick 64M)")
    add("--files", type=positive, metavar="N", help="number of small files (20000; quick 4000)")
    add("--limit", type=positive, metavar="X", help="scale: leave out points beyond X")
    add("--patience", type=positive, metavar="SECONDS", help="longest time for anything (600; quick 60)")
    add("--output", metavar="DIR", help="where results go (.build/bench)")
    add("--work", metavar="DIR", help="where the image is made (a directory in $TMPDIR or /var/tmp)")
    add("--loop", action="store_true", help="all servers get the loop device, not the kernel alone")
    add("--device", metavar="DEV", help="use this block device instead of an image; asks before")
    add("--yes-destroy", metavar="DEV", help="the same, and does not ask")
    add("--fuse4fs", metavar="FILE", help="the daemon to measure")
    options = parser.parse_intermixed_args(words)

    options.command = "run"
    if options.words and options.words[0] in ("run", "scale", "report"):
        options.command = options.words.pop(0)
    options.servers = options.words or ["kernel", "fuse4fs", "fuse2fs"]
    if "kernel" not in options.servers and options.command == "run":
        options.servers.insert(0, "kernel")
    names = [server.partition("=")[0] for server in options.servers]
    if len(set(names)) != len(names):
        parser.error("a server is named twice")
    if options.yes_destroy:
        if options.device not in (None, options.yes_destroy):
            parser.error("--device and --yes-destroy name different devices")
        options.device = options.yes_destroy
    if options.device and options.loop:
        parser.error("a device needs no loop device")
    if options.device and options.command == "scale":
        parser.error("scale makes images of its own")

    def default(value, usual, quick):
        return value if value is not None else quick if options.quick else usual

    options.rounds = default(options.rounds, 3, 2)
    options.patience = default(options.patience, 600, 60)
    options.sizes = Sizes(
        data=max(default(options.size, 256 * MEBI, 64 * MEBI), MEBI),
        files=default(options.files, 20_000, 4_000),
    )
    if options.output is None:
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        options.output = os.path.join(root, ".build/bench")
    options.output = os.path.abspath(options.output)
    return options
