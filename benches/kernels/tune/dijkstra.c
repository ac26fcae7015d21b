// Shortest paths from one node of a sparse graph: Dijkstra with a heap that knows where each node stands.
#include "../kernel.h"

enum { N = 20000, DEGREE = 5, FAR = 1 << 30 };
static uint32_t first[N + 1];
static struct { uint32_t to; int32_t length; } edges[N * DEGREE];
static int32_t distance[N], place[N];
static uint32_t heap[N];
static int32_t heap_size;

static void rise(int32_t i, uint32_t node) {
    for (; i; ) {
        int32_t up = (i - 1) / 2;
        if (distance[heap[up]] <= distance[node]) break;
        heap[i] = heap[up], place[heap[i]] = i, i = up;
    }
    heap[i] = node, place[node] = i;
}
static void sink(int32_t i, uint32_t node) {
    for (int32_t child; (child = 2 * i + 1) < heap_size; i = child) {
        if (child + 1 < heap_size && distance[heap[child + 1]] < distance[heap[child]]) child++;
        if (distance[heap[child]] >= distance[node]) break;
        heap[i] = heap[child], place[heap[i]] = i;
    }
    heap[i] = node, place[node] = i;
}
static void search(uint32_t from) {
    for (int i = 0; i < N; i++) distance[i] = FAR, place[i] = -1;
    distance[from] = 0, heap_size = 1;
    heap[0] = from, place[from] = 0;
    while (heap_size) {
        uint32_t node = heap[0], last = heap[--heap_size];
        if (heap_size) sink(0, last);
        for (uint32_t e = first[node]; e < first[node + 1]; e++) {
            uint32_t to = edges[e].to;
            int32_t length = distance[node] + edges[e].length;
            if (length >= distance[to]) continue;
            distance[to] = length;
            rise(place[to] < 0 ? heap_size++ : place[to], to);
        }
    }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60);
    uint32_t used = 0;
    for (uint32_t i = 0; i < N; i++) {
        first[i] = used;
        for (uint32_t k = next_random() % DEGREE + 1; k; k--) {
            // Most edges lead nearby, as roads do.
            uint32_t r = next_random(), to = r % 8 ? (i + r / 8 % 200 + N - 100) % N : r / 8 % N;
            edges[used].to = to, edges[used++].length = (int32_t)(r >> 20) + 1;
        }
    }
    first[N] = used;
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        search(next_random() % N);
        for (int i = 0; i < N; i += 97) sum = fold(sum, (uint32_t)distance[i]);
    }
    return result("dijkstra", sum);
}
