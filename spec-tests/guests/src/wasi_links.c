// Names: hard links, symbolic links, renaming over everything, removing files.
#include "wasi.h"

static void touch(const char *path) {
    u32 fd = must(path, CREAT | TRUNC, BOTH, 0);
    write_all(fd, path);
    fd_close(fd);
}

static u64 links_of(const char *path) {
    FileStat st = {0};
    path_filestat_get(3, 0, PATH(path), AT(&st));
    return st.nlink;
}

#define LINK(old, new) path_link(3, 0, PATH(old), 3, PATH(new))
#define RENAME(old, new) path_rename(3, PATH(old), 3, PATH(new))
#define SYMLINK(target, name) path_symlink(PATH(target), 3, PATH(name))
#define MKDIR(path) path_create_directory(3, PATH(path))
#define UNLINK(path) path_unlink_file(3, PATH(path))

static void hard(void) {
    is("link a file", LINK("f", "hard"));
    say("  links %u", links_of("f"));
    show("hard");
    is("link onto what is there", LINK("f", "hard"));
    is("link a file onto itself", LINK("f", "f"));
    is("link a directory", LINK("d", "hard-d"));
    is("link what is not there", LINK("none", "hard2"));
    is("link into what is not there", LINK("f", "none/hard"));
    is("link into a directory", LINK("f", "d/hard"));
    is("link with a slash", LINK("f", "hard3/"));
    is("link a file named with a slash", LINK("f/", "hard3"));
    is("link a symbolic link", LINK("lf", "hard-lf"));
    FileStat st = {0};
    path_filestat_get(3, 0, PATH("hard-lf"), AT(&st));
    say("  it is of type %u", (u64)st.filetype);
    is("link a symbolic link that dangles", LINK("gone", "hard-gone"));
    is("link, following", path_link(3, FOLLOW, PATH("lf"), 3, PATH("hard-followed")));
    is("link what lies outside", LINK("../x", "hard4"));
    is("link to the outside", LINK("f", "../hard-out"));
    is("link an absolute path", LINK("/etc/passwd", "hard5"));
    is("link to an absolute path", LINK("f", "/hard-out"));
    is("link through a link that leads out", LINK("abs/passwd", "hard6"));
    is("link an empty path", LINK("", "hard7"));
    is("link to an empty path", LINK("f", ""));
    is("link from what is not open", path_link(99, 0, PATH("f"), 3, PATH("hard8")));
    is("link to what is not open", path_link(3, 0, PATH("f"), 99, PATH("hard8")));
    is("link from a file", path_link(0, 0, PATH("f"), 3, PATH("hard8")));
}

static void symbolic(void) {
    char buf[16];
    u32 n = 0;
    is("make a link", SYMLINK("f", "soft"));
    memset(buf, '#', sizeof buf);
    is("read it", path_readlink(3, PATH("soft"), AT(buf), sizeof buf, AT(&n)));
    say("  %u bytes, the next %s", (u64)n, buf[0] == 'f' && buf[1] == '#' ? "untouched" : "written");
    is("make it again", SYMLINK("d", "soft"));
    is("make one where a file is", SYMLINK("x", "f"));
    is("make one that dangles", SYMLINK("nowhere/at/all", "dangles"));
    is("make one that leads out", SYMLINK("../../x", "leads-out"));
    is("  open it", -open_at(3, "leads-out", 0, READING, 0));
    is("make an absolute one", SYMLINK("/etc/passwd", "absolute"));
    is("make one to nothing", SYMLINK("", "empty"));
    is("make one without a name", SYMLINK("f", ""));
    is("make one with a slash", SYMLINK("f", "soft2/"));
    is("make one outside", SYMLINK("f", "../soft-out"));
    is("make one in what is not there", SYMLINK("f", "none/soft"));
    is("make one beneath a file", SYMLINK("f", "f/soft"));
    is("make one from what is not open", path_symlink(PATH("f"), 99, PATH("soft3")));
    is("a target that is not UTF-8", SYMLINK("\xff", "soft4"));
    is("a target with a zero byte", path_symlink(AT("a\0b"), 3, 3, PATH("soft4")));
    is("read a file", path_readlink(3, PATH("f"), AT(buf), sizeof buf, AT(&n)));
    is("read a directory", path_readlink(3, PATH("d"), AT(buf), sizeof buf, AT(&n)));
    is("read what is not there", path_readlink(3, PATH("none"), AT(buf), sizeof buf, AT(&n)));
    is("read ..", path_readlink(3, PATH(".."), AT(buf), sizeof buf, AT(&n)));
    is("read an empty path", path_readlink(3, PATH(""), AT(buf), sizeof buf, AT(&n)));
    is("read a link with a slash", path_readlink(3, PATH("ld/"), AT(buf), sizeof buf, AT(&n)));
    is("read from what is not open", path_readlink(99, PATH("soft"), AT(buf), sizeof buf, AT(&n)));
    memset(buf, '#', sizeof buf);
    int e = path_readlink(3, PATH("dangles"), AT(buf), 4, AT(&n));
    buf[5] = 0;
    say("read into 4 bytes: %e, %u bytes, %s", e, (u64)n, buf);
    is("read into no bytes", path_readlink(3, PATH("dangles"), AT(buf), 0, AT(&n)));
}

