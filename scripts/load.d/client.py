"""One client: random operations in its own directory, and on its names in one that all share, with a model."""

import errno
import os
import random
import signal
import time
import traceback

import namespace
from contents import Contents
from operations import Operations
from system import Gone

# What a program gets when the daemon has gone. EFAULT: from a mapping.
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.EFAULT, errno.ENODEV}


class Fault(Exception):
    """The file system is not as it must be."""


class Client(Operations):
    shared = "shared"

    def __init__(self, number, options, root, state):
        self.number = number
        self.root = root
        # What all processes share: see rounds.py.
        self.state = state
        self.random = random.Random(f"{options.seed} {number}")
        # How much this client may store, and in an attribute, of which an inode has a few in one block, and in a link.
        self.share = options.share << 10
        self.attribute_size = options.block_size // 8
        self.target_size = options.block_size // 2
        self.directory = f"client{number}"
        self.prefix = f"c{number}-"
        self.names = namespace.Names()
        # The names before each change since the last that is durable; the last ones are what should be there.
        self.history = [self.names]
        # How many of them the file system has acknowledged.
        self.acknowledged = 0
        self.files = {}
        self.open = {}
        self.next_id = 1
        self.operation = 0
        self.recent = []
        self.counts = {}
        self.verified = 0
        self.slowest = (0.0, "")

    # MARK: the names and their history

    def change(self, description, apply, call):
        """A change of names: applied to the model, and then by the file system."""
        new = self.names.copy()
        apply(new)
        self.history.append(new)
        self.note(description)
        call()
        self.names = new
        self.acknowledged = len(self.history) - 1

    def names_are_durable(self):
        self.history = [self.names]
        self.acknowledged = 0
        used = {id for kind, id in self.names.entries.values() if kind == "f"}
        self.files = {id: file for id, file in self.files.items() if id in used}

    def file_is_durable(self, file):
        file.synchronized()
        self.names_are_durable()

    def note(self, description):
        self.recent = self.recent[-40:] + [f"{self.operation} {description}"]

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def new_file(self):
        id = self.new_id()
        self.files[id] = Contents(self.number, id)
        return id

    def path(self, path):
        return os.path.join(self.root, path)

    # MARK: work

    def work(self):
        """Until it is to stop, or the file system has gone. True in the first case."""
        if self.directory not in self.names.entries:
            try:
                self.timed("begin", self.begin)
            except Gone:
                return False
        while not self.state.halt.value:
            name, operation = self.random.choices(self.kinds, self.weights)[0]
            try:
                self.timed(name, operation)
            except Gone:
                self.close_all()
                return False
        self.close_all()
        return True

    def timed(self, name, operation):
        self.operation += 1
        start = time.monotonic()
        try:
            operation(self)
        except OSError as error:
            if self.is_gone(error):
                raise Gone from error
            raise Fault(f"{name}: {error}") from error
        except AssertionError as error:
            # What is read from a mount that is going away need not be right: the kernel has lost pages.
            if self.state.ending.value:
                raise Gone from error
            raise Fault(f"{name}: {error}") from error
        end = time.monotonic()
        self.counts[name] = self.counts.get(name, 0) + 1
        stopped = self.state.stopped
        if end - start > self.slowest[0] and not (start <= stopped[1] and end >= stopped[0]):
            self.slowest = (end - start, name)

    def is_gone(self, error):
        """Whether an error says that the daemon has gone. One whose connection was aborted takes the mount away, and then
        nothing is where it was."""
        if not self.state.ending.value:
            return False
        return error.errno in GONE or error.errno == errno.ENOENT and not os.path.ismount(self.root)

    def begin(self, _):
        self.change(
            f"mkdir {self.directory}",
            lambda names: names.add(self.directory, "d", self.new_id()),
            lambda: os.mkdir(self.path(self.directory)),
        )

    def descriptor(self, path):
        """An open file. Some stay open, so that the kernel keeps what is written to them."""
        id = self.names.entries[path][1]
        if id in self.open:
            return self.open[id]
        if len(self.open) >= 4:
            self.close(self.random.choice(list(self.open)))
        self.open[id] = os.open(self.path(path), os.O_RDWR)
        return self.open[id]

    def close(self, id):
        os.close(self.open.pop(id))

    def close_all(self):
        while self.open:
            _, descriptor = self.open.popitem()
            try:
                os.close(descriptor)
            except OSError as error:
                if not self.is_gone(error):
                    raise Fault(f"close: {error}") from error

    # MARK: judgement

    def walk(self):
        return namespace.walk(self.root, self.directory, self.shared, self.prefix)

    def read(self, path):
        with open(self.path(path), "rb", buffering=0) as file:
            data = file.readall()
        self.verified += len(data)
        return data

    def verify_exactly(self):
        """After an unmount in good order, everything is as it was left."""
        found = self.walk()
        different = namespace.differences(found, self.names.listing())
        if different:
            raise Fault("; ".join(different[:8]))
        for path in self.names.paths("f"):
            file = self.files[self.names.entries[path][1]]
            data = self.read(path)
            if len(data) != file.size:
                raise Fault(f"{path} has {len(data)} bytes, not {file.size}")
            difference = file.difference(data)
            if difference:
                raise Fault(f"{path}: {difference}")
        for file in self.files.values():
            file.synchronized()
        self.names_are_durable()

    def verify_after_crash(self, everything_acknowledged):
        """The names are those after some operation since the last that is durable, or with
        `everything_acknowledged` since the last that was acknowledged, and so are the contents."""
        found = self.walk()
        first = self.acknowledged if everything_acknowledged else 0
        flaw = None
        contents = {path: self.read(path) for path, entry in found.items() if entry[0] == "f"}
        for names in reversed(self.history[first:]):
            if namespace.differences(found, names.listing()):
                continue
            flaw = self.contents_flaw(names, contents)
            if flaw is None:
                self.adopt(names, contents)
                return
        if flaw is None:
            nearest = min(
                (namespace.differences(found, names.listing()) for names in self.history[first:]), key=len
            )
            flaw = "the names are none of %d possible; nearest: %s" % (
                len(self.history) - first, "; ".join(nearest[:8]),
            )
        raise Fault(f"{flaw} (everything acknowledged must be there: {everything_acknowledged})")

    def contents_flaw(self, names, contents):
        for path in names.paths("f"):
            flaw = self.files[names.entries[path][1]].flaw_after_crash(contents[path])
            if flaw:
                return f"{path}: {flaw}"
        return None

    def adopt(self, names, contents):
        for path in names.paths("f"):
            file = self.files[names.entries[path][1]]
            if names.names_of(file.file)[0] == path:
                file.adopt(contents[path])
        self.names = names
        self.names_are_durable()

    def figures(self):
        return {"counts": self.counts, "verified": self.verified, "slowest": self.slowest}


def run(client, pipe, identity):
    """The life of a client's process: it does what it is told over the pipe, and says how it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if identity:
        uid, gid = identity
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o022)
    while True:
        try:
            command = pipe.recv()
        except EOFError:
            return
        try:
            if command == "work":
                answer = ("idle" if client.work() else "gone", None)
            elif command == "unmount":
                client.verify_exactly()
                answer = ("right", None)
            elif command in ("kill", "abort"):
                client.verify_after_crash(everything_acknowledged=command == "abort")
                answer = ("right", None)
            else:
                pipe.send(("figures", client.figures()))
                return
        except Fault as fault:
            answer = ("fault", f"{fault}\n  last operations: " + "\n    ".join(client.recent[-25:]))
        except Exception:
            answer = ("fault", traceback.format_exc() + "\n    ".join(client.recent[-25:]))
        pipe.send(answer)
