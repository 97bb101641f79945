"""What clients do. Each operation changes the model as well; what is read is compared with it."""

import mmap
import os

import system
from contents import CELL, PAGE

NAMES = 40


class Operations:
    """Operations take nothing but the client: they choose by its random numbers."""

    # MARK: choosing

    def a_file(self):
        """A file, which is made if there is none."""
        while not self.names.paths("f"):
            self.create()
        return self.random.choice(self.names.paths("f"))

    def contents(self, path):
        return self.files[self.names.entries[path][1]]

    def new_path(self):
        name = f"n{self.new_id()}" + "x" * (self.random.randrange(60) if self.random.random() < 0.2 else 0)
        if self.random.random() < 0.15:
            return f"{self.shared}/{self.prefix}{name}"
        return f"{self.random.choice(self.names.paths('d'))}/{name}"

    def is_crowded(self):
        return len(self.names.entries) > NAMES

    def room(self):
        """How much more this client may store."""
        return max(self.share - sum(file.size for file in self.files.values()), 0)

    def a_size(self):
        size = self.random.choice((100, 700, 4096, 5000, 20_000, 70_000, 200_000))
        return self.random.randrange(1, size + 1)

    def room_or_removal(self, count):
        if self.room() >= count:
            return True
        self.remove()
        return False

    # MARK: names

    def create(self):
        if self.is_crowded():
            return self.remove()
        path, id = self.new_path(), self.new_file()

        def call():
            os.close(os.open(self.path(path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))

        self.change(f"create {path}", lambda names: names.add(path, "f", id), call)

    def make_directory(self):
        if self.is_crowded() or len(self.names.paths("d")) > 6:
            return self.remove_directory()
        id = self.new_id()
        path = f"{self.random.choice(self.names.paths('d'))}/d{id}"
        self.change(
            f"mkdir {path}", lambda names: names.add(path, "d", id), lambda: os.mkdir(self.path(path))
        )

    def remove_directory(self):
        empty = [p for p in self.names.paths("d") if p != self.directory and not self.names.children(p)]
        if empty:
            path = self.random.choice(empty)
            self.change(
                f"rmdir {path}", lambda names: names.remove(path), lambda: os.rmdir(self.path(path))
            )

    def remove(self):
        paths = self.names.paths("f") + self.names.paths("l")
        if not paths:
            return
        path = self.random.choice(paths)
        kind, id = self.names.entries[path]
        self.change(f"unlink {path}", lambda names: names.remove(path), lambda: os.unlink(self.path(path)))
        if kind == "f" and id in self.open and not self.names.names_of(id):
            self.use_without_name(id)

    def use_without_name(self, id):
        """A file that has lost its last name lives until it is closed."""
        file, descriptor = self.files[id], self.open[id]
        self.compare(file, os.pread(descriptor, file.size, 0))
        count = min(self.a_size(), 20_000)
        os.pwrite(descriptor, file.write(self.operation, 0, count), 0)
        self.compare(file, os.pread(descriptor, file.size, 0))
        self.close(id)

    def rename(self):
        if self.random.random() < 0.2:
            return self.rename_directory()
        old = self.a_file()
        others = [path for path in self.names.paths("f") if path != old]
        choice = self.random.random()
        if choice < 0.6 or not others:
            return self.move(old, self.new_path())
        new = self.random.choice(others)
        if self.names.entries[old][1] == self.names.entries[new][1]:
            return None  # Two names of one file: nothing happens.
        if choice < 0.85:
            return self.move(old, new)
        self.change(
            f"exchange {old} {new}",
            lambda names: names.rename(old, new, exchange=True),
            lambda: system.exchange(self.path(old), self.path(new)),
        )

    def move(self, old, new):
        replaced = self.names.entries.get(new)
        self.change(
            f"rename {old} {new}",
            lambda names: names.rename(old, new),
            lambda: os.rename(self.path(old), self.path(new)),
        )
        if replaced and replaced[1] in self.open and not self.names.names_of(replaced[1]):
            self.close(replaced[1])

    def rename_directory(self):
        movable = [path for path in self.names.paths("d") if path != self.directory]
        if not movable:
            return
        old = self.random.choice(movable)
        parents = [p for p in self.names.paths("d") if p != old and not p.startswith(old + "/")]
        self.move(old, f"{self.random.choice(parents)}/d{self.new_id()}")

    def link(self):
        if self.is_crowded():
            return self.remove()
        old, new = self.a_file(), self.new_path()
        id = self.names.entries[old][1]
        self.change(
            f"link {old} {new}",
            lambda names: names.add(new, "f", id),
            lambda: os.link(self.path(old), self.path(new)),
        )

    def symbolic_link(self):
        if self.is_crowded():
            return self.remove()
        path, id = self.new_path(), self.new_id()
        target = "t" * self.random.choice((1, 30, 59, 60, 61, 400, self.target_size))
        self.change(
            f"symlink {path}",
            lambda names: names.add(path, "l", id, target),
            lambda: os.symlink(target, self.path(path)),
        )

    def set_attribute(self):
        path = self.random.choice(self.names.paths("f") + self.names.paths("d"))
        id = self.names.entries[path][1]
        name = f"user.a{self.random.randrange(4)}"
        size = self.random.choice((1, 20, 60, self.attribute_size))
        value = (b"%d %d " % (self.number, self.operation) * size)[:size]
        self.change(
            f"setxattr {path} {name} {size}",
            lambda names: names.set_attribute(id, name, value),
            lambda: os.setxattr(self.path(path), name, value),
        )

    def remove_attribute(self):
        ids = [(p, i) for p, (_, i) in self.names.entries.items() if self.names.attributes.get(i)]
        if not ids:
            return self.set_attribute()
        path, id = self.random.choice(ids)
        name = self.random.choice(sorted(self.names.attributes[id]))
        self.change(
            f"removexattr {path} {name}",
            lambda names: names.set_attribute(id, name, None),
            lambda: os.removexattr(self.path(path), name),
        )

    # MARK: data

    def write_at(self, path, offset, count):
        data = self.contents(path).write(self.operation, offset, count)
        self.note(f"write {path} {offset} {count}")
        descriptor = self.descriptor(path)
        done = 0
        while done < count:
            done += os.pwrite(descriptor, data[done:], offset + done)

    def append(self):
        path, count = self.a_file(), self.a_size()
        if not self.room_or_removal(count):
            return
        file = self.contents(path)
        data = file.write(self.operation, file.size, count)
        self.note(f"append {path} {count}, now {file.size}")
        descriptor = os.open(self.path(path), os.O_WRONLY | os.O_APPEND)
        try:
            assert os.write(descriptor, data) == count, "a short write"
        finally:
            os.close(descriptor)

    def write_far(self):
        """Somewhere, perhaps behind the end."""
        path, count = self.a_file(), self.a_size()
        offset = self.random.randrange(0, self.contents(path).size + 60_000)
        if self.room_or_removal(count + 60_000):
            self.write_at(path, offset, count)

    def overwrite(self):
        path = self.a_file()
        size = self.contents(path).size
        if size > 0:
            offset = self.random.randrange(size)
            self.write_at(path, offset, min(size - offset, self.a_size()))

    def write_directly(self):
        path = self.a_file()
        pages = self.random.randrange(1, 17)
        if not self.room_or_removal(pages * PAGE * 2):
            return
        file = self.contents(path)
        first = self.random.randrange(0, file.size // PAGE + 2)
        data = file.write(self.operation, first * PAGE, pages * PAGE)
        self.note(f"direct write {path} {first * PAGE} {pages * PAGE}")
        descriptor = os.open(self.path(path), os.O_WRONLY | os.O_DIRECT)
        try:
            assert os.pwrite(descriptor, system.aligned(data), first * PAGE) == len(data), "a short write"
        finally:
            os.close(descriptor)

    def write_mapped(self):
        path = self.a_file()
        file = self.contents(path)
        if file.size == 0:
            return
        start = self.random.randrange(0, file.size) // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        length = min(file.size - start, 64 * 1024)
        mapping = system.Mapping(self.descriptor(path), start, length)
        try:
            for _ in range(self.random.randrange(1, 4)):
                at = self.random.randrange(length)
                count = min(length - at, self.random.randrange(1, 4 * CELL))
                self.note(f"mapped write {path} {start + at} {count}")
                # Cell by cell, so that no more than one is found in the middle of a store.
                data = file.write(self.operation, start + at, count, mapped=True)
                mapping.store(data, at)
            if self.random.random() < 0.3:
                mapping.flush()
            self.compare(file, mapping.load(), start)
        finally:
            mapping.close()

    def truncate(self):
        path = self.a_file()
        file = self.contents(path)
        grown = self.random.random() < 0.3
        size = self.random.randrange(0, file.size + 1) if not grown else file.size + self.a_size()
        if grown and not self.room_or_removal(size - file.size):
            return
        file.truncate(size)
        self.note(f"truncate {path} {size}")
        if self.random.random() < 0.5:
            os.truncate(self.path(path), size)
        else:
            os.ftruncate(self.descriptor(path), size)

    def allocate(self):
        path = self.a_file()
        file = self.contents(path)
        offset, count = self.random.randrange(0, file.size + 20_000), self.a_size()
        if not self.room_or_removal(count + 20_000):
            return
        choice = self.random.randrange(4)
        self.note(f"fallocate {path} {('plain', 'keep size', 'punch', 'zero')[choice]} {offset} {count}")
        # The model first: whatever is interrupted may have happened.
        if choice == 0:
            file.allocate(offset, count)
        elif choice == 2:
            file.zero(offset, count, grows=False)
        elif choice == 3:
            file.zero(offset, count, grows=True)
        mode = (0, system.KEEP_SIZE, system.KEEP_SIZE | system.PUNCH_HOLE, system.ZERO_RANGE)[choice]
        system.fallocate(self.descriptor(path), mode, offset, count)

    def save(self):
        """As editors do: a new file, synchronised, takes the place of the old one."""
        if self.is_crowded() or not self.room_or_removal(40_000):
            return
        old, new, id = self.a_file(), self.new_path(), self.new_file()
        descriptor = None

        def call():
            nonlocal descriptor
            descriptor = os.open(self.path(new), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)

        self.change(f"create {new} to save {old}", lambda names: names.add(new, "f", id), call)
        try:
            data = self.files[id].write(self.operation, 0, self.random.randrange(1, 40_000))
            assert os.write(descriptor, data) == len(data), "a short write"
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.file_is_durable(self.files[id])
        self.move(new, old)

    # MARK: persistence

    def synchronize(self):
        path = self.a_file()
        self.note(f"fsync {path}")
        os.fsync(self.descriptor(path))
        self.file_is_durable(self.contents(path))

    def synchronize_data(self):
        """Says nothing of names."""
        path = self.a_file()
        self.note(f"fdatasync {path}")
        os.fdatasync(self.descriptor(path))
        self.contents(path).synchronized()

    def synchronize_directory(self):
        path = self.random.choice(self.names.paths("d"))
        self.note(f"fsync {path}")
        descriptor = os.open(self.path(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.names_are_durable()

    # MARK: looking

    def compare(self, file, found, offset=0):
        difference = file.difference(found, offset)
        assert difference is None, difference
        self.verified += len(found)

    def verify(self):
        path = self.a_file()
        file = self.contents(path)
        assert os.stat(self.path(path)).st_size == file.size, f"{path} has not {file.size} bytes"
        choice = self.random.randrange(3)
        self.note(f"verify {path} {('buffered', 'direct', 'new descriptor')[choice]}")
        if choice == 0:
            found = os.pread(self.descriptor(path), file.size + 1, 0)
        elif choice == 1:
            memory = system.aligned(bytes((file.size // PAGE + 1) * PAGE))
            descriptor = os.open(self.path(path), os.O_RDONLY | os.O_DIRECT)
            try:
                found = bytes(memory[: os.preadv(descriptor, [memory], 0)])
            finally:
                os.close(descriptor)
        else:
            with open(self.path(path), "rb", buffering=0) as opened:
                found = opened.readall()
        assert len(found) == file.size, f"{path}: {len(found)} bytes of {file.size} can be read"
        self.compare(file, found)

    def list(self):
        directory = self.random.choice(self.names.paths("d") + [self.shared])
        self.note(f"list {directory}")
        found = [f"{directory}/{name}" for name in os.listdir(self.path(directory))]
        if directory == self.shared:
            found = [path for path in found if path.startswith(f"{directory}/{self.prefix}")]
        assert sorted(found) == sorted(self.names.children(directory)), f"names in {directory}: {found}"

    def look_at_links(self):
        for path in self.names.paths("l"):
            target = self.names.targets[self.names.entries[path][1]]
            assert os.readlink(self.path(path)) == target, f"the target of {path}"

    def look_at_attributes(self):
        for id, attributes in self.names.attributes.items():
            for name, value in attributes.items():
                path = self.names.names_of(id)[0]
                assert os.getxattr(self.path(path), name) == value, f"{name} of {path}"


_WEIGHTS = {
    "create": (Operations.create, 8),
    "mkdir": (Operations.make_directory, 3),
    "rmdir": (Operations.remove_directory, 2),
    "unlink": (Operations.remove, 5),
    "rename": (Operations.rename, 6),
    "link": (Operations.link, 3),
    "symlink": (Operations.symbolic_link, 2),
    "setxattr": (Operations.set_attribute, 3),
    "removexattr": (Operations.remove_attribute, 2),
    "append": (Operations.append, 8),
    "write": (Operations.write_far, 6),
    "overwrite": (Operations.overwrite, 8),
    "direct write": (Operations.write_directly, 4),
    "mapped write": (Operations.write_mapped, 4),
    "truncate": (Operations.truncate, 4),
    "fallocate": (Operations.allocate, 4),
    "save": (Operations.save, 3),
    "fsync": (Operations.synchronize, 5),
    "fdatasync": (Operations.synchronize_data, 2),
    "fsync directory": (Operations.synchronize_directory, 2),
    "read": (Operations.verify, 10),
    "readdir": (Operations.list, 3),
    "readlink": (Operations.look_at_links, 1),
    "getxattr": (Operations.look_at_attributes, 1),
}
Operations.kinds = [(name, operation) for name, (operation, _) in _WEIGHTS.items()]
Operations.weights = [weight for _, weight in _WEIGHTS.values()]
