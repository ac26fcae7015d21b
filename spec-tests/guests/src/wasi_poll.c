// poll_oneoff: clocks of every kind, files, errors, many at once. With an argument, standard input too, which is a pipe then.
#include "wasi.h"

enum { CLOCK, READ, WRITE };
enum { REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU };

static Subscription subs[1200];
static Event events[1200];
static u32 n;

static u64 now(u32 clock) {
    u64 time = 0;
    clock_time_get(clock, 1, AT(&time));
    return time;
}

static Subscription clock_sub(u64 userdata, u32 id, u64 timeout, u32 absolute) {
    return (Subscription){.userdata = userdata, .type = CLOCK, .clock = {.id = id, .timeout = timeout, .flags = absolute}};
}

static Subscription fd_sub(u64 userdata, u8 type, u32 fd) {
    return (Subscription){.userdata = userdata, .type = type, .fd = fd};
}

// Polls, and says what came; the time it took only if it is too short, or very long.
static void poll_(const char *what, u32 count, u64 least) {
    memset(events, 0xaa, sizeof events);
    n = 0;
    u64 begin = now(MONOTONIC);
    int e = poll_oneoff(AT(subs), AT(events), count, AT(&n));
    u64 took = now(MONOTONIC) - begin;
    say("%s: %e, %u events%s", what, e, (u64)n, took < least ? ", too early" : took > 60000000000 ? ", late" : "");
    for (u32 i = 0; i < n && i < 4; i++)
        say("  %u: %e, type %u, %u bytes, flags %u", events[i].userdata, events[i].errno_, (u64)events[i].type, events[i].nbytes,
            (u64)events[i].flags);
}

static void clocks(void) {
    static const char *const NAMES[] = {"realtime", "monotonic", "process CPU", "thread CPU"};
    for (u32 id = 0; id < 2; id++) {
        say("%s", NAMES[id]);
        subs[0] = clock_sub(1, id, 3000000, 0);
        poll_("in 3 ms", 1, 3000000);
        subs[0] = clock_sub(2, id, now(id) + 3000000, 1);
        poll_("at a time in 3 ms", 1, 3000000);
        subs[0] = clock_sub(3, id, now(id) - 1000000, 1);
        poll_("at a time that was", 1, 0);
        subs[0] = clock_sub(4, id, 0, 0);
        poll_("now", 1, 0);
        subs[0] = clock_sub(5, id, 0, 1);
        poll_("at 0", 1, 0);
    }
    subs[0] = clock_sub(1, MONOTONIC, 3000000, 0);
    subs[1] = clock_sub(2, REALTIME, 600000000000ull, 0);
    subs[2] = clock_sub(3, MONOTONIC, ~0ull, 0);
    subs[3] = clock_sub(4, REALTIME, ~0ull, 1);
    poll_("the first of four", 4, 3000000);
    subs[0] = clock_sub(1, MONOTONIC, 0, 0);
    subs[1] = clock_sub(1, MONOTONIC, 0, 0);
    poll_("twice the same", 2, 0);
    poll_("none", 0, 0);
}

static void files(void) {
    u32 fd = must("f", 0, BOTH, 0);
    subs[0] = fd_sub(1, READ, fd);
    poll_("a file to read", 1, 0);
    subs[0] = fd_sub(2, WRITE, fd);
    poll_("a file to write", 1, 0);
    subs[0] = fd_sub(1, READ, fd), subs[1] = fd_sub(2, WRITE, fd), subs[2] = clock_sub(3, MONOTONIC, 600000000000ull, 0);
    poll_("a file for both, and a clock", 3, 0);
    u64 at;
    fd_seek(fd, 0, 2, AT(&at));
    subs[0] = fd_sub(4, READ, fd);
    poll_("a file at its end", 1, 0);
    fd_close(fd);
    subs[0] = fd_sub(5, READ, fd);
    poll_("what is not open", 1, 0);
    subs[0] = fd_sub(6, WRITE, 99), subs[1] = clock_sub(7, MONOTONIC, 600000000000ull, 0);
    poll_("what is not open, and a clock", 2, 0);
    subs[0] = fd_sub(8, READ, 3);
    poll_("a directory", 1, 0);
    for (u32 i = 0; i < 1200; i++) subs[i] = clock_sub(i, MONOTONIC, i % 100 ? 600000000000ull : 0, 0);
    poll_("1200 clocks", 1200, 0);
}

// What other runtimes do in ways that differ from run to run.
static void more(void) {
    u32 fd = must("f", 0, BOTH, 0);
    for (u32 i = 0; i < 1200; i++) subs[i] = fd_sub(i, READ + i % 2, fd);
    poll_("1200 times a file", 1200, 0);
    fd_close(fd);
    subs[0] = clock_sub(1, PROCESS_CPU, 3000000, 0);
    poll_("the process's time", 1, 0);
    subs[0] = clock_sub(2, THREAD_CPU, 3000000, 1);
    poll_("the thread's time", 1, 0);
}

// Standard input is a pipe, in which "abc" comes after the first line of output, and which is closed after the second.
static void pipe_(void) {
    static char text[8];
    Vec v = {AT(text), 8};
    u32 got;
    subs[0] = fd_sub(1, READ, 0), subs[1] = clock_sub(2, MONOTONIC, 1000000, 0);
    poll_("a pipe with nothing in it, and a clock", 2, 1000000);
    flush();
    subs[1] = clock_sub(2, MONOTONIC, 600000000000ull, 0);
    poll_("a pipe in which something comes", 2, 0);
    is("read", fd_read(0, AT(&v), 1, AT(&got)));
    say("  %s", text);
    flush();
    poll_("a pipe that is closed", 2, 0);
    is("read", fd_read(0, AT(&v), 1, AT(&got)));
    say("  %u bytes", (u64)got);
    subs[0] = fd_sub(3, WRITE, 1);
    poll_("standard output", 1, 0);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "pipe")) pipe_();
    else if (argc > 1 && !strcmp(argv[1], "more")) more();
    else clocks(), files();
    flush();
    return 0;
}
