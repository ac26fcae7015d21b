// Directories: making, removing, and listing them through buffers of any size, from any cookie, while entries come and go.
#include "wasi.h"

static char buf[4096];
static u32 n;

typedef struct { char name[32]; u64 next, ino; u8 type; } Found;
static Found found[128];

// Reads a listing from a cookie on through a buffer of `len` bytes; returns how many entries came, or minus the error.
static int list(u32 fd, u64 cookie, u32 len) {
    int count = 0;
    for (;;) {
        int e = fd_readdir(fd, AT(buf), len, cookie, AT(&n));
        if (e) return -e;
        u32 at = 0;
        int before = count;
        while (at + sizeof(Dirent) <= n) {
            Dirent entry;
            memcpy(&entry, buf + at, sizeof entry);
            if (at + sizeof entry + entry.namlen > n) break;
            Found *to = &found[count++];
            memset(to, 0, sizeof *to);
            memcpy(to->name, buf + at + sizeof entry, entry.namlen < 31 ? entry.namlen : 31);
            to->next = cookie = entry.next;
            to->ino = entry.ino;
            to->type = entry.filetype;
            at += sizeof entry + entry.namlen;
        }
        if (n < len || count == before) return count;
    }
}

static int has(int count, const char *name) {
    for (int i = 0; i < count; i++) if (!strcmp(found[i].name, name)) return i + 1;
    return 0;
}

static void sorted(int count) {
    for (int i = 0; i < count; i++) {
        int least = i;
        for (int j = i + 1; j < count; j++) if (strcmp(found[j].name, found[least].name) < 0) least = j;
        Found swap = found[i];
        found[i] = found[least];
        found[least] = swap;
    }
}

