"""Plots as SVG: bars of ratios with floors, and curves on logarithmic axes."""

import html
import math

# Okabe and Ito's colours, which everybody can tell apart.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"]


def colours(names):
    """The same for a server in all pictures, whether the kernel is in them or not."""
    others = [name for name in names if name != "kernel"]
    found = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(others)}
    return {**found, "kernel": "#888888"}


def text(x, y, content, anchor="start", kind=""):
    content = html.escape(str(content))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{content}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def picture(width, height, parts, label):
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def legend(names, x, y):
    parts = []
    for name in names:
        fill = colours(names)[name]
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" style="fill:{fill}"/>')
        parts.append(text(x + 15, y, name))
        x += 30 + 7.5 * len(name)
    return parts


def ratio_bars(groups, names, limit=1.6):
    """`groups`: (name, {server: (ratio, least, greatest)}, floor). The kernel is the line at 1."""
    left, width, bar, top = 250, 900, 11, 40
    scale = (width - left - 60) / limit
    fills = colours(names)
    parts = legend(names, left, 16)
    y = top
    for name, ratios, floor in groups:
        start = y
        parts.append(text(left - 10, y + bar * len(names) / 2 + 4, name, "end"))
        for server in names:
            if (found := ratios.get(server)) is None:
                parts.append(text(left + 4, y + bar - 2, "failed", kind="small"))
            else:
                parts += _bar(left, y, bar, scale, limit, found, fills[server], f"{name}, {server}")
            y += bar
        if floor is not None:
            x = left + min(floor, limit) * scale
            parts.append(line(x, start - 2, x, y + 2, "floor"))
        y += 12
    grid = []
    for step in range(int(limit / 0.2) + 1):
        x = left + step * 0.2 * scale
        grid.append(line(x, top - 6, x, y, "one" if step == 5 else "grid"))
        grid.append(text(x, y + 14, f"{step * 0.2:.1f}", "middle", "small"))
    return picture(width, y + 24, grid + parts, "Ratios to the kernel's ext4")


def _bar(left, y, height, scale, limit, ratio, fill, title):
    value, least, greatest = ratio
    shown = min(value, limit)
    parts = [
        f'<rect x="{left}" y="{y}" width="{shown * scale:.1f}" height="{height - 1}" '
        f'style="fill:{fill}"><title>{html.escape(title)}: {value:.2f}</title></rect>'
    ]
    middle = y + height / 2 - 0.5
    if greatest <= limit and greatest > least:
        parts.append(line(left + least * scale, middle, left + greatest * scale, middle, "spread"))
    end = max(shown, min(greatest, limit))
    parts.append(text(left + end * scale + 4, y + height - 2, f"{value:.2f}", kind="small"))
    return parts


def curves(series, x_label, y_label):
    """`series`: (name, [(x, y)]); both axes logarithmic."""
    width, height, left, right, top, bottom = 620, 330, 70, 20, 40, 50
    points = [point for _, values in series for point in values if min(point) > 0]
    if not points:
        return ""
    x_low, x_high = _decades(x for x, _ in points)
    y_low, y_high = _decades(y for _, y in points)

    def place(x, y):
        across = (math.log10(x) - x_low) / (x_high - x_low)
        up = (math.log10(y) - y_low) / (y_high - y_low)
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    names = [name for name, _ in series]
    fills = colours(names)
    parts = legend(names, left, 16)
    for power in range(x_low, x_high + 1):
        x, _ = place(10**power, 10**y_low)
        parts.append(line(x, top, x, height - bottom, "grid"))
        parts.append(text(x, height - bottom + 15, _short(10**power), "middle", "small"))
    for power in range(y_low, y_high + 1):
        _, y = place(10**x_low, 10.0**power)
        parts.append(line(left, y, width - right, y, "grid"))
        parts.append(text(left - 6, y + 4, _short(10.0**power), "end", "small"))
    for name, values in series:
        fill = fills[name]
        places = [(place(x, y), x, y) for x, y in sorted(values) if min(x, y) > 0]
        path = " ".join(f"{x:.1f},{y:.1f}" for (x, y), _, _ in places)
        parts.append(f'<polyline points="{path}" class="curve" style="stroke:{fill}"/>')
        for (x, y), at, value in places:
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" style="fill:{fill}">'
                f"<title>{html.escape(name)}, {at:,}: {value:.3g}</title></circle>"
            )
    parts.append(text((left + width - right) / 2, height - 10, x_label, "middle"))
    parts.append(text(left, top - 8, y_label, kind="small"))
    return picture(width, height, parts, f"{y_label} by {x_label}")


def _decades(values):
    values = list(values)
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _short(value):
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
