"""What workloads find in the file system, made when it is missing, and never on the clock."""

import os
import shutil

PER_DIRECTORY = 200


class Fixtures:
    """`sizes`: see options.Sizes; `source`: the source tree, outside of the file system."""

    def __init__(self, session, tools, sizes, source):
        self.session = session
        self.tools = tools
        self.sizes = sizes
        self.source = source
        self.has_renamed = False

    @property
    def data(self):
        return self.session.path("data")

    @property
    def files(self):
        return self.session.path("files")

    @property
    def tree(self):
        return self.session.path("tree")

    def file_set(self):
        """The arguments by which bench-driver knows the small files."""
        return [self.files, "--files", self.sizes.files, "--per-directory", PER_DIRECTORY]

    def need_data(self):
        if not os.path.exists(self.data):
            self.tools.fio(self.data, "write", "1M", size=self.sizes.data, end_fsync=1)

    def need_no_data(self):
        if os.path.exists(self.data):
            os.remove(self.data)

    def need_files(self):
        if self.has_renamed:
            shutil.rmtree(self.files)
            self.has_renamed = False
        if not os.path.exists(self.files):
            self.tools.driver("create", *self.file_set())

    def need_no_files(self):
        if os.path.exists(self.files):
            shutil.rmtree(self.files)
            self.has_renamed = False

    def need_tree(self):
        if not os.path.exists(self.tree):
            self.tools.command("cp", "-a", self.source, self.tree)

    def need_no_tree(self):
        if os.path.exists(self.tree):
            shutil.rmtree(self.tree)
        # Everybody finds the source in memory.
        self.tools.command("grep", "-r", "no such words", self.source, allowed=(1,))

    def need_warm(self, path):
        """Reads a file once, so that what can be in a cache is."""
        self.tools.command("cat", path)
