// Objects of several classes behind pointers to tables of methods, as a C++ compiler would lay them out.
#include "../kernel.h"

typedef struct object object;
typedef struct {
    int32_t (*weigh)(const object *, int32_t);
    void (*step)(object *, int32_t);
    const object *(*next)(const object *);
} class;
struct object { const class *is; int32_t x, y, z; const object *peer; };

static int32_t weigh_point(const object *o, int32_t k) { return (int32_t)((uint32_t)o->x * (uint32_t)k + (uint32_t)o->y); }
static int32_t weigh_box(const object *o, int32_t k) { return (int32_t)(((uint32_t)o->x - (uint32_t)o->z) * ((uint32_t)o->y + (uint32_t)k)); }
static int32_t weigh_group(const object *o, int32_t k) { return o->peer->is->weigh(o->peer, k >> 1) ^ o->x; }
static void step_slow(object *o, int32_t k) { o->x = (int32_t)((uint32_t)o->x + (uint32_t)(k & 3)), o->z ^= o->x; }
static void step_fast(object *o, int32_t k) { o->x = (int32_t)((uint32_t)o->x * 5 + (uint32_t)k), o->y ^= o->x >> 7; }
static void step_turn(object *o, int32_t k) { int32_t t = o->x; o->x = o->y & 0xffff, o->y = t & 0xffff, o->z ^= k; }
static const object *next_peer(const object *o) { return o->peer; }
static const object *next_near(const object *o) { return o->x & 1 ? o->peer : o + 1; }

static const class classes[4] = {
    {weigh_point, step_slow, next_peer}, {weigh_box, step_fast, next_near},
    {weigh_group, step_turn, next_peer}, {weigh_point, step_turn, next_near},
};

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 8000);
    enum { N = 2048 };
    static object objects[N + 1];
    for (int i = 0; i <= N; i++) {
        uint32_t r = next_random();
        // A group's peer is a point, so that no chain of groups goes round in circles.
        const class *is = &classes[r % 4];
        objects[i] = (object){is, (int32_t)(r >> 8 & 1023), (int32_t)(r >> 18), i, &objects[next_random() % N]};
    }
    objects[0].is = &classes[0];
    for (int i = 0; i <= N; i++)
        if (objects[i].is == &classes[2] && objects[i].peer->is == &classes[2]) objects[i].peer = &objects[0];
    uint32_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i < N; i++) objects[i].is->step(&objects[i], (int32_t)r);
        const object *o = &objects[r % N];
        for (int i = 0; i < N; i++) {
            sum = sum * 31 + (uint32_t)o->is->weigh(o, i);
            o = o->is->next(o);
            if (o == &objects[N]) o = objects;
        }
    }
    return result("vtable", sum);
}