static void renaming(void) {
    touch("r1");
    touch("r2");
    is("rename a file", RENAME("r1", "r3"));
    is("  the old name", -open_at(3, "r1", 0, READING, 0));
    show("r3");
    is("rename a file over a file", RENAME("r3", "r2"));
    show("r2");
    is("rename a file onto itself", RENAME("r2", "r2"));
    is("rename what is not there", RENAME("none", "r4"));
    is("rename into what is not there", RENAME("r2", "none/r"));
    is("rename with a slash", RENAME("r2", "r5/"));
    is("rename a file named with a slash", RENAME("r2/", "r5"));
    is("rename a file over a directory", RENAME("r2", "d"));
    MKDIR("rd1"), MKDIR("rd2"), MKDIR("full"), MKDIR("full/x");
    is("rename a directory over a file", RENAME("rd1", "r2"));
    is("rename a directory over an empty one", RENAME("rd1", "rd2"));
    is("rename a directory over a full one", RENAME("rd2", "full"));
    is("rename a full one over an empty one", RENAME("full", "rd2"));
    is("  what was in it", -open_at(3, "rd2/x", DIRECTORY, R(FD_READDIR), 0) > 0);
    is("rename a directory into itself", RENAME("rd2", "rd2/x/y"));
    is("rename a directory with slashes", RENAME("rd2/", "rd3/"));
    is("rename .", RENAME(".", "r6"));
    is("rename to .", RENAME("rd3", "."));
    is("rename ..", RENAME("..", "r6"));
    is("rename to ..", RENAME("rd3", ".."));
    is("rename to the outside", RENAME("r2", "../r-out"));
    is("rename what lies outside", RENAME("../x", "r7"));
    is("rename an absolute path", RENAME("/r2", "r7"));
    is("rename to an absolute path", RENAME("r2", "/r7"));
    is("rename an empty path", RENAME("", "r8"));
    is("rename to an empty path", RENAME("r2", ""));
    is("rename a link", RENAME("lf", "lf2"));
    FileStat st = {0};
    path_filestat_get(3, 0, PATH("lf2"), AT(&st));
    say("  it is of type %u", (u64)st.filetype);
    is("rename a file over a link", RENAME("r2", "lf2"));
    path_filestat_get(3, 0, PATH("lf2"), AT(&st));
    say("  it is of type %u", (u64)st.filetype);
    is("rename a link to itself", RENAME("loop", "loop2"));
    is("rename beneath a link that leads out", RENAME("lf2", "abs/craneway-guest"));
    u32 sub = must("d", DIRECTORY, EVERY & ~R(FD_WRITE), 0);
    is("rename between directories", path_rename(3, PATH("lf2"), sub, PATH("moved")));
    is("  back", path_rename(sub, PATH("moved"), 3, PATH("r2")));
    is("rename out of a directory by ..", path_rename(sub, PATH("../r2"), 3, PATH("r9")));
    is("rename from what is not open", path_rename(99, PATH("r2"), 3, PATH("r9")));
    is("rename to what is not open", path_rename(3, PATH("r2"), 99, PATH("r9")));
    is("rename from a file", path_rename(0, PATH("r2"), 3, PATH("r9")));
    touch("one");
    LINK("one", "two");
    is("rename one name of a file to another", RENAME("one", "two"));
    is("  the old name", -open_at(3, "one", 0, READING, 0) > 0 ? 44 : 0);
    fd_close(sub);
}

static void removing(void) {
    touch("u");
    u32 fd = must("u", 0, BOTH, 0), n;
    is("remove what is open", UNLINK("u"));
    char text[8] = {0};
    Vec v = {AT(text), 1};
    is("  read it", fd_read(fd, AT(&v), 1, AT(&n)));
    FileStat st = {0};
    fd_filestat_get(fd, AT(&st));
    say("  links %u, read %s", st.nlink, text);
    fd_close(fd);
    is("remove it again", UNLINK("u"));
    is("remove a directory", UNLINK("d"));
    is("remove a directory with a slash", UNLINK("d/"));
    is("remove a file with a slash", UNLINK("f/"));
    is("remove a link to a directory", UNLINK("ld"));
    is("remove a link to a directory with a slash", (SYMLINK("d", "ld2"), UNLINK("ld2/")));
    is("remove a link that dangles", UNLINK("gone"));
    is("remove .", UNLINK("."));
    is("remove ..", UNLINK(".."));
    is("remove an empty path", UNLINK(""));
    is("remove an absolute path", UNLINK("/f"));
    is("remove what lies outside", UNLINK("../x"));
    is("remove through a link that leads out", UNLINK("abs/craneway-guest"));
    is("remove beneath a file", UNLINK("f/x"));
    is("remove from what is not open", path_unlink_file(99, PATH("f")));
}

int main(void) {
    hard();
    symbolic();
    renaming();
    removing();
    flush();
    return 0;
}
