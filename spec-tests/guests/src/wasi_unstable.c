// The forerunner, wasi_unstable: where its numbers and layouts differ, and that the rest is the same.
#define MODULE "wasi_unstable"
#define OLD
#include "wasi.h"

typedef struct { u64 dev, ino; u8 filetype, pad[3]; u32 nlink; u64 size, atim, mtim, ctim; } OldFileStat;
typedef struct {
    u64 userdata;
    u8 type, pad[7];
    union {
        struct { u64 identifier; u32 id, pad; u64 timeout, precision; u16 flags; } clock;
        u32 fd;
    };
} OldSubscription;
_Static_assert(sizeof(OldFileStat) == 56 && sizeof(OldSubscription) == 56, "the older layouts");

int main(void) {
    u32 n = 0, fd = must("f", 0, BOTH, 0);
    u64 at = 0;
    // 0 is "from here", 1 "from the end", 2 "from the start".
    is("seek 2 from here", fd_seek(fd, 2, 0, AT(&at)));
    say("  at %u", at);
    is("seek 1 from here", fd_seek(fd, 1, 0, AT(&at)));
    say("  at %u", at);
    is("seek -1 from the end", fd_seek(fd, -1, 1, AT(&at)));
    say("  at %u", at);
    is("seek 1 from the start", fd_seek(fd, 1, 2, AT(&at)));
    say("  at %u", at);
    u8 record[80];
    memset(record, 0xaa, sizeof record);
    is("filestat", fd_filestat_get(fd, AT(record)));
    OldFileStat st;
    memcpy(&st, record, sizeof st);
    say("  type %u, links %u, size %u, behind it %s", (u64)st.filetype, (u64)st.nlink, st.size, record[56] == 0xaa ? "untouched" : "written");
    memset(record, 0xaa, sizeof record);
    is("filestat of a path", path_filestat_get(3, 0, PATH("f"), AT(record)));
    OldFileStat of_path;
    memcpy(&of_path, record, sizeof st);
    say("  the same: %s, behind it %s", of_path.ino == st.ino && of_path.mtim == st.mtim ? "yes" : "no",
        record[56] == 0xaa ? "untouched" : "written");
    OldSubscription subs[3] = {
        {.userdata = 1, .type = 0, .clock = {.identifier = 9, .id = 1, .timeout = 600000000000ull}},
        {.userdata = 2, .type = 0, .clock = {.identifier = 8, .id = 1, .timeout = 2000000}},
        {.userdata = 3, .type = 0, .clock = {.identifier = 7, .id = 0, .timeout = 1, .flags = 1}},
    };
    Event events[3];
    int e = poll_oneoff(AT(subs), AT(events), 2, AT(&n));
    say("poll two clocks: %e, %u events, user data %u, %e", e, (u64)n, events[0].userdata, events[0].errno_);
    e = poll_oneoff(AT(subs), AT(events), 3, AT(&n));
    say("with one that is past: %e, %u events, user data %u, %e", e, (u64)n, events[0].userdata, events[0].errno_);
    subs[0] = (OldSubscription){.userdata = 4, .type = 1, .fd = fd};
    e = poll_oneoff(AT(subs), AT(events), 1, AT(&n));
    say("poll a file: %e, %u events, user data %u, %e", e, (u64)n, events[0].userdata, events[0].errno_);
    char text[8] = {0};
    Vec v = {AT(text), 4};
    is("read", fd_read(fd, AT(&v), 1, AT(&n)));
    say("  %s", text);
    is("close", fd_close(fd));
    is("rename", path_rename(3, PATH("f"), 3, PATH("g")));
    is("make a directory", path_create_directory(3, PATH("made")));
    is("the old name", -open_at(3, "f", 0, READING, 0));
    flush();
    proc_exit(3);
}
