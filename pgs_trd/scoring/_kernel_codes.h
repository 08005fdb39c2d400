/* Counting and scoring of 2-bit codes, for one set of machine instructions.
 *
 * _kernel.c includes this file once for each set; LEVEL and PATH name it, and
 * LANES is how many 64-bit words a register holds.
 */

typedef uint64_t PATH(words) __attribute__((vector_size(8 * LANES), may_alias));
typedef uint64_t PATH(loose) __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef uint16_t PATH(shorts) __attribute__((vector_size(8 * LANES)));
typedef uint32_t PATH(ints) __attribute__((vector_size(8 * LANES), may_alias));

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

/* ---- many scores: three variants make an index into 64 rows of eight sums --- */

/* Write four times which of the 64 rows each person needs, a byte for each of the
 * eight triples of a group: of 8 * LANES people, person 8l + b has its eight bytes
 * in index[LANES * b + l]. Eight people are spread over the bytes of a word, then
 * eight words are transposed. */
static inline __attribute__((always_inline)) void
PATH(index_block)(const uint8_t *const *rows, Py_ssize_t byte, uint64_t *index)
{
    WORDS r[TRIPLES];
    for (int t = 0; t < TRIPLES; t++) {
        WORDS code[3];
        for (int v = 0; v < 3; v++) {
            WORDS x = PATH(widen)(rows[3 * t + v] + byte);
            x = (x | x << 24) & UINT64_C(0x000000FF000000FF);
            x = (x | x << 12) & UINT64_C(0x000F000F000F000F);
            code[v] = (x | x << 6) & UINT64_C(0x0303030303030303);
        }
        r[t] = code[0] << 2 | code[1] << 4 | code[2] << 6;
    }
#define SWAP(a, b, shift, mask)                                   \
    {                                                             \
        const WORDS differ = ((r[a] >> (shift)) ^ r[b]) & (mask); \
        r[b] ^= differ;                                           \
        r[a] ^= differ << (shift);                                \
    }
    for (int t = 0; t < 4; t++)
        SWAP(t, t + 4, 32, UINT64_C(0x00000000FFFFFFFF))
    for (int t = 0; t < 4; t++)
        SWAP(t + (t & 2), t + (t & 2) + 2, 16, UINT64_C(0x0000FFFF0000FFFF))
    for (int t = 0; t < 8; t += 2)
        SWAP(t, t + 1, 8, UINT64_C(0x00FF00FF00FF00FF))
#undef SWAP
    memcpy(index, r, sizeof r);
}

static void PATH(index_triples)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                                Py_ssize_t width, uint64_t *index)
{
    static const uint8_t absent[PACKED_BYTES];
    const Py_ssize_t step = 2 * LANES;
    const uint8_t *rows[GROUP], *ends[GROUP];
    uint8_t end[GROUP][2 * LANES] = {{0}};
    for (int v = 0; v < GROUP; v++)
        rows[v] = v < n_rows ? codes + v * stride : absent;
    Py_ssize_t byte = 0;
    for (; byte + step <= width; byte += step, index += 8 * LANES) {
        if (byte % 64 == 0)
            for (int v = 0; v < GROUP; v++)
                __builtin_prefetch(rows[v] + GROUP * stride + byte, 0, 2);
        PATH(index_block)(rows, byte, index);
    }
    if (byte < width) {
        for (int v = 0; v < GROUP; v++) {
            memcpy(end[v], rows[v] + byte, (size_t)(width - byte));
            ends[v] = end[v];
        }
        PATH(index_block)(ends, 0, index);
    }
}

/* The 64 sums of each triple, for eight columns. */
static void PATH(fill_wide)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                               uint64_t *triples)
{
    static const int64_t zero[8];
    for (int t = 0; t < TRIPLES; t++)
        for (int c = 0; c < 8; c += LANES) {
            WORDS entry[3][4];
            for (int v = 0; v < 3; v++)
                for (int code = 0; code < 4; code++) {
                    const Py_ssize_t row = 3 * t + v;
                    const int64_t *e = row < n_rows ? table + (4 * row + code) * n_columns : zero;
                    __builtin_prefetch(e + 4 * GROUP * n_columns, 0, 2);
                    memcpy(&entry[v][code], e + c, sizeof(WORDS));
                }
            WORDS *out = (WORDS *)(triples + 512 * t + c);
            for (int i = 0; i < 16; i++) {
                const WORDS two = entry[0][i & 3] + entry[1][i >> 2];
                for (int code = 0; code < 4; code++)
                    out[(16 * code + i) * (8 / LANES)] = two + entry[2][code];
            }
        }
}

/* The eight bytes of person i in what index_block wrote. */
static inline __attribute__((always_inline)) uint64_t PATH(rows_of)(const uint64_t *index,
                                                                   Py_ssize_t i)
{
    const Py_ssize_t block = i & ~(Py_ssize_t)(8 * LANES - 1);
    return index[block + LANES * (i & 7) + ((i >> 3) & (LANES - 1))];
}

/* Add the rows that `index` names to eight columns of the sums. */
static void PATH(add_wide)(const uint64_t *triples, const uint64_t *index, uint64_t *sums,
                           Py_ssize_t n_columns, Py_ssize_t n_people)
{
    for (Py_ssize_t i = 0; i < n_people; i++) {
        const uint64_t rows = PATH(rows_of)(index, i);
        WORDS *s = (WORDS *)(sums + i * n_columns);
#define ROW(t) ((const WORDS *)(triples + 512 * (t) + 2 * ((rows >> (8 * (t))) & 255)))[k]
        for (int k = 0; k < 8 / LANES; k++) {
            WORDS x = ROW(0) + ROW(1), y = s[k] + ROW(2);
            x += ROW(3);
            y += ROW(4);
            x += ROW(5);
            y += ROW(6);
            x += ROW(7);
            s[k] = x + y;
        }
#undef ROW
    }
}

