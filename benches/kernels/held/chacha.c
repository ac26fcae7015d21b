// A stream cipher of 32-bit additions, exclusive ors and rotations: twenty rounds a block.
#include "../kernel.h"

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

#define QUARTER(a, b, c, d) \
    (a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8), c += d, b = rotate(b ^ c, 7))

static void block(uint32_t out[16], const uint32_t in[16]) {
    uint32_t x[16];
    memcpy(x, in, sizeof x);
    for (int i = 0; i < 10; i++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
    for (int i = 0; i < 16; i++) out[i] = x[i] + in[i];
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 1500);
    enum { WORDS = 16384 };
    static uint32_t data[WORDS];
    for (int i = 0; i < WORDS; i++) data[i] = next_random();
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (int i = 4; i < 16; i++) start[i] = next_random();
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < WORDS; i += 16) {
            uint32_t stream[16];
            block(stream, start);
            start[12]++;
            for (int k = 0; k < 16; k++) data[i + k] ^= stream[k];
        }
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i++) sum = fold(sum, data[i]);
    return result("chacha", sum);
}
