// PolyBench-like: all shortest paths of a dense graph (Floyd and Warshall), in integers.
#include "../kernel.h"

enum { N = 320 };
static int32_t path[N][N], edges[N][N];

static void shortest(void) {
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                int32_t through = path[i][k] + path[k][j];
                path[i][j] = path[i][j] < through ? path[i][j] : through;
            }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 10);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            uint32_t r = next_random();
            edges[i][j] = i == j ? 0 : r % 7 == 0 ? (int32_t)(r >> 8 & 127) + 1 : 9999;
        }
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        memcpy(path, edges, sizeof path);
        shortest();
        for (int i = 0; i < N; i++) sum = fold(sum, (uint32_t)path[i][(i * 13 + r) % N]);
        edges[r % N][(r * 7 + 1) % N] = 1;
    }
    return result("floyd", sum);
}
