// Sockets: what is none, a listening one, and a connection. Arguments: `none`, or `peer` with a listening socket on
// descriptor 3 to which someone connects, sends "hello, guest" and then, after reading the answer, its end.
#include "wasi.h"

static char buf[64];
static u32 n;
static u16 out_flags;

static int recv_(u32 fd, u32 len, u32 flags) {
    Vec v = {AT(buf), len};
    memset(buf, 0, sizeof buf);
    n = 0, out_flags = 0xaaaa;
    return sock_recv(fd, AT(&v), 1, flags, AT(&n), AT(&out_flags));
}

static int send_(u32 fd, const char *text) {
    Vec v = {PATH(text)};
    n = 0;
    return sock_send(fd, AT(&v), 1, 0, AT(&n));
}

static void received(const char *what, int e) {
    if (e) is(what, e);
    else say("%s: %u bytes, \"%s\", flags %u", what, (u64)n, buf, (u64)out_flags);
}

static void refused(const char *what, u32 fd) {
    say("%s: accept %e, receive %e, send %e, shut down %e", what, sock_accept(fd, 0, AT(&n)), recv_(fd, 8, 0), send_(fd, "x"),
        sock_shutdown(fd, 3));
}

static void peer(void) {
    FdStat stat;
    is("fdstat of the listening socket", fd_fdstat_get(3, AT(&stat)));
    say("  type %u, may accept %s", (u64)stat.filetype, stat.base & R(SOCK_ACCEPT) ? "yes" : "no");
    is("do not wait", fd_fdstat_set_flags(3, NONBLOCK));
    Subscription comes = {.userdata = 5, .type = 1, .fd = 3};
    Event event = {0};
    u32 fd = 0;
    int e = poll_oneoff(AT(&comes), AT(&event), 1, AT(&n));
    say("poll the listening socket: %e, %u events, user data %u, %e", e, (u64)n, event.userdata, event.errno_);
    is("accept", sock_accept(3, NONBLOCK, AT(&fd)));
    is("accept when nobody is there", sock_accept(3, NONBLOCK, AT(&n)));
    is("fdstat of the connection", fd_fdstat_get(fd, AT(&stat)));
    say("  type %u, flags %u, may shut down %s", (u64)stat.filetype, (u64)stat.flags, stat.base & R(SOCK_SHUTDOWN) ? "yes" : "no");
    say("listening socket: receive %e, send %e, shut down %e", recv_(3, 8, 0), send_(3, "x"), sock_shutdown(3, 3));
    is("accept from the connection", sock_accept(fd, 0, AT(&n)));
    is("wait from now on", fd_fdstat_set_flags(fd, 0));
    Subscription s[2] = {{.userdata = 1, .type = 1, .fd = fd}, {.userdata = 2, .type = 0, .clock = {.id = 1, .timeout = 600000000000ull}}};
    Event events[2];
    e = poll_oneoff(AT(s), AT(events), 2, AT(&n));
    say("poll the connection and a clock: %e, %u events, user data %u, %e", e, (u64)n, events[0].userdata, events[0].errno_);
    received("peek", recv_(fd, 5, 1));
    received("receive 5", recv_(fd, 5, 0));
    received("receive 7, all of them", recv_(fd, 7, 2));
    received("receive nothing", recv_(fd, 0, 0));
    FileStat st;
    is("fstat of the connection", fd_filestat_get(fd, AT(&st)));
    say("  type %u", (u64)st.filetype);
    u64 at;
    is("seek the connection", fd_seek(fd, 0, 0, AT(&at)));
    is("read at a place", fd_pread(fd, 0, 0, 0, AT(&n)));
    Vec two[2] = {{PATH("hello, ")}, {PATH("host\n")}};
    e = sock_send(fd, AT(two), 2, 0, AT(&n));
    say("send two pieces: %e, %u bytes", e, (u64)n);
    Vec v = {PATH("and this by fd_write\n")};
    e = fd_write(fd, AT(&v), 1, AT(&n));
    say("write: %e, %u bytes", e, (u64)n);
    is("shut down nothing", sock_shutdown(fd, 0));
    is("shut down writing", sock_shutdown(fd, 2));
    is("send after that", send_(fd, "x"));
    v = (Vec){AT(buf), sizeof buf};
    memset(buf, 0, sizeof buf);
    e = fd_read(fd, AT(&v), 1, AT(&n));
    say("read what is sent at the end: %e, %u bytes, \"%s\"", e, (u64)n, buf);
    received("receive at the end", recv_(fd, 8, 0));
    received("receive all at the end", recv_(fd, 8, 2));
    is("close", fd_close(fd));
    is("close again", fd_close(fd));
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "peer")) peer();
    else {
        refused("a directory", 3);
        refused("a file", must("f", 0, BOTH, 0));
        refused("what is not open", 99);
    }
    flush();
    return 0;
}
