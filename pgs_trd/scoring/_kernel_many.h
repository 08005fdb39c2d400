/* Many scores of 2-bit codes, for one set of machine instructions; included once for
 * each, as _kernel_codes.h is.
 *
 * Four variants of a person name one of 81 rows of sums, of 64 bytes each: sixteen
 * columns of 32 bits where they fit, or eight of 64. Entries are taken less that of
 * one copy, which is added for everybody at the end. Sums of 32 bits wrap: what they
 * come to is right if it fits, whatever they were on the way. Missing calls are
 * counted as two copies there, and what that is wrong by is added one by one.
 *
 * A tile is worked through in segments of 128 people, whose sums stay in the
 * first-level cache while a group is added to them. In a segment people stand in the
 * order of their place in a packed byte: those that come first, those that come
 * second, and so on.
 */

enum { PATH(REGISTERS) = ROW_BYTES / (8 * LANES) };

static inline __attribute__((always_inline)) WORDS PATH(plus)(WORDS x, WORDS y, const int is_wide)
{
    if (is_wide)
        return x + y;
    return (WORDS)((PATH(ints))x + (PATH(ints))y);
}

/* The 32-bit integers divided by 2**16, rounded down. */
static inline __attribute__((always_inline)) PATH(ints) PATH(upper)(WORDS x)
{
    return (PATH(ints))((PATH(signed_ints))x >> 16);
}

/* ---- the table in 32 bits ---------------------------------------------------- */

/* Write groups [first, last) of the narrow table: see struct narrow. */
static void PATH(make_narrow)(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t n_columns,
                              const struct narrow *narrow, Py_ssize_t first, Py_ssize_t last)
{
    const uint64_t limit = MOST;
    for (Py_ssize_t group = first; group < last; group++)
        for (Py_ssize_t column = 0; column < n_columns; column += 8) {
            uint64_t most[8] = {0}, base[8] = {0}, largest = 0;
            for (Py_ssize_t row = GROUP * group; row < GROUP * (group + 1); row++) {
                uint32_t *out = narrow->entries + 3 * row * n_columns + column;
                if (row >= n_rows) {
                    for (int kind = 0; kind < 3; kind++)
                        memset(out + kind * n_columns, 0, 8 * sizeof *out);
                    continue;
                }
                const uint64_t *entry = (const uint64_t *)table + 4 * row * n_columns + column;
                for (int c = 0; c < 8; c++) {
                    const uint64_t one = entry[2 * n_columns + c];
                    const uint64_t two = entry[c] - one, none = entry[3 * n_columns + c] - one;
                    const uint64_t missing = entry[n_columns + c] - one;
                    /* Sizes as unsigned: that of -2**63 is 2**63. */
                    const uint64_t a = (int64_t)two < 0 ? 0 - two : two;
                    const uint64_t b = (int64_t)none < 0 ? 0 - none : none;
                    const uint64_t m = (int64_t)missing < 0 ? 0 - missing : missing;
                    const uint64_t ab = a > b ? a : b, size = ab > m ? ab : m;
                    most[c] += size > limit ? limit + 1 : size;
                    base[c] += one;
                    out[c] = (uint32_t)two;
                    out[n_columns + c] = (uint32_t)none;
                    out[2 * n_columns + c] = (uint32_t)(missing - two);
                }
            }
            for (int c = 0; c < 8; c++)
                largest = most[c] > largest ? most[c] : largest;
            memcpy(narrow->base + group * n_columns + column, base, sizeof base);
            narrow->most[(group * n_columns + column) / 8] = largest;
        }
}

/* ---- which rows -------------------------------------------------------------- */

