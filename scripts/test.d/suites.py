#!/usr/bin/env python3
"""Runs the suites of a test executable, each in a process of its own, in an order that a seed decides.

Those that mount for real run one after the other, in one lane; they wait for the disk and for each other's processes. The others
run beside these, as many at a time as there are processors. What a suite prints is shown when it has ended.
"""

import argparse
import glob
import os
import queue
import random
import re
import signal
import subprocess
import sys
import threading
import time

from symbols import Symbols

# The target whose suites disturb each other: they drop the kernel's caches, and look at mounts and processes.
ONE_AT_A_TIME = "MountTests"
SUMMARY = re.compile(r"Test run with (\d+) tests? in \d+ suites? passed")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Suites:
    """The tests that were asked for, by suite: TARGET.SUITE[/SUITE]... and their identifiers."""

    def __init__(self, executable, wanted, unwanted):
        listing = subprocess.run([*executable, "--list-tests"], check=True, capture_output=True, text=True)
        self.tests = {}
        for test in listing.stdout.splitlines():
            if wanted and not any(re.search(pattern, test) for pattern in wanted):
                continue
            if any(re.search(pattern, test) for pattern in unwanted):
                continue
            # A function without a suite is in that of its target.
            suite = re.match(r"(.*)/[^/]*\(|([^.]*)\.[^/]*\(", test)
            name = (suite and (suite[1] or suite[2])) or test
            self.tests.setdefault(name, []).append(test)

    def shuffled(self, seed):
        names = sorted(self.tests)
        random.Random(seed).shuffle(names)
        return names

    def filters(self, name):
        """Identifiers are followed by nothing, or by the place in the source."""
        return [part for test in self.tests[name] for part in ("--filter", f"^{re.escape(test)}(/|$)")]


class Reports:
    """What sanitizers have to say of a suite's processes, daemons included: each writes a file of its own."""

    def __init__(self, sanitizer, executable):
        self.symbols = Symbols(os.path.dirname(executable))
        self.variable = {"thread": "TSAN_OPTIONS", "address": "ASAN_OPTIONS"}[sanitizer]
        self.directory = os.path.join(os.environ["FUSE4FS_TEST_DIRECTORY"], "reports")
        os.mkdir(self.directory)
        # The daemons of ordinary users report, too.
        os.chmod(self.directory, 0o1777)

    def environment(self, name):
        path = os.path.join(self.directory, name.replace("/", "-"))
        return {self.variable: f"{os.environ[self.variable]}:log_path={path}"}

    def of(self, name):
        path = os.path.join(self.directory, name.replace("/", "-"))
        texts = []
        for file in sorted(glob.glob(glob.escape(path) + ".[0-9]*")):
            with open(file, errors="replace") as report:
                texts.append(report.read())
        return self.symbols.put_in("".join(texts))


class NoReports:
    def environment(self, _):
        return {}

    def of(self, _):
        return ""


class Run:
    def __init__(self, executable, suites, arguments, reports):
        self.executable = executable
        self.reports = reports
        self.suites = suites
        self.arguments = arguments
        # Swift Testing prints colours even if its output is no terminal.
        self.environment = os.environ if sys.stdout.isatty() else {**os.environ, "NO_COLOR": "1"}
        self.lock = threading.Lock()
        self.processes = set()
        self.stopped = False
        self.passed = 0
        self.failures = []

    def lane(self, names):
        while True:
            try:
                name = names.get_nowait()
            except queue.Empty:
                return
            self.suite(name)

    def suite(self, name):
        command = [*self.executable, *self.suites.filters(name), *self.arguments]
        with self.lock:
            if self.stopped:
                return
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**self.environment, **self.reports.environment(name)})
            self.processes.add(process)
        output = process.communicate()[0].decode(errors="replace")
        report = self.reports.of(name)
        with self.lock:
            self.processes.discard(process)
            print(f"\n--- {name}\n{output}{report}", end="", flush=True)
            output = COLOUR.sub("", output)
            summary = SUMMARY.search(output)
            if process.returncode == 0 and summary and not report:
                self.passed += int(summary[1])
            else:
                self.failures.append((name, ending(process.returncode, report), output + report))

    def stop(self):
        with self.lock:
            self.stopped = True
            for process in self.processes:
                process.send_signal(signal.SIGTERM)


def ending(code, report):
    if code < 0:
        return f"died of signal {-code}"
    if code > 0:
        return f"failed: exit code {code}"
    return "passed, but for what the sanitizer reports" if report else "did not say that it passed"


def failed_tests(output):
    """What Swift Testing says of tests that failed, and sanitizers in short; suites are not named again."""
    lines = [line for line in output.splitlines() if re.match(r"(\S+ Test .* failed after |SUMMARY: )", line)]
    return [line for line in dict.fromkeys(lines) if not re.match(r"\S+ Test (run|case) ", line)]


def report(run, seconds, seed):
    total = sum(len(tests) for tests in run.suites.tests.values())
    print()
    for name, how, output in run.failures:
        print(f"✘ Suite {name} {how}")
        for line in failed_tests(output):
            print(f"  {line}")
    done = f"{total} tests in {len(run.suites.tests)} suites"
    if run.failures:
        failed = len(run.failures)
        print(f"✘ Test run with {done} failed after {seconds:.1f} seconds: {failed} suites failed; "
              f"the order was that of --seed {seed}")
        return 1
    if run.passed != total:
        # Each process counts what it ran: a test that no process found is not one that passed.
        print(f"✘ Test run with {done} ran {run.passed} tests; the order was that of --seed {seed}")
        return 1
    print(f"✔ Test run with {done} passed after {seconds:.1f} seconds; the order was that of --seed {seed}")
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--executable", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--sanitizer", choices=["thread", "address"])
    parser.add_argument("arguments", nargs="*", help="for the executable")
    options = parser.parse_args()

    # Tests print what no narrower encoding has.
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    executable = [options.executable, "--testing-library", "swift-testing"]
    suites = Suites(executable, options.filter, options.skip)
    if not suites.tests:
        print("There is no such test.", file=sys.stderr)
        return 1
    mounting, others = queue.Queue(), queue.Queue()
    for name in suites.shuffled(options.seed):
        (mounting if name.split(".")[0] == ONE_AT_A_TIME else others).put(name)
    print(f"{len(suites.tests)} suites in the order of --seed {options.seed}", flush=True)

    reports = Reports(options.sanitizer, options.executable) if options.sanitizer else NoReports()
    run = Run(executable, suites, options.arguments, reports)
    signal.signal(signal.SIGTERM, lambda *_: run.stop())
    signal.signal(signal.SIGINT, lambda *_: run.stop())
    begin = time.monotonic()
    lanes = [mounting] + [others] * len(os.sched_getaffinity(0))
    threads = [threading.Thread(target=run.lane, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if run.stopped:
        print("✘ The test run was stopped.")
        return 130
    return report(run, time.monotonic() - begin, options.seed)


if __name__ == "__main__":
    sys.exit(main())
