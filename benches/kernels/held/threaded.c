// An interpreter without a switch: every instruction is a function that the loop calls through a table.
#include "../kernel.h"

typedef struct { int32_t stack[32], *top; uint32_t pc, steps; const int32_t *code; } machine;
typedef void (*handler)(machine *);

static void push(machine *m) { *++m->top = m->code[m->pc++]; }
static void copy(machine *m) { int32_t v = m->top[-m->code[m->pc++]]; *++m->top = v; }
static void store(machine *m) { int32_t v = *m->top--; m->top[-m->code[m->pc++]] = v; }
static void drop(machine *m) { m->top--; }
static void add(machine *m) { m->top--, *m->top = (int32_t)((uint32_t)m->top[0] + (uint32_t)m->top[1]); }
static void mul(machine *m) { m->top--, *m->top = (int32_t)((uint32_t)m->top[0] * (uint32_t)m->top[1]); }
static void half(machine *m) { *m->top = (int32_t)((uint32_t)*m->top >> 1); }
static void odd(machine *m) { *m->top &= 1; }
static void less(machine *m) { m->top--, *m->top = m->top[0] < m->top[1]; }
static void same(machine *m) { m->top--, *m->top = m->top[0] == m->top[1]; }
static void jump(machine *m) { m->pc = (uint32_t)m->code[m->pc]; }
static void jump_if(machine *m) { m->pc = *m->top-- ? (uint32_t)m->code[m->pc] : m->pc + 1; }
static void halt(machine *m) { m->steps = 0; }

enum { PUSH, COPY, STORE, DROP, ADD, MUL, HALF, ODD, LESS, SAME, JUMP, JUMP_IF, HALT };
static const handler handlers[] = {push, copy, store, drop, add, mul, half, odd, less, same, jump, jump_if, halt};

int main(int argc, char **argv) {
    int32_t limit = (int32_t)work_size(argc, argv, 60000);
    // Adds up how many steps every number below the limit takes to come down to 1.
    // On the stack, from the bottom: total, start, number.
    const int32_t code[] = {
        PUSH, 0, PUSH, 1,
        /* 4, next start */ PUSH, 1, ADD, COPY, 0, PUSH, limit, LESS, JUMP_IF, 16, JUMP, 52,
        /* 16 */ COPY, 0,
        /* 18, next step */ COPY, 0, PUSH, 1, SAME, JUMP_IF, 49,
        /* 25 */ COPY, 2, PUSH, 1, ADD, STORE, 2,
        /* 32 */ COPY, 0, ODD, JUMP_IF, 40, HALF, JUMP, 18,
        /* 40 */ PUSH, 3, MUL, PUSH, 1, ADD, JUMP, 18, HALT,
        /* 49 */ DROP, JUMP, 4,
        /* 52 */ HALT,
    };
    machine m = {.pc = 0, .steps = 1, .code = code};
    m.top = m.stack;
    while (m.steps) {
        m.steps++;
        handlers[m.code[m.pc++]](&m);
    }
    return result("threaded", (uint32_t)m.stack[1]);
}
