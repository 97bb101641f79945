"""The names that one client has made, at one moment. Paths are relative to the mount."""

import os


class Names:
    """Directories, files and symbolic links, by path; attributes by inode."""

    def __init__(self):
        # Path to (kind, id); kinds are "d", "f" and "l".
        self.entries = {}
        # Id to {attribute: value}; an inner dictionary is never changed, but replaced.
        self.attributes = {}
        self.targets = {}

    def copy(self):
        other = Names()
        other.entries = dict(self.entries)
        other.attributes = dict(self.attributes)
        other.targets = self.targets  # Ids are never used again.
        return other

    def paths(self, kind):
        return [path for path, (k, _) in self.entries.items() if k == kind]

    def names_of(self, id):
        return [path for path, (_, i) in self.entries.items() if i == id]

    def children(self, directory):
        prefix = directory + "/"
        return [p for p in self.entries if p.startswith(prefix) and "/" not in p[len(prefix) :]]

    def add(self, path, kind, id, target=None):
        self.entries[path] = (kind, id)
        if target is not None:
            self.targets[id] = target

    def remove(self, path):
        _, id = self.entries.pop(path)
        if not self.names_of(id):
            self.attributes.pop(id, None)

    def rename(self, old, new, exchange=False):
        def moved(path):
            for a, b in ((old, new), (new, old)) if exchange else ((old, new),):
                if path == a or path.startswith(a + "/"):
                    return b + path[len(a) :]
            return path

        if not exchange and new in self.entries:
            self.remove(new)
        self.entries = {moved(path): entry for path, entry in self.entries.items()}

    def set_attribute(self, id, name, value):
        attributes = dict(self.attributes.get(id, {}))
        if value is None:
            attributes.pop(name, None)
        else:
            attributes[name] = value
        self.attributes[id] = attributes

    def listing(self):
        """What a walk must show, by path: kind, first of the names of that inode, links, target, attributes."""
        first, count, below = {}, {}, {}
        for path, (kind, id) in self.entries.items():
            first[id] = min(first.get(id, path), path)
            count[id] = count.get(id, 0) + 1
            if kind == "d":
                parent = os.path.dirname(path)
                below[parent] = below.get(parent, 0) + 1
        return {
            path: (
                kind,
                first[id],
                2 + below.get(path, 0) if kind == "d" else count[id],
                self.targets.get(id),
                tuple(sorted(self.attributes.get(id, {}).items())),
            )
            for path, (kind, id) in self.entries.items()
        }


def walk(root, directory, shared, prefix):
    """The listing of what is found: of a client's directory, and of its names in the one that all share."""
    found = {}

    def visit(path):
        place = os.path.join(root, path)
        status = os.lstat(place)
        kind = {0o040000: "d", 0o100000: "f", 0o120000: "l"}.get(status.st_mode & 0o170000, "?")
        target = os.readlink(place) if kind == "l" else None
        attributes = () if kind == "l" else tuple(
            sorted((name, os.getxattr(place, name)) for name in os.listxattr(place))
        )
        found[path] = (kind, status.st_ino, status.st_nlink, target, attributes)
        if kind == "d":
            for name in os.listdir(place):
                visit(f"{path}/{name}")

    if os.path.lexists(os.path.join(root, directory)):
        visit(directory)
    for name in os.listdir(os.path.join(root, shared)):
        if name.startswith(prefix):
            visit(f"{shared}/{name}")
    first = {}
    for path, (_, inode, *_) in found.items():
        first[inode] = min(first.get(inode, path), path)
    return {path: (k, first[i], n, t, a) for path, (k, i, n, t, a) in found.items()}


def differences(found, expected):
    lines = []
    for path in sorted(found.keys() | expected.keys()):
        if path not in found:
            lines.append(f"{path} is missing")
        elif path not in expected:
            lines.append(f"{path} is too much: {found[path]}")
        elif found[path] != expected[path]:
            lines.append(f"{path} is {found[path]}, not {expected[path]}")
    return lines
