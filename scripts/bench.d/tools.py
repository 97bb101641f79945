"""The programs that do the work: fio for data, our own driver for names, and what people type."""

import json
import os
import subprocess
import time


class WorkFailure(Exception):
    """A workload did not run to its end."""


class Tools:
    """`driver`: the path of bench-driver; `patience`: seconds that anything may take."""

    def __init__(self, driver, patience):
        self._driver = driver
        self._patience = patience

    def _run(self, command, allowed=(0,), keep=True):
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=self._patience,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise WorkFailure(f"{os.path.basename(command[0])}: not done in {self._patience} s")
        if done.returncode not in allowed:
            lines = (done.stderr or "").strip().split("\n")
            raise WorkFailure(f"{os.path.basename(command[0])}: {lines[-1][:200]}")
        return done.stdout

    def driver(self, *arguments):
        """Operations and seconds."""
        result = json.loads(self._run([self._driver, *map(str, arguments)]))
        return result["operations"], result["seconds"]

    def fio(self, path, direction, block, **options):
        """Bytes and seconds, the time of a final fsync included."""
        options = {
            "name": "bench", "filename": path, "rw": direction, "bs": block,
            "ioengine": "psync", "fallocate": "none", "refill_buffers": 0,
            "randrepeat": 1, "invalidate": 0, **options,
        }  # fmt: skip
        command = ["fio", "--output-format=json", *(f"--{k}={v}" for k, v in options.items())]
        report = self._run(command)
        # fio may print notes before the JSON.
        jobs = json.loads(report[report.index("{") :])["jobs"]
        kind = "write" if "write" in direction else "read"
        if any(job["error"] for job in jobs):
            raise WorkFailure(f"fio: error {jobs[0]['error']}")
        amount = sum(job[kind]["io_bytes"] for job in jobs)
        return amount, max(max(job[kind]["runtime"] for job in jobs), 1) / 1000

    def command(self, *command, allowed=(0,)):
        """Seconds that a command takes; its output goes nowhere."""
        start = time.perf_counter()
        self._run(list(command), allowed, keep=False)
        return time.perf_counter() - start
