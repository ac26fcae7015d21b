// Fixed-width SIMD through clang's vector types: a dot product and a byte histogram check.
#include <stdint.h>
#include <stdio.h>
#include <wasm_simd128.h>

int main(void) {
    static float a[4096], b[4096];
    static uint8_t text[65536];
    for (int i = 0; i < 4096; i++) a[i] = (float)(i % 17) * 0.5f, b[i] = (float)(i % 13) - 6.0f;
    v128_t sum = wasm_f32x4_splat(0);
    for (int i = 0; i < 4096; i += 4)
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load(a + i), wasm_v128_load(b + i)));
    float dot = wasm_f32x4_extract_lane(sum, 0) + wasm_f32x4_extract_lane(sum, 1) +
                wasm_f32x4_extract_lane(sum, 2) + wasm_f32x4_extract_lane(sum, 3);
    for (int i = 0; i < 65536; i++) text[i] = (uint8_t)(i * 2654435761u >> 24);
    long hits = 0;
    for (int i = 0; i < 65536; i += 16) {
        v128_t equal = wasm_i8x16_eq(wasm_v128_load(text + i), wasm_i8x16_splat('e'));
        hits += __builtin_popcount(wasm_i8x16_bitmask(equal));
    }
    printf("dot %.2f, %ld times 'e'\n", dot, hits);
    return 0;
}
