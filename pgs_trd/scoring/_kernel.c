/* Counting and scoring of packed genotypes, in exact integer arithmetic.
 *
 * A variant enters as four integers a score: what each 2-bit code of PLINK 1
 * adds to a person's sum (00 two copies of the counted allele, 01 missing, 10
 * one copy, 11 none). Effect allele, imputation of missing calls, dominance and
 * centring are all table preparation and cost nothing here. Sums are 64-bit
 * integers, so the result is the same to the last bit for any order of
 * variants, any number of threads and any block size.
 *
 * Genotypes are never unpacked: two variants make a 4-bit index into a table
 * of the 16 possible sums (many scores), four variants an 8-bit index into 256
 * (one score). The tables of a group of 16 variants fit in the first-level
 * cache; the sums of a tile of people fit in the second.
 *
 * All functions take C-contiguous buffers, release the interpreter lock, and
 * work on the people [start, end), where start is a multiple of four, so that
 * threads can share one call's arrays without touching each other's people.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* Built for three generations of x86-64; the loader picks the newest that runs. */
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
/* For x86-64 with 512-bit registers and byte masks; asked for at run time. */
#define WIDE __attribute__((target("avx512f,avx512bw")))
#else
#define CLONES
#endif

enum {
    GROUP = 16,         /* variants whose tables are in cache together */
    PAIRS = GROUP / 2,  /* tables of 16 entries, many scores */
    QUADS = GROUP / 4,  /* tables of 256 entries, one score */
    TILE_BYTES = 256,   /* packed bytes a row in a tile: 1,024 people */
    COLUMNS = 32        /* scores a pass */
};

/* ---- counts ---------------------------------------------------------------- */

/* out[row][code]: how many of the people [start, end) have each code. */
CLONES static void count_rows(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                              Py_ssize_t start, Py_ssize_t end, int64_t *out)
{
    const uint64_t low = UINT64_C(0x5555555555555555);
    const Py_ssize_t n_people = end - start;
    const Py_ssize_t n_words = n_people / 32;
    const Py_ssize_t n_left = n_people - 32 * n_words;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const uint8_t *p = codes + row * stride + start / 4;
        int64_t n_low = 0, n_high = 0, n_both = 0;
        for (Py_ssize_t i = 0; i < n_words; i++) {
            uint64_t word;
            memcpy(&word, p + 8 * i, 8);
            const uint64_t a = word & low, b = (word >> 1) & low;
            n_low += __builtin_popcountll(a);
            n_high += __builtin_popcountll(b);
            n_both += __builtin_popcountll(a & b);
        }
        if (n_left) {
            uint64_t word = 0;
            memcpy(&word, p + 8 * n_words, (size_t)(n_left + 3) / 4);
            word &= (UINT64_C(1) << (2 * n_left)) - 1;
            const uint64_t a = word & low, b = (word >> 1) & low;
            n_low += __builtin_popcountll(a);
            n_high += __builtin_popcountll(b);
            n_both += __builtin_popcountll(a & b);
        }
        out[4 * row + 3] = n_both;
        out[4 * row + 2] = n_high - n_both;
        out[4 * row + 1] = n_low - n_both;
        out[4 * row + 0] = n_people - n_low - n_high + n_both;
    }
}

/* ---- one score ------------------------------------------------------------- */

static void fill_quad_tables(const int64_t *table, Py_ssize_t n_rows, int64_t (*quad)[256])
{
    int64_t zero[4] = {0, 0, 0, 0};
    for (int q = 0; q < QUADS; q++) {
        const int64_t *t[4];
        for (int v = 0; v < 4; v++)
            t[v] = 4 * q + v < n_rows ? table + 4 * (4 * q + v) : zero;
        for (int i = 0; i < 256; i++)
            quad[q][i] = t[0][i & 3] + t[1][(i >> 2) & 3] + t[2][(i >> 4) & 3] + t[3][i >> 6];
    }
}