/* Write what 8 * LANES packed bytes from `byte` say of the people at one place in each. */
static inline __attribute__((always_inline)) void PATH(put)(WORDS x, Py_ssize_t byte, int place,
                                                            uint8_t *index)
{
    const Py_ssize_t size = 8 * LANES < SEGMENT_BYTES ? 8 * LANES : SEGMENT_BYTES;
    for (Py_ssize_t part = 0; part < 8 * LANES; part += size) {
        const Py_ssize_t at = byte + part, segment = at / SEGMENT_BYTES;
        memcpy(index + segment * SEGMENT + place * SEGMENT_BYTES + at % SEGMENT_BYTES,
               (const char *)&x + part, (size_t)size);
    }
}

/* Write which of its 81 rows each person needs of the four variants `rows`, for 8 *
 * LANES packed bytes from `from` on, the tile's bytes from `byte` on, and which calls are
 * missing: a bit for every person's first and second, and third and fourth. Gives whether
 * any is. */
static inline __attribute__((always_inline)) WORDS
PATH(index_block)(const uint8_t *const *rows, Py_ssize_t from, Py_ssize_t byte, uint8_t *index,
                  uint8_t (*missing)[PACKED_BYTES])
{
    const uint64_t low = UINT64_C(0x5555555555555555), pairs = UINT64_C(0x3333333333333333);
    const uint64_t nibbles = UINT64_C(0x0F0F0F0F0F0F0F0F);
    WORDS copies[4], lacks[4], first[2], second[2];
    for (int v = 0; v < 4; v++) {
        /* Two copies and missing become 0, one becomes 1, none 2. */
        const WORDS code = *(const LOOSE *)(rows[v] + from), high = (code >> 1) & low;
        copies[v] = high + (high & code);
        lacks[v] = code & low & ~high;
    }
    for (int k = 0; k < 2; k++) {
        const WORDS a = copies[2 * k], b = copies[2 * k + 1];
        const WORDS a_first = a & pairs, b_first = b & pairs;
        const WORDS a_second = (a >> 2) & pairs, b_second = (b >> 2) & pairs;
        first[k] = a_first + b_first + (b_first << 1);
        second[k] = a_second + b_second + (b_second << 1);
        lacks[k] = lacks[2 * k] | lacks[2 * k + 1] << 1;
        *(LOOSE *)(missing[k] + byte) = lacks[k];
    }
#define WRITE(place, shift, of)                                                         \
    {                                                                                   \
        const WORDS a = (of[0] >> (shift)) & nibbles, b = (of[1] >> (shift)) & nibbles; \
        PATH(put)(a + b + (b << 3), byte, place, index);                                \
    }
    WRITE(0, 0, first)
    WRITE(1, 0, second)
    WRITE(2, 4, first)
    WRITE(3, 4, second)
#undef WRITE
    return lacks[0] | lacks[1];
}

/* List the missing calls of a segment of a group; gives the list's end. */
static uint16_t *PATH(list_missing)(struct scratch *scratch, Py_ssize_t byte, Py_ssize_t width,
                                    uint16_t *list)
{
    const uint64_t last = UINT64_C(1) << 63;
    for (; byte < width; byte += 8)
        for (int pair = 0; pair < 2 * FOURS; pair++) {
            uint64_t bits;
            memcpy(&bits, scratch->lacks[pair] + byte, 8);
            const uint16_t at = (uint16_t)(2 * pair * TILE + byte / SEGMENT_BYTES * SEGMENT +
                                           byte % SEGMENT_BYTES);
            /* Two are written without asking how many there are. */
            uint16_t *const end = list + __builtin_popcountll(bits);
            do {
                for (int k = 0; k < 2; k++) {
                    list[k] = (uint16_t)(at + scratch->places[__builtin_ctzll(bits | last)]);
                    bits &= bits - 1;
                }
                list += 2;
            } while (list < end);
            list = end;
        }
    return list;
}

