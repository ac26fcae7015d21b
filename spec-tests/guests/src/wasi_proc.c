// The process: arguments, environment, clocks, random bytes, yielding, signals to itself. Argument: a signal to raise at the end.
#include "wasi.h"

static char buf[4096];
static u32 pointers[64], count, size;

static void strings(const char *what, int sizes, int got) {
    say("%s: %e, %e, %u strings, %u bytes", what, sizes, got, (u64)count, (u64)size);
    for (u32 i = 0; i < count; i++) say("  %s, at %u", (const char *)(uintptr_t)pointers[i], (u64)(pointers[i] - AT(buf)));
}

static void clocks(void) {
    static const char *const NAMES[] = {"realtime", "monotonic", "process CPU", "thread CPU"};
    for (u32 id = 0; id < 2; id++) {
        u64 resolution = 0, a = 0, b = 0;
        int e = clock_res_get(id, AT(&resolution)), f = clock_time_get(id, 1, AT(&a)), g = clock_time_get(id, 1000000, AT(&b));
        say("%s: %e, %e, %e; %s; %s", NAMES[id], e, f, g, resolution && resolution <= 1000000 ? "fine" : "coarse",
            b >= a ? "goes on" : "goes back");
    }
    u64 time = 0;
    clock_time_get(0, 0, AT(&time));
    say("after 2020: %s", time > 1577836800000000000ull ? "yes" : "no");
}

static void randoms(void) {
    static u8 bytes[70000];
    u32 seen[256] = {0}, different = 0;
    is("random, nothing", random_get(AT(bytes), 0));
    is("random, 70000 bytes", random_get(AT(bytes), sizeof bytes));
    for (u32 i = 0; i < sizeof bytes; i++) different += !seen[bytes[i]]++;
    say("  %u different values", (u64)different);
}

int main(int argc, char **argv) {
    int sizes = args_sizes_get(AT(&count), AT(&size));
    strings("arguments", sizes, args_get(AT(pointers), AT(buf)));
    sizes = environ_sizes_get(AT(&count), AT(&size));
    strings("environment", sizes, environ_get(AT(pointers), AT(buf)));
    clocks();
    randoms();
    is("yield", sched_yield());
    flush();
    if (argc > 1 && *argv[1] >= '0' && *argv[1] <= '9') {
        u32 signal = 0;
        for (const char *p = argv[1]; *p; p++) signal = signal * 10 + (*p - '0');
        is("raise", proc_raise(signal));
        flush();
    }
    return 0;
}
