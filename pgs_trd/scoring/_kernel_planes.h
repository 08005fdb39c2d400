/* One score with 256-bit registers.
 *
 * Two variants make a 4-bit index a person; the 16 sums it chooses from are cut into
 * bytes, and one shuffle looks up one byte of each of 32 people. Sums are counted
 * from the least of the 16, so that a block needs as many bytes, or planes, as its
 * widest pair of variants; the least ones are added once for all.
 *
 * Planes are added in 16 bits, even and odd people apart: 256 bytes fit.
 */

enum {
    PLANES = 7,         /* at most */
    PLANE_BYTES = 32,   /* packed bytes a row in a tile: 128 people */
    PLANE_PAIRS = 256   /* pairs of variants between two widenings */
};

/* The sums that pair `first`, `first + 1` of rows chooses from; gives the least. */
static int64_t sum_pair(const int64_t *table, Py_ssize_t n_rows, Py_ssize_t first, int64_t *both,
                        uint64_t *range)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (int i = 0; i < 16; i++) {
        const int64_t second = first + 1 < n_rows ? table[4 * (first + 1) + (i >> 2)] : 0;
        both[i] = table[4 * first + (i & 3)] + second;
        least = both[i] < least ? both[i] : least;
        most = both[i] > most ? both[i] : most;
    }
    *range = (uint64_t)most - (uint64_t)least;
    return least;
}

static int count_planes(const int64_t *table, Py_ssize_t n_rows)
{
    uint64_t widest = 1, range;
    int64_t both[16];
    for (Py_ssize_t first = 0; first < n_rows; first += 2) {
        sum_pair(table, n_rows, first, both, &range);
        widest |= range;
    }
    return (64 - __builtin_clzll(widest) + 7) / 8;
}

/* bytes[pair][plane][16]; gives the sum of what each pair counts from. */
static uint64_t fill_planes(const int64_t *table, Py_ssize_t n_rows, int n_planes, uint8_t *bytes)
{
    uint64_t from = 0, range;
    int64_t both[16];
    for (Py_ssize_t first = 0; first < n_rows; first += 2, bytes += 16 * n_planes) {
        const int64_t least = sum_pair(table, n_rows, first, both, &range);
        from += (uint64_t)least;
        for (int plane = 0; plane < n_planes; plane++)
            for (int i = 0; i < 16; i++)
                bytes[16 * plane + i] =
                    (uint8_t)(((uint64_t)both[i] - (uint64_t)least) >> (8 * plane));
    }
    return from;
}

/* Add pairs [first, last) of a tile to the sums of the `turn`-th person of each byte. */
static inline __attribute__((always_inline)) void
add_planes(const int n_planes, const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
           const uint8_t *bytes, Py_ssize_t first, Py_ssize_t last, int turn, uint64_t *sum)
{
    static const uint8_t absent[PLANE_BYTES];
    const __m256i code = _mm256_set1_epi8(3);
    const __m128i down = _mm_cvtsi32_si128(2 * turn);
    __m256i all[PLANES], odd[PLANES];
    for (int plane = 0; plane < n_planes; plane++)
        all[plane] = odd[plane] = _mm256_setzero_si256();
    for (Py_ssize_t pair = first; pair < last; pair++) {
        const uint8_t *row = codes + 2 * pair * stride;
        const uint8_t *other = 2 * pair + 1 < n_rows ? row + stride : absent;
        __builtin_prefetch(row + PREFETCH_ROWS * stride);
        __builtin_prefetch(row + (PREFETCH_ROWS + 1) * stride);
        const __m256i x = _mm256_srl_epi16(_mm256_loadu_si256((const __m256i *)row), down);
        const __m256i y = _mm256_srl_epi16(_mm256_loadu_si256((const __m256i *)other), down);
        const __m256i index = _mm256_or_si256(
            _mm256_and_si256(x, code), _mm256_slli_epi16(_mm256_and_si256(y, code), 2));
        for (int plane = 0; plane < n_planes; plane++) {
            const __m128i *sixteen = (const __m128i *)(bytes + 16 * (n_planes * pair + plane));
            const __m256i found =
                _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(sixteen)), index);
            all[plane] = _mm256_add_epi16(all[plane], found);
            odd[plane] = _mm256_add_epi16(odd[plane], _mm256_srli_epi16(found, 8));
        }
    }
    for (int plane = 0; plane < n_planes; plane++) {
        uint16_t even_sums[16], odd_sums[16];
        _mm256_storeu_si256((__m256i *)odd_sums, odd[plane]);
        _mm256_storeu_si256((__m256i *)even_sums,
                            _mm256_sub_epi16(all[plane], _mm256_slli_epi16(odd[plane], 8)));
        for (int k = 0; k < 16; k++) {
            sum[2 * k] += (uint64_t)even_sums[k] << (8 * plane);
            sum[2 * k + 1] += (uint64_t)odd_sums[k] << (8 * plane);
        }
    }
}

