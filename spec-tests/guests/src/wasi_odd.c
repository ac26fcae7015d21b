// Flags, numbers and enumerations that the interface does not define. Each is an error of the guest's, and no reason to end it.
#include "wasi.h"

int main(void) {
    u32 fd = 0, n = 0;
    u64 time;
    char buf[64];
    Vec v = {AT(buf), sizeof buf};
    is("path_open, a descriptor flag", path_open(3, 0, PATH("f"), 0, READING, 0, 32, AT(&fd)));
    is("path_open, a descriptor flag beyond 16 bits", path_open(3, 0, PATH("f"), 0, READING, 0, 0x10000, AT(&fd)));
    is("path_open, an open flag", path_open(3, 0, PATH("f"), 16, READING, 0, 0, AT(&fd)));
    is("path_open, a lookup flag", path_open(3, 2, PATH("f"), 0, READING, 0, 0, AT(&fd)));
    is("path_open, all rights there could be", path_open(3, 0, PATH("f"), 0, ~0ull, ~0ull, 0, AT(&fd)));
    FdStat stat;
    is("fd_fdstat_get of that", fd_fdstat_get(fd, AT(&stat)));
    say("only rights that exist: %s", (stat.base | stat.inheriting) < R(30) ? "yes" : "no");
    is("fd_fdstat_set_flags", fd_fdstat_set_flags(fd, 32));
    is("fd_fdstat_set_rights, to all there could be", fd_fdstat_set_rights(fd, ~0ull, ~0ull));
    is("fd_advise", fd_advise(fd, 0, 0, 6));
    is("fd_seek", fd_seek(fd, 0, 3, AT(&time)));
    is("fd_filestat_set_times", fd_filestat_set_times(fd, 0, 0, 16));
    is("path_filestat_set_times, a time flag", path_filestat_set_times(3, 0, PATH("f"), 0, 0, 16));
    is("path_filestat_set_times, a lookup flag", path_filestat_set_times(3, 2, PATH("f"), 0, 0, ATIM));
    is("path_filestat_get", path_filestat_get(3, 2, PATH("f"), AT(buf)));
    is("path_link", path_link(3, 2, PATH("f"), 3, PATH("g")));
    is("clock_res_get", clock_res_get(4, AT(&time)));
    is("clock_time_get", clock_time_get(4, 0, AT(&time)));
    is("clock_time_get, the largest number", clock_time_get(~0u, 0, AT(&time)));
    is("sock_recv", sock_recv(fd, AT(&v), 1, 4, AT(&n), AT(&time)));
    is("sock_send", sock_send(fd, AT(&v), 1, 1, AT(&n)));
    is("sock_shutdown", sock_shutdown(fd, 4));
    is("sock_accept", sock_accept(fd, 32, AT(&n)));
    is("proc_raise", proc_raise(31));
    Subscription s = {.userdata = 7, .type = 3};
    Event event = {0};
    is("poll_oneoff, a type", poll_oneoff(AT(&s), AT(&event), 1, AT(&n)));
    say("  %u events, error %e, user data %u", (u64)n, event.errno_, event.userdata);
    s = (Subscription){.userdata = 8, .clock = {.id = 4}};
    is("poll_oneoff, a clock", poll_oneoff(AT(&s), AT(&event), 1, AT(&n)));
    say("  %u events, error %e, user data %u", (u64)n, event.errno_, event.userdata);
    s = (Subscription){.userdata = 9, .clock = {.id = 1, .flags = 2}};
    is("poll_oneoff, a clock flag", poll_oneoff(AT(&s), AT(&event), 1, AT(&n)));
    say("  %u events, error %e, user data %u", (u64)n, event.errno_, event.userdata);
    flush();
    return 0;
}
