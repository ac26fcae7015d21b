// An interpreter: a stack machine runs a program that counts primes by trial division.
#include "../kernel.h"

enum { PUSH, LOAD, STORE, ADD, MUL, MOD, LESS, NOT, JUMP, JUMPZ, HALT };
typedef struct { int32_t code, arg; } insn;

int main(int argc, char **argv) {
    int32_t limit = (int32_t)work_size(argc, argv, 34000);
    enum { N, D, COUNT, SUM };
    insn program[] = {
        {PUSH, 2}, {STORE, N}, {PUSH, 0}, {STORE, COUNT}, {PUSH, 0}, {STORE, SUM},
        /* 6 */ {LOAD, N}, {PUSH, limit}, {LESS, 0}, {JUMPZ, 38},
        {PUSH, 2}, {STORE, D},
        /* 12 */ {LOAD, D}, {LOAD, D}, {MUL, 0}, {LOAD, N}, {PUSH, 1}, {ADD, 0}, {LESS, 0}, {JUMPZ, 30},
        {LOAD, N}, {LOAD, D}, {MOD, 0}, {JUMPZ, 34},
        {LOAD, D}, {PUSH, 1}, {ADD, 0}, {STORE, D}, {JUMP, 12}, {HALT, 0},
        /* 30 */ {LOAD, COUNT}, {PUSH, 1}, {ADD, 0}, {STORE, COUNT},
        /* 34 */ {LOAD, N}, {PUSH, 1}, {ADD, 0}, {JUMP, 39},
        /* 38 */ {HALT, 0},
        /* 39 */ {STORE, N}, {JUMP, 6},
    };
    int32_t stack[64], vars[4] = {0}, sp = 0, pc = 0;
    for (;;) {
        insn in = program[pc++];
        switch (in.code) {
        case PUSH: stack[sp++] = in.arg; break;
        case LOAD: stack[sp++] = vars[in.arg]; break;
        case STORE: vars[in.arg] = stack[--sp]; break;
        case ADD: sp--; stack[sp - 1] += stack[sp]; break;
        case MUL: sp--; stack[sp - 1] *= stack[sp]; break;
        case MOD: sp--; stack[sp - 1] %= stack[sp]; break;
        case LESS: sp--; stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
        case NOT: stack[sp - 1] = !stack[sp - 1]; break;
        case JUMP: pc = in.arg; break;
        case JUMPZ: if (!stack[--sp]) pc = in.arg; break;
        case HALT: return result("interp", (uint64_t)vars[COUNT]);
        }
    }
}
