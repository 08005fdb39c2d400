/* Rows of copies, units and codes: packing, unpacking, choosing people. */

#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "_decode.h"

/* Four counts of copies (3 missing), a byte each, to four codes. */
static inline uint8_t pack_four(uint32_t four)
{
    const uint32_t bits = ((four & 0x03030303u) * 0x01041040u) >> 24;
    return (uint8_t)((~bits & 0xAA) | (~(bits ^ (bits >> 1)) & 0x55));
}

/* copies: 0, 1, 2; any byte whose two low bits are set is a missing call. */
CLONES void pack_row(const uint8_t *copies, ptrdiff_t n_people, uint8_t *codes)
{
    const ptrdiff_t n_whole = n_people / 4;
    for (ptrdiff_t i = 0; i < n_whole; i++) {
        uint32_t four;
        memcpy(&four, copies + 4 * i, 4);
        codes[i] = pack_four(four);
    }
    if (n_people % 4) {
        const int n_left = (int)(n_people % 4);
        uint32_t four = 0;
        memcpy(&four, copies + 4 * n_whole, (size_t)n_left);
        codes[n_whole] = pack_four(four) & (uint8_t)((1 << (2 * n_left)) - 1);
    }
}

/* 1 if all units are whole copies or missing; then `copies` holds them. */
CLONES int whole_copies(const uint16_t *units, ptrdiff_t n_people, uint8_t *copies)
{
    uint16_t wrong = 0;
    for (ptrdiff_t i = 0; i < n_people; i++) {
        const uint16_t u = units[i];
        wrong |= (uint16_t)(u == MISSING ? 0 : u & (UNIT - 1));
        copies[i] = (uint8_t)(u >> 14);
    }
    return wrong == 0;
}

CLONES void expand_row(const uint8_t *codes, ptrdiff_t n_people, uint16_t *units)
{
    static const uint16_t unit_of_code[4] = {2 * UNIT, MISSING, UNIT, 0};
    for (ptrdiff_t i = 0; i < n_people; i++)
        units[i] = unit_of_code[codes[i / 4] >> (2 * (i % 4)) & 3];
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("bmi2"))) static uint64_t extract_bits(uint64_t word, uint64_t mask)
{
    return _pext_u64(word, mask);
}
static int has_extract(void) { return __builtin_cpu_supports("bmi2"); }
#else
static uint64_t extract_bits(uint64_t word, uint64_t mask) { (void)mask; return word; }
static int has_extract(void) { return 0; }
#endif

static uint64_t extract_slowly(uint64_t word, uint64_t mask)
{
    uint64_t found = 0;
    int place = 0;
    for (; mask; mask &= mask - 1) {
        found |= (word >> __builtin_ctzll(mask) & 1) << place;
        place++;
    }
    return found;
}

/* Keep of each row the bits that `mask` has set: two a person. */
void take_row(const uint8_t *codes, ptrdiff_t width, const uint64_t *mask, uint8_t *out,
                     ptrdiff_t out_width)
{
    const int is_fast = has_extract();
    const ptrdiff_t n_words = (width + 7) / 8;
    uint64_t held = 0;
    int n_held = 0;
    ptrdiff_t written = 0;
    for (ptrdiff_t i = 0; i < n_words; i++) {
        uint64_t word = 0;
        const ptrdiff_t left = width - 8 * i;
        memcpy(&word, codes + 8 * i, left < 8 ? (size_t)left : 8);
        const uint64_t kept = is_fast ? extract_bits(word, mask[i]) : extract_slowly(word, mask[i]);
        const int n_kept = __builtin_popcountll(mask[i]);
        held |= kept << n_held;
        if (n_held + n_kept >= 64) {
            memcpy(out + written, &held, 8);
            written += 8;
            held = n_held ? kept >> (64 - n_held) : 0;
            n_held -= 64;
        }
        n_held += n_kept;
    }
    memcpy(out + written, &held, (size_t)(out_width - written));
}
