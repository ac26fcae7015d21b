"""What each pass of the optimiser is worth: all kernels with that pass off, and with all off, beside all on."""
import statistics

from common import Missing, Section, cell, geomean, table
from engines import Engine, passes
from kernels import measure, of_work, shared
from micro import compile_one, find

COMPILED = "ripgrep"
# Runs are this much shorter than the kernels' own.
SHARE = 6


def engines_of(probe, names):
    """All on, each off, all off."""
    off = lambda *names: {"CRANEWAY_PASSES": ",".join(f"{name}=n" for name in names)}
    run = [*probe, "run"]
    table = {"all on": Engine("all on", run)}
    table |= {name: Engine(name, run, off(name)) for name in names}
    table["all off"] = Engine("all off", run, off(*names))
    return table


def section(probe, listed, rounds):
    if not probe:
        return Section("ablation", "Ablation", "not measured: no probe of Craneway", {})
    about = passes(probe)
    if not about:
        raise Missing(f"{probe[0]} cannot list its passes: build it anew")
    engines = engines_of(probe, list(about))
    samples = measure(engines, shared(listed, SHARE), rounds)
    compile_cpu = compile_times(probe, engines, min(rounds, 3))
    rows = [row(name, about, listed, samples, compile_cpu) for name in engines if name != "all on"]
    head = ["off", "tune", "held", "all", "all, of medians", "gains most", "loses most", f"compile of {COMPILED}"]
    text = (f"Time with a pass off over time with all on, the least of {rounds} interleaved rounds{of_work(SHARE)}: "
            f"above 1 the pass is worth that much. The last column is the CPU time of "
            f"compiling, off over on: below 1 the pass costs that much.\n\n{table(head, rows)}")
    points = [(name, *extremes(name, listed, samples)) for name in engines if name != "all on"]
    plots = [("worth", "Time without a pass, over all kernels; the bar is from the kernel that loses most to the one that gains most",
              [p for p in points if p[1]])]
    return Section("ablation", "Ablation", text, {"samples": samples, "compile_cpu_s": compile_cpu}, plots)


def ratios(name, kernels, samples, pick=min):
    """(ratio, kernel) for kernels measured both ways."""
    both = [(k, samples[k]["all on"], samples[k][name]) for k in kernels]
    return [(pick(off) / pick(on), k) for k, on, off in both if on and off]


def extremes(name, listed, samples):
    found = ratios(name, [k[1] for k in listed], samples)
    return (geomean([r for r, _ in found]), min(found)[0], max(found)[0]) if found else (None, None, None)


def row(name, about, listed, samples, compile_cpu):
    def mean(chosen, pick=min):
        kernels = [k[1] for k in listed if chosen in (None, k[0])]
        return cell(geomean([r for r, _ in ratios(name, kernels, samples, pick)]), "{:.3f}")
    found = sorted(ratios(name, [k[1] for k in listed], samples), reverse=True)
    best = ", ".join(f"{k} {r:.2f}" for r, k in found[:3] if r >= 1.02)
    worst = ", ".join(f"{k} {r:.2f}" for r, k in reversed(found[-3:]) if r <= 0.98)
    on, off = compile_cpu.get("all on"), compile_cpu.get(name)
    title = f"`{name}`: {about[name]}" if name in about else f"**{name}**"
    return [title, mean("tune"), mean("held"), mean(None), mean(None, statistics.median), best or "none", worst or "none",
            cell(min(off) / min(on) if on and off else None)]


def compile_times(probe, engines, rounds):
    module = find(COMPILED)
    if not module:
        return {}
    samples = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            samples[name].append(compile_one(probe, module, engine.env)["process_cpu_s"])
    return samples
