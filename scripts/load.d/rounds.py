"""The clients at work, round after round: each round ends with the daemon's end, in one of several ways."""

import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import time

import client
from figures import Figures
from server import Failure


class State:
    """What the clients see of the rounds."""

    def __init__(self):
        # Clients are to stop work.
        self.halt = multiprocessing.Value("b", 0)
        # The daemon is about to go, or has gone.
        self.ending = multiprocessing.Value("b", 0)
        # When the daemon was stopped last, and until when.
        self.stopped = multiprocessing.Array("d", [0.0, 0.0], lock=False)


class Rounds:
    endings = ("unmount", "abort", "kill")

    def __init__(self, options, server, note):
        self.options = options
        self.server = server
        self.note = note
        self.random = random.Random(options.seed)
        self.figures = Figures(options)
        self.state = State()
        self.pipes = []
        self.processes = []

    def _start_clients(self):
        context = multiprocessing.get_context("fork")
        for number in range(self.options.clients):
            ours, theirs = context.Pipe()
            one = client.Client(number, self.options, self.server.point, self.state)
            process = context.Process(
                target=client.run, args=(one, theirs, self.server.identity), daemon=True
            )
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    # MARK: talking to clients

    def _tell(self, command):
        for pipe in self.pipes:
            pipe.send(command)

    def _answers(self, allowed):
        """Waits for all clients."""
        waiting = dict(zip(self.pipes, range(len(self.pipes))))
        answers = {}
        deadline = time.monotonic() + self.options.patience
        while waiting:
            for pipe in multiprocessing.connection.wait(list(waiting), 0.2):
                number = waiting.pop(pipe)
                answers[number] = self._receive(pipe, number, allowed)
            self._sample()
            if time.monotonic() > deadline:
                raise Failure(self._who_hangs(waiting.values()))
        return answers

    def _receive(self, pipe, number, allowed):
        try:
            word, detail = pipe.recv()
        except EOFError:
            raise Failure(f"client {number} has died") from None
        if word == "fault":
            raise Failure(f"client {number}: {detail}")
        if word not in allowed:
            raise Failure(f"client {number} is {word}, which must not be now")
        return detail

    def _who_hangs(self, numbers):
        lines = [f"clients {sorted(numbers)} do not answer within {self.options.patience} seconds"]
        for number in sorted(numbers):
            try:
                with open(f"/proc/{self.processes[number].pid}/wchan") as file:
                    lines.append(f"  client {number} waits in {file.read()}")
            except OSError:
                pass
        return "\n".join(lines + [self.server.stacks()])

    def _pause(self, seconds):
        """Lets time pass, and notices clients that have found a fault."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for pipe in multiprocessing.connection.wait(self.pipes, min(left, 0.2)):
                self._receive(pipe, self.pipes.index(pipe), ())
            self._sample()
            if self.server.process.poll() is not None:
                raise Failure(f"the daemon ended by itself, status {self.server.process.returncode}")

    def _sample(self):
        usage = self.server.usage() if self.server.process else None
        if usage is None:
            return
        self.figures.sample(usage)
        memory, peak, threads, descriptors = usage
        if max(memory, peak) > self.options.memory:
            raise Failure(f"the daemon uses {memory:.0f} MiB, and {peak:.0f} at its peak")
        if max(threads, descriptors) > self.options.threads:
            raise Failure(f"the daemon has {threads} threads and {descriptors} descriptors")

    # MARK: rounds

    def run(self):
        """All rounds; raises Failure at the first fault."""
        self.server.mount()
        # The directory that all share.
        directory = os.path.join(self.server.point, client.Client.shared)
        self._as_user(lambda: os.mkdir(directory))
        self.server.unmount()
        self.server.check()
        self._start_clients()
        start = time.monotonic()
        end = start + self.options.seconds
        before = "unmount"
        number = 0
        while time.monotonic() < end or number < len(self.endings):
            number += 1
            # Each ending once, then by chance.
            ending = self.random.choices(self.endings, (1, 2, 4))[0]
            if number <= len(self.endings):
                ending = self.endings[-number]
            self.server.mount()
            self._verify(before)
            operations = self._work(ending, end)
            before = self._finish(ending)
            self.figures.rounds[ending] += 1
            self.note(
                f"{time.monotonic() - start:7.0f} s  round {number}: {operations}, {ending}"
                + f"; {self.figures.now()}"
            )
        self.server.mount()
        self._verify(before)
        self.server.unmount()
        self.server.check()
        self._tell("end")
        self.figures.clients = list(self._answers(("figures",)).values())
        self.figures.seconds = time.monotonic() - start

    def _as_user(self, action):
        """In a process of its own, since only the user who mounted may enter the mount."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if self.server.identity:
                    uid, gid = self.server.identity
                    os.setgroups([])
                    os.setgid(gid)
                    os.setuid(uid)
                action()
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(pid, 0)[1] != 0:
            raise Failure("the mount cannot be prepared")

    def _verify(self, ending):
        start = time.monotonic()
        self._tell(ending)
        self._answers(("right",))
        self.figures.verifications += 1
        self.figures.verification_seconds += time.monotonic() - start

    def _work(self, ending, end):
        """Clients work; the daemon is stopped now and then; at last it ends as it is to end."""
        self.state.halt.value = 0
        self.state.ending.value = 0
        self._tell("work")
        shortest, longest = self.options.interval
        length = self.random.uniform(shortest, longest)
        stops = self.random.choices((0, 1, 2), (2, 3, 2))[0]
        places = sorted(self.random.uniform(0, length) for _ in range(stops))
        position = 0.0
        for place in places:
            self._pause(min(place - position, max(end - time.monotonic(), 0.5)))
            position = place
            self._stop()
        self._pause(min(length - position, max(end - time.monotonic(), 0.5)))
        stopped = ending != "unmount" and self.random.random() < 0.25
        if stopped:
            self._stop(goes_on=False)
        if ending == "unmount":
            self.state.halt.value = 1
            self._answers(("idle",))
        else:
            self.state.ending.value = 1
            if ending == "kill":
                self.server.signal(signal.SIGKILL)
            else:
                self.server.abort()
                if stopped:
                    self.server.signal(signal.SIGCONT)
            self.state.halt.value = 1
            self._answers(("idle", "gone"))
        if stopped:
            self.state.stopped[1] = time.monotonic()
        return f"{length:.1f} s, {stops} stops" + (", stopped" if stopped else "")

    def _stop(self, goes_on=True):
        self.figures.stops += 1
        self.state.stopped[1] = float("inf")
        self.state.stopped[0] = time.monotonic()
        self.server.signal(signal.SIGSTOP)
        if not goes_on:
            time.sleep(self.random.uniform(0, 0.5))
            return
        self._pause(self.random.choice((0.05, 0.3, 1.0, 3.0)) * self.random.random())
        self.server.signal(signal.SIGCONT)
        self.state.stopped[1] = time.monotonic()

    def _finish(self, ending):
        """From the daemon's end to an image that can be mounted. Returns after which ending it is to be verified."""
        if ending == "unmount":
            self.server.unmount()
            self.server.check()
            return "unmount"
        self.server.wait(*((-signal.SIGKILL,) if ending == "kill" else (0,)))
        self.server.detach()
        if self.server.needs_recovery():
            self.figures.replays += 1
            if self.random.random() < 0.5:
                self.server.replay()
            else:
                # The mount replays, and all is right after it.
                self.server.mount()
                self._verify(ending)
                self.server.unmount()
                self.server.check()
                return "unmount"
        self.server.check()
        return ending
