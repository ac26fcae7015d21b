"""docs/performance.md and its samples: each section is replaced by itself, so that measuring one part keeps the others.

A section stands between `<!-- section: NAME -->` and `<!-- end: NAME -->`, all of them between the two comments
`benches/report begins` and `benches/report ends`. Text outside of sections is nobody's but the author's.
"""
import json
import re

from common import ROOT

PAGE = ROOT / "docs/performance.md"
SAMPLES = ROOT / "docs/performance.json"
BEGIN, END = "<!-- benches/report begins -->", "<!-- benches/report ends -->"
ORDER = ["kernels", "tools", "calls", "instantiate", "compile", "ablation"]


def markdown(section, machine, versions):
    facts = ", ".join(f"{key} {value}" for key, value in machine.items())
    return f"### {section.title}\n\n{facts}; peers: {versions}.\n\n{section.text}\n"


def put(page, name, text):
    """The page with this section in place of its former self, or in its order among the others."""
    marked = f"<!-- section: {name} -->\n\n{text}\n<!-- end: {name} -->"
    old = re.compile(rf"<!-- section: {name} -->.*?<!-- end: {name} -->", re.S)
    if old.search(page):
        return old.sub(lambda _: marked, page, count=1)
    for follower in ORDER[ORDER.index(name) + 1:]:
        place = f"<!-- section: {follower} -->"
        if place in page:
            return page.replace(place, f"{marked}\n\n{place}", 1)
    return page.replace(END, f"{marked}\n\n{END}", 1)


def write(sections, machine, versions):
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        raise SystemExit(f"{PAGE} has lost its comments {BEGIN} and {END}: nothing was written")
    for section in sections:
        page = put(page, section.name, markdown(section, machine, versions))
    PAGE.write_text(page)
    merge(SAMPLES, sections, machine, versions)


def merge(path, sections, machine, versions):
    """The samples of these sections, each with commit and machine; those of others stay."""
    known = json.loads(path.read_text()) if path.exists() else {}
    for section in sections:
        known[section.name] = {"machine": machine, "peers": versions, "raw": rounded(section.raw)}
    lines = [f"{json.dumps(name)}: {json.dumps(known[name], separators=(',', ':'))}" for name in sorted(known)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def rounded(value):
    """Samples to a hundredth of a unit of the last place that a clock gives: 1 µs."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value
