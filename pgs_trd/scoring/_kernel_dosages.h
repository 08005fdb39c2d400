/* Counting and scoring of 16-bit dosages and the making of tables, for one set of
 * machine instructions; included once for each, as _kernel_codes.h is.
 *
 * A dosage is a number of 1/16384 copies from 0 to 32768; anything above is a
 * missing one. It adds what the entries of its row say at 0, 1 and 2 copies, and
 * between them what lies on the straight line, rounded half up to an integer.
 */

/* out[row]: sum of the called dosages, how many are called, and how many of these
 * are not 0, 1 or 2 copies. */
static void PATH(count_dosages)(const uint16_t *dosages, Py_ssize_t n_all, Py_ssize_t n_rows,
                                Py_ssize_t start, Py_ssize_t end, int64_t *out)
{
    const Py_ssize_t chunk = 16384; /* 16384 * 32768 fits 32 bits */
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const uint16_t *d = dosages + row * n_all;
        int64_t sum = 0, called = 0, fractional = 0;
        for (Py_ssize_t from = start; from < end; from += chunk) {
            const Py_ssize_t to = end - from < chunk ? end : from + chunk;
            uint32_t part = 0;
            uint16_t n_called = 0, n_fractional = 0;
            for (Py_ssize_t i = from; i < to; i++) {
                const uint16_t is_called = d[i] <= TWO_COPIES;
                part += is_called ? d[i] : 0;
                n_called = (uint16_t)(n_called + is_called);
                n_fractional = (uint16_t)(n_fractional + (is_called & ((d[i] & (ONE_COPY - 1)) != 0)));
            }
            sum += part;
            called += n_called;
            fractional += n_fractional;
        }
        out[3 * row] = sum;
        out[3 * row + 1] = called;
        out[3 * row + 2] = fractional;
    }
}

/* floor((step * units + 8192) / 16384) is *high * 2**18 + *low, exact for |step| <
 * 2**62 and units <= 16384: step is split into two halves of 32 bits, and what the
 * lower one gives is below 2**47. */
static inline __attribute__((always_inline)) void
PATH(along)(const WORDS *step, const WORDS *units, WORDS *high, WORDS *low)
{
#if LEVEL == 2
    *high = (WORDS)_mm512_mul_epi32((__m512i)(*step >> 32), (__m512i)*units);
    *low = (WORDS)_mm512_mul_epu32((__m512i)*step, (__m512i)*units);
#elif LEVEL == 1
    *high = (WORDS)_mm256_mul_epi32((__m256i)(*step >> 32), (__m256i)*units);
    *low = (WORDS)_mm256_mul_epu32((__m256i)*step, (__m256i)*units);
#else
    for (int k = 0; k < LANES; k++) {
        (*high)[k] = (uint64_t)((int64_t)(*step)[k] >> 32) * (*units)[k];
        (*low)[k] = ((*step)[k] & UINT64_C(0xFFFFFFFF)) * (*units)[k];
    }
#endif
    *low = (*low + ONE_COPY / 2) >> DOSAGE_BITS;
}

/* ---- one score: as many people at a time as a register holds ----------------- */

static inline __attribute__((always_inline)) WORDS
PATH(contributions)(const uint16_t *dosages, const int64_t *table)
{
    const uint64_t two = (uint64_t)table[0], one = (uint64_t)table[2], none = (uint64_t)table[3];
    const WORDS zero = {0}, missing = zero + (uint64_t)table[1];
    const WORDS to_one = zero + (one - none), to_two = zero + (two - one);
    const WORDS d = PATH(widen)(dosages);
    /* Dosages are small: the sign of a difference compares them. */
    const WORDS is_above = zero - ((ONE_COPY - d) >> 63), is_missing = zero - ((TWO_COPIES - d) >> 63);
    const WORDS units = (d - (is_above & ONE_COPY)) & 0x7FFF;
    const WORDS step = (to_one & ~is_above) | (to_two & is_above);
    WORDS high, low;
    PATH(along)(&step, &units, &high, &low);
    const WORDS value = none + (to_one & is_above) + (high << 18) + low;
    return (missing & is_missing) | (value & ~is_missing);
}

static void PATH(score_dosage_row)(const uint16_t *dosages, const int64_t *table, uint64_t *sums,
                                   Py_ssize_t n_people)
{
    Py_ssize_t i = 0;
    for (; i + LANES <= n_people; i += LANES)
        *(LOOSE *)(sums + i) += PATH(contributions)(dosages + i, table);
    if (i < n_people) {
        uint16_t d[LANES] = {0};
        memcpy(d, dosages + i, (size_t)(n_people - i) * sizeof(uint16_t));
        const WORDS last = PATH(contributions)(d, table);
        for (int k = 0; i < n_people; i++, k++)
            sums[i] += last[k];
    }
}

