# A mixed load for an interpreter: records, dictionaries, strings, closures, recursion, sorting. Prints a checksum.
import sys


class Part:
    __slots__ = ("name", "mass", "next")

    def __init__(self, name, mass, following):
        self.name, self.mass, self.next = name, mass, following

    def heavier(self, other):
        return self.mass > other.mass


def chain(n):
    first = None
    for i in range(n):
        first = Part(f"part{i * 7919 % n}", i * 31 % 97, first)
    return first


def totals(part):
    counts = {}
    heaviest = part
    while part is not None:
        key = part.name[-2:]
        counts[key] = counts.get(key, 0) + part.mass
        if part.heavier(heaviest):
            heaviest = part
        part = part.next
    return counts, heaviest


def ackermann(m, n):
    while m:
        n = 1 if n == 0 else ackermann(m, n - 1)
        m -= 1
    return n + 1


def primes(limit):
    sieve = bytearray([1]) * limit
    for i in range(2, int(limit ** 0.5) + 1):
        if sieve[i]:
            for j in range(i * i, limit, i):
                sieve[j] = 0
    return sum(sieve[2:])


def text(n):
    words = [("crane", "hook", "load", "rope")[i * i % 4] + str(i % 13) for i in range(n)]
    joined = " ".join(words)
    parts = sorted(joined.split(), key=lambda w: (len(w), w))
    return sum(len(w) * ord(w[-1]) for w in parts) % 1000003


def main(rounds):
    checksum = 0
    for r in range(rounds):
        counts, heaviest = totals(chain(4000 + r))
        checksum = (checksum * 31 + sum(counts.values()) + heaviest.mass) % 1000003
        checksum = (checksum * 31 + ackermann(2, 60 + r % 3)) % 1000003
        checksum = (checksum * 31 + primes(20000 + r)) % 1000003
        checksum = (checksum * 31 + text(5000 + r)) % 1000003
        checksum = (checksum * 31 + int(sum(x ** 0.5 for x in range(3000)) * 1000)) % 1000003
    print(checksum)


main(int(sys.argv[1]))
