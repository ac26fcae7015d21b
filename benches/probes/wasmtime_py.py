"""The probe for the Wasmtime inside PyPI's `wasmtime` package: the same clocks, the same JSON on stderr."""
import json
import sys
import tempfile
import time

import wasmtime


def main():
    file, args = sys.argv[1], sys.argv[1:]
    engine = wasmtime.Engine()
    start = time.perf_counter()
    with open(file, "rb") as f:
        module = wasmtime.Module(engine, f.read())
    compiled = time.perf_counter()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = args
    with tempfile.NamedTemporaryFile() as out:
        wasi.stdout_file = out.name
        store.set_wasi(wasi)
        instantiating = time.perf_counter()
        start_func = linker.instantiate(store, module).exports(store)["_start"]
        instantiated, cpu = time.perf_counter(), time.thread_time()
        try:
            start_func(store)
        except wasmtime.ExitTrap as e:
            if e.code:
                raise
        used, wall = time.thread_time() - cpu, time.perf_counter() - instantiated
        sys.stdout.write(open(out.name).read())
    print(json.dumps({"compile_ms": (compiled - start) * 1e3, "instantiate_ms": (instantiated - instantiating) * 1e3,
                      "wall_ms": wall * 1e3, "cpu_ms": used * 1e3}), file=sys.stderr)


main()