static void PATH(score_dosages_single)(const uint16_t *dosages, Py_ssize_t n_all,
                                       Py_ssize_t n_rows, const int64_t *table, uint64_t *sums,
                                       Py_ssize_t start, Py_ssize_t end)
{
    const Py_ssize_t tile = 2048;
    for (Py_ssize_t person = start; person < end; person += tile)
        for (Py_ssize_t row = 0; row < n_rows; row++)
            PATH(score_dosage_row)(dosages + row * n_all + person, table + 4 * row, sums + person,
                                   end - person < tile ? end - person : tile);
}

/* ---- many scores: as codes, then what the fractions add ---------------------- */

/* The codes of 4 * LANES dosages rounded down, missing ones included, four a
 * byte; and the fractions of those that have one. */
static inline __attribute__((always_inline)) void PATH(pack_block)(const uint16_t *dosages,
                                                                   uint8_t *codes,
                                                                   PATH(shorts) *fractions)
{
    PATH(shorts) d;
    WORDS x;
    memcpy(&d, dosages, sizeof d);
    /* Comparisons give minus one where they hold. */
    const PATH(shorts) is_below = (PATH(shorts))(d < TWO_COPIES);
    const PATH(shorts) code = 3 + (PATH(shorts))(d >= ONE_COPY) + 2 * ~is_below -
                              (PATH(shorts))(d > TWO_COPIES);
    *fractions |= d & (ONE_COPY - 1) & is_below;
    memcpy(&x, &code, sizeof x);
    x |= x >> 14;
    x |= x >> 28;
#if LEVEL == 2
    _mm_storel_epi64((__m128i *)codes, _mm512_cvtepi64_epi8((__m512i)x));
#else
    for (int k = 0; k < LANES; k++)
        codes[k] = (uint8_t)x[k];
#endif
}

/* Write the codes of a row; give whether any dosage has a fraction. */
static int PATH(pack_row)(const uint16_t *dosages, Py_ssize_t n_people, uint8_t *codes)
{
    PATH(shorts) fractions = {0};
    WORDS found;
    Py_ssize_t i = 0;
    for (; i + 4 * LANES <= n_people; i += 4 * LANES, codes += LANES)
        PATH(pack_block)(dosages + i, codes, &fractions);
    if (i < n_people) {
        uint16_t last[4 * LANES] = {0};
        memcpy(last, dosages + i, (size_t)(n_people - i) * sizeof(uint16_t));
        PATH(pack_block)(last, codes, &fractions);
    }
    memcpy(&found, &fractions, sizeof found);
    uint64_t any = 0;
    for (int k = 0; k < LANES; k++)
        any |= found[k];
    return any != 0;
}

static void PATH(mark_fractions)(const uint16_t *restrict dosages, Py_ssize_t n_people, int row,
                                 uint32_t *restrict fractions)
{
    for (Py_ssize_t i = 0; i < n_people; i++)
        fractions[i] |= (uint32_t)(((dosages[i] & (ONE_COPY - 1)) != 0) & (dosages[i] < TWO_COPIES))
                        << row;
}

/* steps[row][first copy, second copy][columns]: what each adds. */
static void PATH(fill_steps)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                             Py_ssize_t columns, uint64_t *steps)
{
    for (Py_ssize_t row = 0; row < n_rows; row++, steps += 2 * columns)
        for (Py_ssize_t c = 0; c < columns; c++) {
            const int64_t *entry = table + 4 * row * n_columns + c;
            const uint64_t one = (uint64_t)entry[2 * n_columns];
            steps[c] = one - (uint64_t)entry[3 * n_columns];
            steps[columns + c] = (uint64_t)entry[0] - one;
        }
}

/* Add the fractions of a group of rows to n * LANES sums of every person. */
static inline __attribute__((always_inline)) void
PATH(add_fractions)(const int n, const uint16_t *dosages, Py_ssize_t n_all,
                    const uint32_t *fractions, const uint64_t *steps, Py_ssize_t columns,
                    uint64_t *sums, Py_ssize_t n_columns, Py_ssize_t n_people)
{
    const WORDS zero = {0};
    for (Py_ssize_t i = 0; i < n_people; i++) {
        uint32_t rows = fractions[i];
        if (!rows)
            continue;
        WORDS high[WORDS_AT_ONCE], low[WORDS_AT_ONCE];
        LOOSE *s = (LOOSE *)(sums + i * n_columns);
        for (int k = 0; k < n; k++) {
            low[k] = s[k];
            high[k] = zero;
        }
        for (; rows; rows &= rows - 1) {
            const int row = __builtin_ctz(rows);
            const uint64_t d = dosages[row * n_all + i];
            const Py_ssize_t place = 2 * row + (Py_ssize_t)(d >> DOSAGE_BITS);
            const WORDS *step = (const WORDS *)(steps + place * columns);
            const WORDS units = zero + (d & (ONE_COPY - 1));
            for (int k = 0; k < n; k++) {
                WORDS more_high, more_low;
                PATH(along)(&step[k], &units, &more_high, &more_low);
                high[k] += more_high;
                low[k] += more_low;
            }
        }
        for (int k = 0; k < n; k++)
            s[k] = low[k] + (high[k] << 18);
    }
}

