"""Names and places in the source for the addresses in a sanitizer's report.

A confined process cannot start llvm-symbolizer, so that its report has the addresses alone.
"""

import os
import re
import shutil
import subprocess

# "#3 <null> <null> (fuse4fs+0x1234)", or "#3 0x5612 (/path/fuse4fs+0x1234)"; what follows says which build it is.
FRAME = re.compile(r"^(\s*#\d+) (?:<null> <null>|0x[0-9a-f]+) +\((\S+)\+(0x[0-9a-f]+)\).*$", re.MULTILINE)


class Symbols:
    def __init__(self, directory):
        """directory: where the programs are that report."""
        self.directory = directory
        self.symbolizer = shutil.which("llvm-symbolizer")

    def put_in(self, report):
        """The report, with names in those frames that have none and lie in one of the programs."""
        if not self.symbolizer:
            return report
        return FRAME.sub(lambda frame: self._named(*frame.groups()) or frame[0], report)

    def _named(self, number, module, address):
        program = os.path.join(self.directory, os.path.basename(module))
        if not os.path.exists(program):
            return None
        answer = subprocess.run(
            [self.symbolizer, f"--obj={program}", "--inlines", "--pretty-print", address],
            capture_output=True, text=True)
        # From the function that was inlined last to the one that holds it.
        places = answer.stdout.split("\n (inlined by) ")
        return "\n".join(f"{number} {place.strip()} ({module}+{address})" for place in places)
