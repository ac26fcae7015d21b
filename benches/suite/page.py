"""The report as one HTML page that needs nothing from elsewhere: for phones, screens and paper, in light and dark."""
import html
import math
import re

STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --back: #fff; --quiet: #656d76; --line: #d4d9df; --mark: #0b7285; --slow: #b4541a; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e3e6ea; --back: #15181c; --quiet: #98a2ad; --line: #353b43; --mark: #3bc0d6; --slow: #f0a060; }
}
body { margin: 0 auto; padding: 1rem; max-width: 60rem; font: 16px/1.45 system-ui, sans-serif; color: var(--text); background: var(--back); }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: .95rem; margin-bottom: .3rem; }
p.facts { color: var(--quiet); font-size: .85rem; }
.plots figure { margin: 0; } .plots .short { grid-column: 1 / -1; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 2rem; align-items: start; }
svg { display: block; width: 100%; height: auto; max-width: 34rem; }
svg text { font: 11px system-ui, sans-serif; fill: var(--text); stroke: var(--back); stroke-width: 3px; paint-order: stroke; }
svg .value { text-anchor: end; } svg .tick { text-anchor: middle; fill: var(--quiet); }
svg .grid { stroke: var(--line); } svg .one { stroke: var(--text); stroke-dasharray: 3 3; }
svg .range { stroke: var(--quiet); fill: none; stroke-width: 1.3; } svg .fast { fill: var(--mark); } svg .slow { fill: var(--slow); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { padding: .15rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--back); white-space: normal; max-width: 40vw; overflow-wrap: break-word; } th { vertical-align: bottom; }
@media print {
  body { max-width: none; padding: 0; font-size: 10px; } .wide { overflow: visible; }
  tr, figure { break-inside: avoid; } h2, h3 { break-after: avoid; } table { font-size: 8px; } svg circle { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
WIDTH, ROW, LEFT, RIGHT = 360.0, 18.0, 104.0, 44.0
SHORT = 16
TICKS = [0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10]


def render(sections, machine, versions):
    facts = html.escape(", ".join(f"{key} {value}" for key, value in machine.items()) + f"; peers: {versions}")
    parts = ["<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             f"<title>Craneway: benchmarks</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
             f"<h1>Craneway beside its peers</h1>\n<p class=\"facts\">{facts}</p>\n"]
    for section in sections:
        plots = "".join(figure(*plot) for plot in section.plots)
        parts.append(f"<section>\n<h2>{html.escape(section.title)}</h2>\n"
                     + (f"<div class=\"plots\">\n{plots}</div>\n" if plots else "") + blocks(section.text) + "</section>\n")
    return "".join(parts) + "</body>\n</html>\n"


def figure(kind, title, points):
    """A plot under its title. A short one has its row alone: beside one of 48 rows it would leave a hole."""
    short = " class=\"short\"" if len(points) <= SHORT else ""
    return f"<figure{short}><h3>{html.escape(title)}</h3>\n{ratios(kind, title, points)}</figure>\n"


def blocks(text):
    """The little Markdown that sections use: paragraphs and tables, code and bold inside."""
    out = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            rows = [[inline(c.strip()) for c in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]
            head = "".join(f"<th>{c}</th>" for c in rows[0])
            body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in rows[1:])
            out.append(f"<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
        else:
            out.append(f"<p>{inline(block)}</p>\n")
    return "".join(out)


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", text)


def ratios(kind, title, points):
    """Points with error bars on a logarithmic axis around 1: (label, ratio, low, high). More than 1 is bad, unless it is `worth`."""
    low = math.log(min([0.8, *(p[2] for p in points)]) * 0.97)
    high = math.log(max([1.2, *(p[3] for p in points)]) * 1.03)
    place = lambda value: LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    bottom = len(points) * ROW + 4
    out = [f"<svg viewBox=\"0 0 {WIDTH:.0f} {bottom + 18:.0f}\" role=\"img\" aria-label=\"{html.escape(title)}\">\n"]
    last = -100.0
    for tick in sorted((t for t in TICKS if low <= math.log(t) <= high), key=lambda t: (t != 1, t)):
        x = place(tick)
        if tick != 1 and (abs(x - place(1)) < 24 or x - last < 24):
            continue
        last = last if tick == 1 else x
        out.append(f"<line class=\"{'one' if tick == 1 else 'grid'}\" x1=\"{x:.1f}\" x2=\"{x:.1f}\" y1=\"0\" y2=\"{bottom:.1f}\"/>"
                   f"<text class=\"tick\" x=\"{x:.1f}\" y=\"{bottom + 13:.1f}\">{tick:g}</text>\n")
    for at, (label, value, least, most) in enumerate(points):
        y = at * ROW + ROW / 2
        colour = "slow" if value > 1.005 and kind != "worth" else "fast"
        out.append(f"<text x=\"0\" y=\"{y + 4:.1f}\">{html.escape(label)}</text>"
                   f"<path class=\"range\" d=\"M{place(least):.1f} {y:.1f}H{place(most):.1f}\"/>"
                   f"<circle class=\"{colour}\" cx=\"{place(value):.1f}\" cy=\"{y:.1f}\" r=\"4\"/>"
                   f"<text class=\"value\" x=\"{WIDTH:.0f}\" y=\"{y + 4:.1f}\">{value:.2f}</text>\n")
    return "".join(out) + "</svg>\n"
