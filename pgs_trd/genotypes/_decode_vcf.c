/* VCF: the fixed fields of a line, the calls or the dosages of its people. */

#include <math.h>
#include <string.h>

#include "_decode.h"

/* Read the fixed fields of the line [at, end): spans of CHROM ID REF ALT FORMAT, POS. 0 if bad. */
int scan_line(const char *p, int64_t at, int64_t end, int64_t *row)
{
    int64_t start[10];
    int n = 0;
    start[n++] = at;
    while (n < 10) {
        const char *tab = memchr(p + at, '\t', (size_t)(end - at));
        if (!tab)
            return 0;
        at = tab - p + 1;
        start[n++] = at;
    }
    static const int fields[5] = {0, 2, 3, 4, 8};
    for (int k = 0; k < 5; k++) {
        row[2 + 2 * k] = start[fields[k]];
        row[3 + 2 * k] = start[fields[k] + 1] - 1 - start[fields[k]];
        if (row[3 + 2 * k] < 1)
            return 0;
    }
    int64_t position = 0;
    if (start[2] - 1 == start[1] || start[2] - 1 - start[1] > 18)
        return 0;
    for (int64_t i = start[1]; i < start[2] - 1; i++) {
        if (p[i] < '0' || p[i] > '9')
            return 0;
        position = 10 * position + (p[i] - '0');
    }
    row[12] = position;
    row[13] = start[9];
    int64_t n_alleles = 2;
    for (int64_t i = start[4]; i < start[5] - 1; i++)
        n_alleles += p[i] == ',';
    row[14] = row[9] == 1 && p[row[8]] == '.' ? 1 : n_alleles;
    return 1;
}

/* Copies of a call and the tab behind it, four bytes: a/b or a|b, one digit each or two dots. */
static inline uint8_t plain_copies(uint32_t v, uint32_t n_alleles, uint32_t alternative,
                                   uint32_t *wrong)
{
    const uint32_t a = (v & 0xFF) - '0', b = (v >> 16 & 0xFF) - '0', separator = v >> 8 & 0xFF;
    const uint32_t is_missing =
        (uint32_t)(a == (uint32_t)('.' - '0')) & (uint32_t)(b == (uint32_t)('.' - '0'));
    const uint32_t is_called = (uint32_t)(a < n_alleles) & (uint32_t)(b < n_alleles);
    const uint32_t is_separated = (uint32_t)(separator == '|') | (uint32_t)(separator == '/');
    *wrong |= !((is_missing | is_called) & is_separated & (uint32_t)(v >> 24 == '\t'));
    return is_missing ? NO_CALL : (uint8_t)((a == alternative) + (b == alternative));
}

/* Copies (3 missing) in a line of such calls alone, without a tab behind the last; 0 if any is
 * anything else, and the copies are void. */
CLONES static int plain_line(const char *p, ptrdiff_t n_people, uint32_t n_alleles,
                             uint32_t alternative, uint8_t *copies)
{
    uint32_t wrong = 0, v = 0;
    for (ptrdiff_t i = 0; i < n_people - 1; i++) {
        memcpy(&v, p + 4 * i, 4);
        copies[i] = plain_copies(v, n_alleles, alternative, &wrong);
    }
    memcpy(&v, p + 4 * (n_people - 1), 3);
    copies[n_people - 1] =
        plain_copies((v & 0xFFFFFF) | (uint32_t)'\t' << 24, n_alleles, alternative, &wrong);
    return !wrong;
}

/* Skip to a person's value of the key; the place, or -1 if the person's text ends before. */
static int64_t find_value(const char *p, int64_t at, int64_t end, int key)
{
    while (key--) {
        const char *colon = memchr(p + at, ':', (size_t)(end - at));
        if (!colon)
            return -1;
        at = colon - p + 1;
    }
    return at;
}

static int64_t end_of_person(const char *p, int64_t at, int64_t end)
{
    const char *tab = memchr(p + at, '\t', (size_t)(end - at));
    return tab ? tab - p : end;
}

enum { BAD = -1, ABSENT = 254, DOT = 255 };

