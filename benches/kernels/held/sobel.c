// An image filter: edges of a grey picture by Sobel's two kernels, then a threshold, byte by byte.
#include "../kernel.h"

enum { W = 640, H = 480 };
static uint8_t picture[H][W], edges[H][W];

static int magnitude(int x) { return x < 0 ? -x : x; }

static uint32_t filter(int threshold) {
    uint32_t bright = 0;
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++) {
            const uint8_t *up = &picture[y - 1][x], *row = &picture[y][x], *down = &picture[y + 1][x];
            int gx = up[1] + 2 * row[1] + down[1] - up[-1] - 2 * row[-1] - down[-1];
            int gy = down[-1] + 2 * down[0] + down[1] - up[-1] - 2 * up[0] - up[1];
            int edge = (magnitude(gx) + magnitude(gy)) >> 1;
            edges[y][x] = (uint8_t)(edge > 255 ? 255 : edge);
            bright += edge > threshold;
        }
    return bright;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 200);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) picture[y][x] = (uint8_t)((x * y >> 7) + (next_random() & 31));
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        sum = fold(sum, filter((int)(40 + r % 50)));
        for (int x = 0; x < W; x++) picture[r % H][x] = edges[(r * 3) % H][x];
    }
    return result("sobel", sum);
}
