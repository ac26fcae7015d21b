// 128-bit vectors over bytes: a box blur of an image and a threshold.
#include "../kernel.h"

typedef uint8_t b16 __attribute__((vector_size(16)));
typedef uint16_t h8 __attribute__((vector_size(16)));
typedef uint8_t b8 __attribute__((vector_size(8)));
enum { W = 1024, H = 768 };
static uint8_t image[H][W], blurred[H][W];

static inline h8 widen(const uint8_t *p) {
    b8 v;
    memcpy(&v, p, 8);
    return __builtin_convertvector(v, h8);
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 250);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) image[y][x] = (uint8_t)next_random();
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        for (int y = 1; y < H - 1; y++)
            for (int x = 8; x < W - 8; x += 8) {
                h8 s = {0};
                for (int dy = -1; dy <= 1; dy++)
                    s += widen(&image[y + dy][x - 1]) + widen(&image[y + dy][x]) + widen(&image[y + dy][x + 1]);
                b8 out = __builtin_convertvector((s * 7) >> 6, b8);
                memcpy(&blurred[y][x], &out, 8);
            }
        for (int y = 1; y < H - 1; y++)
            for (int x = 16; x < W - 16; x += 16) {
                b16 v, limit = (b16){0} + (uint8_t)(100 + r % 50);
                memcpy(&v, &blurred[y][x], 16);
                b16 above = (b16)(v > limit);
                v = (v & ~above) | ((v - limit) & above);
                memcpy(&image[y][x], &v, 16);
            }
        sum = fold(sum, image[(r * 31) % H][(r * 17) % W]);
    }
    return result("simd_blur", sum);
}
