/* BGEN 1.2 and 1.3: names and places of records, and their probabilities as units. */

#include <stdlib.h>
#include <string.h>

#include "_decode.h"

uint64_t little(const uint8_t *p, int n_bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* Read one record's names: id, rsid, chromosome, position, alleles, sizes. 0 if it cannot be. */
int scan_record(const uint8_t *p, int64_t size, int64_t *place, int compression,
                       int64_t *row)
{
    int64_t at = *place;
    int64_t *span = row + 1;
    row[0] = at;
    for (int k = 0; k < 3; k++) {
        if (at + 2 > size)
            return 0;
        const int64_t length = (int64_t)little(p + at, 2);
        at += 2;
        if (k == 0 || k == 2 || length) { /* the rsid, or where it is empty the id */
            span[0] = at;
            span[1] = length;
        }
        at += length;
        span += k == 0 ? 0 : 2;
    }
    if (at + 6 > size)
        return 0;
    row[5] = (int64_t)little(p + at, 4);
    row[6] = (int64_t)little(p + at + 4, 2);
    row[7] = at += 6;
    for (int64_t k = 0; k < row[6]; k++) {
        if (at + 4 > size)
            return 0;
        at += 4 + (int64_t)little(p + at, 4);
    }
    if (at + 4 > size)
        return 0;
    const int64_t length = (int64_t)little(p + at, 4);
    at += 4;
    if (at + length > size || (compression && length < 4))
        return 0;
    row[8] = at;
    row[9] = length;
    *place = at + length;
    return 1;
}

struct bits {
    const uint8_t *p;
    int64_t at, end; /* in bits */
};

static uint64_t take_bits(struct bits *bits, int n)
{
    const uint8_t *p = bits->p + bits->at / 8;
    const int shift = (int)(bits->at % 8);
    bits->at += n;
    return little(p, (shift + n + 7) / 8) >> shift & ((UINT64_C(1) << n) - 1);
}

/* Nearest unit; `most` is odd, so that no half ever occurs. */
static inline uint16_t to_unit(uint64_t copies, uint64_t most)
{
    return (uint16_t)((copies * UNIT + most / 2) / most);
}

/* One person's numerators of copies of each allele, in 1/most; 0 if probabilities exceed one. */
static int count_copies(struct bits *bits, int n_bits, uint64_t most, int ploidy, int n_alleles,
                        int is_phased, uint64_t *copies)
{
    memset(copies, 0, (size_t)n_alleles * sizeof *copies);
    if (is_phased || ploidy == 1) {
        for (int haplotype = 0; haplotype < ploidy; haplotype++) {
            uint64_t rest = most;
            for (int k = 0; k < n_alleles - 1; k++) {
                const uint64_t value = take_bits(bits, n_bits);
                if (value > rest)
                    return 0;
                rest -= value;
                copies[k] += value;
            }
            copies[n_alleles - 1] += rest;
        }
        return 1;
    }
    uint64_t rest = most;
    for (int larger = 0; larger < n_alleles; larger++)
        for (int smaller = 0; smaller <= larger; smaller++) {
            uint64_t value = rest;
            if (larger < n_alleles - 1 || smaller < larger) {
                value = take_bits(bits, n_bits);
                if (value > rest)
                    return 0;
                rest -= value;
            }
            copies[larger] += value;
            copies[smaller] += value;
        }
    return 1;
}

/* Biallelic, all diploid, 8 or 16 bits: a pair of numbers a person. 0 if they exceed one. */
#define FAST(NAME, PAIR, BITS, MOST)                                                             \
    CLONES static int NAME(const uint8_t *p, const uint8_t *ploidy, ptrdiff_t n_people,         \
                           uint32_t first_weight, uint16_t *units)                               \
    {                                                                                            \
        uint32_t wrong = 0;                                                                      \
        for (ptrdiff_t i = 0; i < n_people; i++) {                                              \
            PAIR pair;                                                                           \
            memcpy(&pair, p + i * (ptrdiff_t)sizeof pair, sizeof pair);                         \
            const uint32_t first = pair & MOST, second = (uint32_t)pair >> BITS;                 \
            wrong |= (uint32_t)(first + second > MOST);                                          \
            const uint32_t copies = 2u * MOST - first_weight * first - second;                   \
            const uint32_t unit = (copies * UNIT + MOST / 2) / MOST;                             \
            units[i] = ploidy[i] & 0x80 ? MISSING : (uint16_t)unit;                              \
        }                                                                                        \
        return first_weight == 1 || !wrong;                                                      \
    }
FAST(fast_8, uint16_t, 8, 255u)
FAST(fast_16, uint32_t, 16, 65535u)

static const char *const TOO_MUCH = "has probabilities whose sum is above one";
static const char *const NO_FIT = "holds another number of probabilities than its people need";

CLONES static uint8_t join_bytes(const uint8_t *p, ptrdiff_t n)
{
    uint8_t joined = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        joined |= (uint8_t)((p[i] & 0x7F) ^ 2);
    return joined;
}

/* Units (n_alleles - 1, n_people) of all alleles but the first, and ploidy. NULL if fine. */
const char *decode_record(const uint8_t *p, int64_t size, ptrdiff_t n_people,
                                 int n_alleles, uint16_t *units, int8_t *ploidy, int *is_mixed)
{
    if (size < 10 + n_people)
        return NO_FIT;
    const uint8_t *people = p + 8;
    const int is_phased = people[n_people], n_bits = people[n_people + 1];
    if ((int64_t)little(p, 4) != n_people || (int)little(p + 4, 2) != n_alleles)
        return "says another number of people or alleles inside than outside";
    if (is_phased > 1 || n_bits < 1 || n_bits > 32)
        return "has an unknown layout of probabilities";
    const uint8_t *values = people + n_people + 2;
    int64_t n_left = size - 10 - n_people;
    *is_mixed = 0;
    const int is_diploid = !join_bytes(people, n_people);
    if (is_diploid && n_alleles == 2 && (n_bits == 8 || n_bits == 16)) {
        if (n_left != 2 * (int64_t)n_people * (n_bits / 8))
            return NO_FIT;
        return (n_bits == 8 ? fast_8 : fast_16)(values, people, n_people,
                                                is_phased ? 1 : 2, units)
                   ? NULL : TOO_MUCH;
    }
    const uint64_t most = (UINT64_C(1) << n_bits) - 1;
    uint64_t *copies = malloc((size_t)n_alleles * sizeof *copies);
    if (!copies)
        return "needs more memory than there is";
    struct bits bits = {values, 0, 8 * n_left};
    const char *fault = NULL;
    for (ptrdiff_t i = 0; i < n_people && !fault; i++) {
        const int n = people[i] & 0x3F, is_missing = people[i] & 0x80;
        if (n > 2 || people[i] & 0x40) {
            fault = "has calls of more than two alleles";
            break;
        }
        const int64_t n_values = is_phased || n < 2
            ? (int64_t)n * (n_alleles - 1) : (int64_t)n_alleles * (n_alleles + 1) / 2 - 1;
        if (bits.at + n_values * n_bits > bits.end) {
            fault = NO_FIT;
            break;
        }
        const int is_called = n && !is_missing;
        ploidy[i] = (int8_t)(is_called ? n : 0);
        if (is_missing)
            bits.at += n_values * n_bits;
        else if (n && !count_copies(&bits, n_bits, most, n, n_alleles, is_phased, copies))
            fault = TOO_MUCH;
        for (int k = 1; k < n_alleles; k++)
            units[(k - 1) * n_people + i] = is_called ? to_unit(copies[k], most) : MISSING;
        if (n == 1 && is_called)
            *is_mixed = 1;
    }
    if (!fault && (bits.at + 7) / 8 != n_left)
        fault = NO_FIT;
    free(copies);
    return fault;
}
