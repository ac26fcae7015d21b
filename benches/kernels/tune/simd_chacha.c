// 128-bit vectors: the cipher of chacha.c, four blocks at once, one in each lane.
#include "../kernel.h"

typedef uint32_t u4 __attribute__((vector_size(16)));

static u4 rotate(u4 x, int n) { return x << n | x >> (32 - n); }

#define QUARTER(a, b, c, d) \
    (a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8), c += d, b = rotate(b ^ c, 7))

static void four_blocks(u4 out[16], const u4 in[16]) {
    u4 x[16];
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
    long rounds = work_size(argc, argv, 3000);
    enum { WORDS = 16384 };
    static u4 data[WORDS / 4];
    for (int i = 0; i < WORDS; i++) data[i / 4][i % 4] = next_random();
    const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    u4 start[16];
    for (int i = 0; i < 16; i++) start[i] = (u4){0} + (i < 4 ? constants[i] : next_random());
    start[12] += (u4){0, 1, 2, 3};
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < WORDS / 4; i += 16) {
            u4 stream[16];
            four_blocks(stream, start);
            start[12] += 4;
            for (int k = 0; k < 16; k++) data[i + k] ^= stream[k];
        }
    uint64_t sum = 0;
    for (int i = 0; i < WORDS; i++) sum = fold(sum, data[i / 4][i % 4]);
    return result("simd_chacha", sum);
}
