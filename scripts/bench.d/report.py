"""report.html: one file with everything in it, for a browser."""

import html
from datetime import date

import svg
import text

STYLE = """
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --faint: #ddd; --dim: #666; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #181818; --faint: #3a3a3a; --dim: #999; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 3px 10px; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; } td.below { color: #d55e00; font-weight: 600; } td.met { color: #009e73; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg text.small { font-size: 10px; fill: var(--dim);
  paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .grid { stroke: var(--faint); } svg .one { stroke: var(--ink); stroke-width: 1.5; }
svg .floor { stroke: #d00; stroke-width: 2; } svg .spread { stroke: var(--ink); stroke-width: 1; }
svg .curve { fill: none; stroke-width: 2; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.5rem; }
"""


def page(results):
    data = results.data
    parts = ["<h1>fuse4fs: benchmarks</h1>", f"<p>{date.today().isoformat()}</p>"]
    parts.append(_table(["machine", ""], data.get("machine", [])))
    if "samples" in data:
        parts += _workloads(results)
    if data.get("curves"):
        parts += _curves(data["curves"])
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>fuse4fs: benchmarks</title>\n<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def _workloads(results):
    data = results.data
    own, names = data["floors_apply_to"], text.others(results)
    groups = []
    for workload in data["workloads"]:
        name = workload["name"]
        ratios = {}
        for server in names:
            if (ratio := results.ratio(name, server)) is not None:
                each = results.ratios(name, server) or [ratio]
                ratios[server] = (ratio, min(each), max(each))
        groups.append((name, ratios, workload["floor"] if own in names else None))
    parts = [
        "<h2>Ratios to the kernel</h2>",
        "<p>Longer is faster. The dark line at 1 is the kernel's ext4, the red ones are the floors for "
        f"{html.escape(own)}, the thin ones the spread between rounds.</p>",
        svg.ratio_bars(groups, names),
        _table(*text.rows(results)),
        "<h2>Rates</h2><p>Medians, and the least and greatest of all rounds.</p>",
        _table(*_rates(results)),
        "<h2>Costs</h2><p>Processor seconds of the whole machine and of the daemon, and how many requests "
        "the kernel sent it (FORGET not counted).</p>",
        _table(*text.costs(results)),
    ]
    notes = [f"{f['server']}, {f['workload']}: {f['reason']}" for f in data["failures"]]
    notes += [f"e2fsck after {server}: {complaint}" for server, complaint in results.complaints()]
    if notes:
        items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
        parts.append(f"<h2>What went wrong</h2><ul>{items}</ul>")
    return parts


def _rates(results):
    names = results.data["servers"]
    lines = [
        [
            workload["name"],
            workload["unit"],
            *(
                f"{text.figure(results.median(workload['name'], name))} "
                f"({text.spread(results, workload['name'], name)})"
                for name in names
            ),
        ]
        for workload in results.data["workloads"]
    ]
    return ["workload", "unit", *names], lines


def _curves(curves):
    parts = ["<h2>How costs grow</h2>", '<div class="curves">']
    for curve in curves:
        names = list(dict.fromkeys(point["server"] for point in curve["points"]))
        series = [
            (
                name,
                [
                    (point["at"], point["value"])
                    for point in curve["points"]
                    if point["server"] == name and point["value"] is not None
                ],
            )
            for name in names
        ]
        plot = svg.curves(series, curve["x"], curve["y"])
        missing = "; ".join(
            f"{point['server']} at {point['at']:,}: {point.get('reason') or 'cut short'}"
            for point in curve["points"]
            if not point["complete"]
        )
        note = f"<p><small>{html.escape(missing)}</small></p>" if missing else ""
        parts.append(f"<div><h3>{html.escape(curve['title'])}</h3>{plot}{note}</div>")
    return [*parts, "</div>"]


def _table(heads, lines):
    def cell(content):
        kind = f' class="{content}"' if content in ("met", "below") else ""
        return f"<td{kind}>{html.escape(str(content))}</td>"

    head = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(map(cell, line)) + "</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
