"""Runs one wasm command of a guest under Craneway, or under Wasmtime to learn what must come out.

Large modules are compiled once into the cache, so that a case costs what it runs; the compile's CPU time and
peak memory are kept in compile.json, which the report of benches/ reads.
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

TIMEOUT = 600


class Failed(Exception):
    """A case did not come out as it must; the message says how."""


@dataclasses.dataclass
class Result:
    status: int
    stdout: bytes
    stderr: bytes
    wall: float
    cpu: float
    rss_mib: float


def measured(cmd, cwd, stdin=b"", timeout=TIMEOUT):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        start = time.monotonic()
        child = subprocess.Popen([str(c) for c in cmd], cwd=cwd, stdin=given, stdout=out, stderr=err,
                                 env={**os.environ, "CRANEWAY_CONFIG": ""})
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - start > timeout:
                child.kill()
                os.wait4(child.pid, 0)
                child.returncode = -9
                raise Failed(f"not finished after {timeout} s: {' '.join(map(str, cmd))[:300]}")
            time.sleep(0.002 if time.monotonic() - start < 1 else 0.05)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - start
        out.seek(0), err.seek(0)
        return Result(child.returncode, out.read(), err.read(), wall, usage.ru_utime + usage.ru_stime,
                      usage.ru_maxrss / 1024)


class Runner:
    def __init__(self, binary, cache, wasmtime):
        self.binary, self.wasmtime = pathlib.Path(binary).resolve(), wasmtime
        self.flags = ["-W", "exceptions=y,max-wasm-stack=8388608"] if wasmtime else []
        digest = hashlib.sha256(self.binary.read_bytes()).hexdigest()[:16]
        self.compiled = cache / "compiled" / digest
        self.compiled.mkdir(parents=True, exist_ok=True)
        for old in (cache / "compiled").iterdir():
            # Images of earlier builds are of no use, and large.
            if old != self.compiled and (old / "wasmtime").exists() == wasmtime:
                for file in old.iterdir():
                    file.unlink()
                old.rmdir()
        if wasmtime:
            (self.compiled / "wasmtime").touch()
        self.costs = self.compiled / "compile.json"

    def compile(self, wasm):
        """The precompiled image of a large module, or the module itself if it is small."""
        wasm = pathlib.Path(wasm)
        if wasm.stat().st_size < 900_000:
            return wasm
        out = self.compiled / (wasm.parent.name + "-" + wasm.stem + ".cwasm")
        if not out.exists():
            part = out.with_suffix(".part")
            result = measured([self.binary, "compile", *self.flags, "-o", part, wasm], cwd=wasm.parent)
            if result.status:
                raise Failed(f"compile of {wasm.name}: status {result.status}: {result.stderr.decode(errors='replace')[-600:]}")
            part.rename(out)
            costs = json.loads(self.costs.read_text()) if self.costs.exists() else {}
            costs[wasm.name] = {"bytes": wasm.stat().st_size, "cpu_s": round(result.cpu, 2),
                                "wall_s": round(result.wall, 2), "peak_mib": round(result.rss_mib)}
            self.costs.write_text(json.dumps(costs, indent=1))
        return out

    def command(self, wasm, args, dirs, env, argv0, preload):
        cmd = [self.binary, "run", "--allow-precompiled", *self.flags]
        for guest, host in dirs:
            cmd += ["--dir", f"{host}::{guest}"]
        for item in env:
            cmd += ["--env", item]
        for name, file in preload:
            cmd += ["--preload", f"{name}={self.compile(file)}"]
        if argv0:
            cmd += ["--argv0", argv0]
        return [*cmd, self.compile(wasm), *args]

    def __call__(self, wasm, *args, cwd, dirs=(), env=(), argv0=None, preload=(), stdin=b"", status=0):
        """Runs to the end, which must come with this status."""
        cmd = self.command(wasm, args, dirs, env, argv0, preload)
        result = measured(cmd, cwd, stdin)
        if result.status != status:
            raise Failed(f"status {result.status}, expected {status}: {' '.join(map(str, cmd))[:400]}\n"
                         + result.stderr.decode(errors="replace")[-1500:])
        return result

    def killed(self, wasm, *args, cwd, dirs=(), stdin=b"", when, delay):
        """Runs until `when()` holds and `delay` seconds more, and ends it by SIGKILL. False if it ended by itself."""
        cmd = self.command(wasm, args, dirs, (), None, ())
        with tempfile.TemporaryFile() as given:
            given.write(stdin)
            given.seek(0)
            child = subprocess.Popen([str(c) for c in cmd], cwd=cwd, stdin=given, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            begin = time.monotonic()
            while child.poll() is None and not when():
                if time.monotonic() - begin > TIMEOUT:
                    child.kill()
                    raise Failed(f"nothing to see after {TIMEOUT} s: {' '.join(map(str, cmd))[:300]}")
                time.sleep(0.002)
            time.sleep(delay)
            child.kill()
            return child.wait() == -signal.SIGKILL
