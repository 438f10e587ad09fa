/* Quantizers of ggml's Q4_K, Q5_K, Q6_K and Q8_0 that work on one sub-block per SIMD lane, and LoRA's product.
 *
 * ggml looks for a sub-block's scale by trial, and its float sums run in a fixed order within the sub-block: what may not
 * be reordered can still be done for 4, 8 or 16 sub-blocks at once, each in a lane of its own. Every rounding is ggml's
 * (`quantize_row_q4_K_ref` and its like in ggml-quants.c, without importance matrix), so the bytes are too. Compile with
 * -ffp-contract=off: a fused multiply-add rounds differently.
 *
 * The file includes itself once for each instruction set: above `#else`, what they share; below, what each compiles.
 */
#ifndef LANES

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { SUPER = 256, TOGETHER = 16 };    /* weights in a super-block; sub-blocks transposed together */
enum { TYPE_Q8_0 = 8, TYPE_Q4_K = 12, TYPE_Q5_K = 13, TYPE_Q6_K = 14 };    /* ggml_type */
enum { BYTES_Q8_0 = 34, BYTES_Q4_K = 144, BYTES_Q5_K = 176, BYTES_Q6_K = 210 };    /* of a block */

#define ROUNDER 12582912.f    /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits of the mantissa */
#define TINY 1e-15f           /* Q6_K takes a sub-block whose values are all smaller for zeros */
#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t bits_of(float value) { uint32_t bits; memcpy(&bits, &value, 4); return bits; }
INLINE float float_of(uint32_t bits) { float value; memcpy(&value, &bits, 4); return value; }

/* To the nearest integer, even where between two; of values beyond 2^22, and of NaN, what ggml's bit trick makes. */
INLINE int32_t nearest(float value) { return (int32_t)(bits_of(value + ROUNDER) & 0x7fffff) - 0x400000; }
INLINE int32_t clamp(int32_t value, int32_t low, int32_t high) {
    value = value > low ? value : low;
    return value < high ? value : high;
}

/* float16, rounded to nearest even. */
INLINE uint16_t to_half(float value) {
    const uint32_t sign = bits_of(value) >> 16 & 0x8000, bits = bits_of(value) & 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (bits >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000)    /* subnormal: beside 0.5 the last place is worth 2^-24, as it is there */
        return (uint16_t)(sign | (bits_of(float_of(bits) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13);
}

INLINE float from_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, mantissa = half & 0x3ff;
    if (exponent == 0) return float_of(bits_of((float)mantissa * 0x1p-24f) | sign);
    return float_of(sign | (exponent == 31 ? 0x7f800000 : (exponent + 112) << 23) | mantissa << 13);
}

/* What the searches find for each sub-block. */
struct found {
    float scale[2 * TOGETHER], min[2 * TOGETHER];       /* value = scale * level - min */
    float factor[2 * TOGETHER], shift[2 * TOGETHER];    /* level = nearest(factor * (value - shift)), of the best trial */
};

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define IN(name) JOIN(name, SET)

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>

#define SET avx512
#define LANES 16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define MASK __mmask16
#define MAXIMUM(a, b) _mm512_max_ps(a, b)
#define MINIMUM(a, b) _mm512_min_ps(a, b)
#define SQUARE_ROOT(a) _mm512_sqrt_ps(a)
#define LESS(a, b) _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ)
#define WHERE(mask, a, b) _mm512_mask_blend_ps(mask, b, a)
#define ANY(mask) ((mask) != 0)
#define FUSED(a, b, c) _mm512_fmadd_ps(a, b, c)
#define ROUND(a) _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define ALL(mask) ((mask) == 0xffff)
#include "kernel.c"

#define SET avx2
#define LANES 8
#define TARGET __attribute__((target("avx2,fma")))
#define MASK __m256
#define MAXIMUM(a, b) _mm256_max_ps(a, b)
#define MINIMUM(a, b) _mm256_min_ps(a, b)
#define SQUARE_ROOT(a) _mm256_sqrt_ps(a)
#define LESS(a, b) _mm256_cmp_ps(a, b, _CMP_LT_OQ)
#define WHERE(mask, a, b) _mm256_blendv_ps(b, a, mask)
#define ANY(mask) (_mm256_movemask_ps(mask) != 0)
#define FUSED(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ROUND(a) _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define ALL(mask) (_mm256_movemask_ps(mask) == 0xff)
#include "kernel.c"
#endif

/* Four lanes of the compiler's own vectors: SSE2 on x86, NEON on ARM, plain code where there is neither. */
#define SET portable
#define LANES 4
#define TARGET
#define MASK IN(integers)
#define MAXIMUM(a, b) IN(where)((a) > (b), a, b)
#define MINIMUM(a, b) IN(where)((a) < (b), a, b)
#define SQUARE_ROOT(a) ((IN(floats)){sqrtf((a)[0]), sqrtf((a)[1]), sqrtf((a)[2]), sqrtf((a)[3])})
#define LESS(a, b) ((a) < (b))
#define WHERE(mask, a, b) IN(where)(mask, a, b)
#define ANY(mask) (((mask)[0] | (mask)[1] | (mask)[2] | (mask)[3]) != 0)
#ifdef __FP_FAST_FMAF    /* else the C library's fmaf computes, slower than numpy */
#define FUSED(a, b, c) ((IN(floats)){fmaf((a)[0], (b)[0], (c)[0]), fmaf((a)[1], (b)[1], (c)[1]), \
                                     fmaf((a)[2], (b)[2], (c)[2]), fmaf((a)[3], (b)[3], (c)[3])})
