"""The engines that run kernels: how each is had, and which command runs a kernel under it."""
import dataclasses
import functools
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys

import commands
from commands import NODE, given
from common import BENCHES, CACHE, PEERS, ROOT, Missing, attempt, run_probe, sh

WASMTIME_PY = "wasmtime==50.0.1"

_loader = importlib.machinery.SourceFileLoader("kernel_build", str(BENCHES / "kernels/build"))
kernel_build = importlib.util.module_from_spec(importlib.util.spec_from_loader("kernel_build", _loader))
_loader.exec_module(kernel_build)

VERSIONS = (f"Wasmtime 48.0.8 (crate), {WASMTIME_PY} (PyPI), {NODE} (npm), clang of {kernel_build.ZIG}")


@dataclasses.dataclass
class Engine:
    """A column of samples: a command before the module, and environment variables."""
    name: str
    command: list
    env: dict = dataclasses.field(default_factory=dict)
    wasm: bool = True

    def run(self, kernel, work):
        """Milliseconds of CPU time of one run and what it printed."""
        if self.wasm:
            text, facts = run_probe([*self.command, CACHE / f"{kernel}.wasm", work], env=self.env)
        else:
            text, facts = run_probe([CACHE / f"{kernel}.native", work])
        return text, facts.get("cpu_ms", facts["process_cpu_s"] * 1e3)


def target_dir():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def probe_craneway():
    if path := given("CRANEWAY_PROBE"):
        return [path]
    sh("cargo", "build", "--release", "--quiet", "--locked", "-p", "craneway-benches", cwd=ROOT)
    return [str(target_dir() / "probe-craneway")]


def command_craneway():
    """The command, for the large tools, which want a whole WASI."""
    if path := given("CRANEWAY"):
        return path
    sh("cargo", "build", "--release", "--quiet", "--locked", "-p", "craneway-cli", cwd=ROOT)
    return str(target_dir() / "craneway")


def probe_wasmtime():
    if path := given("WASMTIME_PROBE"):
        return [path]
    env = {**os.environ, "CARGO_TARGET_DIR": str(PEERS / "target")}
    sh("cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", BENCHES / "peers/Cargo.toml", env=env)
    return [str(PEERS / "target/release/probe-wasmtime")]


def obeys_inlining(probe):
    """Fails for a probe from before the variable; it would measure the defaults twice."""
    about = run_probe([*probe, "about"], env={"PROBE_INLINING": "y"})[1]
    if not about.get("inlining"):
        raise Missing(f"{probe[0]} cannot switch the inliner on: build benches/peers anew")
    return probe


def probe_wasmtime_py():
    python = PEERS / "venv/bin/python"
    if not python.exists():
        sh(sys.executable, "-m", "venv", PEERS / "venv")
    if subprocess.run([python, "-c", "import wasmtime"], capture_output=True).returncode:
        sh(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WASMTIME_PY)
    return [str(python), str(BENCHES / "probes/wasmtime_py.py")]


def passes(probe):
    """Name to description of the optimiser's passes, from the program itself."""
    return run_probe([*probe, "about"])[1].get("passes", {})


class Engines:
    """All that can be had, each looked for (and built) once and only if it is asked for; what cannot be had is None."""

    @functools.cached_property
    def craneway(self):
        return attempt(probe_craneway)

    @functools.cached_property
    def wasmtime48(self):
        return attempt(probe_wasmtime)

    @property
    def before(self):
        return os.environ.get("CRANEWAY_BEFORE")

    def for_kernels(self):
        """Columns in order: name to Engine or None."""
        w48, w50, v8 = self.wasmtime48, attempt(probe_wasmtime_py), attempt(lambda: commands.find("node"))
        inlining = w48 and attempt(lambda: obeys_inlining(w48))
        driver = str(BENCHES / "probes/node.mjs")
        columns = {
            "craneway": self.craneway and Engine("craneway", [*self.craneway, "run"]),
            "before": self.before and Engine("before", [self.before, "run"]),
            "wasmtime48": w48 and Engine("wasmtime48", [*w48, "run"]),
            "wasmtime48 inlining": inlining and Engine("wasmtime48 inlining", [*w48, "run"], {"PROBE_INLINING": "y"}),
            "wasmtime50": w50 and Engine("wasmtime50", w50),
            "node": v8 and Engine("node", [v8, driver]),
            "node --no-liftoff": v8 and Engine("node --no-liftoff", [v8, "--no-liftoff", driver]),
            "native": Engine("native", [], wasm=False),
        }
        if not self.before:
            del columns["before"]
        return columns

    def probes(self):
        """Those that also measure calls, start-up and compiling."""
        return {"craneway": self.craneway, "wasmtime48": self.wasmtime48}