CLONES static void score_one(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                             const int64_t *table, int64_t *sums, Py_ssize_t start, Py_ssize_t end)
{
    static const uint8_t absent[TILE_BYTES];
    int64_t quad[QUADS][256];
    uint8_t index[QUADS][4][TILE_BYTES];
    int64_t sum[4][TILE_BYTES];
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += TILE_BYTES) {
        const Py_ssize_t width = last_byte - byte < TILE_BYTES ? last_byte - byte : TILE_BYTES;
        memset(sum, 0, sizeof sum);
        for (Py_ssize_t first = 0; first < n_rows; first += GROUP) {
            const Py_ssize_t left = n_rows - first;
            fill_quad_tables(table + 4 * first, left, quad);
            for (int q = 0; q < QUADS; q++) {
                const uint8_t *r[4];
                for (int v = 0; v < 4; v++)
                    r[v] = 4 * q + v < left ? codes + (first + 4 * q + v) * stride + byte : absent;
                for (int p = 0; p < 4; p++)
                    for (Py_ssize_t j = 0; j < width; j++)
                        index[q][p][j] = (uint8_t)(((r[0][j] >> (2 * p)) & 3) |
                                                   (((r[1][j] >> (2 * p)) & 3) << 2) |
                                                   (((r[2][j] >> (2 * p)) & 3) << 4) |
                                                   (((r[3][j] >> (2 * p)) & 3) << 6));
            }
            for (int p = 0; p < 4; p++)
                for (Py_ssize_t j = 0; j < width; j++)
                    sum[p][j] += quad[0][index[0][p][j]] + quad[1][index[1][p][j]] +
                                 quad[2][index[2][p][j]] + quad[3][index[3][p][j]];
        }
        for (Py_ssize_t j = 0; j < width; j++)
            for (int p = 0; p < 4; p++)
                if (4 * (byte + j) + p < end)
                    sums[4 * (byte + j) + p] += sum[p][j];
    }
}

/* ---- one score, with 512-bit registers ------------------------------------- */

/* A table of 16 sums fits one register as 32-bit integers, and one permutation
 * looks up 16 people at once. An entry is a multiple of 2**14 below 2**62, so
 * that two limbs of 24 bits hold it; 64 entries of a limb add up without
 * overflow, and then go into 64-bit sums. */

#ifdef WIDE
enum {
    UNIT_BITS = 14,
    LIMB_BITS = 24,
    WIDE_BYTES = 64, /* packed bytes a row in a tile: 256 people */
    WIDE_PAIRS = 64  /* pairs of variants between two widenings */
};

static int fits_limbs(const int64_t *table, Py_ssize_t n_entries)
{
    const int64_t limit = INT64_C(1) << 61;
    for (Py_ssize_t i = 0; i < n_entries; i++)
        if ((table[i] & ((1 << UNIT_BITS) - 1)) || table[i] >= limit || table[i] <= -limit)
            return 0;
    return 1;
}

/* limbs[pair][high, low][16] */
static void fill_limbs(const int64_t *table, Py_ssize_t n_rows, int32_t *limbs)
{
    for (Py_ssize_t first = 0; first < n_rows; first += 2, limbs += 32)
        for (int i = 0; i < 16; i++) {
            const int64_t second = first + 1 < n_rows ? table[4 * (first + 1) + (i >> 2)] : 0;
            const int64_t units = (table[4 * first + (i & 3)] + second) >> UNIT_BITS;
            limbs[i] = (int32_t)(units >> LIMB_BITS);
            limbs[16 + i] = (int32_t)(units & ((1 << LIMB_BITS) - 1));
        }
}

/* Add pairs [first, last) of one tile for every other person: half 0 is persons
 * 0 and 2 of each packed byte, half 1 persons 1 and 3. */
WIDE static void add_wide(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                          const int32_t *limbs, Py_ssize_t first, Py_ssize_t last, __mmask64 kept,
                          int half, int64_t (*sum)[16])
{
    const __m512i low_codes = _mm512_set1_epi32(0x33333333);
    __m512i high[8], low[8];
    for (int s = 0; s < 8; s++)
        high[s] = low[s] = _mm512_setzero_si512();
    for (Py_ssize_t pair = first; pair < last; pair++) {
        const uint8_t *row = codes + 2 * pair * stride;
        const __m512i x = _mm512_maskz_loadu_epi8(kept, row);
        const __m512i y = 2 * pair + 1 < n_rows ? _mm512_maskz_loadu_epi8(kept, row + stride)
                                                : _mm512_setzero_si512();
        const __m512i high_table = _mm512_loadu_si512(limbs + 32 * pair);
        const __m512i low_table = _mm512_loadu_si512(limbs + 32 * pair + 16);
        /* Two bits of one variant and two of the other, a nibble a person. */
        const __m512i nibbles =
            half ? _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(x, 2), low_codes),
                                   _mm512_andnot_si512(low_codes, y))
                 : _mm512_or_si512(_mm512_and_si512(x, low_codes),
                                   _mm512_slli_epi32(_mm512_and_si512(y, low_codes), 2));
