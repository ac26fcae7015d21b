// Draws the Mandelbrot set in the terminal. Usage: mandelbrot [columns [iterations]]
#include <stdio.h>
#include <stdlib.h>

static int escape_time(double re, double im, int limit) {
    double x = 0, y = 0;
    for (int i = 0; i < limit; i++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4.0) return i;
        y = 2 * x * y + im;
        x = xx - yy + re;
    }
    return limit;
}

int main(int argc, char **argv) {
    static const char shades[] = " .,:;-=+ox*%#&@";
    int columns = argc > 1 ? atoi(argv[1]) : 78;
    int limit = argc > 2 ? atoi(argv[2]) : 20000;
    if (columns < 8 || columns > 1000 || limit < 1) {
        fprintf(stderr, "usage: mandelbrot [columns 8..1000 [iterations]]\n");
        return 2;
    }
    int rows = columns * 2 / 5;
    long inside = 0;
    for (int r = 0; r < rows; r++) {
        char line[1001];
        for (int c = 0; c < columns; c++) {
            double re = -2.2 + 3.2 * c / (columns - 1);
            double im = -1.2 + 2.4 * r / (rows - 1);
            int n = escape_time(re, im, limit);
            if (n == limit) {
                inside++;
                line[c] = '@';
            } else {
                line[c] = shades[n < 13 ? n : 13];
            }
        }
        line[columns] = 0;
        puts(line);
    }
    printf("%d x %d points, %ld inside after %d iterations\n", columns, rows, inside, limit);
    return 0;
}
