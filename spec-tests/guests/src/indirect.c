// Calls through function pointers, 100,000,000 times unless told otherwise: indirect [CALLS]
#include <stdio.h>
#include <stdlib.h>

typedef unsigned (*step)(unsigned);
static unsigned add(unsigned x) { return x + 0x9e3779b9u; }
static unsigned mix(unsigned x) { return x ^ (x >> 13); }
static unsigned scale(unsigned x) { return x * 0x85ebca6bu; }
static unsigned turn(unsigned x) { return (x << 7) | (x >> 25); }

// Volatile, so that the choice is not known to the compiler.
static volatile step steps[4] = {add, mix, scale, turn};

int main(int argc, char **argv) {
    long calls = argc > 1 ? atol(argv[1]) : 100000000;
    unsigned x = 1;
    for (long i = 0; i < calls; i++) x = steps[(x ^ i) & 3](x);
    printf("%ld calls, checksum %08x\n", calls, x);
    return 0;
}