#define LOOK_UP(s)                                                                       \
    {                                                                                    \
        const __m512i index = _mm512_srli_epi32(nibbles, 4 * (s));                       \
        high[s] = _mm512_add_epi32(high[s], _mm512_permutexvar_epi32(index, high_table)); \
        low[s] = _mm512_add_epi32(low[s], _mm512_permutexvar_epi32(index, low_table));   \
    }
        LOOK_UP(0) LOOK_UP(1) LOOK_UP(2) LOOK_UP(3)
        LOOK_UP(4) LOOK_UP(5) LOOK_UP(6) LOOK_UP(7)
#undef LOOK_UP
    }
    for (int s = 0; s < 8; s++) {
        int32_t h[16], l[16];
        _mm512_storeu_si512(h, high[s]);
        _mm512_storeu_si512(l, low[s]);
        for (int lane = 0; lane < 16; lane++)
            sum[s][lane] += (int64_t)h[lane] * (INT64_C(1) << (LIMB_BITS + UNIT_BITS)) +
                            (int64_t)l[lane] * (INT64_C(1) << UNIT_BITS);
    }
}

/* Gives 0 if it did the work; the entries of the table may be too fine for it. */
WIDE static int score_one_wide(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                               const int64_t *table, int64_t *sums, Py_ssize_t start,
                               Py_ssize_t end)
{
    const Py_ssize_t n_pairs = (n_rows + 1) / 2;
    int32_t *limbs = malloc(sizeof(int32_t) * 32 * (size_t)(n_pairs ? n_pairs : 1));
    if (!limbs)
        return -1;
    fill_limbs(table, n_rows, limbs);
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += WIDE_BYTES) {
        const Py_ssize_t width = last_byte - byte < WIDE_BYTES ? last_byte - byte : WIDE_BYTES;
        const __mmask64 kept = width == 64 ? ~(__mmask64)0 : (((__mmask64)1 << width) - 1);
        int64_t sum[2][8][16] = {{{0}}};
        for (Py_ssize_t first = 0; first < n_pairs; first += WIDE_PAIRS) {
            const Py_ssize_t last = n_pairs - first < WIDE_PAIRS ? n_pairs : first + WIDE_PAIRS;
            for (int half = 0; half < 2; half++)
                add_wide(codes + byte, stride, n_rows, limbs, first, last, kept, half, sum[half]);
        }
        for (Py_ssize_t i = 0; i < 4 * width && 4 * byte + i < end; i++) {
            const Py_ssize_t in_word = i & 15; /* persons of one 32-bit lane */
            sums[4 * byte + i] += sum[i & 1][in_word >> 1][i >> 4];
        }
    }
    free(limbs);
    return 0;
}
#endif

static int score_single(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                        const int64_t *table, int64_t *sums, Py_ssize_t start, Py_ssize_t end)
{
#ifdef WIDE
    if (__builtin_cpu_supports("avx512bw") && fits_limbs(table, 4 * n_rows))
        return score_one_wide(codes, stride, n_rows, table, sums, start, end);
#endif
    score_one(codes, stride, n_rows, table, sums, start, end);
    return 0;
}

/* ---- many scores ----------------------------------------------------------- */

static void fill_pair_tables(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                             Py_ssize_t width, int64_t *pair)
{
    static const int64_t zero[COLUMNS];
    for (int g = 0; g < PAIRS; g++)
        for (int i = 0; i < 16; i++) {
            const int64_t *t0 = 2 * g < n_rows ? table + (4 * (2 * g) + (i & 3)) * n_columns : zero;
            const int64_t *t1 =
                2 * g + 1 < n_rows ? table + (4 * (2 * g + 1) + (i >> 2)) * n_columns : zero;
            int64_t *out = pair + (16 * g + i) * width;
            for (Py_ssize_t c = 0; c < width; c++)
                out[c] = t0[c] + t1[c];
        }
}

