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
    PLANES = 7,        /* at most */
    PLANE_PAIRS = 256, /* pairs of variants between two widenings */
    PLANE_BYTES = 32,  /* packed bytes of a row in a register: 128 people */
    REGISTERS = 8      /* of a row in a tile */
};

struct planes {
    alignas(32) uint8_t index[REGISTERS][PLANE_PAIRS][2][PLANE_BYTES];
    uint64_t sums[REGISTERS][4][PLANE_BYTES];
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

/* Write the index of n_pairs of rows of a tile, a nibble a person: of each four
 * people the first and third, then the second and fourth. */
static void index_pairs(const uint8_t *codes, Py_ssize_t stride, Py_ssize_t n_rows,
                        Py_ssize_t n_pairs, Py_ssize_t width, struct planes *planes)
{
    static const uint8_t absent[PLANE_BYTES * REGISTERS];
    const __m256i pattern = _mm256_set1_epi8(0x33);
    for (Py_ssize_t pair = 0; pair < n_pairs; pair++) {
        const uint8_t *row = codes + 2 * pair * stride;
        const uint8_t *other = 2 * pair + 1 < n_rows ? row + stride : absent;
        for (int r = 0; PLANE_BYTES * r < width; r++) {
            __m256i x, y;
            if (PLANE_BYTES * (r + 1) <= width) {
                x = _mm256_loadu_si256((const __m256i *)(row + PLANE_BYTES * r));
                y = _mm256_loadu_si256((const __m256i *)(other + PLANE_BYTES * r));
            } else {
                x = y = _mm256_setzero_si256();
                memcpy(&x, row + PLANE_BYTES * r, (size_t)(width - PLANE_BYTES * r));
                memcpy(&y, other + PLANE_BYTES * r, (size_t)(width - PLANE_BYTES * r));
            }
            __m256i *to = (__m256i *)planes->index[r][pair];
            to[0] = _mm256_or_si256(_mm256_and_si256(x, pattern),
                                    _mm256_slli_epi16(_mm256_and_si256(y, pattern), 2));
            to[1] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(x, 2), pattern),
                                    _mm256_andnot_si256(pattern, y));
        }
    }
}

/* Add pairs to the sums of the `turn`-th person of each byte. */
static inline __attribute__((always_inline)) void
add_planes(const int n_planes, const uint8_t (*index)[2][PLANE_BYTES], const uint8_t *bytes,
           Py_ssize_t n_pairs, int turn, uint64_t *sum)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m128i down = _mm_cvtsi32_si128(turn & 2 ? 4 : 0);
    __m256i all[PLANES], odd[PLANES];
    for (int plane = 0; plane < n_planes; plane++)
        all[plane] = odd[plane] = _mm256_setzero_si256();
    for (Py_ssize_t pair = 0; pair < n_pairs; pair++) {
        const __m256i both = _mm256_load_si256((const __m256i *)index[pair][turn & 1]);
        const __m256i one = _mm256_and_si256(_mm256_srl_epi16(both, down), nibble);
        for (int plane = 0; plane < n_planes; plane++) {
            const __m128i *sixteen = (const __m128i *)(bytes + 16 * (n_planes * pair + plane));
            const __m256i found =
                _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(sixteen)), one);
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

#define ADD_PLANES(n)                                                                            \
    static void add_planes_##n(const uint8_t (*index)[2][PLANE_BYTES], const uint8_t *bytes,     \
                               Py_ssize_t n_pairs, int turn, uint64_t *sum)                      \
    {                                                                                            \
        add_planes(n, index, bytes, n_pairs, turn, sum);                                         \
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
    static void (*const add[])(const uint8_t (*)[2][PLANE_BYTES], const uint8_t *, Py_ssize_t, int,
                               uint64_t *) = {
        add_planes_1, add_planes_2, add_planes_3, add_planes_4,
        add_planes_5, add_planes_6, add_planes_7,
    };
    const int n_planes = count_planes(table, n_rows);
    if (n_planes > PLANES)
        return score_quads_avx2(codes, stride, n_rows, table, sums, start, end);
    const Py_ssize_t n_pairs = (n_rows + 1) / 2, last_byte = (end + 3) / 4;
    const Py_ssize_t tile = PLANE_BYTES * REGISTERS;
    uint8_t *bytes = aligned_alloc(16, (size_t)(16 * n_planes * (n_pairs ? n_pairs : 1)));
    struct planes *planes = aligned_alloc(32, sizeof(struct planes));
    if (!bytes || !planes) {
        free(bytes);
        free(planes);
        return -1;
    }
    const uint64_t from = fill_planes(table, n_rows, n_planes, bytes);
    for (Py_ssize_t byte = start / 4; byte < last_byte; byte += tile) {
        const Py_ssize_t width = last_byte - byte < tile ? last_byte - byte : tile;
        memset(planes->sums, 0, sizeof planes->sums);
        for (Py_ssize_t pair = 0; pair < n_pairs; pair += PLANE_PAIRS) {
            const Py_ssize_t n = n_pairs - pair < PLANE_PAIRS ? n_pairs - pair : PLANE_PAIRS;
            index_pairs(codes + 2 * pair * stride + byte, stride, n_rows - 2 * pair, n, width,
                        planes);
            for (int r = 0; PLANE_BYTES * r < width; r++)
                for (int turn = 0; turn < 4; turn++)
                    add[n_planes - 1]((const uint8_t (*)[2][PLANE_BYTES])planes->index[r],
                                      bytes + 16 * n_planes * pair, n, turn,
                                      planes->sums[r][turn]);
        }
        for (Py_ssize_t i = 0; i < 4 * width && 4 * byte + i < end; i++)
            sums[4 * byte + i] += from + planes->sums[i / 128][i & 3][i / 4 % PLANE_BYTES];
    }
    free(bytes);
    free(planes);
    return 0;
}
