"""The kernels: samples under every engine, a table by kernel, and one by group."""
import statistics

from common import Missing, Section, cell, differs, geomean, note, progress, spread, table

# Title to the groups of LIST that it takes together.
GROUPS = {"call-heavy": ("calls", "callback"), "indirect calls": ("indirect",), "interpreters": ("interp",),
          "PolyBench-like": ("polybench",), "SIMD": ("simd",), "memory": ("memory",), "strings": ("strings",),
          "integers": ("integer",), "floating point": ("float",), "images and paths": ("image", "path")}
# Column of the table to the engines of which it takes the better.
COLUMNS = {"before": ["before"], "Wasmtime 48": ["wasmtime48"], "48, inlining": ["wasmtime48 inlining"],
           "Wasmtime 50": ["wasmtime50"], "node": ["node"], "V8": ["node", "node --no-liftoff"], "native": ["native"]}
# What the geomeans are to be at most.
TARGETS = {"Wasmtime 48": 0.82, "48, inlining": 0.86, "Wasmtime 50": 0.88, "V8": 0.95, "native": 1.15}


# Kernels whose work is a depth, of which a share is next to nothing.
WHOLE = {"fib", "trees", "lisp"}


def shared(listed, share):
    """The kernels with that share of their work. Many short runs find the fastest one sooner than a few long ones where
    others use the machine too."""
    return [(*k[:3], k[3] if k[1] in WHOLE else str(max(1, int(k[3]) // share)), *k[4:]) for k in listed]


def measure(engines, listed, rounds):
    """samples[kernel][engine] = milliseconds of CPU time, or None; all outputs must be equal."""
    samples = {k[1]: {name: [] if engine else None for name, engine in engines.items()} for k in listed}
    outputs = {}
    for round_no in range(rounds):
        for _, kernel, _, work, _ in listed:
            for name, engine in engines.items():
                if samples[kernel][name] is None:
                    continue
                progress(f"kernels, round {round_no + 1}/{rounds}: {kernel}, {name}")
                try:
                    text, ms = engine.run(kernel, work)
                except Missing as e:
                    note(f"{kernel} under {name}: {e}")
                    samples[kernel][name] = None
                    continue
                if outputs.setdefault(kernel, text) != text:
                    differs(f"{kernel} under {name} printed {text!r}, others {outputs[kernel]!r}")
                    samples[kernel][name] = None
                    continue
                samples[kernel][name].append(ms)
    progress("")
    return samples


def ratio(row, column, pick):
    """Our time over that of the column, or None."""
    times = [pick(row[e]) for e in COLUMNS[column] if row.get(e)]
    return pick(row["craneway"]) / min(times) if row.get("craneway") and times else None


def columns_of(samples):
    present = {engine for row in samples.values() for engine in row}
    return [c for c, engines in COLUMNS.items() if present & set(engines)]


def kernel_rows(listed, samples, columns):
    for group, kernel, kind, _, _ in listed:
        row = samples[kernel]
        own = row.get("craneway")
        time = f"{statistics.median(own):.1f} (±{spread(own):.0f} %)" if own else "not measured"
        yield [kernel, group, kind, time, *(cell(ratio(row, c, min)) for c in columns)]


def geomean_rows(listed, samples, columns):
    def mean(kernels, column, pick):
        return geomean([ratio(samples[k], column, pick) for k in kernels])

    def row(title, kernels, pick=min):
        return [f"**{title}**", str(len(kernels)), *(cell(mean(kernels, c, pick)) for c in columns), worst(kernels)]

    def worst(kernels):
        known = [(ratio(samples[k], "Wasmtime 48", min), k) for k in kernels]
        known = [pair for pair in known if pair[0]]
        return f"{max(known)[1]} {max(known)[0]:.2f}" if known else ""

    by_set = {s: [k[1] for k in listed if k[0] == s] for s in ("tune", "held")}
    everything = [k[1] for k in listed]
    for title, kernels in by_set.items():
        if kernels:
            yield row(title, kernels)
    yield row("all", everything)
    yield row("all, of medians", everything, statistics.median)
    yield ["target", "", *(f"≤ {TARGETS[c]:.2f}" if c in TARGETS else "" for c in columns), "≤ 1.05"]
    for title, kinds in GROUPS.items():
        kernels = [k[1] for k in listed if k[2] in kinds]
        if kernels:
            yield row(title, kernels)


def section(engines, listed, rounds, share):
    samples = measure(engines, shared(listed, share), rounds)
    columns = columns_of(samples)
    over = [f"/ {c}" for c in columns]
    text = (f"CPU time of `_start`'s thread, compile excluded, {rounds} interleaved rounds{of_work(share)}. Ratios of the fastest runs; below 1 "
            "Craneway is faster. V8: the better of node's default and `--no-liftoff`; native: scalar code without its vectoriser, "
            "in the SIMD group with vectors of 128 bits, where the target is 1.25.\n\n"
            + table(["", "kernels", *over, "worst / Wasmtime 48"], geomean_rows(listed, samples, columns)) + "\n\n"
            + table(["kernel", "set", "group", "Craneway ms, median (spread)", *over], kernel_rows(listed, samples, columns)))
    return Section("kernels", "Kernels", text, {"rounds": rounds, "samples": samples}, plots(listed, samples, columns))


def of_work(share):
    """What a table says of the length of its runs."""
    if share == 1:
        return ""
    return f" of 1/{share} of the kernels' work (all of it for {', '.join(sorted(WHOLE))})"


def plots(listed, samples, columns):
    """For the page: a plot of each kernel's ratio to Wasmtime, and one of the geomeans."""
    def points(column):
        for _, kernel, _, _, _ in listed:
            row = samples[kernel]
            value = ratio(row, column, min)
            if value:
                base = min(min(row[e]) for e in COLUMNS[column] if row.get(e))
                yield kernel, value, min(row["craneway"]) / base, max(row["craneway"]) / base

    def means():
        for column in columns:
            ratios = [r for r in (ratio(samples[k[1]], column, min) for k in listed) if r]
            if ratios:
                yield column, geomean(ratios), min(ratios), max(ratios)
    result = [("ratios", "Geomean of all kernels, over each engine; the bar is from best to worst kernel", list(means()))]
    result += [("ratios", f"Each kernel over {c}", sorted(points(c), key=lambda p: p[1])) for c in ("Wasmtime 48", "V8") if c in columns]
    return [plot for plot in result if plot[2]]