/* One allele at *at: its number (at most 253), DOT, or BAD. */
static int read_allele(const char *p, int64_t *at, int64_t end, int n_alleles)
{
    if (*at < end && p[*at] == '.') {
        ++*at;
        return DOT;
    }
    int number = 0, n_digits = 0;
    while (*at < end && p[*at] >= '0' && p[*at] <= '9' && n_digits < 4) {
        number = 10 * number + (p[*at] - '0');
        ++*at;
        n_digits++;
    }
    return n_digits && number < n_alleles ? number : BAD;
}

static const char *const BAD_CALL = "holds a call that cannot be read as one";
static const char *const BAD_COLUMNS = "has another number of people than the header";

static const char *read_call(const char *p, int64_t at, int64_t end, int n_alleles,
                             uint8_t *first, uint8_t *second)
{
    *second = ABSENT;
    if (at < end && (p[at] == '/' || p[at] == '|')) /* VCF 4.4: phase of the first allele */
        at++;
    int allele = read_allele(p, &at, end, n_alleles);
    if (allele == BAD)
        return BAD_CALL;
    *first = (uint8_t)allele;
    for (int k = 0; at < end; k++) {
        if (p[at] != '/' && p[at] != '|')
            return p[at] == ':' ? NULL : BAD_CALL;
        at++;
        allele = read_allele(p, &at, end, n_alleles);
        if (allele == BAD)
            return BAD_CALL;
        if (k)
            return "has calls of more than two alleles";
        *second = (uint8_t)allele;
    }
    return NULL;
}

/* What a call counts as of which one allele is known and the other missing. 0 if an error. */
static int settle_half(int half, uint8_t *first, uint8_t *second)
{
    if (*second == ABSENT || (*first == DOT) == (*second == DOT))
        return 1;
    const uint8_t known = *first == DOT ? *second : *first;
    if (half == HALF_MISSING)
        *first = *second = DOT;
    else
        *first = known, *second = half == HALF_HAPLOID ? ABSENT : 0;
    return half != HALF_ERROR;
}

static const char *read_calls(const char *p, int64_t at, int64_t end, int key, int n_alleles,
                              int half, ptrdiff_t n_people, uint8_t *first, uint8_t *second)
{
    for (ptrdiff_t i = 0; i < n_people; i++) {
        if (at > end)
            return BAD_COLUMNS;
        const int64_t stop = end_of_person(p, at, end);
        const int64_t value = find_value(p, at, stop, key);
        first[i] = DOT, second[i] = DOT;
        if (value >= 0) {
            const char *fault = read_call(p, value, stop, n_alleles, first + i, second + i);
            if (fault)
                return fault;
            if (!settle_half(half, first + i, second + i))
                return "has a call of which one allele is missing";
        }
        at = stop + 1;
    }
    return at == end + 1 ? NULL : BAD_COLUMNS;
}

/* Copies of one alternative (3 missing), and ploidy; 1 if anybody is haploid. */
CLONES static int count_alternative(const uint8_t *first, const uint8_t *second,
                                    ptrdiff_t n_people, uint8_t alternative, uint8_t *copies,
                                    int8_t *ploidy)
{
    uint8_t any = 0;
    for (ptrdiff_t i = 0; i < n_people; i++) {
        const uint8_t a = first[i], b = second[i];
        const uint8_t is_missing = (uint8_t)((a == DOT) | (b == DOT));
        const uint8_t is_haploid = (uint8_t)(b == ABSENT && !is_missing);
        any |= is_haploid;
        copies[i] = is_missing ? NO_CALL : (uint8_t)((a == alternative) + (b == alternative));
        ploidy[i] = (int8_t)(is_missing ? 0 : 2 - is_haploid);
    }
    return any;
}

/* Codes of one alternative of each line, void where a line is at fault, and ploidy where HAPLOID.
 *
 * lines: start and end of the people, key, number of alleles, alternative. found tells of each
 * row UNREAD, DIPLOID, or HAPLOID if anybody is. scratch: 3 n_people bytes. Gives the first fault
 * that a line has, NULL if none. */
