// Product of two square matrices of 32-bit floats, and a checksum of the result.
//
// One source, two samples: `matmul` compiles it as it is, `matmul-simd` with -msimd128 (see its compile_flags.txt), which
// replaces the inner loop by 128-bit vectors. Both add the products of an element in the same order and nothing is fused,
// so both must return the same bits.
//
// The loops run i, k, j: the innermost one walks along a row of both B and C, which is what vectors need and what caches like.

#include <stdint.h>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
#endif

enum { MAX = 192 };

static float a[MAX][MAX], b[MAX][MAX], c[MAX][MAX];

// A linear congruential generator (constants of Numerical Recipes) whose upper 24 bits become a float in [-1, 1):
// every value is exact, so no rounding mode or library can change the input.
static float next_value(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return (float)((int32_t)(*state >> 8) - (1 << 23)) / (float)(1 << 23);
}

static void fill(float matrix[MAX][MAX], int n, uint32_t seed) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            matrix[i][j] = next_value(&seed);
}

// c_row += factor * b_row
static void add_scaled(float *restrict c_row, const float *restrict b_row, float factor, int n) {
    int j = 0;
#ifdef __wasm_simd128__
    const v128_t factors = wasm_f32x4_splat(factor);
    for (; j + 4 <= n; j += 4) {
        const v128_t product = wasm_f32x4_mul(factors, wasm_v128_load(b_row + j));
        wasm_v128_store(c_row + j, wasm_f32x4_add(wasm_v128_load(c_row + j), product));
    }
#endif
    for (; j < n; j++)
        c_row[j] += factor * b_row[j];
}

static void multiply(int n) {
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++)
            c[i][j] = 0.0f;
        for (int k = 0; k < n; k++)
            add_scaled(c[i], b[k], a[i][k], n);
    }
}

// FNV-1a over the bits of C, a word at a time: any wrong bit anywhere changes it.
static uint64_t checksum(int n) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            uint32_t bits;
            __builtin_memcpy(&bits, &c[i][j], sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3u;
        }
    return hash;
}

// Multiplies two n x n matrices; 0 for an n that does not fit.
__attribute__((export_name("run"))) uint64_t run(int n) {
    if (n < 1 || n > MAX)
        return 0;
    fill(a, n, 1);
    fill(b, n, 2);
    multiply(n);
    return checksum(n);
}
