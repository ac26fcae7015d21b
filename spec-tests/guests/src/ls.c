// Lists a directory, sorted, with a mark for the kind: ls [DIR]
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int main(int argc, char **argv) {
    const char *where = argc > 1 ? argv[1] : ".";
    DIR *dir = opendir(where);
    if (!dir) {
        fprintf(stderr, "ls: %s: %s\n", where, strerror(errno));
        return 1;
    }
    char **names = NULL;
    size_t count = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        names = realloc(names, (count + 1) * sizeof *names);
        names[count++] = strdup(e->d_name);
    }
    closedir(dir);
    if (count) qsort(names, count, sizeof *names, order);
    for (size_t i = 0; i < count; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", where, names[i]);
        if (lstat(path, &st)) printf("? %s\n", names[i]);
        else if (S_ISDIR(st.st_mode)) printf("d %s\n", names[i]);
        else if (S_ISLNK(st.st_mode)) printf("l %s\n", names[i]);
        else printf("f %s %lld\n", names[i], (long long)st.st_size);
    }
    return 0;
}
