// Path search on a grid with walls: A* with a binary heap and the distance along the axes as its estimate.
#include "../kernel.h"

enum { W = 192, CELLS = W * W, FAR = 1 << 28 };
typedef struct { int32_t rank, cell; } entry;
static uint8_t wall[CELLS];
static int32_t cost[CELLS];
static entry heap[8 * CELLS];
static int heap_size;

static void put(int32_t rank, int32_t cell) {
    int i = heap_size++;
    for (; i && heap[(i - 1) / 2].rank > rank; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = (entry){rank, cell};
}
static entry take(void) {
    entry top = heap[0], last = heap[--heap_size];
    int i = 0;
    for (int child; (child = 2 * i + 1) < heap_size; i = child) {
        child += child + 1 < heap_size && heap[child + 1].rank < heap[child].rank;
        if (heap[child].rank >= last.rank) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}
static int32_t estimate(int32_t a, int32_t b) {
    int32_t dx = a % W - b % W, dy = a / W - b / W;
    return (dx < 0 ? -dx : dx) + (dy < 0 ? -dy : dy);
}
// The length of the way, or -1; `seen` counts the cells that were looked at.
static int32_t search(int32_t from, int32_t to, uint32_t *seen) {
    static const int32_t steps[4] = {1, -1, W, -W};
    for (int i = 0; i < CELLS; i++) cost[i] = FAR;
    heap_size = 0;
    cost[from] = 0;
    put(estimate(from, to), from);
    while (heap_size) {
        entry e = take();
        ++*seen;
        if (e.cell == to) return cost[to];
        if (e.rank > cost[e.cell] + estimate(e.cell, to)) continue;
        for (int d = 0; d < 4; d++) {
            int32_t next = e.cell + steps[d], length = cost[e.cell] + 1;
            if (!wall[next] && length < cost[next]) cost[next] = length, put(length + estimate(next, to), next);
        }
    }
    return -1;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 150);
    for (int i = 0; i < CELLS; i++) wall[i] = i < W || i >= CELLS - W || i % W == 0 || i % W == W - 1 || next_random() % 10 < 3;
    uint64_t sum = 0;
    uint32_t seen = 0;
    for (long r = 0; r < rounds; r++) {
        int32_t from = (int32_t)((1 + next_random() % 30) * W + 1 + next_random() % (W - 2));
        int32_t to = (int32_t)((W - 2 - next_random() % 30) * W + 1 + next_random() % (W - 2));
        wall[from] = wall[to] = 0;
        sum = fold(sum, (uint32_t)search(from, to, &seen));
    }
    return result("astar", fold(sum, seen));
}