#define ADD_PAIRS(NAME, WIDTH)                                                                    \
    CLONES static void NAME(const int64_t *restrict pair, uint8_t (*index)[4][TILE_BYTES],        \
                            int64_t *restrict sums, Py_ssize_t n_columns, Py_ssize_t n_people)    \
    {                                                                                             \
        for (Py_ssize_t i = 0; i < n_people; i++) {                                               \
            const Py_ssize_t j = i >> 2, p = i & 3;                                               \
            int64_t *restrict s = sums + i * n_columns;                                           \
            const int64_t *t0 = pair + (16 * 0 + index[0][p][j]) * WIDTH;                         \
            const int64_t *t1 = pair + (16 * 1 + index[1][p][j]) * WIDTH;                         \
            const int64_t *t2 = pair + (16 * 2 + index[2][p][j]) * WIDTH;                         \
            const int64_t *t3 = pair + (16 * 3 + index[3][p][j]) * WIDTH;                         \
            const int64_t *t4 = pair + (16 * 4 + index[4][p][j]) * WIDTH;                         \
            const int64_t *t5 = pair + (16 * 5 + index[5][p][j]) * WIDTH;                         \
            const int64_t *t6 = pair + (16 * 6 + index[6][p][j]) * WIDTH;                         \
            const int64_t *t7 = pair + (16 * 7 + index[7][p][j]) * WIDTH;                         \
            for (int c = 0; c < WIDTH; c++)                                                       \
                s[c] += ((t0[c] + t1[c]) + (t2[c] + t3[c])) + ((t4[c] + t5[c]) + (t6[c] + t7[c])); \
        }                                                                                         \
    }
ADD_PAIRS(add_pairs_8, 8)
ADD_PAIRS(add_pairs_16, 16)
ADD_PAIRS(add_pairs_32, 32)

CLONES static void index_pairs(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                               Py_ssize_t width, uint8_t (*index)[4][TILE_BYTES])
{
    static const uint8_t absent[TILE_BYTES];
    for (int g = 0; g < PAIRS; g++) {
        const uint8_t *r0 = 2 * g < n_rows ? codes + 2 * g * stride : absent;
        const uint8_t *r1 = 2 * g + 1 < n_rows ? codes + (2 * g + 1) * stride : absent;
        for (int p = 0; p < 4; p++)
            for (Py_ssize_t j = 0; j < width; j++)
                index[g][p][j] =
                    (uint8_t)(((r0[j] >> (2 * p)) & 3) | (((r1[j] >> (2 * p)) & 3) << 2));
    }
}

static int score_many(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                      const int64_t *table, Py_ssize_t n_columns, int64_t *sums, Py_ssize_t start,
                      Py_ssize_t end)
{
    int64_t *pair = aligned_alloc(64, sizeof(int64_t) * PAIRS * 16 * COLUMNS);
    if (!pair)
        return -1;
    uint8_t index[PAIRS][4][TILE_BYTES];
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += TILE_BYTES) {
        const Py_ssize_t width = last_byte - byte < TILE_BYTES ? last_byte - byte : TILE_BYTES;
        const Py_ssize_t person = 4 * byte;
        const Py_ssize_t n_people = end - person < 4 * width ? end - person : 4 * width;
        for (Py_ssize_t column = 0; column < n_columns;) {
            const Py_ssize_t left = n_columns - column;
            const Py_ssize_t columns = left >= 32 ? 32 : left >= 16 ? 16 : 8;
            for (Py_ssize_t first = 0; first < n_rows; first += GROUP) {
                int64_t *s = sums + person * n_columns + column;
                fill_pair_tables(table + 4 * first * n_columns + column, n_rows - first, n_columns,
                                 columns, pair);
                index_pairs(codes + first * stride + byte, stride, n_rows - first, width, index);
                if (columns == 32)
                    add_pairs_32(pair, index, s, n_columns, n_people);
                else if (columns == 16)
                    add_pairs_16(pair, index, s, n_columns, n_people);
                else
                    add_pairs_8(pair, index, s, n_columns, n_people);
            }
            column += columns;
        }
    }
    free(pair);
    return 0;
}

/* ---- dosages --------------------------------------------------------------- */

enum { MISSING_DOSAGE = 65535 };

/* table[row][0..2][column]: what no copy, each unit of dosage, and a missing call add. */
CLONES static void add_dosages(const uint16_t *dosages, Py_ssize_t n_all, Py_ssize_t n_rows,
                               const int64_t *table, Py_ssize_t n_columns, int64_t *sums,
                               Py_ssize_t start, Py_ssize_t end)
{
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const int64_t *none = table + 3 * row * n_columns;
        const int64_t *unit = none + n_columns, *missing = unit + n_columns;
        for (Py_ssize_t i = start; i < end; i++) {
            const uint16_t d = dosages[row * n_all + i];
            int64_t *restrict s = sums + i * n_columns;
            if (d == MISSING_DOSAGE)
                for (Py_ssize_t c = 0; c < n_columns; c++)
                    s[c] += missing[c];
            else
                for (Py_ssize_t c = 0; c < n_columns; c++)
                    s[c] += none[c] + unit[c] * (int64_t)d;
        }
    }
}

