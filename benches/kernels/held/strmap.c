// A hash map from strings to numbers: open addressing, deleting, growing; keys live in one arena.
#include "../kernel.h"

typedef struct { const char *key; uint32_t hash, value; } slot;
static slot *slots;
static uint32_t mask, count, filled;
static const char removed[] = "";

static uint32_t hash_of(const char *s) {
    uint32_t h = 2166136261u;
    while (*s) h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}
static int same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}
static slot *find(const char *key, uint32_t hash) {
    slot *reuse = NULL;
    for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
        slot *s = &slots[i];
        if (!s->key) return reuse ? reuse : s;
        if (s->key == removed) {
            if (!reuse) reuse = s;
        } else if (s->hash == hash && same(s->key, key)) return s;
    }
}
static void grow(void) {
    slot *old = slots;
    uint32_t size = mask + 1;
    mask = count * 2 > size ? size * 2 - 1 : mask;
    slots = calloc(mask + 1, sizeof *slots);
    filled = count;
    for (uint32_t i = 0; i < size; i++)
        if (old[i].key && old[i].key != removed) *find(old[i].key, old[i].hash) = old[i];
    free(old);
}
static void add(const char *key, uint32_t value) {
    uint32_t hash = hash_of(key);
    slot *s = find(key, hash);
    if (s->key && s->key != removed) {
        s->value += value;
        return;
    }
    filled += !s->key, count++;
    *s = (slot){key, hash, value};
    if (filled * 4 > mask * 3) grow();
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 12);
    enum { KEYS = 30000 };
    static char arena[KEYS][20];
    for (int i = 0; i < KEYS; i++) {
        uint32_t r = next_random();
        char *p = arena[i];
        for (int n = (int)(r % 9) + 4; n; n--, r = r * 5 + 3) *p++ = (char)('a' + (r >> 11) % 15);
        *p++ = '.';
        *p = (char)('0' + r % 7);
    }
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        mask = 63, count = filled = 0;
        slots = calloc(mask + 1, sizeof *slots);
        for (int i = 0; i < 4 * KEYS; i++) {
            const char *key = arena[next_random() % KEYS];
            if (i % 5 == 4) {
                slot *s = find(key, hash_of(key));
                if (s->key && s->key != removed) s->key = removed, count--, sum += s->value;
            } else add(key, (uint32_t)i);
        }
        for (uint32_t i = 0; i <= mask; i++)
            if (slots[i].key && slots[i].key != removed) sum = fold(sum, slots[i].value + slots[i].hash);
        sum = fold(sum, count);
        free(slots);
    }
    return result("strmap", sum);
}