#endif
#include "kernel.c"

/* Instruction sets, best first. */
static const struct {
    const char *name;
    int64_t (*quantize)(int type, const float *x, uint8_t *out, int64_t n);
    int64_t (*quantize_brief)(int type, const uint16_t *x, uint8_t *out, int64_t n);
    void (*chain)(const float *b, const float *a, const float *rows, float *out, int64_t n, int64_t rank, int64_t m,
                  int64_t panel, float scale, int brief);
} SETS[] = {
#if defined(__x86_64__) || defined(__i386__)
    {"avx512", quantize_avx512, quantize_brief_avx512, chain_avx512},
    {"avx2", quantize_avx2, quantize_brief_avx2, chain_avx2},
#endif
#ifdef __FP_FAST_FMAF
    {"portable", quantize_portable, quantize_brief_portable, chain_portable},
#else
    {"portable", quantize_portable, quantize_brief_portable, NULL},
#endif
};

/* Counted up when what stands below takes or does something else: a library of an older build is not called. */
int localfin_interface(void) { return 3; }

/* The name of set number `set`; "" where this processor lacks it; NULL beyond the last. */
const char *localfin_set(int set) {
    if (set < 0 || set >= (int)(sizeof SETS / sizeof *SETS)) return NULL;
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (set == 1 && !avx2) return "";
    if (set == 0 && !(avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))) return "";
#endif
    return SETS[set].name;
}

/* `n` weights, whole blocks, as ggml_type `type`; the bytes written, 0 for a type that is not made here. */
int64_t localfin_quantize(int set, int type, const float *x, void *out, int64_t n) {
    return SETS[set].quantize(type, x, out, n);
}

/* The same of bfloat16 as it is stored; -1 where any of it is not finite. */
int64_t localfin_quantize_brief(int set, int type, const uint16_t *x, void *out, int64_t n) {
    return SETS[set].quantize_brief(type, x, out, n);
}

/* (n, rank) @ (rank, m) -> (n, m): a chain of fused multiply-adds in order of the rank, `panel` of them a chain. With
 * `rows`, (n, m), that product times `scale` is added to them, and the sums are rounded to bfloat16 if `brief`.
 * The bytes written, 0 where the instruction set has no fused multiply-add. */
int64_t localfin_chain(int set, const float *b, const float *a, const float *rows, float *out, int64_t n, int64_t rank,
                       int64_t m, int64_t panel, float scale, int brief) {
    if (!SETS[set].chain) return 0;
    SETS[set].chain(b, a, rows, out, n, rank, m, panel, scale, brief);
    return n * m * (int64_t)sizeof *out;
}

#else  /* for one instruction set */

typedef float IN(floats) __attribute__((vector_size(4 * LANES)));
typedef float IN(anywhere) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t IN(integers) __attribute__((vector_size(4 * LANES)));
typedef uint32_t IN(words) __attribute__((vector_size(4 * LANES)));
#define FLOATS IN(floats)
#define INTEGERS IN(integers)
#define AT(where) (*(IN(anywhere) *)(where))
#define EVERY(value) ((value) - (FLOATS){0})    /* + would make 0 of -0 */

