// Holds 2 GiB in blocks of 64 MiB at once, touches every wasm page of it and reads it back.
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 32, BLOCK = 64 << 20, PAGE = 65536 };

int main(void) {
    unsigned char *block[BLOCKS];
    for (int b = 0; b < BLOCKS; b++) {
        block[b] = malloc(BLOCK);
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
    for (int b = 0; b < BLOCKS; b++) free(block[b]);
    return 0;
}
