// The tag that longjmp throws. The pinned ziglang's C library has the functions of setjmp but not the tag.
__asm__(".globl __c_longjmp\n"
        ".tagtype __c_longjmp i32\n"
        "__c_longjmp:\n");
