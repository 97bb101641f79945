"""Results as text: a table for a terminal, and results.md."""

from datetime import date


def figure(value):
    """Three digits or so."""
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(results, workload, server):
    values = results.values(workload, server)
    return f"{figure(min(values))}…{figure(max(values))}" if values else "-"


def ratio_cell(results, workload, server):
    ratio = results.ratio(workload, server)
    if ratio is None:
        return "failed" if results.has_failed(workload, server) else "-"
    return f"{ratio:.2f}"


def others(results):
    return [name for name in results.data["servers"] if name != "kernel"]


def rows(results):
    """The table: names of columns, and cells."""
    data = results.data
    own = data["floors_apply_to"]
    heads = ["workload", "unit", "kernel", *others(results), "spread", "floor", ""]
    lines = []
    for workload in data["workloads"]:
        name = workload["name"]
        ratio, ratios = results.ratio(name, own), results.ratios(name, own)
        lines.append(
            [
                name,
                workload["unit"],
                figure(results.median(name, "kernel")),
                *(ratio_cell(results, name, server) for server in others(results)),
                f"{min(ratios):.2f}…{max(ratios):.2f}" if ratios else "-",
                f"{workload['floor']:.2f}",
                "" if own not in data["servers"] else verdict(ratio, workload["floor"]),
            ]
        )
    peaks = [results.peak_memory(name) / 2**20 for name in others(results)]
    limit = data["memory_floor"] / 2**20
    own_peak = results.peak_memory(own) / 2**20
    lines.append(
        ["resident memory, peak", "MiB", "-", *map(figure, peaks), "-", f"{limit:.0f}"]
        + ["" if own not in data["servers"] else "below" if own_peak > limit else "met"]
    )
    return heads, lines


def verdict(ratio, floor):
    return "met" if ratio is not None and ratio >= floor else "below"


def table(results):
    heads, lines = rows(results)
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]

    def layout(cells):
        first = [cell.ljust(width) for cell, width in zip(cells[:2], widths)]
        return "  ".join(first + [c.rjust(w) for c, w in zip(cells[2:], widths[2:])]).rstrip()

    own = results.data["floors_apply_to"]
    text = [layout(heads), layout(["-" * width for width in widths]), *map(layout, lines), ""]
    text.append(f"kernel: median rate. Others: ratio to it. Spread and floor are of {own}'s ratio.")
    for failure in results.data["failures"]:
        text.append(f"failed: {failure['server']}, {failure['workload']}: {failure['reason']}")
    for server, complaint in results.complaints():
        text.append(f"e2fsck after {server}: {complaint}")
    return "\n".join(text)


def _markdown(heads, lines):
    return [
        "| " + " | ".join(heads) + " |",
        "| " + " | ".join("---" for _ in heads) + " |",
        *("| " + " | ".join(line) + " |" for line in lines),
    ]


def markdown(results):
    """For docs/benchmarks.md, below its head."""
    data = results.data
    text = [f"## {date.today().isoformat()}", ""]
    text += [f"- {name}: {value}" for name, value in data.get("machine", [])]
    if "samples" in data:
        names = data["servers"]
        own = data["floors_apply_to"]
        rounds = 1 + max((sample["round"] for sample in data["samples"]), default=0)
        text += ["", f"Ratios to the kernel, medians of {rounds} rounds; spread and floor are of {own}'s:", ""]
        text += _markdown(*rows(results))
        text += ["", "Rates, and their spread:", ""]
        rates = [
            [
                workload["name"],
                workload["unit"],
                *(
                    f"{figure(results.median(workload['name'], name))} "
                    f"({spread(results, workload['name'], name)})"
                    for name in names
                ),
            ]
            for workload in data["workloads"]
        ]
        text += _markdown(["workload", "unit", *names], rates)
        text += ["", "Costs: processor seconds of the whole machine, of the daemon, requests to it:", ""]
        text += _markdown(*costs(results))
    for curve in data.get("curves", []):
        text += ["", f"{curve['title']} ({curve['y']}):", "", *curve_table(curve)]
    return "\n".join(text) + "\n"


def costs(results):
    """Per workload and server, one cell: what the machine spent, the daemon, and how often it was asked."""
    names = results.data["servers"]

    def cell(workload, server):
        spent = results.median(workload, server, "machine_cpu")
        if spent is None:
            return "-"
        used = results.median(workload, server, "daemon_cpu")
        asked = results.median(workload, server, "upcalls")
        parts = [f"{spent:.2f} s"]
        if server != "kernel":
            parts.append(f"{used:.2f} s")
        if asked is not None:
            parts.append(f"{asked:,.0f}")
        return ", ".join(parts)

    lines = [
        [workload["name"], *(cell(workload["name"], name) for name in names)]
        for workload in results.data["workloads"]
    ]
    return ["workload", *names], lines


def curve_table(curve):
    places = sorted({point["at"] for point in curve["points"]})
    names = list(dict.fromkeys(point["server"] for point in curve["points"]))
    found = {(point["server"], point["at"]): point for point in curve["points"]}

    def cell(name, at):
        point = found.get((name, at))
        if point is None:
            return "-"
        if point["value"] is None:
            return point.get("reason", "failed")[:40]
        return figure(point["value"]) + ("" if point["complete"] else " (cut short)")

    lines = [[f"{at:,}", *(cell(name, at) for name in names)] for at in places]
    return _markdown([curve["x"], *names], lines)
