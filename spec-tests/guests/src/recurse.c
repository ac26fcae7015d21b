// Recurses to a depth given on the command line, or without end: recurse [DEPTH | forever]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile unsigned long levels;

__attribute__((noinline)) static unsigned descend(unsigned depth, unsigned seed) {
    levels++;
    if (depth == 0) return seed;
    // Not a tail call, and not associative, so that no optimiser makes a loop of it.
    unsigned below = descend(depth - 1, seed * 1664525u + 1013904223u);
    return (below ^ depth) * 2654435761u + (below >> 15);
}

int main(int argc, char **argv) {
    const char *arg = argc > 1 ? argv[1] : "100000";
    unsigned depth = strcmp(arg, "forever") ? (unsigned)strtoul(arg, NULL, 10) : 0xffffffffu;
    printf("descending\n");
    fflush(stdout);
    unsigned sum = descend(depth, 1);
    printf("levels %lu, checksum %08x\n", levels, sum);
    return 0;
}
