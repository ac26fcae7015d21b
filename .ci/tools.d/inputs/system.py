"""Exercises what CPython asks of the system: os, io, time, json, re. Argument: an empty directory to work in."""
import errno
import io
import json
import os
import pathlib
import re
import shutil
import stat
import sys
import tempfile
import time


def failing(what, action):
    try:
        action()
        print(f"{what}: no error")
    except OSError as e:
        print(f"{what}: {type(e).__name__} {errno.errorcode[e.errno]}")


def files():
    with open("a.txt", "w", newline="\r\n", encoding="utf-8") as f:
        print("written", f.write("first\nsecönd\nthird\n"), f.tell(), f.seekable(), f.isatty())
    print(os.stat("a.txt").st_size, open("a.txt", "rb").read())
    with open("a.txt", encoding="utf-8") as f:
        print(f.readline(), f.read(4), list(f), f.closed)
    with open("a.txt", "r+b", buffering=0) as f:
        buffer = bytearray(6)
        print(f.seek(-5, os.SEEK_END), f.readinto(buffer), bytes(buffer))
        print(f.truncate(9), f.seek(0, os.SEEK_END))
    with open("a.txt", "ab") as f:
        print(f.tell(), f.write(b"!" * 10000), f.tell())
    with open("b.bin", "xb") as f:
        f.write(bytes(range(256)) * 1000)
        f.flush()
        os.fsync(f.fileno())
    failing("create again", lambda: open("b.bin", "x"))
    failing("open what is not there", lambda: open("none"))
    failing("open a directory", lambda: open("."))
    failing("read what is open to write", lambda: os.read(os.open("b.bin", os.O_WRONLY), 1))
    fd = os.open("b.bin", os.O_RDWR)
    print(os.pread(fd, 4, 254), os.pwrite(fd, b"PW", 255), os.lseek(fd, 0, os.SEEK_CUR), os.preadv(fd, [bytearray(3)], 254))
    print(os.write(fd, b"abcde"), os.read(fd, 4), os.fstat(fd).st_size)
    os.ftruncate(fd, 100)
    print(os.fstat(fd).st_size, os.isatty(fd))
    os.close(fd)
    failing("close again", lambda: os.close(fd))
    with open("big", "wb") as f:
        f.seek(5_000_000_000)
        f.write(b"end")
    print(os.stat("big").st_size)
    os.remove("big")


def names():
    os.makedirs("tree/one/two")
    for name in ("x", "y", "ü"):
        pathlib.Path("tree/one", name).write_text(name)
    os.symlink("one/x", "tree/soft")
    os.link("tree/one/x", "tree/hard")
    print(os.readlink("tree/soft"), os.path.islink("tree/soft"), os.stat("tree/hard").st_nlink, os.path.realpath("tree/soft"))
    for root, dirs, names in sorted(os.walk("tree")):
        print(root, sorted(dirs), sorted(names))
    print(sorted((e.name, e.is_dir(), e.is_file(), e.is_symlink(), e.stat(follow_symlinks=False).st_size > 0) for e in os.scandir("tree")
                 if not e.is_dir()))
    print(sorted(p.as_posix() for p in pathlib.Path("tree").rglob("*")))
    os.rename("tree/one/y", "tree/y")
    os.replace("tree/y", "tree/hard")
    print(open("tree/hard").read(), open("tree/soft").read())
    failing("rmdir of a full directory", lambda: os.rmdir("tree"))
    failing("unlink of a directory", lambda: os.unlink("tree"))
    failing("mkdir again", lambda: os.mkdir("tree"))
    failing("rename over a directory", lambda: os.rename("tree/hard", "tree/one"))
    failing("listing a file", lambda: os.listdir("a.txt"))
    failing("a way out", lambda: open("/../etc/passwd"))
    os.utime("tree/hard", ns=(1_000_000_007, 2_000_000_009))
    status = os.stat("tree/hard")
    print(status.st_atime_ns, status.st_mtime_ns, stat.S_ISREG(status.st_mode), stat.filemode(os.lstat("tree/soft").st_mode)[0])
    shutil.copytree("tree", "copy", symlinks=True)
    shutil.move("copy/one", "moved")
    print(sorted(os.listdir("copy")), sorted(os.listdir("moved")))
    shutil.rmtree("tree")
    print(sorted(os.listdir(".")))
    with tempfile.TemporaryDirectory(dir=".") as name, tempfile.NamedTemporaryFile(dir=name) as f:
        f.write(b"x")
        f.flush()
        print(len(os.listdir(name)), os.stat(f.name).st_size)
    os.environ["ADDED"] = "1"
    print(os.environ.get("GIVEN"), os.getenv("ADDED"), len(os.urandom(32)), os.urandom(8) != os.urandom(8))


def streams():
    text = io.TextIOWrapper(io.BytesIO(b"a\r\nb\rc\n"), newline=None)
    print(text.readlines(), text.newlines)
    buffered = io.BufferedRandom(open("r.bin", "w+b", buffering=0))
    buffered.write(b"0123456789")
    buffered.seek(3)
    print(buffered.peek(2)[:2], buffered.read1(4), buffered.tell())
    print(io.StringIO("one\ntwo").readlines(), io.BytesIO(b"xyz").getbuffer()[1])
    failing("writing a reader", lambda: os.write(os.open("r.bin", os.O_RDONLY), b"x"))
    print(sys.stdin.read().split(), sys.stdin.buffer.read())
    print("to stderr", file=sys.stderr)


def times():
    print(time.strftime("%Y-%m-%d %H:%M:%S %j %a", time.gmtime(1_700_000_000)), time.mktime((2024, 2, 29, 0, 0, 0, 0, 0, 0)))
    begin, wall = time.monotonic_ns(), time.time()
    time.sleep(0.02)
    print(time.monotonic_ns() - begin >= 20_000_000, 0 <= time.time() - wall < 60, time.time() > 1_600_000_000)
    print(time.strptime("7 Mar 1999", "%d %b %Y")[:3], time.get_clock_info("monotonic").monotonic, time.perf_counter() > 0)


def texts():
    value = {"ü": [1, -2.5e-9, None, True, "a\"b\\c\u2028"], "nested": {str(i): i ** 20 for i in range(5)}}
    shown = json.dumps(value, indent=1, sort_keys=True)
    print(len(shown), json.loads(shown) == value, json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    try:
        json.loads('{"a": [1, 2,]}')
    except json.JSONDecodeError as e:
        print(e)
    pattern = re.compile(r"(?P<key>\w+)\s*=\s*(?:'(?P<quoted>[^']*)'|(?P<plain>\S+))", re.M)
    print([m.groupdict() for m in pattern.finditer("a = 'b c'\nd=e  f = 'g'")])
    print(re.sub(r"(?<=\d)(?=(\d{3})+\b)", ",", "1234567 12 4321"), re.split(r"[,;]\s*", "a, b;c"), re.fullmatch(r"(a+)+b", "a" * 20 + "b") is not None)
    print(re.findall(r"\b\w*(\w)\1\w*\b", "letter book crane wheel"))


os.chdir(sys.argv[1])
for part in (files, names, streams, times, texts):
    print("==", part.__name__)
    part()
