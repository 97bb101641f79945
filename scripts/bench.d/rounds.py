"""Rounds: every server does every workload once, each round begins with another server."""

import sys

from fixtures import Fixtures
from servers import Failure
from tools import WorkFailure


def note(text):
    print(text, file=sys.stderr, flush=True)


class Rounds:
    """Runs workloads, and hands each sample to `results` when it is there."""

    def __init__(self, place, workloads, results):
        self._place = place
        self._workloads = workloads
        self._results = results

    def run(self, servers, count):
        for number in range(count):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                note(f"round {number + 1} of {count}: {server.name}")
                self._run_server(server, number)

    def _run_server(self, server, number):
        """After a failure the rest of the workloads get a fresh file system, without the one that failed."""
        rest = list(self._workloads)
        while rest:
            done = self._run_some(server, number, rest)
            rest = rest[done:]

    def _run_some(self, server, number, workloads):
        """How many need not be tried any more."""
        place, done = self._place, 0
        place.target.make(place.sizes.image)
        session = place.session(server)
        try:
            with session:
                fixtures = Fixtures(session, place.tools, place.sizes, place.source)
                for workload in workloads:
                    done += 1
                    sample = self._run_workload(session, fixtures, workload)
                    self._results.add(workload, server, number, sample)
        except (Failure, WorkFailure, OSError) as error:
            done = max(done, 1)
            note(f"  {server.name}, {workloads[done - 1].name}: {error}")
            self._results.add_failure(workloads[done - 1], server, number, str(error))
        self._results.add_end(server, number, session.peak_memory, place.target.check())
        return done

    @staticmethod
    def _run_workload(session, fixtures, workload):
        workload.prepare(fixtures)
        if workload.is_cold:
            session.make_cold()
        else:
            session.settle()
        return session.measure(lambda _: workload.run(fixtures))
