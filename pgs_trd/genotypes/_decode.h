/* What the parts of the decoder share; _decode.c says what they do. */

#ifndef PGS_TRD_DECODE_H
#define PGS_TRD_DECODE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* Built for three generations of x86-64; the loader picks the newest that runs. */
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

enum { UNIT = 16384, MISSING = 65535, NO_CALL = 3 };
/* Columns of the tables of scan_bgen, of scan_vcf, and of what read_lines takes. */
enum { RECORD = 10, LINE = 16, CALLS = 5 };
enum { UNREAD, DIPLOID, HAPLOID };
enum { HALF_MISSING, HALF_HAPLOID, HALF_REFERENCE, HALF_ERROR };

/* _decode_codes.c: rows of copies (3 missing), of units, and of 2-bit codes. */
void pack_row(const uint8_t *copies, ptrdiff_t n_people, uint8_t *codes);
int whole_copies(const uint16_t *units, ptrdiff_t n_people, uint8_t *copies);
void expand_row(const uint8_t *codes, ptrdiff_t n_people, uint16_t *units);
void take_row(const uint8_t *codes, ptrdiff_t width, const uint64_t *mask, uint8_t *out,
    ptrdiff_t out_width);

/* _decode_bgen.c: a fault comes back as text, NULL if there is none. */
uint64_t little(const uint8_t *p, int n_bytes);
int scan_record(const uint8_t *p, int64_t size, int64_t *place, int compression, int64_t *row);
const char *decode_record(const uint8_t *p, int64_t size, ptrdiff_t n_people, int n_alleles,
    uint16_t *units, int8_t *ploidy, int *is_mixed);

/* _decode_vcf.c */
int scan_line(const char *p, int64_t at, int64_t end, int64_t *row);
const char *read_lines(const char *p, int64_t size, const int64_t *lines, ptrdiff_t n_lines,
    int half, ptrdiff_t n_people, uint8_t *scratch, uint8_t *codes, int8_t *ploidy, uint8_t *found);
const char *read_dosages(const char *p, int64_t at, int64_t end, int key, ptrdiff_t n_people,
    int n_values, double *values);

static inline ptrdiff_t width_of(ptrdiff_t n_people) { return (n_people + 3) / 4; }

#endif
