#!/usr/bin/env python3
"""Writes the results of several runs of scripts/fstests side by side into a markdown file: compare.py FILE DIR...

What FILE says up to the line MARK stays. The run against the kernel's ext4, if it is among them, is what the others
are measured by: a test that it passes, all should pass.
"""

import os
import sys

MARK = "<!-- Written by scripts/fstests --compare from here on. -->"
WORDS = {"pass": "passes", "fail": "**fails**", "notrun": "not run", None: ""}


def lines_of(directory, name):
    with open(os.path.join(directory, name), errors="replace") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip()]


class Run:
    def __init__(self, directory):
        self.facts = {name: value for name, value in lines_of(directory, "facts.tsv")}
        self.verdicts, self.reasons = {}, {}
        for test, verdict, _, _, reason in lines_of(directory, "results.tsv"):
            self.verdicts[test] = verdict
            self.reasons[test] = reason
        self.label = self.facts["label"]

    def count(self, verdict, tests):
        return sum(self.verdicts.get(test) == verdict for test in tests)


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def summary(runs, kernel, tests):
    """How many tests passed, failed, did not run; and of those that the kernel's ext4 passes."""
    rows = []
    for title, chosen in (
        ("all", tests),
        ("generic", [test for test in tests if test.startswith("generic/")]),
        ("ext4", [test for test in tests if test.startswith("ext4/")]),
    ):
        for run in runs:
            row = [title, run.label] + [str(run.count(verdict, chosen)) for verdict in ("pass", "fail", "notrun")]
            if kernel:
                passed = [test for test in chosen if kernel.verdicts.get(test) == "pass"]
                row += [str(run.count(verdict, passed)) for verdict in ("pass", "fail", "notrun")]
            rows.append(row)
    head = ["tests", "server", "pass", "fail", "not run"]
    if kernel:
        head += ["of the kernel's passes: pass", "fail", "not run"]
    return table(head, rows)


def differences(runs, kernel, tests):
    """The tests that the kernel passes and not all of the others do."""
    rows = []
    for test in tests:
        verdicts = [run.verdicts.get(test) for run in runs]
        if kernel.verdicts.get(test) == "pass" and any(verdict != "pass" for verdict in verdicts):
            rows.append([test] + [WORDS[verdict] for verdict in verdicts])
    return table(["test"] + [run.label for run in runs], rows)


def not_run(run, kernel, tests):
    """Why tests that the kernel passes do not run with a server."""
    reasons = {}
    for test in tests:
        if kernel.verdicts.get(test) == "pass" and run.verdicts.get(test) == "notrun":
            reasons.setdefault(run.reasons[test], []).append(test)
    ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
    return table(["reason", "tests"], [[cell(reason), " ".join(chosen)] for reason, chosen in ordered])


def everything(runs, tests):
    """All tests that ran on at least one."""
    rows = []
    for test in tests:
        verdicts = [run.verdicts.get(test) for run in runs]
        if any(verdict in ("pass", "fail") for verdict in verdicts):
            rows.append([test] + [WORDS[verdict] for verdict in verdicts])
    return table(["test"] + [run.label for run in runs], rows)


def reasons(run):
    failed = [test for test, verdict in run.verdicts.items() if verdict == "fail"]
    return table(["test", f"what it says with {run.label}"], [[test, cell(run.reasons[test])] for test in failed])


def document(runs):
    kernel = next((run for run in runs if run.label == "kernel"), None)
    tests = sorted(set().union(*(run.verdicts for run in runs)))
    selected = len(tests)
    if kernel:
        # What the machine or the kernel lacks says nothing about the servers.
        tests = [test for test in tests if kernel.verdicts.get(test) in ("pass", "fail")]
    names = [name for name in runs[0].facts if name not in ("label", "duration")]
    yield "## The runs"
    yield ""
    yield from table([""] + [run.label for run in runs],
                     [[name] + [cell(run.facts.get(name, "")) for run in runs] for name in names])
    yield ""
    yield "## The results"
    yield ""
    if kernel:
        yield f"Of {selected} tests, {len(tests)} run with the kernel's ext4 on this machine. What follows is about these."
        yield ""
    yield from summary(runs, kernel, tests)
    if kernel:
        yield ""
        yield "## What the kernel's ext4 passes, and others do not"
        yield ""
        yield from differences([run for run in runs if run is not kernel], kernel, tests)
        yield ""
        yield f"## Why tests that the kernel's ext4 passes do not run with {runs[0].label}"
        yield ""
        yield from not_run(runs[0], kernel, tests)
    for run in runs:
        if run.count("fail", tests) and run.label != "other":
            yield ""
            yield f"## Why tests fail with {run.label}"
            yield ""
            yield from reasons(run)
    yield ""
    yield "## All tests that ran"
    yield ""
    yield from everything(runs, tests)


def main():
    path, directories = sys.argv[1], sys.argv[2:]
    runs = [Run(directory) for directory in directories]
    head = ""
    if os.path.exists(path):
        with open(path) as file:
            head = file.read().split(MARK)[0]
    with open(path, "w") as file:
        file.write(head + MARK + "\n\n" + "\n".join(document(runs)) + "\n")


if __name__ == "__main__":
    main()
