"""What was measured: every sample, and the medians, ratios and spreads that are made of them."""

import json
import os
import statistics


class Results:
    """Kept in results.json; what another command has put there stays."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "results.json")
        self.data = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.data = json.load(file)

    def save(self):
        with open(self.path, "w") as file:
            json.dump(self.data, file, indent=1)

    def begin(self, facts, servers, workloads, floors_apply_to, memory_floor):
        self.data.update(
            machine=facts,
            servers=[server.name for server in servers],
            workloads=[{"name": w.name, "unit": w.unit, "floor": w.floor} for w in workloads],
            floors_apply_to=floors_apply_to,
            memory_floor=memory_floor,
            samples=[],
            failures=[],
            ends=[],
        )

    def add(self, workload, server, number, sample):
        divisor = 1e6 if workload.counts_bytes else 1
        rate = sample["amount"] / divisor / max(sample["seconds"], 1e-9)
        names = {"workload": workload.name, "server": server.name, "round": number}
        self.data["samples"].append({**names, "rate": rate, **sample})
        self.save()

    def add_failure(self, workload, server, number, reason):
        names = {"workload": workload.name, "server": server.name, "round": number}
        self.data["failures"].append({**names, "reason": reason})
        self.save()

    def add_end(self, server, number, peak_memory, complaint):
        end = {"server": server.name, "round": number}
        self.data["ends"].append({**end, "peak_memory": peak_memory, "e2fsck": complaint})
        self.save()

    # What the samples say

    def values(self, workload, server, field="rate"):
        return [
            sample[field]
            for sample in self.data["samples"]
            if sample["workload"] == workload and sample["server"] == server and field in sample
        ]

    def median(self, workload, server, field="rate"):
        values = self.values(workload, server, field)
        return statistics.median(values) if values else None

    def ratio(self, workload, server):
        """Ratio of the medians to the kernel's."""
        kernel, own = self.median(workload, "kernel"), self.median(workload, server)
        return own / kernel if kernel and own is not None else None

    def ratios(self, workload, server):
        """The ratio in each round that both have ended."""
        rates = {
            (sample["server"], sample["round"]): sample["rate"]
            for sample in self.data["samples"]
            if sample["workload"] == workload
        }
        return [
            rate / rates["kernel", number]
            for (name, number), rate in rates.items()
            if name == server and rates.get(("kernel", number))
        ]

    def has_failed(self, workload, server):
        return any(
            failure["workload"] == workload and failure["server"] == server
            for failure in self.data["failures"]
        )

    def peak_memory(self, server):
        peaks = [end["peak_memory"] for end in self.data["ends"] if end["server"] == server]
        return max(peaks, default=0)

    def complaints(self):
        """What e2fsck had to say, as pairs of server and sentence."""
        return [(end["server"], end["e2fsck"]) for end in self.data["ends"] if end["e2fsck"]]

    def misses(self):
        """Workloads whose floor is not met."""
        name = self.data["floors_apply_to"]
        if "kernel" not in self.data["servers"] or name not in self.data["servers"]:
            return []
        missed = [
            workload["name"]
            for workload in self.data["workloads"]
            if (ratio := self.ratio(workload["name"], name)) is None or ratio < workload["floor"]
        ]
        if self.peak_memory(name) > self.data["memory_floor"]:
            missed.append("resident memory, peak")
        return missed
