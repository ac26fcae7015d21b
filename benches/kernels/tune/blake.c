// A hash in the manner of BLAKE2s: ten rounds over 16 words, message words in an order that changes by round.
#include "../kernel.h"

static const uint8_t order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};
static const uint32_t start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint8_t columns[8][4] = {
    {0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14},
};

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void compress(uint32_t h[8], const uint32_t m[16], uint64_t length, int final) {
    uint32_t v[16];
    memcpy(v, h, 32);
    memcpy(v + 8, start, 32);
    v[12] ^= (uint32_t)length, v[13] ^= (uint32_t)(length >> 32);
    if (final) v[14] = ~v[14];
    for (int r = 0; r < 10; r++)
        for (int g = 0; g < 8; g++) {
            const uint8_t *c = columns[g];
            uint32_t a = v[c[0]], b = v[c[1]], x = v[c[2]], d = v[c[3]];
            a += b + m[order[r][2 * g]], d = rotate(d ^ a, 16);
            x += d, b = rotate(b ^ x, 12);
            a += b + m[order[r][2 * g + 1]], d = rotate(d ^ a, 8);
            x += d, b = rotate(b ^ x, 7);
            v[c[0]] = a, v[c[1]] = b, v[c[2]] = x, v[c[3]] = d;
        }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 1000);
    enum { BLOCKS = 1024 };
    static uint32_t message[BLOCKS][16];
    for (int i = 0; i < BLOCKS; i++)
        for (int k = 0; k < 16; k++) message[i][k] = next_random();
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        uint32_t h[8];
        memcpy(h, start, 32);
        h[0] ^= 0x01010020;
        for (int i = 0; i < BLOCKS; i++) compress(h, message[i], 64 * (uint64_t)(i + 1), i == BLOCKS - 1);
        memcpy(message[r % BLOCKS], h, 32);
        sum = fold(sum, h[0] ^ h[7]);
    }
    return result("blake", sum);
}
