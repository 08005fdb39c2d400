/* Work on rows of 2-bit codes, for one set of machine instructions.
 *
 * _packed.c includes this file once for each set; PATH names it. The code is the
 * same for all: the compiler turns vectors of sixteen floats and counts of bits
 * into what the machine has. No product is fused with a sum (-ffp-contract=off),
 * so the results are the same to the last bit on every machine.
 */

#define V16 PATH(v16)
typedef float V16 __attribute__((vector_size(64), may_alias));

/* out[row][code]: how many of the columns have each code. */
static void PATH(count_rows)(const uint8_t *codes, Py_ssize_t n_columns, Py_ssize_t start,
                             Py_ssize_t end, int64_t *out)
{
    const Py_ssize_t stride = (n_columns + 3) / 4;
    for (Py_ssize_t row = start; row < end; row++) {
        const uint8_t *p = codes + row * stride;
        int64_t n_low = 0, n_high = 0, n_both = 0;
        Py_ssize_t word = 0;
        for (; word < n_columns / 32; word++) {
            uint64_t w;
            memcpy(&w, p + 8 * word, 8);
            const uint64_t low = w & LOW_BITS, high = (w >> 1) & LOW_BITS;
            n_low += __builtin_popcountll(low);
            n_high += __builtin_popcountll(high);
            n_both += __builtin_popcountll(low & high);
        }
        if (n_columns % 32) {
            const uint64_t w = last_word(p + 8 * word, n_columns % 32, 0);
            const uint64_t low = w & LOW_BITS, high = (w >> 1) & LOW_BITS;
            n_low += __builtin_popcountll(low);
            n_high += __builtin_popcountll(high);
            n_both += __builtin_popcountll(low & high);
        }
        out[4 * row + 3] = n_both;
        out[4 * row + 2] = n_high - n_both;
        out[4 * row + 1] = n_low - n_both;
        out[4 * row + 0] = n_columns - n_low - n_high + n_both;
    }
}

/* Columns [start, end) of `codes` become rows of `out`; start is a multiple of 4.
 * Sixteen rows at a time: four bytes, which hold four columns of four rows each,
 * are a 4 x 4 matrix of codes, turned by two swaps of bits. */
static void PATH(transpose)(const uint8_t *codes, Py_ssize_t n_rows, Py_ssize_t n_columns,
                            Py_ssize_t start, Py_ssize_t end, uint8_t *out)
{
    const Py_ssize_t stride = (n_columns + 3) / 4, width = (n_rows + 3) / 4;
    const Py_ssize_t last_byte = (end + 3) / 4;
    for (Py_ssize_t first = start / 4; first < last_byte; first += TURNED) {
        const Py_ssize_t n_bytes = last_byte - first < TURNED ? last_byte - first : TURNED;
        for (Py_ssize_t row = 0; row < n_rows; row += 16) {
            uint32_t turned[4][TURNED];
            for (int quad = 0; quad < 4; quad++) {
                const uint8_t *r[4];
                for (int k = 0; k < 4; k++) {
                    const Py_ssize_t at = row + 4 * quad + k;
                    r[k] = at < n_rows ? codes + at * stride + first : no_codes;
                }
                for (Py_ssize_t j = 0; j < n_bytes; j++) {
                    uint32_t x = (uint32_t)r[0][j] | (uint32_t)r[1][j] << 8 |
                                 (uint32_t)r[2][j] << 16 | (uint32_t)r[3][j] << 24;
                    uint32_t t = (x ^ (x >> 6)) & UINT32_C(0x00CC00CC);
                    x ^= t ^ (t << 6);
                    t = (x ^ (x >> 12)) & UINT32_C(0x0000F0F0);
                    turned[quad][j] = x ^ t ^ (t << 12);
                }
            }
            const Py_ssize_t left = width - row / 4;
            for (int p = 0; p < 4; p++) {
                uint32_t sixteen[TURNED];
                for (Py_ssize_t j = 0; j < n_bytes; j++)
                    sixteen[j] = (turned[0][j] >> (8 * p) & 255) |
                                 (turned[1][j] >> (8 * p) & 255) << 8 |
                                 (turned[2][j] >> (8 * p) & 255) << 16 |
                                 (turned[3][j] >> (8 * p)) << 24;
                uint8_t *to = out + (4 * first + p) * width + row / 4;
                Py_ssize_t n = (end - 4 * first - p + 3) / 4;
                n = n < n_bytes ? n : n_bytes;
                if (left >= 4)
                    for (Py_ssize_t j = 0; j < n; j++)
                        memcpy(to + 4 * j * width, &sixteen[j], 4);
                else
                    for (Py_ssize_t j = 0; j < n; j++)
                        memcpy(to + 4 * j * width, &sixteen[j], (size_t)left);
            }
        }
    }
}

