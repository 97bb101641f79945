"""What a run has done, for people."""

import statistics


class Figures:
    def __init__(self, options):
        self.options = options
        self.rounds = {"kill": 0, "abort": 0, "unmount": 0}
        self.stops = 0
        self.replays = 0
        self.verifications = 0
        self.verification_seconds = 0.0
        self.seconds = 0.0
        # Of each client that has come to its end.
        self.clients = []
        self._memory, self._peaks, self._threads, self._descriptors = [], [], [], []

    def sample(self, usage):
        for values, value in zip((self._memory, self._peaks, self._threads, self._descriptors), usage):
            values.append(value)

    def now(self):
        """In a few words."""
        return f"{self._memory[-1]:.0f} MiB, {self._threads[-1]} threads" if self._memory else "not mounted"

    def _operations(self):
        counts = {}
        for one in self.clients:
            for name, count in one["counts"].items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def report(self):
        counts = self._operations()
        lines = [
            f"{self.options.clients} clients, {self.seconds:.0f} seconds, seed {self.options.seed}",
            f"rounds: {sum(self.rounds.values())}, of which killed {self.rounds['kill']}, "
            f"aborted {self.rounds['abort']}, unmounted {self.rounds['unmount']}",
            f"stopped and continued: {self.stops}; journals replayed: {self.replays}; "
            f"everything verified: {self.verifications} times, {self.verification_seconds:.0f} s",
        ]
        if self.clients:
            verified = sum(one["verified"] for one in self.clients)
            slowest = max(one["slowest"] for one in self.clients)
            lines += [
                f"operations: {sum(counts.values())}: "
                + ", ".join(f"{name} {counts[name]}" for name in sorted(counts, key=counts.get, reverse=True)),
                f"bytes read and right: {verified} ({verified / (1 << 30):.1f} GiB)",
                f"longest operation, but for those that met a stopped daemon: {slowest[0]:.2f} s ({slowest[1]})",
            ]
        if self._memory:
            lines += [
                f"resident memory in MiB, {len(self._memory)} samples: {min(self._memory):.0f} to "
                f"{max(self._memory):.0f}, median {statistics.median(self._memory):.0f}, "
                f"peak {max(self._peaks):.0f}, limit {self.options.memory}",
                f"threads: {min(self._threads)} to {max(self._threads)}; descriptors: "
                f"{min(self._descriptors)} to {max(self._descriptors)}; limit {self.options.threads}",
            ]
        return "\n".join(lines)