/* Write which rows a group of variants needs, and who is missing. */
static void PATH(index_group)(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                              Py_ssize_t width, Py_ssize_t group, struct scratch *scratch)
{
    static const uint8_t absent[PACKED_BYTES];
    const Py_ssize_t step = 8 * LANES, whole = width / step * step;
    WORDS lacks = {0};
    for (int q = 0; q < FOURS; q++) {
        const uint8_t *rows[4], *ends[4];
        uint8_t end[4][8 * LANES] = {{0}};
        for (int v = 0; v < 4; v++) {
            rows[v] = 4 * q + v < n_rows ? codes + (4 * q + v) * stride : absent;
            memcpy(end[v], rows[v] + whole, (size_t)(width - whole));
            ends[v] = end[v];
        }
        uint8_t *index = scratch->index[group][q];
        for (Py_ssize_t byte = 0; byte < whole; byte += step) {
            if (byte % 64 == 0)
                for (int v = 0; v < 4; v++)
                    __builtin_prefetch(rows[v] + GROUP * stride + byte, 0, 2);
            lacks |= PATH(index_block)(rows, byte, byte, index, scratch->lacks + 2 * q);
        }
        if (whole < width)
            lacks |= PATH(index_block)(ends, 0, whole, index, scratch->lacks + 2 * q);
    }
    uint64_t any = 0;
    for (int k = 0; k < LANES; k++)
        any |= lacks[k];
    uint32_t *end = scratch->missing_end + 1 + SEGMENTS * group;
    uint16_t *list = scratch->missing + end[-1];
    for (Py_ssize_t segment = 0; segment < SEGMENTS; segment++) {
        const Py_ssize_t byte = segment * SEGMENT_BYTES, left = width - byte;
        if (any && left > 0)
            list = PATH(list_missing)(scratch, byte,
                                      left < SEGMENT_BYTES ? width : byte + SEGMENT_BYTES, list);
        end[segment] = (uint32_t)(list - scratch->missing);
    }
}

/* ---- the sums ---------------------------------------------------------------- */

/* What a row of the table adds to a register of columns, less what one copy adds. */
struct PATH(entry) {
    WORDS two, none;
};

/* The 81 sums of four variants, a register of columns. */
static inline __attribute__((always_inline)) void
PATH(fill_quad)(const struct PATH(entry) *of, WORDS *out, const int is_wide)
{
    const WORDS zero = {0};
    WORDS nine[9];
    for (int k = 0; k < 9; k++) {
        const WORDS a = k % 3 == 0 ? of[0].two : k % 3 == 1 ? zero : of[0].none;
        const WORDS b = k / 3 == 0 ? of[1].two : k / 3 == 1 ? zero : of[1].none;
        nine[k] = PATH(plus)(a, b, is_wide);
    }
    for (int k = 0; k < 9; k++) {
        const WORDS a = k % 3 == 0 ? of[2].two : k % 3 == 1 ? zero : of[2].none;
        const WORDS b = k / 3 == 0 ? of[3].two : k / 3 == 1 ? zero : of[3].none;
        const WORDS more = PATH(plus)(a, b, is_wide);
        for (int i = 0; i < 9; i++)
            out[(9 * k + i) * PATH(REGISTERS)] = PATH(plus)(nine[i], more, is_wide);
    }
}

/* Add a group of variants to a row of sums a person. With `carry` the upper halves of
 * the sums are moved to others. */
