// Parses JSON-like text into a tree by recursive descent, then walks the tree.
#include "../kernel.h"

typedef struct node { int kind; double number; const char *text; int len; struct node *child, *next; } node;
static node *pool;
static long used;
static const char *at;

static void blank(void) { while (*at == ' ' || *at == '\n' || *at == ',' || *at == ':') at++; }

static node *value(void) {
    blank();
    node *n = &pool[used++];
    *n = (node){0};
    if (*at == '{' || *at == '[') {
        char close = *at++ == '{' ? '}' : ']';
        node **last = &n->child;
        n->kind = close;
        for (blank(); *at != close; blank()) {
            *last = value();
            last = &(*last)->next;
        }
        at++;
    } else if (*at == '"') {
        n->kind = '"';
        n->text = ++at;
        while (*at != '"') at += *at == '\\' ? 2 : 1;
        n->len = (int)(at++ - n->text);
    } else if (*at == 't' || *at == 'f' || *at == 'n') {
        n->kind = *at;
        while (*at >= 'a' && *at <= 'z') at++;
    } else {
        n->kind = '0';
        int negative = *at == '-';
        at += negative;
        double x = 0, scale = 1;
        while (*at >= '0' && *at <= '9') x = x * 10 + (*at++ - '0');
        if (*at == '.')
            for (at++; *at >= '0' && *at <= '9'; at++) x += (*at - '0') * (scale /= 10);
        n->number = negative ? -x : x;
    }
    return n;
}

static uint64_t walk(const node *n, int depth) {
    uint64_t sum = (uint64_t)(n->kind + depth) + (uint64_t)(int64_t)(n->number * 8);
    for (int i = 0; i < n->len; i++) sum = sum * 31 + (unsigned char)n->text[i];
    for (const node *c = n->child; c; c = c->next) sum = fold(sum, walk(c, depth + 1));
    return sum;
}

static char *text, *end;
static void put(const char *s) { while (*s) *end++ = *s++; }
static void generate(int depth) {
    char buf[64];
    uint32_t r = next_random();
    if (depth == 0 || r % 7 == 0) {
        switch (r / 7 % 4) {
        case 0: put("true"); return;
        case 1: snprintf(buf, sizeof buf, "%d.%02d", (int)(r % 2000) - 1000, (int)(r >> 8) % 100); break;
        case 2: snprintf(buf, sizeof buf, "\"text \\\"%u\\\" end\"", r); break;
        default: snprintf(buf, sizeof buf, "%u", r % 100000);
        }
        put(buf);
        return;
    }
    int object = r & 1;
    put(object ? "{" : "[");
    for (int i = 0; i < 6; i++) {
        if (i) put(", ");
        if (object) {
            snprintf(buf, sizeof buf, "\"key%d\": ", i);
            put(buf);
        }
        generate(depth - 1);
    }
    put(object ? "}\n" : "]");
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 100);
    text = end = malloc(8 << 20);
    pool = malloc(400000 * sizeof *pool);
    generate(6);
    *end = 0;
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        used = 0;
        at = text;
        sum = fold(sum, walk(value(), 0) + (uint64_t)used);
    }
    return result("json", sum);
}
