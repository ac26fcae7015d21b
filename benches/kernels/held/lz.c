// Compression: a greedy match finder with a hash chain, then decompression and a check.
#include "../kernel.h"

enum { SIZE = 1 << 20, BITS = 15 };
static unsigned char in[SIZE], packed[SIZE * 2], out[SIZE];
static int32_t head[1 << BITS];

static long pack(void) {
    long o = 0;
    for (int i = 0; i < 1 << BITS; i++) head[i] = -1;
    for (long i = 0; i < SIZE;) {
        long best = 0, from = 0;
        if (i + 4 <= SIZE) {
            uint32_t h = ((uint32_t)in[i] << 16 | in[i + 1] << 8 | in[i + 2]) * 2654435761u >> (32 - BITS);
            long candidate = head[h];
            head[h] = (int32_t)i;
            if (candidate >= 0 && i - candidate < 65536) {
                while (best < 255 && i + best < SIZE && in[candidate + best] == in[i + best]) best++;
                from = i - candidate;
            }
        }
        if (best >= 4) {
            packed[o++] = 255, packed[o++] = (unsigned char)best;
            packed[o++] = (unsigned char)from, packed[o++] = (unsigned char)(from >> 8);
            i += best;
        } else {
            packed[o++] = in[i++] & 127;
        }
    }
    return o;
}

static long unpack(long len) {
    long o = 0;
    for (long i = 0; i < len;) {
        if (packed[i] == 255) {
            long n = packed[i + 1], from = packed[i + 2] | packed[i + 3] << 8;
            for (long k = 0; k < n; k++, o++) out[o] = out[o - from];
            i += 4;
        } else {
            out[o++] = packed[i++];
        }
    }
    return o;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60);
    uint64_t sum = 0;
    for (long i = 0; i < SIZE; i++) in[i] = i > 600 && next_random() % 9 ? in[i - 1 - next_random() % 3 * 200] : next_random() & 127;
    for (long r = 0; r < rounds; r++) {
        in[(r * 7919) % SIZE] ^= 1;
        long len = pack(), back = unpack(len);
        if (back != SIZE || memcmp(in, out, SIZE)) return 1;
        sum = fold(sum, (uint64_t)len);
    }
    return result("lz", sum);
}
