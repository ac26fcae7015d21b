// What every kernel shares: the amount of work from the command line, a small generator, the result line.
#ifndef KERNEL_H
#define KERNEL_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline long work_size(int argc, char **argv, long usual) { return argc > 1 ? atol(argv[1]) : usual; }

static uint64_t kernel_state = 0x9e3779b97f4a7c15u;
static inline uint32_t next_random(void) {
    kernel_state ^= kernel_state << 13;
    kernel_state ^= kernel_state >> 7;
    kernel_state ^= kernel_state << 17;
    return (uint32_t)(kernel_state >> 16);
}

// The same line from wasm and from the native twin proves that both did the same work.
static inline int result(const char *name, uint64_t checksum) {
    printf("%s %016llx\n", name, (unsigned long long)checksum);
    return 0;
}

static inline uint64_t fold(uint64_t sum, uint64_t value) { return (sum ^ value) * 0x100000001b3u + (sum >> 29); }
#endif
