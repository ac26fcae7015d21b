// Memory: padding that must carry nothing, nothing written past what is due, pieces that overlap. With an argument, addresses
// beyond memory, at its last byte, overflowing: each is an error of the call, and nothing is read or written then.
#include "wasi.h"

static u32 end;
static char buf[256];
static u32 n;

// A path, and lists, at the very end of memory, reaching beyond it, and far out.
static void inputs(void) {
    static Vec far_out = {0xfffffff0, 4}, beyond, too_long = {0, 0xffffffff};
    u32 fd = must("f", 0, BOTH, 0);
    beyond = (Vec){end - 4, 8};
    is("path_open, a path beyond memory", path_open(3, 0, end, 1, 0, READING, 0, 0, AT(&n)));
    is("path_open, a path that reaches out", path_open(3, 0, end - 2, 4, 0, READING, 0, 0, AT(&n)));
    is("path_open, a path that overflows", path_open(3, 0, 0xfffffffc, 8, 0, READING, 0, 0, AT(&n)));
    is("path_open, the longest path", path_open(3, 0, 0, 0xffffffff, 0, READING, 0, 0, AT(&n)));
    memcpy((void *)(uintptr_t)(end - 1), "f", 1);
    is("path_open, a path at the last byte", path_open(3, 0, end - 1, 1, 0, READING, 0, 0, AT(&n)));
    fd_close(n);
    is("fd_read, a list beyond memory", fd_read(fd, end, 1, AT(&n)));
    is("fd_read, a list that reaches out", fd_read(fd, end - 8, 2, AT(&n)));
    is("fd_read, a list that overflows", fd_read(fd, 8, 0x20000000, AT(&n)));
    is("fd_read, a piece beyond memory", fd_read(fd, AT(&far_out), 1, AT(&n)));
    is("fd_read, a piece that reaches out", fd_read(fd, AT(&beyond), 1, AT(&n)));
    is("fd_read, a piece that overflows", fd_read(fd, AT(&too_long), 1, AT(&n)));
    is("fd_write, a list beyond memory", fd_write(fd, end, 1, AT(&n)));
    is("fd_write, a piece beyond memory", fd_write(fd, AT(&far_out), 1, AT(&n)));
    is("fd_write, a piece that reaches out", fd_write(fd, AT(&beyond), 1, AT(&n)));
    is("fd_pread, a piece beyond memory", fd_pread(fd, AT(&far_out), 1, 0, AT(&n)));
    is("fd_pwrite, a piece beyond memory", fd_pwrite(fd, AT(&far_out), 1, 0, AT(&n)));
    show("f");
    is("poll_oneoff, subscriptions beyond memory", poll_oneoff(end, AT(buf), 1, AT(&n)));
    is("poll_oneoff, subscriptions that overflow", poll_oneoff(8, AT(buf), 0x10000000, AT(&n)));
    is("path_create_directory", path_create_directory(3, end, 1));
    is("path_remove_directory", path_remove_directory(3, end, 1));
    is("path_unlink_file", path_unlink_file(3, end, 1));
    is("path_filestat_get", path_filestat_get(3, 0, end, 1, AT(buf)));
    is("path_filestat_set_times", path_filestat_set_times(3, 0, end, 1, 0, 0, 0));
    is("path_link, the old name", path_link(3, 0, end, 1, 3, PATH("x")));
    is("path_link, the new name", path_link(3, 0, PATH("f"), 3, end, 1));
    is("path_rename, the old name", path_rename(3, end, 1, 3, PATH("x")));
    is("path_rename, the new name", path_rename(3, PATH("f"), 3, end, 1));
    is("path_symlink, the target", path_symlink(end, 1, 3, PATH("x")));
    is("path_symlink, the name", path_symlink(PATH("f"), 3, end, 1));
    is("path_readlink, the name", path_readlink(3, end, 1, AT(buf), 9, AT(&n)));
    fd_close(fd);
}