static void making(void) {
    is("make", path_create_directory(3, PATH("m")));
    is("make again", path_create_directory(3, PATH("m")));
    is("make with a slash", path_create_directory(3, PATH("m2/")));
    is("make within", path_create_directory(3, PATH("m/in")));
    is("make in what is not there", path_create_directory(3, PATH("none/in")));
    is("make beneath a file", path_create_directory(3, PATH("f/in")));
    is("make where a file is", path_create_directory(3, PATH("f")));
    is("make where a link dangles", path_create_directory(3, PATH("gone")));
    is("make through a link", path_create_directory(3, PATH("ld/made")));
    is("make .", path_create_directory(3, PATH(".")));
    is("make ..", path_create_directory(3, PATH("..")));
    is("make an empty path", path_create_directory(3, PATH("")));
    is("make an absolute path", path_create_directory(3, PATH("/m3")));
    is("make beneath a link that leads out", path_create_directory(3, PATH("abs/craneway-guest")));
    is("make from a file", path_create_directory(0, PATH("x")));
    is("make from what is not open", path_create_directory(99, PATH("x")));
    is("remove what is not empty", path_remove_directory(3, PATH("m")));
    is("remove", path_remove_directory(3, PATH("m/in")));
    is("remove again", path_remove_directory(3, PATH("m/in")));
    is("remove with a slash", path_remove_directory(3, PATH("m/")));
    is("remove a file", path_remove_directory(3, PATH("f")));
    is("remove a link to a directory", path_remove_directory(3, PATH("ld")));
    is("remove a link to a directory with a slash", path_remove_directory(3, PATH("ld/")));
    is("remove .", path_remove_directory(3, PATH(".")));
    is("remove m2/.", path_remove_directory(3, PATH("m2/.")));
    is("remove ..", path_remove_directory(3, PATH("..")));
    is("remove an empty path", path_remove_directory(3, PATH("")));
    is("remove /", path_remove_directory(3, PATH("/")));
    is("remove from what is not open", path_remove_directory(99, PATH("x")));
    is("remove through a link", path_remove_directory(3, PATH("ld/made")));
    u32 fd = must("m2", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    is("remove what is open", path_remove_directory(3, PATH("m2")));
    is("create in what was removed", -open_at(fd, "new", CREAT, BOTH, 0));
    say("list what was removed: %s", list(fd, 0, sizeof buf) <= 2 ? "nothing but . and .." : "more");
    fd_close(fd);
}

static void fill(u32 dir, char first, int count) {
    char name[] = "?-entry-??";
    name[0] = first;
    for (int i = 0; i < count; i++) {
        name[8] = '0' + i / 10;
        name[9] = '0' + i % 10;
        int fd = open_at(dir, name, CREAT | EXCL, BOTH, 0);
        if (fd >= 0) fd_close(fd);
    }
}

static void listing(void) {
    path_create_directory(3, PATH("many"));
    u32 dir = must("many", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    fill(dir, 'a', 40);
    path_create_directory(dir, PATH("sub"));
    path_symlink(PATH("none"), dir, PATH("soft"));
    for (u32 len = 40; len <= 4096; len = len * 3 / 2) {
        int count = list(dir, 0, len), whole = 1;
        sorted(count);
        for (int i = 1; i < count; i++) whole &= strcmp(found[i - 1].name, found[i].name) != 0;
        say("through a buffer of %u: %d entries, %s", (u64)len, (int64_t)count, whole ? "each once" : "some twice");
    }
    int count = list(dir, 0, sizeof buf);
    say(". and ..: %s", has(count, ".") && has(count, "..") ? "there" : "not there");
    say("types: file %u, directory %u, link %u", (u64)found[has(count, "a-entry-00") - 1].type,
        (u64)found[has(count, "sub") - 1].type, (u64)found[has(count, "soft") - 1].type);
    FileStat st;
    path_filestat_get(dir, 0, PATH("a-entry-07"), AT(&st));
    say("the number of a file is that of stat: %s", found[has(count, "a-entry-07") - 1].ino == st.ino ? "yes" : "no");
    say("the parent's number: %s", found[has(count, "..") - 1].ino == found[has(count, ".") - 1].ino ? "the directory's own" : "another");
    // From each cookie exactly the rest follows, in any order of asking.
    static Found all[128];
    memcpy(all, found, sizeof all);
    int good = 1;
    for (int i = count - 1; i >= 0; i--) {
        int rest = list(dir, all[i].next, 333);
        good &= rest == count - 1 - i;
        for (int j = 0; j < rest; j++) good &= !strcmp(found[j].name, all[i + 1 + j].name);
    }
    say("from every cookie the rest follows: %s", good ? "yes" : "no");
    is("from a cookie that never was", fd_readdir(dir, AT(buf), sizeof buf, 1000000, AT(&n)));
    say("  %u bytes", (u64)n);
    u32 other = must("many", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    say("another descriptor, from the start: %d entries", (int64_t)list(other, 0, 100));
    fd_close(other);
    // Entries that go and come.
    int half = count / 2;
    u64 cookie = all[half - 1].next;
    for (int i = 0; i < half; i++) path_unlink_file(dir, PATH(all[i].name));
    int rest = list(dir, cookie, 200);
    good = rest == count - half;
    for (int j = 0; j < rest && good; j++) good &= !strcmp(found[j].name, all[half + j].name);
    say("entries before the cookie are gone, the rest follows: %s", good ? "yes" : "no");
    fill(dir, 'z', 3);
    count = list(dir, 0, 200);
    say("from the start, new entries: %s", has(count, "z-entry-00") && has(count, "z-entry-02") ? "there" : "not there");
    fd_close(dir);
}

static void cut(void) {
    path_create_directory(3, PATH("few"));
    u32 dir = must("few", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    static const u32 SIZES[] = {0, 1, 8, 23, 24, 25, 26, 49, 50, 51, 1000};
    for (u32 i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        memset(buf, 0x55, sizeof buf);
        int e = fd_readdir(dir, AT(buf), SIZES[i], 0, AT(&n));
        int after = 1;
        for (u32 j = SIZES[i]; j < 1200; j++) after &= buf[j] == 0x55;
        say("an empty directory, %u bytes: %e, %u used, behind them %s", (u64)SIZES[i], e, (u64)n, after ? "nothing" : "something");
    }
    fd_close(dir);
    is("list a file", fd_readdir(must("f", 0, BOTH, 0), AT(buf), sizeof buf, 0, AT(&n)));
    is("list standard output", fd_readdir(1, AT(buf), sizeof buf, 0, AT(&n)));
    is("list what is not open", fd_readdir(99, AT(buf), sizeof buf, 0, AT(&n)));
}

int main(void) {
    making();
    listing();
    cut();
    flush();
    return 0;
}