/* Write which sums the dosages of a group need when they are rounded down, and add
 * their fractions to all columns of the sums. */
static void PATH(index_dosages)(const uint16_t *dosages, Py_ssize_t n_all, Py_ssize_t n_rows,
                                const int64_t *table, Py_ssize_t n_columns, uint64_t *sums,
                                Py_ssize_t n_people, Py_ssize_t group, struct scratch *scratch)
{
    int any = 0;
    for (int row = 0; row < n_rows; row++)
        if (PATH(pack_row)(dosages + row * n_all, n_people, scratch->codes + row * PACKED_BYTES)) {
            if (!any)
                memset(scratch->fractions, 0, sizeof(uint32_t) * (size_t)n_people);
            any = 1;
            PATH(mark_fractions)(dosages + row * n_all, n_people, row, scratch->fractions);
        }
    PATH(index_group)(scratch->codes, PACKED_BYTES, n_rows, (n_people + 3) / 4, group, scratch);
    for (Py_ssize_t column = 0; any && column < n_columns; column += STEP_COLUMNS) {
        const Py_ssize_t left = n_columns - column;
        const Py_ssize_t columns = left < STEP_COLUMNS ? left : STEP_COLUMNS;
        const Py_ssize_t at_once = WORDS_AT_ONCE * LANES;
        Py_ssize_t k = 0;
        PATH(fill_steps)(table + column, n_rows, n_columns, columns, scratch->steps);
        for (; k + at_once <= columns; k += at_once)
            PATH(add_fractions)(WORDS_AT_ONCE, dosages, n_all, scratch->fractions,
                                scratch->steps + k, columns, sums + column + k, n_columns,
                                n_people);
        for (; k < columns; k += 8)
            PATH(add_fractions)(8 / LANES, dosages, n_all, scratch->fractions, scratch->steps + k,
                                columns, sums + column + k, n_columns, n_people);
    }
}

/* ---- tables ----------------------------------------------------------------- */

/* table[rows[i]][code][columns[k]] += copies[i][code] * effects[from[i]][chosen[k]] *
 * scales[k], rounded to even, for the rows in [start, end). Scales are powers of two:
 * one product that rounds and a conversion, no sum of floating-point numbers, and
 * nothing a compiler could contract. */
static void PATH(fill_table)(int64_t *table, const int64_t *rows, const double *copies,
                             const struct effects *effects, const int64_t *columns, Py_ssize_t n,
                             Py_ssize_t n_columns, Py_ssize_t start, Py_ssize_t end)
{
    const int64_t *chosen = effects->chosen;
    const Py_ssize_t n_chosen = effects->n_chosen;
#if LEVEL == 2
    int is_run = 1;
    for (Py_ssize_t k = 1; k < n_chosen; k++)
        is_run &= columns[k] == columns[0] + k && chosen[k] == chosen[0] + k;
#endif
    for (Py_ssize_t i = 0; i < n; i++) {
        if (rows[i] < start || rows[i] >= end)
            continue;
        const double *effect = effects->effects + effects->from[i] * effects->n_scores;
        for (int code = 0; code < 4; code++) {
            const double times = copies[4 * i + code];
            int64_t *entry = table + (4 * rows[i] + code) * n_columns;
            Py_ssize_t k = 0;
            if (times == 0.0)
                continue;
#if LEVEL == 2
            if (is_run)
                for (; k + 8 <= n_chosen; k += 8) {
                    int64_t *to = entry + columns[0] + k;
                    const __m512d x = _mm512_mul_pd(_mm512_loadu_pd(effect + chosen[0] + k),
                                                    _mm512_loadu_pd(effects->scales + k));
                    const __mmask8 is_part = _mm512_cmp_pd_mask(x, x, _CMP_ORD_Q);
                    const __m512i steps = _mm512_maskz_cvt_roundpd_epi64(
                        is_part, _mm512_mul_pd(x, _mm512_set1_pd(times)),
                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
                    _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), steps));
                }
#endif
            for (; k < n_chosen; k++) {
                const double x = effect[chosen[k]] * effects->scales[k];
                if (x == x)
                    entry[columns[k]] =
                        (int64_t)((uint64_t)entry[columns[k]] + (uint64_t)llrint(times * x));
            }
        }
    }
}
