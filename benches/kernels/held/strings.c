// Strings: splits text into words, compares, copies, reverses and searches them byte by byte.
#include "../kernel.h"

static int compare(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}
static const char *search(const char *text, const char *what) {
    for (; *text; text++) {
        const char *t = text, *w = what;
        while (*w && *t == *w) t++, w++;
        if (!*w) return text;
    }
    return NULL;
}

int main(int argc, char **argv) {
    long rounds = work_size(argc, argv, 250);
    enum { SIZE = 200000, WORDS = 60000 };
    char *text = malloc(SIZE + 1), *copy = malloc(SIZE + 1), **words = malloc(WORDS * sizeof *words);
    for (int i = 0; i < SIZE; i++) text[i] = next_random() % 6 == 0 ? ' ' : (char)('a' + next_random() % 9);
    text[SIZE] = 0;
    uint64_t sum = 0;
    for (long r = 0; r < rounds; r++) {
        for (int i = 0; i <= SIZE; i++) copy[i] = text[i];
        int n = 0, start = 1;
        for (char *p = copy; *p; p++) {
            if (*p == ' ') *p = 0, start = 1;
            else if (start && n < WORDS) words[n++] = p, start = 0;
            if (*p == 0 && p == copy + SIZE) break;
        }
        for (int i = 1; i < n; i++) {
            int c = compare(words[i - 1], words[i]);
            sum += (uint64_t)(c < 0);
            if (c > 0) {
                char *a = words[i], *b = a;
                while (b[1]) b++;
                for (; a < b; a++, b--) {
                    char t = *a;
                    *a = *b, *b = t;
                }
            }
        }
        char what[5] = {(char)('a' + r % 9), (char)('a' + r % 7), (char)('b' + r % 5), (char)('a' + r % 4), 0};
        const char *hit = search(text, what);
        sum = fold(sum, hit ? (uint64_t)(hit - text) : 7) + (uint64_t)words[n / 2][0];
    }
    return result("strings", sum);
}
