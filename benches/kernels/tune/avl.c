// A balanced tree in an array, by recursion: inserting, deleting, walking in order.
#include "../kernel.h"

typedef struct { uint32_t key; int32_t left, right, height; } node;
static node *pool;
static int32_t unused;

static int32_t height(int32_t n) { return pool[n].height; }
static void measure(int32_t n) {
    int32_t l = height(pool[n].left), r = height(pool[n].right);
    pool[n].height = 1 + (l > r ? l : r);
}
static int32_t turn_right(int32_t n) {
    int32_t up = pool[n].left;
    pool[n].left = pool[up].right, pool[up].right = n;
    measure(n), measure(up);
    return up;
}
static int32_t turn_left(int32_t n) {
    int32_t up = pool[n].right;
    pool[n].right = pool[up].left, pool[up].left = n;
    measure(n), measure(up);
    return up;
}
static int32_t balance(int32_t n) {
    measure(n);
    int32_t lean = height(pool[n].left) - height(pool[n].right);
    if (lean > 1) {
        int32_t l = pool[n].left;
        if (height(pool[l].left) < height(pool[l].right)) pool[n].left = turn_left(l);
        return turn_right(n);
    }
    if (lean < -1) {
        int32_t r = pool[n].right;
        if (height(pool[r].right) < height(pool[r].left)) pool[n].right = turn_right(r);
        return turn_left(n);
    }
    return n;
}
static int32_t insert(int32_t n, uint32_t key) {
    if (!n) {
        n = unused, unused = pool[n].left;
        pool[n] = (node){key, 0, 0, 1};
        return n;
    }
    if (key < pool[n].key) pool[n].left = insert(pool[n].left, key);
    else if (key > pool[n].key) pool[n].right = insert(pool[n].right, key);
    return balance(n);
}
static int32_t take_least(int32_t n, uint32_t *key) {
    if (pool[n].left) {
        pool[n].left = take_least(pool[n].left, key);
        return balance(n);
    }
    int32_t rest = pool[n].right;
    *key = pool[n].key;
    pool[n].left = unused, unused = n;
    return rest;
}
static int32_t delete(int32_t n, uint32_t key) {
    if (!n) return 0;
    if (key < pool[n].key) pool[n].left = delete (pool[n].left, key);
    else if (key > pool[n].key) pool[n].right = delete (pool[n].right, key);
    else if (!pool[n].right) {
        int32_t rest = pool[n].left;
        pool[n].left = unused, unused = n;
        return rest;
    } else pool[n].right = take_least(pool[n].right, &pool[n].key);
    return balance(n);
}
static uint64_t walk(int32_t n, uint64_t sum) {
    if (!n) return sum;
    return walk(pool[n].right, fold(walk(pool[n].left, sum), pool[n].key));
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 10);
    enum { N = 50000 };
    pool = calloc(N + 2, sizeof *pool);
    for (int32_t i = 1; i <= N; i++) pool[i].left = i + 1;
    unused = 1;
    uint64_t sum = 0;
    int32_t root = 0;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) {
            uint32_t x = next_random();
            root = x & 64 ? insert(root, x >> 8 & 32767) : delete (root, x >> 8 & 32767);
        }
        sum = walk(root, sum) + (uint64_t)height(root);
    }
    return result("avl", sum);
}
