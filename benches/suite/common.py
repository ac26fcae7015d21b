"""What every part of the report shares: where things lie, running a probe, statistics, cells of tables."""
import dataclasses
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

BENCHES = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
CACHE = ROOT / ".cache/bench"
PEERS = pathlib.Path(os.environ.get("CRANEWAY_PEERS", ROOT / ".cache/bench-peers"))
TOOLS = pathlib.Path(os.environ.get("CRANEWAY_TOOLS_CACHE", ROOT / ".cache/tools"))


class Missing(Exception):
    """Something that is not to be had; the message says why."""


@dataclasses.dataclass
class Section:
    """A part of the report: text in Markdown, plots, and the raw samples."""
    name: str
    title: str
    text: str
    raw: object
    plots: list = dataclasses.field(default_factory=list)


def sh(*cmd, **options):
    return subprocess.run([str(c) for c in cmd], check=True, **options)


def attempt(what):
    """What the function gives, or None with a note if it cannot be had."""
    try:
        return what()
    except (Missing, OSError, subprocess.CalledProcessError) as e:
        note(str(e))
        return None


def note(text):
    print(f"not measured: {text}", file=sys.stderr)


# Engines that printed something else than the first one; the report ends with a failure if there are any.
DIFFERENCES = []


def differs(text):
    """An engine that computes something else: its times mean nothing, but the other measurements go on."""
    DIFFERENCES.append(text)
    print(f"\nDIFFERENT: {text}", file=sys.stderr)


def progress(text):
    print(f"\r{text:78}", end="", file=sys.stderr, flush=True)


def run_probe(command, cwd=ROOT, env=None, stdin=None):
    """(output, the JSON of its last line on stderr, with CPU seconds and peak MiB of the whole process)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen([str(c) for c in command], cwd=cwd, stdout=out, stderr=err,
                                 stdin=stdin or subprocess.DEVNULL, env={**os.environ, **(env or {})})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        text, errors = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if child.returncode:
        raise Missing(f"{' '.join(map(str, command))[:200]}: status {child.returncode}: {errors[-400:]}")
    last = errors.strip().splitlines()[-1] if errors.strip() else "{}"
    facts = json.loads(last) if last.startswith("{") else {}
    return text, facts | {"process_cpu_s": usage.ru_utime + usage.ru_stime, "peak_mib": usage.ru_maxrss / 1024}


def geomean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def spread(samples):
    """Half of largest minus smallest, in percent of the median."""
    return (max(samples) - min(samples)) / statistics.median(samples) * 50


def cell(value, form="{:.2f}"):
    return form.format(value) if value is not None else "not measured"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine():
    """What stands beside every table."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    git = lambda *args: subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    # What is written by the report itself makes no other program.
    changed = [line for line in git("status", "--porcelain", "-uno").splitlines() if not line.endswith(tuple(WRITTEN))]
    return {"commit": git("rev-parse", "--short=12", "HEAD") + (" and uncommitted changes" if changed else ""),
            "cpu": cpu[1] if cpu else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "date": time.strftime("%Y-%m-%d"), "load": round(os.getloadavg()[0], 1)}


WRITTEN = ["docs/performance.md", "docs/performance.json"]