INLINE TARGET FLOATS IN(where)(INTEGERS mask, FLOATS a, FLOATS b) {
    return (FLOATS)((mask & (INTEGERS)a) | (~mask & (INTEGERS)b));
}

INLINE TARGET FLOATS IN(magnitude)(FLOATS value) { return (FLOATS)((INTEGERS)value & 0x7fffffff); }

/* Whether every lane's magnitude is between the two, and an instruction rounds such values. */
INLINE TARGET int IN(within)(float low, FLOATS magnitude, float high) {
#ifdef ROUND
    return ALL(LESS(EVERY(low), magnitude)) && ALL(LESS(magnitude, EVERY(high)));
#else
    return 0;
#endif
}

/* nearest() in every lane, clamped to low ... high, as floats. Below 2^22 (`small`) that is plain rounding; beyond, ggml's
 * trick, whose bits stay those of a float near ROUNDER. */
INLINE TARGET FLOATS IN(level)(FLOATS value, float low, float high, int small) {
#ifdef ROUND
    if (small) return MINIMUM(MAXIMUM(ROUND(value), EVERY(low)), EVERY(high));
#endif
    const FLOATS wrapped = (FLOATS)(((INTEGERS)(value + ROUNDER) & 0x7fffff) | 0x4b000000);
    return MINIMUM(MAXIMUM(wrapped, EVERY(ROUNDER + low)), EVERY(ROUNDER + high)) - ROUNDER;
}

/* What the search knows of LANES sub-blocks of 32, and its best trial so far. */
struct IN(affine) {
    const float *x;    /* x[i * TOGETHER + lane] */
    FLOATS weight[32], level[32], sum_w, sum_x, lowest, highest;
    FLOATS min, factor, trial_scale, trial_min, determinant;
    FLOATS error, scale, best_factor, shift;
};
#define X(i) (*(const FLOATS *)(of->x + (i) * TOGETHER))

INLINE TARGET void IN(begin)(struct IN(affine) *of, float top) {
    FLOATS squares = {0};
    for (int i = 0; i < 32; i++) squares += X(i) * X(i);
    const FLOATS mean = SQUARE_ROOT(squares / 32.f);
    for (int i = 0; i < 32; i++) of->weight[i] = mean + IN(magnitude)(X(i));
    FLOATS min = X(0), max = X(0), sum_w = of->weight[0], sum_x = sum_w * X(0);
    for (int i = 1; i < 32; i++) {
        min = MINIMUM(X(i), min);
        max = MAXIMUM(X(i), max);
        sum_w += of->weight[i];
        sum_x += of->weight[i] * X(i);
    }
    min = MINIMUM(EVERY(0), min);
    const FLOATS factor = top / (max - min), scale = 1 / factor;
    FLOATS error = {0};
    for (int i = 0; i < 32; i++) {
        const FLOATS off = scale * IN(level)(factor * (X(i) - min), 0, top, 0) + min - X(i);
        error += of->weight[i] * (off * off);
    }
    of->sum_w = sum_w, of->sum_x = sum_x, of->lowest = of->min = of->shift = min, of->highest = max;
    of->error = error, of->scale = scale, of->best_factor = factor;
}

struct IN(sums) { FLOATS l, l2, xl; };

INLINE TARGET struct IN(sums) IN(sum_levels)(struct IN(affine) *of, FLOATS factor, float top, int small) {
    struct IN(sums) sum = {{0}, {0}, {0}};
    const FLOATS min = of->min;
    for (int i = 0; i < 32; i++) {
        const FLOATS l = of->level[i] = IN(level)(factor * (X(i) - min), 0, top, small), wl = of->weight[i] * l;
        sum.l += wl;
        sum.l2 += wl * l;
        sum.xl += wl * X(i);
    }
    return sum;
}

