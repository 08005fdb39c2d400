/* Counting and scoring of 2-bit codes, for one set of machine instructions.
 *
 * _kernel.c includes this file once for each set; LEVEL and PATH name it, and
 * LANES is how many 64-bit words a register holds.
 */

typedef uint64_t PATH(words) __attribute__((vector_size(8 * LANES), may_alias));
typedef uint64_t PATH(loose) __attribute__((vector_size(8 * LANES), aligned(1), may_alias));
typedef uint16_t PATH(shorts) __attribute__((vector_size(8 * LANES)));
typedef uint32_t PATH(ints) __attribute__((vector_size(8 * LANES), may_alias));
typedef int32_t PATH(signed_ints) __attribute__((vector_size(8 * LANES), may_alias));

/* The 16-bit integers at `from`, a word each. */
static inline __attribute__((always_inline)) WORDS PATH(widen)(const void *from)
{
#if LEVEL == 2
    return (WORDS)_mm512_cvtepu16_epi64(_mm_loadu_si128(from));
#elif LEVEL == 1
    return (WORDS)_mm256_cvtepu16_epi64(_mm_loadl_epi64(from));
#else
    uint16_t of[LANES];
    WORDS words;
    memcpy(of, from, sizeof of);
    for (int k = 0; k < LANES; k++)
        words[k] = of[k];
    return words;
#endif
}

/* ---- counts ---------------------------------------------------------------- */

/* Sixteen bytes, twice: what a shuffle of 256 bits chooses from. */
#if LEVEL == 1
#define SIXTEEN(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)
#endif