static inline __attribute__((always_inline)) void
PATH(add_group)(Py_ssize_t group, Py_ssize_t width, struct scratch *scratch, const int is_wide,
                const int carry)
{
    enum { REGISTERS = PATH(REGISTERS) };
    const char *tables = (const char *)scratch->tables;
    const uint32_t *end = scratch->missing_end + SEGMENTS * group;
    const uint16_t *missing = scratch->missing + *end;
    for (Py_ssize_t segment = 0; segment * SEGMENT_BYTES < width; segment++) {
        for (end++; missing < scratch->missing + *end; missing++) {
            const WORDS *more = (const WORDS *)scratch->corrections[*missing / TILE];
            WORDS *s = (WORDS *)scratch->sums[*missing % TILE];
            for (int k = 0; k < REGISTERS; k++)
                s[k] = PATH(plus)(s[k], more[k], is_wide);
        }
        const Py_ssize_t left = width - segment * SEGMENT_BYTES;
        const Py_ssize_t n = left < SEGMENT_BYTES ? left : SEGMENT_BYTES;
        for (int place = 0; place < 4; place++) {
            const Py_ssize_t first = segment * SEGMENT + place * SEGMENT_BYTES;
            const uint8_t *index = scratch->index[group][0] + first;
            WORDS *s = (WORDS *)scratch->sums[first];
            PATH(ints) *upper = (PATH(ints) *)scratch->upper[first];
#pragma GCC unroll 2
            for (Py_ssize_t i = 0; i < n; i++, s += REGISTERS, upper += REGISTERS) {
                WORDS x[REGISTERS];
                for (int k = 0; k < REGISTERS; k++)
                    x[k] = s[k];
                for (int q = 0; q < FOURS; q++) {
                    const size_t offset = (size_t)index[q * TILE + i] * ROW_BYTES;
                    const WORDS *row = (const WORDS *)(tables + offset + q * ROWS * ROW_BYTES);
                    for (int k = 0; k < REGISTERS; k++)
                        x[k] = PATH(plus)(x[k], row[k], is_wide);
                }
                for (int k = 0; k < REGISTERS; k++) {
                    if (carry) {
                        upper[k] += PATH(upper)(x[k]);
                        x[k] &= UINT64_C(0x0000FFFF0000FFFF);
                    }
                    s[k] = x[k];
                }
            }
        }
    }
}

/* Sign-extend LANES 32-bit integers to 64 bits. */
static inline __attribute__((always_inline)) WORDS PATH(extend)(const void *from)
{
#if LEVEL == 2
    return (WORDS)_mm512_cvtepi32_epi64(_mm256_load_si256(from));
#elif LEVEL == 1
    return (WORDS)_mm256_cvtepi32_epi64(_mm_load_si128(from));
#else
    WORDS words;
    for (int k = 0; k < LANES; k++)
        words[k] = (uint64_t)(int64_t)((const int32_t *)from)[k];
    return words;
#endif
}

/* Add the sums of a tile, and what one copy of every variant adds, to those of all,
 * and start them again. */
static inline __attribute__((always_inline)) void
PATH(flush)(struct scratch *scratch, const uint64_t *base, uint64_t *sums, Py_ssize_t n_columns,
            Py_ssize_t n_people, const int is_wide)
{
    const int registers = (is_wide ? CHUNK / 2 : CHUNK) / LANES;
    WORDS from[CHUNK / LANES];
    for (int k = 0; k < registers; k++)
        from[k] = ((const LOOSE *)base)[k];
    for (Py_ssize_t person = 0; person < n_people; person++, sums += n_columns) {
        const Py_ssize_t place = person / SEGMENT * SEGMENT + (person & 3) * SEGMENT_BYTES +
                                 person / 4 % SEGMENT_BYTES;
        uint8_t *row = scratch->sums[place], *upper = scratch->upper[place];
        for (int k = 0; k < registers; k++) {
            WORDS x = is_wide ? ((const WORDS *)row)[k] : PATH(extend)(row + 4 * LANES * k);
            if (!is_wide)
                x += PATH(extend)(upper + 4 * LANES * k) << 16;
            ((LOOSE *)sums)[k] += from[k] + x;
        }
        memset(row, 0, ROW_BYTES);
        if (!is_wide)
            memset(upper, 0, ROW_BYTES);
    }
}