const char *read_lines(const char *p, int64_t size, const int64_t *lines, ptrdiff_t n_lines,
                       int half, ptrdiff_t n_people, uint8_t *scratch, uint8_t *codes,
                       int8_t *ploidy, uint8_t *found)
{
    uint8_t *first = scratch, *second = first + n_people, *copies = second + n_people;
    const char *first_fault = NULL, *fault = NULL;
    int64_t at = -1;
    for (ptrdiff_t k = 0; k < n_lines; k++, lines += CALLS) {
        const int64_t start = lines[0], end = lines[1], key = lines[2], n_alleles = lines[3];
        found[k] = UNREAD;
        if (start < 0 || end < start || end > size || key < 0 || key > INT32_MAX ||
            n_alleles < 1 || n_alleles > 254)
            continue;
        if (key == 0 && n_alleles <= 10 && end - start == 4 * (int64_t)n_people - 1 &&
            plain_line(p + start, n_people, (uint32_t)n_alleles, (uint32_t)lines[4], copies)) {
            pack_row(copies, n_people, codes + k * width_of(n_people));
            found[k] = DIPLOID;
            continue;
        }
        if (start != at) /* else another alternative of the line before */
            fault = read_calls(p, start, end, (int)key, (int)n_alleles, half, n_people, first,
                               second);
        at = start;
        if (!first_fault)
            first_fault = fault;
        if (fault)
            continue;
        const int is_haploid = count_alternative(first, second, n_people, (uint8_t)lines[4],
                                                 copies, ploidy + k * n_people);
        pack_row(copies, n_people, codes + k * width_of(n_people));
        found[k] = is_haploid ? HAPLOID : DIPLOID;
    }
    return first_fault;
}

/* A decimal number, -inf for a dot alone (missing); 0 if it is neither. */
static int read_number(const char *p, int64_t *at, int64_t end, double *value)
{
    int64_t i = *at;
    if (i < end && p[i] == '.' && (i + 1 == end || p[i + 1] == ',' || p[i + 1] == ':')) {
        *value = -INFINITY;
        *at = i + 1;
        return 1;
    }
    const int is_negative = i < end && p[i] == '-';
    i += is_negative;
    /* Up to 15 digits this is exact: a whole number over a power of ten. */
    double whole = 0, scale = 1;
    int n_digits = 0, has_point = 0;
    for (; i < end && n_digits < 300; i++) {
        if (p[i] == '.' && !has_point)
            has_point = 1;
        else if (p[i] >= '0' && p[i] <= '9') {
            whole = 10 * whole + (p[i] - '0');
            scale *= has_point ? 10 : 1;
            n_digits++;
        } else
            break;
    }
    if (!n_digits)
        return 0;
    if (i < end && (p[i] == 'e' || p[i] == 'E')) {
        i++;
        const int is_small = i < end && p[i] == '-';
        i += i < end && (p[i] == '-' || p[i] == '+');
        int power = 0, n_power = 0;
        for (; i < end && p[i] >= '0' && p[i] <= '9' && n_power < 3; i++, n_power++)
            power = 10 * power + (p[i] - '0');
        if (!n_power)
            return 0;
        /* By multiplication: pow() would tie the wheel to glibc 2.29. */
        for (double *grown = is_small ? &scale : &whole; power > 0; power--)
            *grown *= 10;
    }
    *value = (is_negative ? -whole : whole) / scale;
    *at = i;
    return i == end || p[i] == ',' || p[i] == ':';
}

/* values (n_people, n_values); -inf where missing. */
const char *read_dosages(const char *p, int64_t at, int64_t end, int key,
                                ptrdiff_t n_people, int n_values, double *values)
{
    for (ptrdiff_t i = 0; i < n_people; i++) {
        if (at > end)
            return BAD_COLUMNS;
        const int64_t stop = end_of_person(p, at, end);
        int64_t value = find_value(p, at, stop, key);
        double *out = values + i * n_values;
        for (int k = 0; k < n_values; k++)
            out[k] = -INFINITY;
        for (int k = 0; value >= 0; k++) {
            double number;
            if (k == n_values)
                return "has more dosages a person than alternative alleles";
            if (!read_number(p, &value, stop, &number))
                return "holds a dosage that is no number";
            out[k] = number;
            if (value == stop || p[value] == ':') {
                if (k + 1 < n_values && !(k == 0 && number < 0))
                    return "has fewer dosages a person than alternative alleles";
                break;
            }
            value++;
        }
        at = stop + 1;
    }
    return at == end + 1 ? NULL : BAD_COLUMNS;
}