/* out[row][code]: how many of the people [start, end) have each code. */
static void PATH(count_rows)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                             Py_ssize_t start, Py_ssize_t end, int64_t *out)
{
    const uint64_t low = UINT64_C(0x5555555555555555);
    const Py_ssize_t n_people = end - start;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const uint8_t *p = codes + row * stride + start / 4;
        int64_t n_low = 0, n_high = 0, n_both = 0;
        Py_ssize_t left = n_people;
#if LEVEL == 2
        const __m512i lows = _mm512_set1_epi64((int64_t)low);
        __m512i lows_sum = _mm512_setzero_si512(), highs_sum = lows_sum, boths_sum = lows_sum;
        for (; left >= 256; left -= 256, p += 64) {
            const __m512i word = _mm512_loadu_si512(p);
            const __m512i high = _mm512_andnot_si512(lows, word);
            const __m512i both = _mm512_and_si512(_mm512_slli_epi64(word, 1), high);
            lows_sum = _mm512_add_epi64(lows_sum, _mm512_popcnt_epi64(word));
            highs_sum = _mm512_add_epi64(highs_sum, _mm512_popcnt_epi64(high));
            boths_sum = _mm512_add_epi64(boths_sum, _mm512_popcnt_epi64(both));
        }
        n_high = _mm512_reduce_add_epi64(highs_sum);
        n_low = _mm512_reduce_add_epi64(lows_sum) - n_high;
        n_both = _mm512_reduce_add_epi64(boths_sum);
#elif LEVEL == 1
        /* Of the two codes of a nibble, how many have the low bit, the high bit, both. A byte
         * holds the counts of 63 times two nibbles. */
        const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
        const __m256i low_of = SIXTEEN(0, 1, 0, 1, 1, 2, 1, 2, 0, 1, 0, 1, 1, 2, 1, 2);
        const __m256i high_of = SIXTEEN(0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2);
        const __m256i both_of = SIXTEEN(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 2);
        __m256i lows_sum = zero, highs_sum = zero, boths_sum = zero;
        while (left >= 128) {
            __m256i lows = zero, highs = zero, boths = zero;
            for (int k = 0; k < 63 && left >= 128; k++, left -= 128, p += 32) {
                const __m256i word = _mm256_loadu_si256((const __m256i *)p);
                const __m256i a = _mm256_and_si256(word, nibble);
                const __m256i b = _mm256_and_si256(_mm256_srli_epi16(word, 4), nibble);
#define FOUND(of) _mm256_add_epi8(_mm256_shuffle_epi8(of, a), _mm256_shuffle_epi8(of, b))
                lows = _mm256_add_epi8(lows, FOUND(low_of));
                highs = _mm256_add_epi8(highs, FOUND(high_of));
                boths = _mm256_add_epi8(boths, FOUND(both_of));
#undef FOUND
            }
            lows_sum = _mm256_add_epi64(lows_sum, _mm256_sad_epu8(lows, zero));
            highs_sum = _mm256_add_epi64(highs_sum, _mm256_sad_epu8(highs, zero));
            boths_sum = _mm256_add_epi64(boths_sum, _mm256_sad_epu8(boths, zero));
        }
        for (int k = 0; k < 4; k++) {
            n_low += ((const int64_t *)&lows_sum)[k];
            n_high += ((const int64_t *)&highs_sum)[k];
            n_both += ((const int64_t *)&boths_sum)[k];
        }
#endif
        for (; left > 0; left -= 32, p += 8) {
            uint64_t word = 0;
            memcpy(&word, p, left >= 32 ? 8 : (size_t)(left + 3) / 4);
            if (left < 32)
                word &= (UINT64_C(1) << (2 * left)) - 1;
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

/* ---- one score: four variants make an index into 256 sums ------------------- */

static void PATH(fill_quads)(const int64_t *table, Py_ssize_t n_rows, uint64_t (*quad)[256])
{
    static const int64_t zero[4];
    for (int q = 0; q < QUADS; q++) {
        const int64_t *t[4];
        for (int v = 0; v < 4; v++)
            t[v] = 4 * q + v < n_rows ? table + 4 * (4 * q + v) : zero;
        for (int i = 0; i < 256; i++)
            quad[q][i] = (uint64_t)t[0][i & 3] + (uint64_t)t[1][(i >> 2) & 3] +
                         (uint64_t)t[2][(i >> 4) & 3] + (uint64_t)t[3][i >> 6];
    }
}

static void PATH(index_quads)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                              Py_ssize_t width, uint8_t (*index)[4][QUAD_BYTES])
{
    static const uint8_t absent[QUAD_BYTES];
    for (int q = 0; q < QUADS; q++) {
        const uint8_t *r[4];
        for (int v = 0; v < 4; v++)
            r[v] = 4 * q + v < n_rows ? codes + (4 * q + v) * stride : absent;
        for (int p = 0; p < 4; p++)
            for (Py_ssize_t j = 0; j < width; j++)
                index[q][p][j] = (uint8_t)(((r[0][j] >> (2 * p)) & 3) |
                                           (((r[1][j] >> (2 * p)) & 3) << 2) |
                                           (((r[2][j] >> (2 * p)) & 3) << 4) |
                                           (((r[3][j] >> (2 * p)) & 3) << 6));
    }
}

static int PATH(score_quads)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                             const int64_t *table, uint64_t *sums, Py_ssize_t start,
                             Py_ssize_t end)
{
    uint64_t quad[QUADS][256];
    uint8_t index[QUADS][4][QUAD_BYTES];
    uint64_t sum[4][QUAD_BYTES];
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += QUAD_BYTES) {
        const Py_ssize_t width = last_byte - byte < QUAD_BYTES ? last_byte - byte : QUAD_BYTES;
        memset(sum, 0, sizeof sum);
        for (Py_ssize_t first = 0; first < n_rows; first += 4 * QUADS) {
            PATH(fill_quads)(table + 4 * first, n_rows - first, quad);
            PATH(index_quads)(codes + first * stride + byte, stride, n_rows - first, width, index);
            for (int p = 0; p < 4; p++)
                for (Py_ssize_t j = 0; j < width; j++)
                    sum[p][j] += quad[0][index[0][p][j]] + quad[1][index[1][p][j]] +
                                 quad[2][index[2][p][j]] + quad[3][index[3][p][j]];
        }
        for (Py_ssize_t i = 4 * byte; i < 4 * (byte + width) && i < end; i++)
            sums[i] += sum[i & 3][i / 4 - byte];
    }
    return 0;
}
