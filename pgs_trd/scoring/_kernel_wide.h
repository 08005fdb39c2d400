/* One score with 512-bit registers.
 *
 * Two variants make a 4-bit index a person; the 16 sums it chooses from fit one
 * register as 32-bit integers, and one permutation looks up 16 people at once.
 *
 * A sum s of two entries is split into s >> 24, signed, and its low 24 bits. Two
 * facts keep 32-bit lanes from overflowing between two widenings, of 128 pairs:
 * 128 low parts are below 128 * 2**24 = 2**31; and |s >> 24| <= |s| / 2**24 + 1,
 * so that any number of high parts up to 128 stay within 2**53 / 2**24 + 128 <
 * 2**31 as long as the largest |entry| of each row add up to at most 2**53, which
 * fits_limbs makes sure of.
 */

enum {
    LIMB_BITS = 24,
    WIDE_BYTES = 64, /* packed bytes a row in a tile: 256 people */
    WIDE_PAIRS = 128 /* pairs of variants between two widenings */
};

static int fits_limbs(const int64_t *table, Py_ssize_t n_rows)
{
    const uint64_t limit = UINT64_C(1) << 53;
    uint64_t total = 0;
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        uint64_t largest = 0;
        for (int code = 0; code < 4; code++) {
            const int64_t entry = table[4 * row + code];
            const uint64_t size = entry < 0 ? 0 - (uint64_t)entry : (uint64_t)entry;
            largest = size > largest ? size : largest;
        }
        if (largest > limit - total)
            return 0;
        total += largest;
    }
    return 1;
}

/* limbs[pair][high, low][16] */
static void fill_limbs(const int64_t *table, Py_ssize_t n_rows, int32_t *limbs)
{
    for (Py_ssize_t first = 0; first < n_rows; first += 2, limbs += 32)
        for (int i = 0; i < 16; i++) {
            const int64_t second = first + 1 < n_rows ? table[4 * (first + 1) + (i >> 2)] : 0;
            const int64_t both = table[4 * first + (i & 3)] + second;
            limbs[i] = (int32_t)(both >> LIMB_BITS);
            limbs[16 + i] = (int32_t)(both & ((1 << LIMB_BITS) - 1));
        }
}

/* Add pairs [first, last) of one tile for every other person: half 0 is persons
 * 0 and 2 of each packed byte, half 1 persons 1 and 3. */
static void add_wide(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                     const int32_t *limbs, Py_ssize_t first, Py_ssize_t last, __mmask64 kept,
                     int half, uint64_t (*sum)[16])
{
    const __m512i low_codes = _mm512_set1_epi32(0x33333333);
    __m512i high[8], low[8];
    for (int s = 0; s < 8; s++)
        high[s] = low[s] = _mm512_setzero_si512();
    for (Py_ssize_t pair = first; pair < last; pair++) {
        const uint8_t *row = codes + 2 * pair * stride;
        __builtin_prefetch(row + PREFETCH_ROWS * stride);
        __builtin_prefetch(row + (PREFETCH_ROWS + 1) * stride);
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
#define LOOK_UP(s)                                                                        \
    {                                                                                     \
        const __m512i index = _mm512_srli_epi32(nibbles, 4 * (s));                        \
        high[s] = _mm512_add_epi32(high[s], _mm512_permutexvar_epi32(index, high_table)); \
        low[s] = _mm512_add_epi32(low[s], _mm512_permutexvar_epi32(index, low_table));    \
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
            sum[s][lane] += ((uint64_t)(int64_t)h[lane] << LIMB_BITS) + (uint64_t)(uint32_t)l[lane];
    }
}

/* As score_quads, which does what passes the limbs. */
static int score_wide(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                      const int64_t *table, uint64_t *sums, Py_ssize_t start, Py_ssize_t end)
{
    if (!fits_limbs(table, n_rows))
        return score_quads_avx512(codes, stride, n_rows, table, sums, start, end);
    const Py_ssize_t n_pairs = (n_rows + 1) / 2;
    int32_t *limbs = aligned_alloc(64, sizeof(int32_t) * 32 * (size_t)(n_pairs ? n_pairs : 1));
    if (!limbs)
        return -1;
    fill_limbs(table, n_rows, limbs);
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += WIDE_BYTES) {
        const Py_ssize_t width = last_byte - byte < WIDE_BYTES ? last_byte - byte : WIDE_BYTES;
        const __mmask64 kept = width == 64 ? ~(__mmask64)0 : (((__mmask64)1 << width) - 1);
        uint64_t sum[2][8][16] = {{{0}}};
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