/* The levels at `numerator` / (max - min), and the scale and minimum that suit them best. */
INLINE TARGET void IN(try)(struct IN(affine) *of, float top, float numerator) {
    const FLOATS min = of->min, factor = numerator / (of->highest - min);
    const FLOATS least = IN(magnitude)(factor * (of->lowest - min)), most = IN(magnitude)(factor * (of->highest - min));
    const struct IN(sums) sum = IN(within)(-1, least + most, 0x1p22f) ? IN(sum_levels)(of, factor, top, 1)
                                                                      : IN(sum_levels)(of, factor, top, 0);
    const FLOATS determinant = of->sum_w * sum.l2 - sum.l * sum.l;
    FLOATS trial_scale = (of->sum_w * sum.xl - of->sum_x * sum.l) / determinant;
    FLOATS trial_min = (sum.l2 * of->sum_x - sum.l * sum.xl) / determinant;
    const MASK above = LESS(EVERY(0), trial_min);
    if (ANY(above)) {
        trial_min = WHERE(above, EVERY(0), trial_min);
        trial_scale = WHERE(above, sum.xl / sum.l2, trial_scale);
    }
    of->factor = factor, of->determinant = determinant, of->trial_scale = trial_scale, of->trial_min = trial_min;
}

/* Keeps the trial in the lanes where its error is less. */
INLINE TARGET void IN(keep_better)(struct IN(affine) *of) {
    const FLOATS trial_scale = of->trial_scale, trial_min = of->trial_min;
    FLOATS trial_error = {0};
    for (int i = 0; i < 32; i++) {
        const FLOATS off = trial_scale * of->level[i] + trial_min - X(i);
        trial_error += of->weight[i] * (off * off);
    }
    /* Where the determinant is not positive the trial is void: no error is less than what WHERE puts there. */
    const MASK better = LESS(WHERE(LESS(EVERY(0), of->determinant), trial_error, EVERY(INFINITY)), of->error);
    if (!ANY(better)) return;
    of->error = WHERE(better, trial_error, of->error);
    of->scale = WHERE(better, trial_scale, of->scale);
    of->best_factor = WHERE(better, of->factor, of->best_factor);
    of->shift = WHERE(better, of->min, of->shift);
    of->min = WHERE(better, trial_min, of->min);
}
#undef X

INLINE TARGET void IN(store)(const struct IN(affine) *of, struct found *found, int at) {
    /* One value throughout: levels 0, and the value is the minimum. */
    const MASK varied = LESS(of->lowest, of->highest);
    AT(found->scale + at) = WHERE(varied, of->scale, EVERY(0));
    AT(found->min + at) = -WHERE(varied, of->min, of->lowest);
    AT(found->factor + at) = WHERE(varied, of->best_factor, EVERY(0));
    AT(found->shift + at) = of->shift;
}

/* Scale and minimum of twice LANES sub-blocks of 32: `make_qkx2_quants`. Levels 0 ... top. The two halves take turns, so
 * that the divisions of the one are done while the other sums. */
INLINE TARGET void IN(search_affine)(const float *x, const float *y, float top, float first, int steps,
                                     struct found *found, int at, int other) {
    struct IN(affine) one, two;
    one.x = x, two.x = y;
    IN(begin)(&one, top);
    IN(begin)(&two, top);
    for (int step = 0; step <= steps; step++) {
        const float numerator = first + 0.1f * (float)step + top;
        IN(try)(&one, top, numerator);
        IN(try)(&two, top, numerator);
        IN(keep_better)(&one);
        IN(keep_better)(&two);
    }
    IN(store)(&one, found, at);
    IN(store)(&two, found, other);
}

#define X(i) (*(const FLOATS *)(x + (i) * TOGETHER))
struct IN(products) { FLOATS lx, l2; };

/* Of 16 weights at a factor, with weights x * x. */
INLINE TARGET struct IN(products) IN(sum_products)(const float *x, const FLOATS *square, const FLOATS *cube, FLOATS factor,
                                                   int small) {
    struct IN(products) sum = {{0}, {0}};
    for (int i = 0; i < 16; i++) {
        const FLOATS l = IN(level)(factor * X(i), -32, 31, small);
        sum.lx += cube[i] * l;
        sum.l2 += square[i] * l * l;
    }
    return sum;
}