/* The 64 sums that each of eight triples of columns can have, for 16 dense columns. */
static void PATH(fill_tables)(const float *coefficients, const float *dense, Py_ssize_t n_columns,
                              Py_ssize_t width, struct product_scratch *scratch)
{
    V16(*table)[64] = (void *)scratch->tables;
    for (int t = 0; t < TRIPLES; t++) {
        V16 entry[3][4];
        for (int v = 0; v < 3; v++) {
            const Py_ssize_t column = 3 * t + v;
            V16 x = {0};
            if (column < n_columns)
                memcpy(&x, dense + column * width, sizeof x);
            for (int code = 0; code < 4; code++)
                entry[v][code] = x * (column < n_columns ? coefficients[4 * column + code] : 0.0f);
        }
        for (int i = 0; i < 16; i++) {
            const V16 two = entry[0][i & 3] + entry[1][i >> 2];
            for (int code = 0; code < 4; code++)
                table[t][16 * code + i] = two + entry[2][code];
        }
    }
}

/* Put the codes of PRODUCT_COLUMNS columns in order: of each group of 24 columns a word
 * for each row. Eight rows at a time fill a cache line. */
static void PATH(collect_words)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                                Py_ssize_t n_bytes, struct product_scratch *scratch)
{
    const Py_ssize_t n_groups = (n_bytes + 5) / 6;
    for (Py_ssize_t row = 0; row < n_rows; row += 8) {
        const Py_ssize_t n = n_rows - row < 8 ? n_rows - row : 8;
        for (Py_ssize_t g = 0; g < n_groups; g++) {
            const Py_ssize_t left = n_bytes - 6 * g;
            const uint8_t *from = codes + row * stride + 6 * g;
            uint64_t *to = scratch->words[g] + row;
            for (Py_ssize_t k = 0; k < n; k++, from += stride)
                if (left >= 8)
                    memcpy(to + k, from, 8);
                else {
                    to[k] = 0;
                    memcpy(to + k, from, (size_t)(left < 6 ? left : 6));
                }
        }
    }
}

/* Add to `sums` what a group of 24 columns adds to each row. */
static void PATH(add_tables)(const uint64_t *words, Py_ssize_t n_rows,
                             struct product_scratch *scratch)
{
    const char *table = (const char *)scratch->tables;
    V16 *sums = (V16 *)scratch->sums;
#define ENTRY(t, word) (*(const V16 *)(table + 4096 * (t) + ((word) & 0xFC0)))
    for (Py_ssize_t row = 0; row < n_rows; row++) {
        const uint64_t w = words[row];
        V16 x = ENTRY(0, w << 6) + ENTRY(1, w), y = sums[row] + ENTRY(2, w >> 6);
        x += ENTRY(3, w >> 12);
        y += ENTRY(4, w >> 18);
        x += ENTRY(5, w >> 24);
        y += ENTRY(6, w >> 30);
        x += ENTRY(7, w >> 36);
        sums[row] = x + y;
    }
#undef ENTRY
}

/* out[row] += sum over columns of coefficients[column][code] * dense[column], for rows
 * [start, end); width is a multiple of 16. Sums of PRODUCT_COLUMNS columns are single
 * precision, sums of these double. */