/* ---- the same with sums of 32 bits, where those of a whole group fit --------- */

/* fits[group][c / 8]: whether no sum of the group's rows passes 31 bits in the
 * eight columns from c. */
static void PATH(find_narrow)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                              uint8_t *fits)
{
    const int64_t limit = INT32_MAX;
    for (Py_ssize_t first = 0; first < n_rows; first += GROUP)
        for (Py_ssize_t column = 0; column < n_columns; column += 8) {
            int64_t total[8] = {0}, any = 0;
            for (Py_ssize_t row = first; row < n_rows && row < first + GROUP; row++) {
                const int64_t *entry = table + 4 * row * n_columns + column;
                int64_t most[8] = {0};
                for (int code = 0; code < 4; code++, entry += n_columns)
                    for (int c = 0; c < 8; c++) {
                        const int64_t size = entry[c] < 0 ? -entry[c] : entry[c];
                        most[c] = size > most[c] ? size : most[c];
                    }
                for (int c = 0; c < 8; c++)
                    total[c] += most[c] < limit ? most[c] : limit + 1;
            }
            for (int c = 0; c < 8; c++)
                any |= total[c] > limit;
            *fits++ = !any;
        }
}

/* The 64 sums of each triple, for sixteen columns: triples[t][k][64], a register each. */
static void PATH(fill_narrow)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                              PATH(ints) *triples)
{
    static const int64_t zero[CHUNK];
    for (int t = 0; t < TRIPLES; t++)
        for (int column = 0; column < CHUNK; column += 2 * LANES, triples += 64) {
            PATH(ints) entry[3][4];
            for (int v = 0; v < 3; v++)
                for (int code = 0; code < 4; code++) {
                    const Py_ssize_t row = 3 * t + v;
                    const int64_t *e =
                        row < n_rows ? table + (4 * row + code) * n_columns + column : zero;
                    __builtin_prefetch(e + 4 * GROUP * n_columns, 0, 2);
                    uint32_t low[2 * LANES];
                    for (int k = 0; k < 2 * LANES; k++)
                        low[k] = (uint32_t)e[k];
                    memcpy(&entry[v][code], low, sizeof low);
                }
            for (int i = 0; i < 16; i++) {
                const PATH(ints) two = entry[0][i & 3] + entry[1][i >> 2];
                for (int code = 0; code < 4; code++)
                    triples[16 * code + i] = two + entry[2][code];
            }
        }
}

/* The lower or upper half of the 32-bit integers, with their signs, as 64-bit ones. */
static inline __attribute__((always_inline)) WORDS PATH(extend)(PATH(ints) x, const int upper)
{
#if LEVEL == 2
    return (WORDS)_mm512_cvtepi32_epi64(upper ? _mm512_extracti64x4_epi64((__m512i)x, 1)
                                              : _mm512_castsi512_si256((__m512i)x));
#elif LEVEL == 1
    return (WORDS)_mm256_cvtepi32_epi64(upper ? _mm256_extracti128_si256((__m256i)x, 1)
                                              : _mm256_castsi256_si128((__m256i)x));
#else
    WORDS words;
    for (int k = 0; k < LANES; k++)
        words[k] = (uint64_t)(int64_t)(int32_t)x[upper * LANES + k];
    return words;
#endif
}

/* As add_wide, for sixteen columns. */
static void PATH(add_narrow)(const PATH(ints) *triples, const uint64_t *index, uint64_t *sums,
                             Py_ssize_t n_people)
{
    enum { REGISTERS = CHUNK / (2 * LANES), REGISTER_BYTES = 8 * LANES };
    for (Py_ssize_t i = 0; i < n_people; i++) {
        const uint64_t rows = PATH(rows_of)(index, i);
        WORDS *s = (WORDS *)(sums + i * CHUNK);
        PATH(ints) x[REGISTERS] = {{0}};
        for (int t = 0; t < TRIPLES; t++) {
            const char *row = (const char *)(triples + 64 * REGISTERS * t) +
                              REGISTER_BYTES / 4 * ((rows >> (8 * t)) & 255);
            for (int k = 0; k < REGISTERS; k++)
                x[k] += *(const PATH(ints) *)(row + 64 * REGISTER_BYTES * k);
        }
        for (int k = 0; k < REGISTERS; k++) {
            s[2 * k] += PATH(extend)(x[k], 0);
            s[2 * k + 1] += PATH(extend)(x[k], 1);
        }
    }
}

/* Add what some groups of variants contribute to some columns, CHUNK or eight, of
 * the sums of a tile: sums[person][columns]. `index` and `fits` are the groups'. */
static void PATH(add_chunk)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                            const uint8_t *fits, Py_ssize_t columns, Py_ssize_t n_people,
                            struct scratch *scratch)
{
    const uint64_t *index = scratch->index;
    for (Py_ssize_t row = 0; row < n_rows; row += GROUP, index += TILE, fits += n_columns / 8) {
        const Py_ssize_t n = n_rows - row < GROUP ? n_rows - row : GROUP;
        const int64_t *entries = table + 4 * row * n_columns;
        if (columns == CHUNK && fits[0] && fits[1]) {
            PATH(ints) *triples = (PATH(ints) *)scratch->triples;
            PATH(fill_narrow)(entries, n, n_columns, triples);
            PATH(add_narrow)(triples, index, scratch->sums, n_people);
            continue;
        }
        for (Py_ssize_t column = 0; column < columns; column += 8) {
            PATH(fill_wide)(entries + column, n, n_columns, scratch->triples);
            PATH(add_wide)(scratch->triples, index, scratch->sums + column, columns, n_people);
        }
    }
}