/* Scale of LANES sub-blocks of 16: `make_qx_quants` with weights x * x. Levels -32 ... 31. */
INLINE TARGET void IN(search_scale)(const float *x, struct found *found, int at) {
    FLOATS square[16], cube[16], max = {0}, size = {0}, scale = {0}, best = {0}, best_factor = {0}, factor;
    for (int i = 0; i < 16; i++) {
        const FLOATS magnitude = IN(magnitude)(X(i));
        const MASK larger = LESS(size, magnitude);
        size = WHERE(larger, magnitude, size);
        max = WHERE(larger, X(i), max);
        square[i] = X(i) * X(i);
        cube[i] = square[i] * X(i);
    }
    const int small = IN(within)(0x1p-90f, size, 0x1p120f);    /* then no factor * x is beyond 33 */
    for (int step = 0; step < 19; step++) {    /* factors of 32, then of 32 -+ 0.1 to 0.9 */
        const int tenths = step == 0 ? 0 : step <= 9 ? step - 10 : step - 9;
        factor = -(32 + 0.1f * (float)tenths) / max;
        const struct IN(products) sum = small ? IN(sum_products)(x, square, cube, factor, 1)
                                              : IN(sum_products)(x, square, cube, factor, 0);
        if (step == 0) {
            scale = WHERE(LESS(EVERY(0), sum.l2), sum.lx / sum.l2, sum.l2);    /* 0, or NaN where it was infinite */
            best = scale * sum.lx;
            best_factor = factor;
            continue;
        }
        const MASK better = LESS(WHERE(LESS(EVERY(0), sum.l2), best * sum.l2, EVERY(INFINITY)), sum.lx * sum.lx);
        if (!ANY(better)) continue;
        scale = WHERE(better, sum.lx / sum.l2, scale);
        best = WHERE(better, scale * sum.lx, best);
        best_factor = WHERE(better, factor, best_factor);
    }
#undef X
    const MASK tiny = LESS(size, EVERY(TINY));
    AT(found->scale + at) = WHERE(tiny, EVERY(0), scale);
    AT(found->factor + at) = WHERE(tiny, EVERY(NAN), best_factor);    /* level 0, shown below as 0 too */
}

/* 16 rows of `length` -> `length` rows of 16. */
INLINE TARGET void IN(transpose)(const float *x, float *out, int length) {
    for (int i = 0; i < length; i++)
        for (int row = 0; row < TOGETHER; row++) out[i * TOGETHER + row] = x[row * length + i];
}

/* Levels of a super-block of 8 sub-blocks; writes d, dmin and the scales: the first 16 bytes of Q4_K and of Q5_K. */
INLINE TARGET void IN(levels_affine)(const float *x, const struct found *found, int at, int top, uint8_t *level,
                                     uint8_t *out) {
    const float *scale = found->scale + at, *min = found->min + at;
    float max_scale = 0, max_min = 0;
    for (int j = 0; j < 8; j++) {
        max_scale = scale[j] > max_scale ? scale[j] : max_scale;
        max_min = min[j] > max_min ? min[j] : max_min;
    }
    const float per_scale = max_scale > 0 ? 63.f / max_scale : 0, per_min = max_min > 0 ? 63.f / max_min : 0;
    const uint16_t d16 = to_half(max_scale / 63.f), dmin16 = to_half(max_min / 63.f);
    const float d = from_half(d16), dmin = from_half(dmin16);
    uint8_t s[8], m[8];
    for (int j = 0; j < 8; j++) {
        s[j] = (uint8_t)nearest(per_scale * scale[j]);
        m[j] = (uint8_t)nearest(per_min * min[j]);
        s[j] = s[j] < 63 ? s[j] : 63;
        m[j] = m[j] < 63 ? m[j] : 63;
        const float unit = d * s[j], offset = dmin * m[j];
        const float factor = found->factor[at + j], shift = found->shift[at + j];
        const float *from = x + 32 * j;
        uint8_t *to = level + 32 * j;
        if (unit == 0)    /* ggml keeps the levels of its search */
            for (int i = 0; i < 32; i++) to[i] = (uint8_t)clamp(nearest(factor * (from[i] - shift)), 0, top);
        else
            for (int i = 0; i < 32; i++) to[i] = (uint8_t)clamp(nearest((from[i] + offset) / unit), 0, top);
    }
    memcpy(out, &d16, 2);
    memcpy(out + 2, &dmin16, 2);
    for (int j = 0; j < 4; j++) {
        out[4 + j] = (uint8_t)(s[j] | s[j + 4] >> 4 << 6);
        out[8 + j] = (uint8_t)(m[j] | m[j + 4] >> 4 << 6);
        out[12 + j] = (uint8_t)((s[j + 4] & 15) | m[j + 4] << 4);
    }
}

