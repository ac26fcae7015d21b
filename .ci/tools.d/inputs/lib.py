"""Exercises CPython: data classes, regular expressions, files, hashing, compression, threads of control."""
import collections
import dataclasses
import decimal
import hashlib
import itertools
import json
import os
import re
import struct
import sys
import zlib


@dataclasses.dataclass(order=True)
class Load:
    weight: float
    name: str = dataclasses.field(compare=False)
    tags: list = dataclasses.field(default_factory=list, compare=False)


def pystone(rounds):
    table, total = {}, 0
    for i in range(rounds):
        key = (i * 7919) % 1009
        table[key] = table.get(key, 0) + i
        total = (total * 31 + table[key]) % 1000003
    return total


def main():
    folder = sys.argv[1]
    loads = [Load(3.5, "pipe"), Load(1.25, "crate", ["a"]), Load(2, "beam")]
    with open(os.path.join(folder, "loads.json"), "w") as f:
        json.dump([dataclasses.asdict(x) for x in sorted(loads)], f, indent=1)
    text = open(os.path.join(folder, "loads.json")).read()
    print(json.loads(text)[0], len(text))
    print(re.findall(r"\"(\w+)\": (\d+(?:\.\d+)?)", text))
    print(hashlib.sha256(text.encode()).hexdigest(), zlib.crc32(text.encode()))
    print(collections.Counter("hoist the load").most_common(3))
    print(decimal.Decimal(1) / 7, struct.pack("<Id", 7, 0.5).hex(), 2**200)
    print(list(itertools.islice(itertools.permutations("abc"), 4)))
    print(pystone(300_000))
    os.makedirs(os.path.join(folder, "sub/deep"), exist_ok=True)
    for n in range(5):
        with open(os.path.join(folder, f"sub/deep/{n}.txt"), "w") as f:
            f.write("x" * n)
    for root, dirs, files in sorted(os.walk(folder)):
        print(os.path.relpath(root, folder), sorted(dirs), sorted(files))
    os.rename(os.path.join(folder, "sub/deep/3.txt"), os.path.join(folder, "moved.txt"))
    print(os.stat(os.path.join(folder, "moved.txt")).st_size, os.path.exists(os.path.join(folder, "sub/deep/3.txt")))
    try:
        open(os.path.join(folder, "absent"))
    except FileNotFoundError as e:
        print(type(e).__name__, e.errno)
    try:
        sum(range(10)) / 0
    except ZeroDivisionError as e:
        print(e)

    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    print(down(500))
    sys.exit(3)


main()
