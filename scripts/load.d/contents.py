"""What a file holds, and what it may hold after a crash, in cells of one sector.

Every byte that is written tells by whom, to which file, at which place and by which operation. A cell's value
is a tuple of parts (version, first byte, end), in order and without overlap; what no part covers is zero.
"""

CELL = 512
PAGE = 4096
ZEROS = bytes(CELL)


def pattern(client, file, cell, version):
    """What the operation `version` writes into a whole cell."""
    word = b"client %d file %d cell %d operation %d;" % (client, file, cell, version)
    return (word * (CELL // len(word) + 1))[:CELL]


def cut(value, end):
    """The value with zeros from `end` on."""
    return tuple((v, a, min(b, end)) for v, a, b in value if a < end)


def cover(value, version, first, end):
    """The value after a write, or with version None after zeroing, of [first, end)."""
    parts = []
    for v, a, b in value:
        if a < first:
            parts.append((v, a, min(b, first)))
        if b > end:
            parts.append((v, max(a, end), b))
    if version is not None:
        parts.append((version, first, end))
    return tuple(sorted(parts, key=lambda part: part[1]))


class Contents:
    """The contents of one file: as they are, and all that may be found of them after a crash."""

    def __init__(self, client, file):
        self.client = client
        self.file = file
        self.size = 0
        self.cells = {}
        # Since the file was last synchronised: its sizes, the values of the cells that changed, and the cells that
        # were changed through a mapping, which the kernel may write back in the middle of a store.
        self.sizes = {0}
        self.window = {}
        self.mapped = set()

    # MARK: changes

    def _set(self, cell, value):
        old = self.cells.get(cell, ())
        if value == old:
            return
        self.window.setdefault(cell, {old}).add(value)
        if value:
            self.cells[cell] = value
        else:
            self.cells.pop(cell, None)

    def _cover(self, version, offset, end):
        for cell in range(offset // CELL, (end + CELL - 1) // CELL):
            start = cell * CELL
            first, last = max(offset - start, 0), min(end - start, CELL)
            self._set(cell, cover(self.cells.get(cell, ()), version, first, last))

    def _resize(self, size):
        self.size = size
        self.sizes.add(size)

    def write(self, version, offset, count, mapped=False):
        """What the operation writes there, for the caller to write it."""
        end = offset + count
        if mapped:
            self.mapped.update(range(offset // CELL, (end + CELL - 1) // CELL))
        self._cover(version, offset, end)
        if end > self.size:
            self._resize(end)
        first, last = offset // CELL, (end + CELL - 1) // CELL
        data = b"".join(pattern(self.client, self.file, cell, version) for cell in range(first, last))
        return data[offset - first * CELL : end - first * CELL]

    def truncate(self, size):
        if size < self.size:
            for cell in [c for c in self.cells if (c + 1) * CELL > size]:
                self._set(cell, cut(self.cells[cell], max(size - cell * CELL, 0)))
        self._resize(size)

    def zero(self, offset, count, grows):
        end = offset + count if grows else min(offset + count, self.size)
        if end > offset:
            self._cover(None, offset, end)
        if grows:
            self._reach(end)

    def allocate(self, offset, count):
        self._reach(offset + count)

    def _reach(self, end):
        """The file system is told at once, and may not know yet that the file is longer: this may be its size."""
        self.sizes.add(end)
        if end > self.size:
            self._resize(end)

    def synchronized(self):
        """All of it is on stable storage."""
        self.sizes = {self.size}
        self.window = {}
        self.mapped = set()

    # MARK: judgement

    def render(self, cell, value):
        if not value:
            return ZEROS
        data = bytearray(CELL)
        for version, first, end in value:
            data[first:end] = pattern(self.client, self.file, cell, version)[first:end]
        return bytes(data)

    def expected(self, offset, end):
        """The bytes of [offset, end), which is within the file."""
        first, last = offset // CELL, (end + CELL - 1) // CELL
        cells = self.cells
        data = b"".join(self.render(c, cells[c]) if c in cells else ZEROS for c in range(first, last))
        return data[offset - first * CELL : end - first * CELL]

    def difference(self, found, offset=0):
        """Where what was read differs from what must be there; None if it does not."""
        expected = self.expected(offset, offset + len(found))
        if found == expected:
            return None
        place = next(i for i, (a, b) in enumerate(zip(found, expected)) if a != b)
        start = max(place // CELL * CELL, 0)
        return (
            f"byte {offset + place} of a file of {self.size}: found {found[start:start + 64]!r}, "
            f"expected {expected[start:start + 64]!r}, first difference at {place - start} of these"
        )

    def _size_is_possible(self, size):
        if size in self.sizes:
            return True
        # Pages that were appended are written back one after the other.
        return size % PAGE == 0 and min(self.sizes) < size < max(self.sizes)

    def flaw_after_crash(self, found):
        """What is wrong with `found` after a crash; None if it is a state that was. Changes nothing."""
        return self._adoption(found)[1]

    def adopt(self, found):
        """Makes what was found after a crash, and is right, what the file holds."""
        self.cells, _ = self._adoption(found)
        self.size = len(found)
        self.synchronized()

    def _adoption(self, found):
        size = len(found)
        if not self._size_is_possible(size):
            return {}, f"it has {size} bytes; sizes since it was synchronised: {sorted(self.sizes)}"
        cells = {}
        for cell in range((size + CELL - 1) // CELL):
            piece = found[cell * CELL : (cell + 1) * CELL]
            values = self.window.get(cell) or {self.cells.get(cell, ())}
            for value in values:
                if self.render(cell, value)[: len(piece)] == piece:
                    break
            else:
                value = self._mixture(cell, values, piece)
                if value is None:
                    return {}, self._describe(cell, values, piece)
            value = cut(value, len(piece))
            if value:
                cells[cell] = value
        return cells, None

    def _mixture(self, cell, values, piece):
        """A cell that was stored to through a mapping may be found in the middle of a store."""
        if cell not in self.mapped:
            return None
        for old in values:
            for new in values:
                before, after = self.render(cell, old), self.render(cell, new)
                for middle in range(1, len(piece)):
                    if piece == (after[:middle] + before[middle:])[: len(piece)]:
                        value = cut(new, middle)
                        for version, first, end in old:
                            if end > middle:
                                value = cover(value, version, max(first, middle), end)
                        return value
        return None

    def _describe(self, cell, values, piece):
        possible = sorted(values)
        return (
            f"bytes {cell * CELL} to {cell * CELL + len(piece)} of {self.size}: found {piece[:64]!r}, "
            f"possible are the operations {possible[:8]}, that is {self.render(cell, possible[-1])[:64]!r}"
        )
