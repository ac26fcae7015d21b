// Tries to leave the directory it was given, in several ways; every try must fail.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    static const char *const tries[] = {
        "/work/../secret.txt", "/work/in/../../secret.txt", "/work/link-out/secret.txt", "/work/link-file",
        "/work/in/../../work/../secret.txt", "/etc/passwd", "/work//../secret.txt",
    };
    int escaped = 0;
    for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
        int fd = open(tries[i], O_RDONLY);
        printf("%s: %s\n", tries[i], fd < 0 ? "refused" : "OPENED");
        escaped += fd >= 0;
    }
    int inside = open("/work/in/../in/ok.txt", O_RDONLY);
    printf("inside: %s\n", inside < 0 ? strerror(errno) : "opened");
    return escaped || inside < 0;
}
