// Sorting records through a comparison callback.
#include "../kernel.h"

typedef struct { uint32_t key; uint32_t value; double weight; } record;
static int order(const void *a, const void *b) {
    const record *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->weight < y->weight ? -1 : x->weight > y->weight;
}

// Our own sort, so that wasm and native run the same algorithm.
static void sort(record *r, long n, int (*less)(const void *, const void *)) {
    while (n > 12) {
        record pivot = r[n / 2];
        long i = 0, j = n - 1;
        while (i <= j) {
            while (less(&r[i], &pivot) < 0) i++;
            while (less(&pivot, &r[j]) < 0) j--;
            if (i <= j) {
                record t = r[i];
                r[i++] = r[j];
                r[j--] = t;
            }
        }
        if (j + 1 < n - i) {
            sort(r, j + 1, less);
            r += i, n -= i;
        } else {
            sort(r + i, n - i, less);
            n = j + 1;
        }
    }
    for (long i = 1; i < n; i++)
        for (long j = i; j > 0 && less(&r[j], &r[j - 1]) < 0; j--) {
            record t = r[j];
            r[j] = r[j - 1];
            r[j - 1] = t;
        }
}

static int (*volatile chosen)(const void *, const void *) = order;

int main(int argc, char **argv) {
    long n = 200000, rounds = work_size(argc, argv, 15);
    record *r = malloc(n * sizeof *r);
    uint64_t sum = 0;
    for (long k = 0; k < rounds; k++) {
        for (long i = 0; i < n; i++) r[i] = (record){next_random() % 100000, (uint32_t)i, (next_random() & 0xffff) / 7.0};
        sort(r, n, chosen);
        for (long i = 0; i < n; i += 97) sum = fold(sum, r[i].key + r[i].value);
    }
    return result("qsort", sum);
}
