// Binary trees made, walked and freed with an allocator of our own.
#include "../kernel.h"

typedef struct tree { struct tree *left, *right; } tree;
static tree *spare;

static tree *allocate(void) {
    if (!spare) {
        tree *chunk = malloc(1024 * sizeof *chunk);
        for (int i = 0; i < 1024; i++) chunk[i].left = spare, spare = &chunk[i];
    }
    tree *t = spare;
    spare = t->left;
    return t;
}

static tree *grow(int depth) {
    tree *t = allocate();
    if (depth) t->left = grow(depth - 1), t->right = grow(depth - 1);
    else t->left = t->right = NULL;
    return t;
}

static long count(const tree *t) { return t->left ? 1 + count(t->left) + count(t->right) : 1; }

static void drop(tree *t) {
    if (t->left) drop(t->left), drop(t->right);
    t->left = spare;
    spare = t;
}

int main(int argc, char **argv) {
    int deepest = (int)work_size(argc, argv, 20);
    uint64_t sum = 0;
    tree *kept = grow(deepest);
    for (int depth = 4; depth <= deepest; depth += 4)
        for (long i = 0; i < 1L << (deepest - depth); i++) {
            tree *t = grow(depth);
            sum = fold(sum, (uint64_t)count(t));
            drop(t);
        }
    return result("trees", fold(sum, (uint64_t)count(kept)));
}