/* Add what those of some groups contribute that fit in 32 bits to sixteen columns. */
static void PATH(add_narrow)(const struct narrow *narrow, Py_ssize_t first, Py_ssize_t n_groups,
                             Py_ssize_t column, Py_ssize_t n_columns, uint64_t *sums,
                             Py_ssize_t n_people, struct scratch *scratch)
{
    enum { REGISTERS = PATH(REGISTERS), COLUMNS = 2 * LANES };
    const Py_ssize_t width = (n_people + 3) / 4;
    uint64_t base[CHUNK] = {0}, most = 0;
    int any = 0;
    for (Py_ssize_t group = 0; group < n_groups; group++) {
        const uint64_t largest = largest_of(narrow, first + group, column, n_columns);
        if (largest > MOST)
            continue;
        any = 1;
        for (int c = 0; c < CHUNK; c++)
            base[c] += narrow->base[(first + group) * n_columns + column + c];
        const uint32_t *entries =
            narrow->entries + 3 * GROUP * (first + group) * n_columns + column;
        for (int q = 0; q < FOURS; q++)
            for (int k = 0; k < REGISTERS; k++) {
                struct PATH(entry) of[4];
                for (int v = 0; v < 4; v++) {
                    const uint32_t *entry = entries + 3 * (4 * q + v) * n_columns + COLUMNS * k;
                    __builtin_prefetch(entry + 3 * GROUP * n_columns);
                    of[v].two = *(const LOOSE *)entry;
                    of[v].none = *(const LOOSE *)(entry + n_columns);
                    ((WORDS *)scratch->corrections[4 * q + v])[k] =
                        *(const LOOSE *)(entry + 2 * n_columns);
                }
                PATH(fill_quad)(of, (WORDS *)scratch->tables[q] + k, 0);
            }
        most += largest;
        uint64_t next = 0;
        for (Py_ssize_t later = group + 1; later < n_groups && !next; later++) {
            next = largest_of(narrow, first + later, column, n_columns);
            next = next > MOST ? 0 : next;
        }
        if (most + next > MOST) {
            PATH(add_group)(group, width, scratch, 0, 1);
            most = 0;
        } else
            PATH(add_group)(group, width, scratch, 0, 0);
    }
    if (any)
        PATH(flush)(scratch, base, sums, n_columns, n_people, 0);
}

/* Add what the other groups contribute, or all of a chunk of eight columns, to eight. */
static void PATH(add_wide)(const int64_t *table, const struct narrow *narrow, Py_ssize_t first,
                           Py_ssize_t n_rows, Py_ssize_t column, Py_ssize_t n_columns,
                           uint64_t *sums, Py_ssize_t n_people, struct scratch *scratch)
{
    enum { REGISTERS = PATH(REGISTERS) };
    const Py_ssize_t chunk = column / CHUNK * CHUNK;
    static const int64_t absent[8];
    uint64_t base[8] = {0};
    int any = 0;
    for (Py_ssize_t row = 0; row < n_rows; row += GROUP) {
        const Py_ssize_t group = first + row / GROUP;
        if (largest_of(narrow, group, chunk, n_columns) <= MOST)
            continue;
        any = 1;
        for (int c = 0; c < 8; c++)
            base[c] += narrow->base[group * n_columns + column + c];
        const int64_t *entries = table + 4 * GROUP * group * n_columns + column;
#define ENTRY(v, code, k)                                                                \
    (*(const LOOSE *)((row + (v) < n_rows ? entries + (4 * (v) + (code)) * n_columns     \
                                          : absent) +                                    \
                      LANES * (k)))
        for (int q = 0; q < FOURS; q++)
            for (int k = 0; k < REGISTERS; k++) {
                struct PATH(entry) of[4];
                for (int v = 0; v < 4; v++) {
                    const WORDS one = ENTRY(4 * q + v, 2, k);
                    of[v].two = ENTRY(4 * q + v, 0, k) - one;
                    of[v].none = ENTRY(4 * q + v, 3, k) - one;
                }
                PATH(fill_quad)(of, (WORDS *)scratch->tables[q] + k, 1);
            }
        for (int v = 0; v < GROUP; v++)
            for (int k = 0; k < REGISTERS; k++)
                ((WORDS *)scratch->corrections[v])[k] = ENTRY(v, 1, k) - ENTRY(v, 0, k);
        PATH(add_group)(row / GROUP, (n_people + 3) / 4, scratch, 1, 0);
#undef ENTRY
    }
    if (any)
        PATH(flush)(scratch, base, sums, n_columns, n_people, 1);
}
