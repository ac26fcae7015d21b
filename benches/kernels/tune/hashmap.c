// A hash table with open addressing: insertions, look-ups, removals.
#include "../kernel.h"

enum { SLOTS = 1 << 18 };
typedef struct { uint32_t key, value; } slot; // key 0 is free, 1 is removed
static slot table[SLOTS];

static uint32_t hash(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352d;
    x = (x ^ x >> 15) * 0x846ca68b;
    return x ^ x >> 16;
}

static slot *find(uint32_t key, int insert) {
    slot *spare = NULL;
    for (uint32_t i = hash(key);; i++) {
        slot *s = &table[i & (SLOTS - 1)];
        if (s->key == key) return s;
        if (s->key == 1 && !spare) spare = s;
        if (s->key == 0) return insert ? (spare ? spare : s) : NULL;
    }
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 60);
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        memset(table, 0, sizeof table);
        for (int i = 0; i < 120000; i++) {
            uint32_t key = next_random() % 200000 + 2;
            slot *s = find(key, 1);
            if (s->key != key) s->key = key, s->value = 0;
            s->value += (uint32_t)i;
        }
        for (uint32_t i = 0; i < 200000; i++) {
            slot *s = find(i + 2, 0);
            if (s) {
                sum = fold(sum, s->value);
                if (i % 3 == 0) s->key = 1;
            }
        }
    }
    return result("hashmap", sum);
}
