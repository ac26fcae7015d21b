// Lists of many pieces: all of them move in one call, and counts that are too large are an error.
#include "wasi.h"

int main(void) {
    static Vec list[2000];
    static char text[2000], back[2000];
    u32 n = 0, fd = must("many", CREAT, BOTH, 0);
    for (u32 i = 0; i < 2000; i++) text[i] = 'a' + i % 26, list[i] = (Vec){AT(text + i), 1};
    say("write 2000 pieces: %e, %u bytes", fd_pwrite(fd, AT(list), 2000, 0, AT(&n)), (u64)n);
    for (u32 i = 0; i < 2000; i++) list[i].base = AT(back + i);
    say("read 2000 pieces: %e, %u bytes", fd_pread(fd, AT(list), 2000, 0, AT(&n)), (u64)n);
    say("the same: %s", memcmp(text, back, 2000) ? "no" : "yes");
    for (u32 i = 0; i < 2000; i++) list[i] = (Vec){AT(text), 0};
    list[1999] = (Vec){AT(text), 26};
    say("1999 empty pieces before one: %e, %u bytes", fd_pwrite(fd, AT(list), 2000, 0, AT(&n)), (u64)n);
    is("2^32-1 pieces", fd_read(fd, AT(list), 0xffffffff, AT(&n)));
    is("2^29 pieces", fd_read(fd, 0, 0x20000000, AT(&n)));
    list[0] = (Vec){0, 0x80000000}, list[1] = (Vec){0, 0x80000000};
    is("pieces of 4 GiB together", fd_read(fd, AT(list), 2, AT(&n)));
    flush();
    return 0;
}
