// Compression by prefix codes: counts, builds the tree with a heap, packs bits, unpacks and compares.
#include "../kernel.h"

enum { SIZE = 300000, SYMBOLS = 256, NODES = 2 * SYMBOLS };
static uint8_t text[SIZE], unpacked[SIZE];
static uint32_t weight[NODES], codes[SYMBOLS], packed[SIZE];
static int16_t left[NODES], right[NODES];
static int heap[NODES], heap_size;
static uint8_t lengths[SYMBOLS];

static int before(int a, int b) { return weight[a] < weight[b] || (weight[a] == weight[b] && a < b); }
static void heap_put(int n) {
    int i = heap_size++;
    for (; i && before(n, heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = n;
}
static int heap_take(void) {
    int top = heap[0], n = heap[--heap_size], i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= heap_size) break;
        if (child + 1 < heap_size && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], n)) break;
        heap[i] = heap[child], i = child;
    }
    heap[i] = n;
    return top;
}
static void assign(int n, uint32_t code, int length) {
    if (n < SYMBOLS) {
        codes[n] = code, lengths[n] = (uint8_t)length;
        return;
    }
    assign(left[n], code << 1, length + 1);
    assign(right[n], code << 1 | 1, length + 1);
}
static int build(void) {
    memset(weight, 0, sizeof weight);
    for (int i = 0; i < SIZE; i++) weight[text[i]]++;
    heap_size = 0;
    for (int i = 0; i < SYMBOLS; i++)
        if (weight[i]) heap_put(i);
    int next = SYMBOLS;
    while (heap_size > 1) {
        int a = heap_take(), b = heap_take();
        left[next] = (int16_t)a, right[next] = (int16_t)b, weight[next] = weight[a] + weight[b];
        heap_put(next++);
    }
    assign(heap[0], 0, 0);
    return heap[0];
}
static uint32_t pack(void) {
    uint64_t bits = 0;
    int held = 0;
    uint32_t n = 0;
    for (int i = 0; i < SIZE; i++) {
        bits = bits << lengths[text[i]] | codes[text[i]], held += lengths[text[i]];
        if (held >= 32) packed[n++] = (uint32_t)(bits >> (held -= 32));
    }
    packed[n++] = (uint32_t)(bits << (32 - held));
    return n;
}
static void unpack(int root) {
    uint32_t at = 0;
    for (int i = 0; i < SIZE; i++) {
        int n = root;
        for (; n >= SYMBOLS; at++) n = packed[at >> 5] >> (31 - (at & 31)) & 1 ? right[n] : left[n];
        unpacked[i] = (uint8_t)n;
    }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 40);
    for (int i = 0; i < SIZE; i++) {
        uint32_t r = next_random();
        text[i] = (uint8_t)(r & 3 ? 'a' + __builtin_ctz(r >> 4 | 1 << 20) : r >> 8 & 127);
    }
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        int root = build();
        uint32_t words = pack();
        unpack(root);
        sum = fold(sum, words + packed[words / 2] + (uint32_t)(memcmp(text, unpacked, SIZE) != 0));
        text[next_random() % SIZE] = (uint8_t)(next_random() & 127);
    }
    return result("huffman", sum);
}
