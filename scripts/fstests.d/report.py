#!/usr/bin/env python3
"""Says how a run of scripts/fstests went, as text, markdown and JUnit XML; exits with 1 if a test failed unexpectedly."""

import argparse
import datetime
import os
import platform
import re
import sys
from xml.sax.saxutils import escape, quoteattr


class Expectation:
    """A line of the list of expected failures: TEST, whose limit it is, KIND, PATTERN, the reason, with tabs between.

    KIND is one of those that run.sh tells apart. PATTERN is a regular expression: where the kind is "output", the test's output
    must have it. Any other failure of the test is one that is not expected.
    """

    KINDS = ("crash", "hang", "e2fsck", "setup", "output")

    def __init__(self, line):
        self.test, self.owner, self.kind, self.pattern, self.reason = line.split("\t", 4)
        if self.kind not in self.KINDS:
            raise ValueError(f"{self.test} is expected to fail by '{self.kind}', which is none of {', '.join(self.KINDS)}")
        if self.kind == "output" and not self.pattern:
            raise ValueError(f"{self.test} has no pattern for its output")
        self.compiled = re.compile(self.pattern, re.MULTILINE)

    def covers(self, result):
        return result.kind == self.kind and (self.kind != "output" or bool(self.compiled.search(result.output)))

    @staticmethod
    def read(path):
        if not os.path.exists(path):
            return {}
        with open(path) as file:
            lines = [line.rstrip("\n") for line in file]
        found = [Expectation(line) for line in lines if line.strip() and not line.startswith("#")]
        return {expectation.test: expectation for expectation in found}


class Result:
    def __init__(self, line, expected, directory):
        self.test, self.verdict, self.kind, seconds, self.reason = line.rstrip("\n").split("\t", 4)
        self.seconds = int(seconds)
        self.output = self.reason + "\n" + self.printed(directory) if self.verdict == "fail" else ""
        known = expected.get(self.test)
        self.is_listed = known is not None
        self.expectation = known if known and self.verdict == "fail" and known.covers(self) else None
        if self.is_failure and known:
            self.reason += f" [expected: {known.kind}, with '{known.pattern}']"

    def printed(self, directory):
        """What the test printed, as far as it was kept."""
        kept = os.path.join(directory, self.test)
        texts = []
        for name in ("check", os.path.basename(self.test) + ".out.bad"):
            try:
                with open(os.path.join(kept, name), errors="replace") as file:
                    texts.append(file.read())
            except OSError:
                pass
        return "\n".join(texts)

    @property
    def is_failure(self):
        return self.verdict == "fail" and self.expectation is None

    @property
    def is_surprise(self):
        return self.verdict == "pass" and self.is_listed