static void outputs(void) {
    u32 fd = must("f", 0, BOTH, 0);
    Vec v = {AT(buf), 2};
    Subscription s = {.type = 0, .clock = {.id = 1}};
    is("args_get, the pointers", args_get(end, AT(buf)));
    is("args_get, the bytes", args_get(AT(buf), end));
    is("args_sizes_get, the count", args_sizes_get(end, AT(&n)));
    is("args_sizes_get, the size", args_sizes_get(AT(&n), end));
    is("environ_get, the bytes", environ_get(AT(buf), end));
    is("environ_sizes_get, the count", environ_sizes_get(end, AT(&n)));
    is("clock_res_get", clock_res_get(0, end));
    is("clock_time_get", clock_time_get(0, 0, end));
    is("fd_fdstat_get", fd_fdstat_get(fd, end - 16));
    is("fd_filestat_get", fd_filestat_get(fd, end - 56));
    is("fd_prestat_get", fd_prestat_get(3, end - 4));
    is("fd_prestat_dir_name", fd_prestat_dir_name(3, end, 1));
    is("fd_read, the count", fd_read(fd, AT(&v), 1, end));
    is("fd_pread, the count", fd_pread(fd, AT(&v), 1, 0, end));
    is("fd_write, the count", fd_write(fd, AT(&v), 1, end));
    is("fd_pwrite, the count", fd_pwrite(fd, AT(&v), 1, 0, end));
    is("fd_readdir, the buffer", fd_readdir(3, end - 8, 16, 0, AT(&n)));
    is("fd_readdir, the count", fd_readdir(3, AT(buf), sizeof buf, 0, end));
    is("fd_seek", fd_seek(fd, 0, 0, end));
    is("fd_tell", fd_tell(fd, end));
    is("path_filestat_get", path_filestat_get(3, 0, PATH("f"), end - 56));
    is("path_open", path_open(3, 0, PATH("made-by-mistake"), CREAT, BOTH, 0, 0, end));
    is("path_readlink, the buffer", path_readlink(3, PATH("lf"), end, 4, AT(&n)));
    is("path_readlink, the count", path_readlink(3, PATH("lf"), AT(buf), 4, end));
    is("poll_oneoff, the events", poll_oneoff(AT(&s), end - 24, 1, AT(&n)));
    is("poll_oneoff, the count", poll_oneoff(AT(&s), AT(buf), 1, end));
    is("random_get", random_get(end - 8, 16));
    is("random_get, all there could be", random_get(0, 0xffffffff));
    u64 left = 0;
    for (int i = 8; i > 0; i--) left |= *(u8 *)(uintptr_t)(end - i) && i > 1;
    say("the end of memory is %s", left ? "written" : "untouched");
    is("random_get, at the last byte", random_get(end - 1, 1));
    is("random_get, nothing behind the last byte", random_get(end, 0));
    fd_close(fd);
}

// The records' padding: 0 where it is cleared, 170 where it is left alone; any other byte would come from the host.
static void padding_of(const char *what, const u8 *record, const u8 *places, u32 count) {
    int clean = 1;
    for (u32 i = 0; i < count; i++) clean &= record[places[i]] == 0 || record[places[i]] == 0xaa;
    say("padding of %s: %s", what, clean ? "clean" : "dirty");
}

static void padding(void) {
    static u8 record[256];
    u32 fd = must("f", 0, BOTH, 0);
#define CLEAR memset(record, 0xaa, sizeof record)
    CLEAR, fd_fdstat_get(fd, AT(record));
    padding_of("fdstat", record, (u8[]){1, 4, 5, 6, 7}, 5);
    CLEAR, fd_filestat_get(fd, AT(record));
    padding_of("filestat", record, (u8[]){17, 18, 19, 20, 21, 22, 23}, 7);
    say("behind it: %s", record[64] == 0xaa ? "untouched" : "written");
    CLEAR, path_filestat_get(3, 0, PATH("f"), AT(record));
    padding_of("filestat of a path", record, (u8[]){17, 18, 19, 20, 21, 22, 23}, 7);
    CLEAR, fd_prestat_get(3, AT(record));
    padding_of("prestat", record, (u8[]){1, 2, 3}, 3);
    say("behind it: %s", record[8] == 0xaa ? "untouched" : "written");
    CLEAR, fd_readdir(3, AT(record), 48, 0, AT(&n));
    padding_of("a directory entry", record, (u8[]){21, 22, 23}, 3);
    Subscription s = {.type = 0, .clock = {.id = 1}};
    CLEAR, poll_oneoff(AT(&s), AT(record), 1, AT(&n));
    padding_of("an event", record, (u8[]){11, 12, 13, 14, 15, 26, 27, 28, 29, 30, 31}, 11);
    say("behind it: %s", record[32] == 0xaa ? "untouched" : "written");
    fd_close(fd);
}

static void overlapping(void) {
    u32 fd = must("ten", CREAT, BOTH, 0);
    write_all(fd, "0123456789");
    Vec both[2] = {{AT(buf), 6}, {AT(buf) + 3, 4}};
    memset(buf, 0, sizeof buf);
    int e = fd_pread(fd, AT(both), 2, 0, AT(&n));
    say("read into pieces that overlap: %e, %u bytes, %s", e, (u64)n, buf);
    Vec twice[2] = {{PATH("abc")}, {AT("abc"), 3}};
    twice[1].base = twice[0].base;
    e = fd_pwrite(fd, AT(twice), 2, 0, AT(&n));
    say("write the same piece twice: %e, %u bytes", e, (u64)n);
    show("ten");
    // The list itself is in the way: it must be read before it is overwritten, or not matter.
    static Vec list[2];
    list[0] = (Vec){AT(list), 8}, list[1] = (Vec){AT(buf), 2};
    e = fd_pread(fd, AT(list), 1, 0, AT(&n));
    say("read over the list: %e, %u bytes", e, (u64)n);
    e = fd_pread(fd, AT(buf), 0, 0, AT(&n));
    say("no pieces: %e, %u bytes", e, (u64)n);
    u32 count = 1;
    Vec onto = {AT(&count), 4};
    is("the count over what was read", fd_pread(fd, AT(&onto), 1, 0, AT(&count)));
    say("  %u", (u64)count);
    fd_close(fd);
}

int main(int argc, char **argv) {
    (void)argv;
    end = __builtin_wasm_memory_size(0) * 65536u;
    memset((void *)(uintptr_t)(end - 8), 0, 8);
    if (argc > 1) inputs(), outputs();
    else padding(), overlapping();
    flush();
    return 0;
}
