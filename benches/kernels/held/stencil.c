// A five-point stencil over a grid, two buffers in turn.
#include "../kernel.h"

enum { W = 512, H = 512 };
static double grid[2][H][W];

int main(int argc, char **argv) {
    long steps = work_size(argc, argv, 800);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) grid[0][y][x] = grid[1][y][x] = (next_random() & 1023) / 64.0;
    for (long s = 0; s < steps; s++) {
        double(*from)[W] = grid[s & 1], (*to)[W] = grid[~s & 1];
        for (int y = 1; y < H - 1; y++)
            for (int x = 1; x < W - 1; x++)
                to[y][x] = from[y][x] * 0.5 + 0.125 * (from[y - 1][x] + from[y + 1][x] + from[y][x - 1] + from[y][x + 1]);
    }
    uint64_t sum = 0, bits;
    for (int i = 0; i < H; i++) memcpy(&bits, &grid[steps & 1][i][i], 8), sum = fold(sum, bits);
    return result("stencil", sum);
}
