// A machine on a machine: registers interpreted by C run an interpreter of a stack machine, which runs a loop.
#include "../kernel.h"

enum { SET, MOVE, ADD, SUB, MUL, LOAD, STORE, JUMP, JUMP_TO, JUMP_ZERO, STOP };
typedef struct { uint8_t op, a, b, pad; int32_t c; } insn;
static insn code[128];
static int32_t used;

static int32_t emit(int op, int a, int b, int32_t c) {
    code[used] = (insn){(uint8_t)op, (uint8_t)a, (uint8_t)b, 0, c};
    return used++;
}

// Memory of the outer machine: the inner program, its variables, the inner operations' addresses, the inner stack.
enum { VARIABLES = 128, ADDRESSES = 200, STACK = 256 };
enum { IPC, ISP, X, Y, T, ONE, REGISTERS };
enum { I_PUSH, I_GET, I_PUT, I_ADD, I_SUB, I_MUL, I_LOOP, I_END };
static int32_t memory[512];

static void operand(int into) { emit(LOAD, into, IPC, 0), emit(ADD, IPC, IPC, ONE); }
static void push(int from) { emit(STORE, from, ISP, STACK), emit(ADD, ISP, ISP, ONE); }
static void pop(int into) { emit(SUB, ISP, ISP, ONE), emit(LOAD, into, ISP, STACK); }

// The interpreter of the inner machine, as a program of the outer one.
static void interpreter(void) {
    emit(SET, ONE, 0, 1), emit(SET, IPC, 0, 0), emit(SET, ISP, 0, 0);
    int32_t next = used;
    operand(X), emit(LOAD, T, X, ADDRESSES), emit(JUMP_TO, T, 0, 0);
    memory[ADDRESSES + I_PUSH] = used, operand(T), push(T), emit(JUMP, 0, 0, next);
    memory[ADDRESSES + I_GET] = used, operand(T), emit(LOAD, X, T, VARIABLES), push(X), emit(JUMP, 0, 0, next);
    memory[ADDRESSES + I_PUT] = used, operand(T), pop(X), emit(STORE, X, T, VARIABLES), emit(JUMP, 0, 0, next);
    for (int i = 0; i < 3; i++) {
        memory[ADDRESSES + I_ADD + i] = used;
        pop(Y), pop(X), emit(ADD + i, X, X, Y), push(X), emit(JUMP, 0, 0, next);
    }
    memory[ADDRESSES + I_LOOP] = used, operand(T), pop(X), emit(JUMP_ZERO, X, 0, next), emit(MOVE, IPC, T, 0), emit(JUMP, 0, 0, next);
    memory[ADDRESSES + I_END] = used, emit(STOP, 0, 0, 0);
}

static void run(void) {
    int32_t r[REGISTERS + 2] = {0};
    for (const insn *in = code;;) {
        const insn i = *in++;
        switch (i.op) {
        case SET: r[i.a] = i.c; break;
        case MOVE: r[i.a] = r[i.b]; break;
        case ADD: r[i.a] = (int32_t)((uint32_t)r[i.b] + (uint32_t)r[i.c]); break;
        case SUB: r[i.a] = (int32_t)((uint32_t)r[i.b] - (uint32_t)r[i.c]); break;
        case MUL: r[i.a] = (int32_t)((uint32_t)r[i.b] * (uint32_t)r[i.c]); break;
        case LOAD: r[i.a] = memory[r[i.b] + i.c]; break;
        case STORE: memory[r[i.b] + i.c] = r[i.a]; break;
        case JUMP: in = code + i.c; break;
        case JUMP_TO: in = code + r[i.a]; break;
        case JUMP_ZERO: if (!r[i.a]) in = code + i.c; break;
        case STOP: return;
        }
    }
}

int main(int argc, char **argv) {
    int32_t n = (int32_t)work_size(argc, argv, 1000000);
    enum { N, S };
    const int32_t inner[] = {
        I_PUSH, n, I_PUT, N, I_PUSH, 7, I_PUT, S,
        /* 8 */ I_GET, S, I_PUSH, 31, I_MUL, I_GET, N, I_ADD, I_PUT, S,
        I_GET, N, I_PUSH, 1, I_SUB, I_PUT, N, I_GET, N, I_LOOP, 8, I_END,
    };
    memcpy(memory, inner, sizeof inner);
    interpreter();
    run();
    return result("vmvm", (uint32_t)memory[VARIABLES + S]);
}
