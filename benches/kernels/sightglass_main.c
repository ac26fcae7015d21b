// The main of a kernel that Sightglass times: `build --sightglass` renames the kernel's own.
#undef main
__attribute__((import_module("bench"), import_name("start"))) void timer_start(void);
__attribute__((import_module("bench"), import_name("end"))) void timer_end(void);
int kernel_main(int argc, char **argv);

int main(int argc, char **argv) {
    timer_start();
    int code = kernel_main(argc, argv);
    timer_end();
    return code;
}