static TARGET void IN(four_affine)(const float *x, uint8_t *out, int supers, int five) {
    _Alignas(64) float across[2][32 * TOGETHER];
    struct found found;
    uint8_t level[SUPER];
    IN(transpose)(x, across[0], 32);
    IN(transpose)(x + 32 * TOGETHER, across[1], 32);
    for (int at = 0; at < 2 * TOGETHER; at += 2 * LANES) {
        const int other = at + LANES;
        const float *one = across[at / TOGETHER] + at % TOGETHER, *two = across[other / TOGETHER] + other % TOGETHER;
        if (five) IN(search_affine)(one, two, 31, -0.5f, 15, &found, at, other);
        else IN(search_affine)(one, two, 15, -1.f, 20, &found, at, other);
    }
    for (int super = 0; super < supers; super++, out += five ? BYTES_Q5_K : BYTES_Q4_K) {
        IN(levels_affine)(x + SUPER * super, &found, 8 * super, five ? 31 : 15, level, out);
        uint8_t *low = out + (five ? 48 : 16), *high = out + 16;
        if (five)
            for (int i = 0; i < 32; i++) {
                high[i] = 0;
                for (int j = 0; j < 8; j++) high[i] |= (uint8_t)(level[32 * j + i] >> 4 << j);
            }
        for (int j = 0; j < 4; j++)
            for (int i = 0; i < 32; i++)
                low[32 * j + i] = (uint8_t)((level[64 * j + i] & 15) | level[64 * j + 32 + i] << 4);
    }
}

static TARGET void IN(one_scaled)(const float *x, uint8_t *out) {
    _Alignas(64) float across[16 * TOGETHER];
    struct found found;
    uint8_t level[SUPER];
    IN(transpose)(x, across, 16);
    for (int at = 0; at < TOGETHER; at += LANES) IN(search_scale)(across + at, &found, at);
    float max = 0;
    for (int j = 0; j < 16; j++) max = fabsf(found.scale[j]) > fabsf(max) ? found.scale[j] : max;
    if (fabsf(max) < TINY) {
        memset(out, 0, BYTES_Q6_K);
        return;
    }
    const float factor = -128.f / max;
    const uint16_t d16 = to_half(1 / factor);
    const float d = from_half(d16);
    memcpy(out + 208, &d16, 2);
    for (int j = 0; j < 16; j++) {
        const int8_t s = (int8_t)clamp(nearest(factor * found.scale[j]), INT32_MIN, 127);
        const float unit = d * s, trial = found.factor[j];
        const float *from = x + 16 * j;
        uint8_t *to = level + 16 * j;
        out[192 + j] = (uint8_t)s;
        if (trial != trial && unit == 0)    /* tiny: ggml leaves 0, which stands for -32 */
            memset(to, 0, 16);
        else if (unit == 0)
            for (int i = 0; i < 16; i++) to[i] = (uint8_t)(clamp(nearest(trial * from[i]), -32, 31) + 32);
        else
            for (int i = 0; i < 16; i++) to[i] = (uint8_t)(clamp(nearest(from[i] / unit), -32, 31) + 32);
    }
    for (int half = 0; half < 2; half++) {
        const uint8_t *l = level + 128 * half;
        uint8_t *low = out + 64 * half, *high = out + 128 + 32 * half;
        for (int i = 0; i < 32; i++) {
            low[i] = (uint8_t)((l[i] & 15) | l[i + 64] << 4);
            low[i + 32] = (uint8_t)((l[i + 32] & 15) | l[i + 96] << 4);
            high[i] = (uint8_t)(l[i] >> 4 | l[i + 32] >> 4 << 2 | l[i + 64] >> 4 << 4 | l[i + 96] >> 4 << 6);
        }
    }
}

/* 32 weights as Q8_0. Halves are rounded away from zero, as roundf does. */
static TARGET void IN(eight_bits)(const float *x, uint8_t *out) {
    float max = 0;
    for (int i = 0; i < 32; i++) max = max > fabsf(x[i]) ? max : fabsf(x[i]);
    const float d = max / 127, factor = d != 0 ? 1 / d : 0;
    const uint16_t d16 = to_half(d);
    memcpy(out, &d16, 2);
    for (int i = 0; i < 32; i++) {
        const float value = x[i] * factor;
        out[2 + i] = (uint8_t)(int32_t)(value + copysignf(0x1.fffffep-2f, value));
    }
}