static void PATH(multiply)(const uint8_t *codes, const float *coefficients, const float *dense,
                           Py_ssize_t n_columns, Py_ssize_t width, Py_ssize_t start,
                           Py_ssize_t end, double *out, struct product_scratch *scratch)
{
    const Py_ssize_t stride = (n_columns + 3) / 4;
    for (Py_ssize_t row = start; row < end; row += PRODUCT_ROWS) {
        const Py_ssize_t n_rows = end - row < PRODUCT_ROWS ? end - row : PRODUCT_ROWS;
        for (Py_ssize_t first = 0; first < n_columns; first += PRODUCT_COLUMNS) {
            const Py_ssize_t left = n_columns - first;
            const Py_ssize_t n = left < PRODUCT_COLUMNS ? left : PRODUCT_COLUMNS;
            PATH(collect_words)(codes + row * stride + first / 4, stride, n_rows, (n + 3) / 4,
                                scratch);
            for (Py_ssize_t k = 0; k < width; k += 16) {
                memset(scratch->sums, 0, (size_t)n_rows * 64);
                for (Py_ssize_t c = 0; c < n; c += GROUP) {
                    PATH(fill_tables)(coefficients + 4 * (first + c),
                                      dense + (first + c) * width + k, n - c, width, scratch);
                    PATH(add_tables)(scratch->words[c / GROUP], n_rows, scratch);
                }
                for (Py_ssize_t r = 0; r < n_rows; r++)
                    for (int i = 0; i < 16; i++)
                        out[(row + r) * width + k + i] += (double)scratch->sums[16 * r + i];
            }
        }
    }
}

/* out[row] += sum of dense[column] over the columns that are missing. */
static void PATH(add_missing)(const uint8_t *codes, const float *dense, Py_ssize_t n_columns,
                              Py_ssize_t width, Py_ssize_t start, Py_ssize_t end, double *out)
{
    const Py_ssize_t stride = (n_columns + 3) / 4;
    for (Py_ssize_t row = start; row < end; row++) {
        const uint8_t *p = codes + row * stride;
        double *to = out + row * width;
        for (Py_ssize_t first = 0; first < n_columns; first += 32) {
            uint64_t w;
            if (first + 32 <= n_columns)
                memcpy(&w, p + first / 4, 8);
            else
                w = last_word(p + first / 4, n_columns - first, 0);
            for (uint64_t m = w & ~(w >> 1) & LOW_BITS; m; m &= m - 1) {
                const float *from = dense + (first + __builtin_ctzll(m) / 2) * width;
                for (Py_ssize_t i = 0; i < width; i++)
                    to[i] += (double)from[i];
            }
        }
    }
}

/* Bits of each row in three planes: heterozygous, homozygous, two counted copies.
 * Word k holds columns 64k to 64k + 31 in its even bits and the next 32 in its odd
 * ones: the order does not matter, as long as all rows have the same. */
static void PATH(split_planes)(const uint8_t *codes, Py_ssize_t n_columns, Py_ssize_t start,
                               Py_ssize_t end, uint64_t *planes)
{
    const Py_ssize_t stride = (n_columns + 3) / 4, n_words = (n_columns + 63) / 64;
    for (Py_ssize_t row = start; row < end; row++) {
        const uint8_t *p = codes + row * stride;
        uint64_t *het = planes + 3 * row * n_words, *hom = het + n_words, *two = hom + n_words;
        for (Py_ssize_t word = 0; word < n_words; word++) {
            uint64_t w[2];
            for (int half = 0; half < 2; half++) {
                const Py_ssize_t first = 64 * word + 32 * half;
                if (first + 32 <= n_columns)
                    memcpy(&w[half], p + first / 4, 8);
                else if (first < n_columns)
                    w[half] = last_word(p + first / 4, n_columns - first, LOW_BITS);
                else
                    w[half] = LOW_BITS;
            }
            const uint64_t low = (w[0] & LOW_BITS) | (w[1] & LOW_BITS) << 1;
            const uint64_t high = ((w[0] >> 1) & LOW_BITS) | (w[1] & ~LOW_BITS);
            het[word] = high & ~low;
            hom[word] = ~(high ^ low);
            two[word] = ~(high | low);
        }
    }
}

