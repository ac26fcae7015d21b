// A sort that knows nothing of its elements: size and order come from the caller.
#include "../kernel.h"

typedef int (*order)(const void *, const void *);
typedef struct { uint32_t key; uint16_t group, rank; double weight; } record;

static void sort(char *base, char *spare, size_t n, size_t size, order compare) {
    if (n < 8) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = i; j && compare(base + (j - 1) * size, base + j * size) > 0; j--) {
                memcpy(spare, base + j * size, size);
                memcpy(base + j * size, base + (j - 1) * size, size);
                memcpy(base + (j - 1) * size, spare, size);
            }
        return;
    }
    size_t half = n / 2;
    sort(base, spare, half, size, compare);
    sort(base + half * size, spare, n - half, size, compare);
    memcpy(spare, base, half * size);
    char *a = spare, *end_a = spare + half * size, *b = base + half * size, *end_b = base + n * size;
    for (char *to = base; a < end_a; to += size) {
        char **from = b == end_b || compare(a, b) <= 0 ? &a : &b;
        memcpy(to, *from, size);
        *from += size;
    }
}

static int by_key(const void *a, const void *b) {
    uint32_t x = ((const record *)a)->key, y = ((const record *)b)->key;
    return (x > y) - (x < y);
}
static int by_group(const void *a, const void *b) {
    const record *x = a, *y = b;
    return x->group != y->group ? x->group - y->group : x->rank - y->rank;
}
static int by_weight(const void *a, const void *b) {
    double x = ((const record *)a)->weight, y = ((const record *)b)->weight;
    return (x > y) - (x < y);
}
static int by_number(const void *a, const void *b) { return (*(const int32_t *)a > *(const int32_t *)b) - (*(const int32_t *)a < *(const int32_t *)b); }

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 12);
    enum { N = 40000 };
    static record records[N], spare[N];
    static int32_t numbers[N];
    const order orders[] = {by_key, by_group, by_weight};
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) {
            uint32_t x = next_random();
            records[i] = (record){x, x % 97, (uint16_t)(x >> 9), (x ^ 0x5555) / 3.0};
            numbers[i] = (int32_t)(x * 7);
        }
        for (int o = 0; o < 3; o++) {
            sort((char *)records, (char *)spare, N, sizeof *records, orders[o]);
            sum = fold(sum, records[N / 3].key + records[N / 5].rank);
        }
        sort((char *)numbers, (char *)spare, N, sizeof *numbers, by_number);
        sum = fold(sum, (uint32_t)numbers[N / 2]);
    }
    return result("mergesort", sum);
}