#define ADD_PLANES(n)                                                                              \
    static void add_planes_##n(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,         \
                               const uint8_t *bytes, Py_ssize_t first, Py_ssize_t last, int turn,  \
                               uint64_t *sum)                                                      \
    {                                                                                              \
        add_planes(n, codes, stride, n_rows, bytes, first, last, turn, sum);                       \
    }
ADD_PLANES(1)
ADD_PLANES(2)
ADD_PLANES(3)
ADD_PLANES(4)
ADD_PLANES(5)
ADD_PLANES(6)
ADD_PLANES(7)
#undef ADD_PLANES

/* As score_quads, which does what needs more planes. */
static int score_planes(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                        const int64_t *table, uint64_t *sums, Py_ssize_t start, Py_ssize_t end)
{
    static void (*const add[])(const uint8_t *, Py_ssize_t, Py_ssize_t, const uint8_t *, Py_ssize_t,
                               Py_ssize_t, int, uint64_t *) = {
        add_planes_1, add_planes_2, add_planes_3, add_planes_4,
        add_planes_5, add_planes_6, add_planes_7,
    };
    const int n_planes = count_planes(table, n_rows);
    if (n_planes > PLANES)
        return score_quads_avx2(codes, stride, n_rows, table, sums, start, end);
    const Py_ssize_t n_pairs = (n_rows + 1) / 2, last_byte = (end + 3) / 4;
    uint8_t *bytes = aligned_alloc(16, (size_t)(16 * n_planes * (n_pairs ? n_pairs : 1)));
    uint8_t *end_codes = calloc((size_t)(n_rows + 1), PLANE_BYTES);
    if (!bytes || !end_codes) {
        free(bytes);
        free(end_codes);
        return -1;
    }
    const uint64_t from = fill_planes(table, n_rows, n_planes, bytes);
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += PLANE_BYTES) {
        const Py_ssize_t width = last_byte - byte < PLANE_BYTES ? last_byte - byte : PLANE_BYTES;
        const uint8_t *tile = codes + byte;
        Py_ssize_t tile_stride = stride;
        uint64_t sum[4][PLANE_BYTES] = {{0}};
        if (width < PLANE_BYTES) {
            for (Py_ssize_t row = 0; row < n_rows; row++)
                memcpy(end_codes + row * PLANE_BYTES, tile + row * stride, (size_t)width);
            tile = end_codes;
            tile_stride = PLANE_BYTES;
        }
        for (Py_ssize_t first = 0; first < n_pairs; first += PLANE_PAIRS) {
            const Py_ssize_t last = n_pairs - first < PLANE_PAIRS ? n_pairs : first + PLANE_PAIRS;
            for (int turn = 0; turn < 4; turn++)
                add[n_planes - 1](tile, tile_stride, n_rows, bytes, first, last, turn, sum[turn]);
        }
        for (Py_ssize_t i = 0; i < 4 * width && 4 * byte + i < end; i++)
            sums[4 * byte + i] += from + sum[i & 3][i / 4];
    }
    free(bytes);
    free(end_codes);
    return 0;
}