class Run:
    def __init__(self, results, facts):
        self.results = results
        self.facts = facts

    def of(self, verdict):
        return [result for result in self.results if result.verdict == verdict]

    @property
    def failures(self):
        return [result for result in self.results if result.is_failure]

    @property
    def expected_failures(self):
        return [result for result in self.of("fail") if result.expectation]

    @property
    def surprises(self):
        return [result for result in self.results if result.is_surprise]

    def counts(self):
        return (
            f"{len(self.results)} tests: {len(self.of('pass'))} passed, {len(self.failures)} failed, "
            f"{len(self.expected_failures)} failed as expected, {len(self.of('notrun'))} did not run"
        )

    def reasons_for_not_running(self):
        """Reasons, with the tests that gave them, the most frequent first."""
        reasons = {}
        for result in self.of("notrun"):
            reasons.setdefault(result.reason or "no reason given", []).append(result.test)
        return sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))

    def text(self):
        lines = [f"{name}: {value}" for name, value in self.facts]
        lines += ["", self.counts()]
        for title, results in (("Failed", self.failures), ("Failed as expected", self.expected_failures)):
            if results:
                lines += ["", title + ":"]
            for result in results:
                because = f" [{result.expectation.owner}: {result.expectation.reason}]" if result.expectation else ""
                lines.append(f"  {result.test}  {result.kind}: {result.reason}{because}")
        if self.surprises:
            lines += ["", "Passed, although it is in the list of expected failures:"]
            lines += [f"  {result.test}" for result in self.surprises]
        if self.of("notrun"):
            lines += ["", "Did not run:"]
            lines += [f"  {reason}: {' '.join(tests)}" for reason, tests in self.reasons_for_not_running()]
        return "\n".join(lines) + "\n"

    def markdown(self):
        def cell(text):
            return text.replace("|", "\\|").replace("<", "&lt;")

        lines = ["| | |", "| --- | --- |"]
        lines += [f"| {name} | {cell(value)} |" for name, value in self.facts]
        lines += ["", f"**{self.counts()}.**"]
        if self.failures:
            lines += ["", "Failed:", "", "| test | kind | what it says |", "| --- | --- | --- |"]
            lines += [f"| {result.test} | {result.kind} | {cell(result.reason)} |" for result in self.failures]
        if self.expected_failures:
            lines += ["", "Failed as expected:", "", "| test | whose limit | reason |", "| --- | --- | --- |"]
            lines += [
                f"| {result.test} | {cell(result.expectation.owner)} | {cell(result.expectation.reason)} |"
                for result in self.expected_failures
            ]
        if self.surprises:
            lines += ["", "Passed, although expected to fail: " + ", ".join(r.test for r in self.surprises) + "."]
        if self.of("notrun"):
            lines += ["", "Did not run:", "", "| reason | tests |", "| --- | --- |"]
            lines += [f"| {cell(reason)} | {' '.join(tests)} |" for reason, tests in self.reasons_for_not_running()]
        return "\n".join(lines) + "\n"

    def junit(self):
        skipped = len(self.of("notrun")) + len(self.expected_failures)
        seconds = sum(result.seconds for result in self.results)
        lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuite name="fstests" tests="{len(self.results)}" failures="{len(self.failures)}" errors="0" '
            f'skipped="{skipped}" time="{seconds}">',
            "  <properties>",
        ]
        lines += [f"    <property name={quoteattr(name)} value={quoteattr(value)}/>" for name, value in self.facts]
        lines.append("  </properties>")
        for result in self.results:
            directory, _, number = result.test.partition("/")
            head = f'  <testcase classname="{directory}" name="{number}" time="{result.seconds}"'
            if result.is_failure:
                lines += [head + ">", f"    <failure type={quoteattr(result.kind)} message={quoteattr(printable(result.reason))}/>", "  </testcase>"]
            elif result.verdict == "notrun":
                lines += [head + ">", f"    <skipped message={quoteattr(printable(result.reason))}/>", "  </testcase>"]
            elif result.verdict == "fail":
                because = f"expected: {result.expectation.owner}: {result.expectation.reason}"
                lines += [head + ">", f"    <skipped message={quoteattr(because)}/>", "  </testcase>"]
            else:
                lines.append(head + "/>")
        lines.append("</testsuite>")
        return "\n".join(lines) + "\n"


def printable(text):
    return "".join(character if character.isprintable() else "?" for character in text)


def main():
    parser = argparse.ArgumentParser()
    for name in ("results", "expected", "output", "label", "server", "options", "mkfs", "groups", "seconds", "size", "limit"):
        parser.add_argument("--" + name, required=True)
    given = parser.parse_args()

    try:
        expected = Expectation.read(given.expected)
    except (ValueError, re.error) as error:
        sys.exit(f"{given.expected}: {error}")
    with open(given.results, errors="replace") as file:
        results = [Result(line, expected, given.output) for line in file if line.strip()]
    facts = [
        ("server", given.server),
        ("mount options", given.options),
        ("mke2fs options", given.mkfs or "none"),
        ("tests", given.groups.strip()),
        ("kernel", platform.release()),
        ("date", datetime.date.today().isoformat()),
        ("devices", f"two loop devices of {given.size} GiB"),
        ("limit", f"{given.limit} seconds a test"),
        ("duration", f"{int(given.seconds) // 60} min {int(given.seconds) % 60} s"),
    ]
    with open(os.path.join(given.output, "facts.tsv"), "w") as file:
        file.writelines(f"{name}\t{value}\n" for name, value in [("label", given.label)] + facts)
    run = Run(results, facts)
    for name, content in (("summary.txt", run.text()), ("summary.md", run.markdown()), ("results.xml", run.junit())):
        with open(os.path.join(given.output, name), "w") as file:
            file.write(content)
    print("\n" + run.text())
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
