// Holds 2 GiB at once in blocks of 64 MiB, touches every wasm page of it and reads it back.
// The blocks come straight from memory.grow: the C library's malloc stops a little short of 2 GiB.
#include <stdint.h>
#include <stdio.h>

static unsigned char *grow(int bytes) {
    size_t page = __builtin_wasm_memory_grow(0, (size_t)bytes / 65536);
    return page == SIZE_MAX ? NULL : (unsigned char *)(page * 65536);
}

enum { BLOCKS = 32, BLOCK = 64 << 20, PAGE = 65536 };

int main(void) {
    unsigned char *block[BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
        block[b] = grow(BLOCK);
        if (!block[b]) {
            printf("no memory for block %d\n", b);
            return 1;
        }
        for (int p = 0; p < BLOCK; p += PAGE) block[b][p] = (unsigned char)(b * 31 + p / PAGE);
    }
    unsigned long sum = 0;
    for (int b = 0; b < BLOCKS; b++)
        for (int p = 0; p < BLOCK; p += PAGE) sum = sum * 131 + block[b][p];
    printf("held %d MiB, checksum %08lx\n", BLOCKS * (BLOCK >> 20), sum & 0xffffffff);
    return 0;
}