static TARGET int64_t IN(quantize)(int type, const float *x, uint8_t *out, int64_t n) {
    const uint8_t *start = out;
    switch (type) {
        case TYPE_Q4_K:
        case TYPE_Q5_K: {
            const int five = type == TYPE_Q5_K, bytes = five ? BYTES_Q5_K : BYTES_Q4_K;
            for (; n >= 4 * SUPER; n -= 4 * SUPER, x += 4 * SUPER, out += 4 * bytes) IN(four_affine)(x, out, 4, five);
            if (n) {
                float padded[4 * SUPER] = {0};
                memcpy(padded, x, (size_t)n * sizeof *x);
                IN(four_affine)(padded, out, (int)(n / SUPER), five);
                out += n / SUPER * bytes;
            }
            break;
        }
        case TYPE_Q6_K:
            for (; n; n -= SUPER, x += SUPER, out += BYTES_Q6_K) IN(one_scaled)(x, out);
            break;
        case TYPE_Q8_0:
            for (; n; n -= 32, x += 32, out += BYTES_Q8_0) IN(eight_bits)(x, out);
            break;
        default: break;
    }
    return out - start;
}

/* Widened a few super-blocks at a time, which stay in the nearest cache. */
static TARGET int64_t IN(quantize_brief)(int type, const uint16_t *x, uint8_t *out, int64_t n) {
    const uint8_t *start = out;
    _Alignas(64) float wide[4 * SUPER];
    for (int64_t done = 0; done < n; done += 4 * SUPER) {
        const int64_t count = n - done < 4 * SUPER ? n - done : 4 * SUPER;
        uint32_t largest = 0;
        for (int64_t i = 0; i < count; i++) {
            const uint32_t bits = (uint32_t)x[done + i] << 16, magnitude = bits & 0x7fffffff;
            largest = magnitude > largest ? magnitude : largest;
            wide[i] = float_of(bits);
        }
        if (largest >= 0x7f800000) return -1;
        out += IN(quantize)(type, wide, out, count);
    }
    return out - start;
}

#ifdef FUSED
/* To the nearest bfloat16, ties to even; infinity stays. */
TARGET INLINE FLOATS IN(brief)(FLOATS values) {
    const IN(words) bits = (IN(words))values;
    return (FLOATS)((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
}

static TARGET void IN(chain)(const float *b, const float *a, const float *rows, float *out, int64_t n, int64_t rank,
                             int64_t m, int64_t panel, float scale, int brief) {
    enum { WIDE = 8 };    /* vectors side by side: as many chains as hide the latency of a multiply-add */
    for (int64_t column = 0; column < m; column += WIDE * LANES)
        for (int64_t row = 0; row < n; row++) {
            const int64_t at = row * m + column;
            if (column + WIDE * LANES <= m) {
                FLOATS sum[WIDE] = {0};
                for (int64_t first = 0; first < rank; first += panel) {
                    const int64_t last = first + panel < rank ? first + panel : rank;
                    FLOATS total[WIDE] = {0};
                    for (int64_t k = first; k < last; k++)
                        for (int i = 0; i < WIDE; i++)
                            total[i] = FUSED(EVERY(b[row * rank + k]), AT(a + k * m + column + i * LANES),
                                             total[i]);
                    for (int i = 0; i < WIDE; i++) sum[i] = first ? sum[i] + total[i] : total[i];
                }
                for (int i = 0; i < WIDE; i++) {
                    if (rows) sum[i] = AT(rows + at + i * LANES) + sum[i] * EVERY(scale);
                    AT(out + at + i * LANES) = brief ? IN(brief)(sum[i]) : sum[i];
                }
            } else {
                for (int64_t i = 0; i < m - column; i++) {
                    float sum = 0;
                    for (int64_t first = 0; first < rank; first += panel) {
                        const int64_t last = first + panel < rank ? first + panel : rank;
                        float total = 0;
                        for (int64_t k = first; k < last; k++)
                            total = fmaf(b[row * rank + k], a[k * m + column + i], total);
                        sum = first ? sum + total : total;
                    }
                    if (rows) sum = rows[at + i] + sum * scale;
                    const uint32_t bits = bits_of(sum);
                    out[at + i] = brief ? float_of((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000) : sum;
                }
            }
        }
}
#endif

#undef FLOATS
#undef INTEGERS
#undef EVERY
#undef AT
#undef SET
#undef LANES
#undef TARGET
#undef MASK
#undef MAXIMUM
#undef MINIMUM
#undef SQUARE_ROOT
#undef LESS
#undef WHERE
#undef ANY
#undef FUSED
#undef ROUND
#undef ALL
#endif
