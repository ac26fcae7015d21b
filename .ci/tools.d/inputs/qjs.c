// A QuickJS command of our own, small enough for wasm: qjs FILE [ARGS…] or qjs -e CODE.
// print(...) writes to stdout, readFile(NAME) reads a text file; an uncaught exception goes to stderr, status 1.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quickjs.h"

static JSValue print(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
    for (int i = 0; i < argc; i++) {
        const char *text = JS_ToCString(ctx, argv[i]);
        if (!text) return JS_EXCEPTION;
        printf(i ? " %s" : "%s", text);
        JS_FreeCString(ctx, text);
    }
    putchar('\n');
    return JS_UNDEFINED;
}

static char *slurp(const char *name, size_t *len) {
    FILE *f = fopen(name, "rb");
    if (!f) return NULL;
    char *text = NULL;
    size_t got, room = 0;
    *len = 0;
    do {
        text = realloc(text, (room += 65536) + 1);
        got = fread(text + *len, 1, room - *len, f);
        *len += got;
    } while (*len == room);
    fclose(f);
    text[*len] = 0;
    return text;
}

static JSValue read_file(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv) {
    const char *name = JS_ToCString(ctx, argv[0]);
    if (!name) return JS_EXCEPTION;
    size_t len;
    char *text = slurp(name, &len);
    JSValue out = text ? JS_NewStringLen(ctx, text, len) : JS_ThrowReferenceError(ctx, "cannot read %s", name);
    JS_FreeCString(ctx, name);
    free(text);
    return out;
}

static void report(JSContext *ctx) {
    JSValue error = JS_GetException(ctx);
    const char *text = JS_ToCString(ctx, error);
    fprintf(stderr, "uncaught: %s\n", text ? text : "?");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, error);
}

int main(int argc, char **argv) {
    if (argc < 2 || (!strcmp(argv[1], "-e") && argc < 3)) {
        fprintf(stderr, "usage: qjs FILE [ARGS...] | qjs -e CODE\n");
        return 2;
    }
    int inline_code = !strcmp(argv[1], "-e");
    size_t len = inline_code ? strlen(argv[2]) : 0;
    char *code = inline_code ? argv[2] : slurp(argv[1], &len);
    if (!code) {
        fprintf(stderr, "qjs: cannot read %s\n", argv[1]);
        return 1;
    }
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(rt);
    JSValue global = JS_GetGlobalObject(ctx), args = JS_NewArray(ctx);
    for (int i = 2; i < argc; i++) JS_SetPropertyUint32(ctx, args, i - 2, JS_NewString(ctx, argv[i]));
    JS_SetPropertyStr(ctx, global, "args", args);
    JS_SetPropertyStr(ctx, global, "print", JS_NewCFunction(ctx, print, "print", 1));
    JS_SetPropertyStr(ctx, global, "readFile", JS_NewCFunction(ctx, read_file, "readFile", 1));
    JS_FreeValue(ctx, global);
    int status = 0;
    JSValue result = JS_Eval(ctx, code, len, inline_code ? "-e" : argv[1], JS_EVAL_TYPE_GLOBAL);
    if (JS_IsException(result)) {
        report(ctx);
        status = 1;
    }
    JS_FreeValue(ctx, result);
    JSContext *other;
    int more;
    while ((more = JS_ExecutePendingJob(rt, &other)) != 0)
        if (more < 0) {
            report(other);
            status = 1;
        }
    fflush(stdout);
    return status;
}
