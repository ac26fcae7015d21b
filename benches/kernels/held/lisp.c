// An interpreter of expressions as trees, which calls itself for every node and looks names up in a list.
#include "../kernel.h"

typedef enum { NUM, VAR, ADD, SUB, LESS, IF, CALL } kind;
typedef struct expr { kind k; int32_t n; const struct expr *a, *b, *c; } expr;
typedef struct env { int32_t name, value; const struct env *up; } env;
static const expr *body;

static int32_t eval(const expr *e, const env *scope) {
    switch (e->k) {
    case NUM: return e->n;
    case VAR:
        while (scope->name != e->n) scope = scope->up;
        return scope->value;
    case ADD: return (int32_t)((uint32_t)eval(e->a, scope) + (uint32_t)eval(e->b, scope));
    case SUB: return (int32_t)((uint32_t)eval(e->a, scope) - (uint32_t)eval(e->b, scope));
    case LESS: return eval(e->a, scope) < eval(e->b, scope);
    case IF: return eval(eval(e->a, scope) ? e->b : e->c, scope);
    case CALL: {
        env outer = {9, 0, NULL}, inner = {1, eval(e->a, scope), &outer};
        return eval(body, &inner);
    }
    }
    return 0;
}

int main(int argc, char **argv) {
    long n = work_size(argc, argv, 30);
    expr x = {VAR, 1}, one = {NUM, 1}, two = {NUM, 2};
    expr less = {LESS, 0, &x, &two}, m1 = {SUB, 0, &x, &one}, m2 = {SUB, 0, &x, &two};
    expr c1 = {CALL, 0, &m1}, c2 = {CALL, 0, &m2}, sum = {ADD, 0, &c1, &c2}, all = {IF, 0, &less, &x, &sum};
    expr start = {NUM, (int32_t)n}, call = {CALL, 0, &start};
    body = &all;
    env none = {9, 0, NULL};
    return result("lisp", (uint64_t)eval(&call, &none));
}