/* Kinship counts of all pairs of `n_first` rows and `n_second` rows: both heterozygous,
 * opposite homozygous, and only the first or only the second heterozygous. */
static void PATH(king)(const uint64_t *first, Py_ssize_t n_first, const uint64_t *second,
                       Py_ssize_t n_second, Py_ssize_t n_words, int32_t *out)
{
    for (Py_ssize_t from = 0; from < n_words; from += KING_WORDS) {
        const Py_ssize_t n = n_words - from < KING_WORDS ? n_words - from : KING_WORDS;
        for (Py_ssize_t i = 0; i < n_first; i++) {
            const uint64_t *het_i = first + 3 * i * n_words + from;
            const uint64_t *hom_i = het_i + n_words, *two_i = hom_i + n_words;
            for (Py_ssize_t j = 0; j < n_second; j++) {
                const uint64_t *het_j = second + 3 * j * n_words + from;
                const uint64_t *hom_j = het_j + n_words, *two_j = hom_j + n_words;
                uint64_t both = 0, opposite = 0, only_i = 0, only_j = 0;
                for (Py_ssize_t k = 0; k < n; k++) {
                    both += (uint64_t)__builtin_popcountll(het_i[k] & het_j[k]);
                    opposite += (uint64_t)__builtin_popcountll(hom_i[k] & hom_j[k] &
                                                               (two_i[k] ^ two_j[k]));
                    only_i += (uint64_t)__builtin_popcountll(het_i[k] & hom_j[k]);
                    only_j += (uint64_t)__builtin_popcountll(hom_i[k] & het_j[k]);
                }
                int32_t *to = out + 4 * (i * n_second + j);
                to[0] += (int32_t)both;
                to[1] += (int32_t)opposite;
                to[2] += (int32_t)only_i;
                to[3] += (int32_t)only_j;
            }
        }
    }
}

/* What the correlation of row `one` with each of the rows `others` needs, over columns
 * called in both: how many, sums and sums of squares of each, sum of products; the
 * genotype counts 1, 0, -1. */
static void PATH(correlate)(const uint64_t *one, const uint64_t *planes, const int64_t *others,
                            Py_ssize_t start, Py_ssize_t end, Py_ssize_t n_words, int64_t *out)
{
    const uint64_t *het_i = one, *hom_i = het_i + n_words, *two_i = hom_i + n_words;
    for (Py_ssize_t other = start; other < end; other++) {
        const uint64_t *het_j = planes + 3 * others[other] * n_words;
        const uint64_t *hom_j = het_j + n_words, *two_j = hom_j + n_words;
        uint64_t n = 0, square_i = 0, square_j = 0, two_in_i = 0, two_in_j = 0;
        uint64_t homs = 0, opposite = 0;
        for (Py_ssize_t k = 0; k < n_words; k++) {
            const uint64_t called_i = het_i[k] | hom_i[k], called_j = het_j[k] | hom_j[k];
            const uint64_t both = hom_i[k] & hom_j[k];
            n += (uint64_t)__builtin_popcountll(called_i & called_j);
            square_i += (uint64_t)__builtin_popcountll(hom_i[k] & called_j);
            square_j += (uint64_t)__builtin_popcountll(hom_j[k] & called_i);
            two_in_i += (uint64_t)__builtin_popcountll(two_i[k] & called_j);
            two_in_j += (uint64_t)__builtin_popcountll(two_j[k] & called_i);
            homs += (uint64_t)__builtin_popcountll(both);
            opposite += (uint64_t)__builtin_popcountll(both & (two_i[k] ^ two_j[k]));
        }
        int64_t *to = out + 6 * other;
        to[0] = (int64_t)n;
        to[1] = 2 * (int64_t)two_in_i - (int64_t)square_i;
        to[2] = 2 * (int64_t)two_in_j - (int64_t)square_j;
        to[3] = (int64_t)square_i;
        to[4] = (int64_t)square_j;
        to[5] = (int64_t)homs - 2 * (int64_t)opposite;
    }
}

#undef V16