/* ---- the module ------------------------------------------------------------ */

static int check_size(const Py_buffer *buffer, Py_ssize_t wanted, const char *name)
{
    if (buffer->len == wanted)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s holds %zd bytes, expected %zd", name, buffer->len, wanted);
    return 0;
}

static int check_people(Py_ssize_t start, Py_ssize_t end, Py_ssize_t n_people)
{
    if (start >= 0 && start % 4 == 0 && start <= end && end <= n_people)
        return 1;
    PyErr_Format(PyExc_ValueError,
                 "people [%zd, %zd) of %zd: start must be a multiple of 4 within them", start, end,
                 n_people);
    return 0;
}

static PyObject *kernel_count_codes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, out;
    Py_ssize_t n_rows, n_people, start, end;
    if (!PyArg_ParseTuple(args, "y*w*nnnn", &codes, &out, &n_rows, &n_people, &start, &end))
        return NULL;
    const Py_ssize_t stride = (n_people + 3) / 4;
    const int ok = check_size(&codes, n_rows * stride, "codes") &&
                   check_size(&out, n_rows * 4 * (Py_ssize_t)sizeof(int64_t), "counts") &&
                   check_people(start, end, n_people);
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        count_rows(codes.buf, stride, n_rows, start, end, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *kernel_score_codes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, table, sums;
    Py_ssize_t n_rows, n_people, n_columns, start, end;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnn", &codes, &table, &sums, &n_rows, &n_people,
                          &n_columns, &start, &end))
        return NULL;
    const Py_ssize_t stride = (n_people + 3) / 4, word = (Py_ssize_t)sizeof(int64_t);
    int ok = check_size(&codes, n_rows * stride, "codes") &&
             check_size(&table, n_rows * 4 * n_columns * word, "table") &&
             check_size(&sums, n_people * n_columns * word, "sums") &&
             check_people(start, end, n_people);
    if (ok && n_columns != 1 && n_columns % 8) {
        PyErr_Format(PyExc_ValueError, "%zd columns: must be 1 or a multiple of 8", n_columns);
        ok = 0;
    }
    if (ok) {
        int failed = 0;
        Py_BEGIN_ALLOW_THREADS
        if (n_columns == 1)
            failed = score_single(codes.buf, stride, n_rows, table.buf, sums.buf, start,
                                  end);
        else
            failed = score_many(codes.buf, stride, n_rows, table.buf, n_columns, sums.buf, start,
                                end);
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_NoMemory();
            ok = 0;
        }
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&table);
    PyBuffer_Release(&sums);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *kernel_score_dosages(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer dosages, table, sums;
    Py_ssize_t n_rows, n_people, n_columns, start, end;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnn", &dosages, &table, &sums, &n_rows, &n_people,
                          &n_columns, &start, &end))
        return NULL;
    const Py_ssize_t word = (Py_ssize_t)sizeof(int64_t);
    const int ok = check_size(&dosages, n_rows * n_people * (Py_ssize_t)sizeof(uint16_t),
                              "dosages") &&
                   check_size(&table, n_rows * 3 * n_columns * word, "table") &&
                   check_size(&sums, n_people * n_columns * word, "sums") &&
                   check_people(start, end, n_people);
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        add_dosages(dosages.buf, n_people, n_rows, table.buf, n_columns, sums.buf, start, end);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&dosages);
    PyBuffer_Release(&table);
    PyBuffer_Release(&sums);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"count_codes", kernel_count_codes, METH_VARARGS,
     "count_codes(codes, counts, n_rows, n_people, start, end)\n--\n\n"
     "Write how many of the people [start, end) have each 2-bit code, a row of four a variant."},
    {"score_codes", kernel_score_codes, METH_VARARGS,
     "score_codes(codes, table, sums, n_rows, n_people, n_columns, start, end)\n--\n\n"
     "Add to sums (people x columns) what the codes of [start, end) contribute."},
    {"score_dosages", kernel_score_dosages, METH_VARARGS,
     "score_dosages(dosages, table, sums, n_rows, n_people, n_columns, start, end)\n--\n\n"
     "Add to sums (people x columns) what the 16-bit dosages of [start, end) contribute."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Exact integer scoring of packed genotypes.", 0, methods,
    slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&module);
}
