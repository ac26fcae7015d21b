// Regular expressions: compiled to a nondeterministic automaton, all of whose states run over a text at once.
#include "../kernel.h"

// Accepts a set of characters and goes to `out`, or (SPLIT) goes to both at once, or (MATCH) is the end.
enum { SET, SPLIT, MATCH };
typedef struct { int kind, out, other; uint32_t set[8]; } state;
static state states[256];
static int used;
static const char *at;

static int new_state(int kind, int out, int other) {
    states[used] = (state){kind, out, other, {0}};
    return used++;
}
static void include(int s, int c) { states[s].set[c >> 5] |= 1u << (c & 31); }

static int alternatives(int then);

// One character, class or group, which continues with `then`.
static int atom(int then) {
    if (*at == '(') {
        at++;
        int s = alternatives(then);
        at++;
        return s;
    }
    int s = new_state(SET, then, 0);
    if (*at == '.') {
        memset(states[s].set, 255, sizeof states[s].set);
    } else if (*at == '[') {
        for (at++; *at != ']'; at++) {
            int low = at[0], high = at[1] == '-' ? at[2] : low;
            if (at[1] == '-') at += 2;
            for (int c = low; c <= high; c++) include(s, c);
        }
    } else include(s, *at);
    at++;
    return s;
}

// The end of the atom that starts at `p`.
static const char *behind(const char *p) {
    if (*p == '[') {
        while (*p != ']') p++;
        return p + 1;
    }
    int depth = 0;
    do depth += (*p == '(') - (*p == ')'), p++;
    while (depth);
    return p;
}

// A sequence, built from the back: what follows an atom exists before the atom.
static int sequence(int then) {
    if (!*at || *at == '|' || *at == ')') return then;
    const char *start = at, *end = behind(at);
    char mark = *end;
    int repeated = mark == '*' || mark == '+' || mark == '?';
    at = end + repeated;
    int rest = sequence(then);
    const char *after = at;
    at = start;
    int first;
    if (mark == '?') first = new_state(SPLIT, atom(rest), rest);
    else if (repeated) {
        int again = new_state(SPLIT, 0, rest), body = atom(again);
        states[again].out = body;
        first = mark == '*' ? again : body;
    } else first = atom(rest);
    at = after;
    return first;
}
static int alternatives(int then) {
    int s = sequence(then);
    while (*at == '|') {
        at++;
        s = new_state(SPLIT, s, sequence(then));
    }
    return s;
}

static int marks[256], mark, matched;
static int add(int *list, int n, int s) {
    if (marks[s] == mark) return n;
    marks[s] = mark;
    if (states[s].kind == SPLIT) return add(list, add(list, n, states[s].out), states[s].other);
    matched |= states[s].kind == MATCH;
    list[n] = s;
    return n + 1;
}
// How many positions end a match that began anywhere.
static uint32_t search(int start, const char *text, int len) {
    static int lists[2][256];
    int *now = lists[0], *next = lists[1], n = 0;
    uint32_t hits = 0;
    for (int i = 0; i < len; i++) {
        int c = (unsigned char)text[i], m = 0;
        mark++, matched = 0;
        for (int k = 0; k < n; k++) {
            const state *s = &states[now[k]];
            if (s->kind == SET && s->set[c >> 5] >> (c & 31) & 1) m = add(next, m, s->out);
        }
        hits += (uint32_t)matched;
        m = add(next, m, start);
        int *swap = now;
        now = next, next = swap, n = m;
    }
    return hits;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 5);
    enum { SIZE = 100000 };
    static char text[SIZE];
    static const char letters[] = "aabbccdefx01289z. ";
    for (int i = 0; i < SIZE; i++) text[i] = letters[next_random() % 18];
    static const char *const patterns[] = {
        "(a|b)*abb", "[a-f]+x?[0-9][0-9]*z", "a.c(d|e|f)?[0-2]+", "((ab|ba)+c|z.)*0", "x[a-d][a-d][a-d]*1", "(b+c+)+ a",
    };
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++)
        for (int p = 0; p < 6; p++) {
            used = 0, at = patterns[p];
            int start = alternatives(new_state(MATCH, 0, 0));
            sum = fold(sum, search(start, text, SIZE) + (uint32_t)used);
            text[next_random() % SIZE] ^= 1;
        }
    return result("regex", sum);
}
