/* Counting and scoring of genotypes in exact integer arithmetic.
 *
 * A variant enters as four integers a score: what each 2-bit code of PLINK 1
 * adds to a person's sum (00 two copies of the counted allele, 01 missing, 10
 * one copy, 11 none). Effect allele, imputation of missing calls, dominance and
 * centring are all table preparation and cost nothing here. Sums are 64-bit
 * integers, so the result is the same to the last bit for any order of
 * variants, any number of threads, any block size and any machine.
 *
 * Genotypes are never unpacked: a few variants together make an index into a
 * table of their possible sums, of 32 bits where they fit and of 64 elsewhere. The
 * tables of a group of variants fit in the first-level cache; the sums of a tile of
 * people fit in the second. Dosages are packed to codes a tile at a time, and what
 * their fractions add comes on top.
 *
 * The work is written down once, in the headers beside this file, and compiled
 * for three sets of machine instructions; callers say which. All functions take
 * C-contiguous buffers, release the interpreter lock, and work on the people (or
 * the rows of a table) in [start, end), so that threads can share one call's
 * arrays without touching each other's part.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_extension.h"

enum {
    DOSAGE_BITS = 14,
    ONE_COPY = 1 << DOSAGE_BITS,
    TWO_COPIES = 2 * ONE_COPY,
    QUADS = 4,            /* tables of 256 sums in cache together, one score */
    QUAD_BYTES = 256,     /* packed bytes a row in a tile, one score */
    FOURS = 6,            /* fours of variants in a group, many scores: 30 KiB of tables */
    GROUP = 4 * FOURS,    /* variants in a group */
    GROUPS = 43,          /* of which the index is kept: a block of 1,032 variants */
    ROWS = 81,            /* sums of four variants: three for each */
    ROW_BYTES = 64,
    CHUNK = 16,           /* columns of 32 bits in a row */
    TILE = 2048,          /* people in a tile, a multiple of 256: 128 KiB of sums */
    PACKED_BYTES = TILE / 4,
    SEGMENT = 128,        /* people: 8 KiB of sums */
    SEGMENT_BYTES = SEGMENT / 4,
    SEGMENTS = TILE / SEGMENT,
    MOST = INT32_MAX - UINT16_MAX, /* that sums of 32 bits may grow by, from less than 2**16 */
    STEP_COLUMNS = 64,    /* columns to which fractions are added at once */
    PREFETCH_ROWS = 16
};

struct scratch {
    alignas(64) uint8_t tables[FOURS][ROWS][ROW_BYTES];
    alignas(64) uint8_t corrections[GROUP][ROW_BYTES]; /* for missing calls */
    alignas(64) uint8_t sums[TILE][ROW_BYTES];
    alignas(64) uint8_t upper[TILE][ROW_BYTES]; /* in units of 2**16 */
    alignas(64) uint8_t index[GROUPS][FOURS][TILE];
    alignas(64) uint64_t steps[GROUP * 2 * STEP_COLUMNS];
    uint32_t missing_end[GROUPS * SEGMENTS + 1];
    uint32_t fractions[TILE];
    uint8_t codes[GROUP * PACKED_BYTES];
    uint8_t lacks[2 * FOURS][PACKED_BYTES];
    uint16_t places[64];
    uint16_t missing[GROUPS * GROUP * TILE + 2]; /* row of its group * TILE + place */
};

/* With room to start it on a cache line. */
#define SCRATCH_SIZE ((Py_ssize_t)sizeof(struct scratch) + 63)

/* A table of many columns as sums of 32 bits take it, by groups of its rows.
 *
 * base: what one copy of each variant of a group adds, (groups, columns).
 * most: the largest sum of a group without that, in eight columns, (groups, columns / 8).
 * entries: what two copies and none add less one copy, and missing less two copies,
 * (rows, 3, columns), modulo 2**32.
 */
struct narrow {
    uint64_t *base, *most;
    uint32_t *entries;
};

static Py_ssize_t count_groups(Py_ssize_t n_rows)
{
    return (n_rows + GROUP - 1) / GROUP;
}

static Py_ssize_t narrow_size(Py_ssize_t n_rows, Py_ssize_t n_columns)
{
    return count_groups(n_rows) * n_columns * (8 + 1 + 3 * GROUP * 4);
}

static struct narrow narrow_of(void *buffer, Py_ssize_t n_rows, Py_ssize_t n_columns)
{
    uint64_t *base = buffer, *most = base + count_groups(n_rows) * n_columns;
    return (struct narrow){base, most,
                           (uint32_t *)(most + count_groups(n_rows) * (n_columns / 8))};
}

/* The largest sum of a group in a chunk; what does not fit where that is not whole. */
static uint64_t largest_of(const struct narrow *narrow, Py_ssize_t group, Py_ssize_t column,
                           Py_ssize_t n_columns)
{
    if (n_columns - column < CHUNK)
        return UINT64_MAX;
    const uint64_t *most = narrow->most + (group * n_columns + column) / 8;
    return most[0] > most[1] ? most[0] : most[1];
}

/* The effects of a file, of which some rows and scores are wanted. */
struct effects {
    const double *effects; /* (rows, n_scores); NaN outside a score */
    const int32_t *from;   /* row of each variant */
    const int64_t *chosen; /* n_chosen of the scores */
    const double *scales;  /* of these, powers of two */
    Py_ssize_t n_scores, n_chosen;
};

/* ---- the same functions for each set of instructions ------------------------ */

#define WORDS PATH(words)
#define LOOSE PATH(loose)

/* WORDS_AT_ONCE is how many registers of a person's sums stay there while the
 * fractions of dosages are added; more were slower. */

#define PATH(name) name##_portable
#define LEVEL 0
#define LANES 2
#define WORDS_AT_ONCE 4
#include "_kernel_codes.h"
#include "_kernel_many.h"
#include "_kernel_dosages.h"
#undef PATH
#undef LEVEL
#undef LANES
#undef WORDS_AT_ONCE

#ifdef X86_PATHS
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#define PATH(name) name##_avx2
#define LEVEL 1
#define LANES 4
#define WORDS_AT_ONCE 4
#include "_kernel_codes.h"
#include "_kernel_many.h"
#include "_kernel_dosages.h"
#include "_kernel_planes.h"
#undef PATH
#undef LEVEL
#undef LANES
#undef WORDS_AT_ONCE
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")
#define PATH(name) name##_avx512
#define LEVEL 2
#define LANES 8
#define WORDS_AT_ONCE 4
#include "_kernel_codes.h"
#include "_kernel_many.h"
#include "_kernel_dosages.h"
#include "_kernel_wide.h"
#undef PATH
#undef LEVEL
#undef LANES
#undef WORDS_AT_ONCE
#pragma GCC pop_options
#endif

/* ---- the choice ------------------------------------------------------------- */

struct path {
    const char *name;
    void (*count_codes)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, int64_t *);
    void (*count_dosages)(const uint16_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                          int64_t *);
    int (*score_codes_single)(const uint8_t *, Py_ssize_t, Py_ssize_t, const int64_t *, uint64_t *,
                              Py_ssize_t, Py_ssize_t);
    void (*score_dosages_single)(const uint16_t *, Py_ssize_t, Py_ssize_t, const int64_t *,
                                 uint64_t *, Py_ssize_t, Py_ssize_t);
    void (*make_narrow)(const int64_t *, Py_ssize_t, Py_ssize_t, const struct narrow *, Py_ssize_t,
                        Py_ssize_t);
    void (*index_group)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                        struct scratch *);
    void (*index_dosages)(const uint16_t *, Py_ssize_t, Py_ssize_t, const int64_t *, Py_ssize_t,
                          uint64_t *, Py_ssize_t, Py_ssize_t, struct scratch *);
    void (*add_narrow)(const struct narrow *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                       uint64_t *, Py_ssize_t, struct scratch *);
    void (*add_wide)(const int64_t *, const struct narrow *, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                     Py_ssize_t, uint64_t *, Py_ssize_t, struct scratch *);
    void (*fill_table)(int64_t *, const int64_t *, const double *, const struct effects *,
                       const int64_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t);
};

#define PATH_ROW(name, score_codes_single)                                                     \
    {                                                                                          \
        #name, count_rows_##name, count_dosages_##name, score_codes_single,                    \
            score_dosages_single_##name, make_narrow_##name, index_group_##name,               \
            index_dosages_##name, add_narrow_##name, add_wide_##name, fill_table_##name        \
    }

/* Each needs all that the one before it needs. */
static const struct path paths[] = {
    PATH_ROW(portable, score_quads_portable),
#ifdef X86_PATHS
    PATH_ROW(avx2, score_planes),
    PATH_ROW(avx512, score_wide),
#endif
};

/* ---- scoring ---------------------------------------------------------------- */

/* Codes or dosages of all people, a row a variant. */
struct genotypes {
    const uint8_t *codes;
    const uint16_t *dosages;
    Py_ssize_t n_rows, n_people, start, end;
};

static int score_one(const struct path *path, const struct genotypes *g, const int64_t *table,
                     uint64_t *sums)
{
    if (!g->dosages)
        return path->score_codes_single(g->codes, (g->n_people + 3) / 4, g->n_rows, table, sums,
                                        g->start, g->end);
    path->score_dosages_single(g->dosages, g->n_people, g->n_rows, table, sums, g->start, g->end);
    return 0;
}

/* Add what rows [first, first + n_rows), at most GROUPS groups, contribute to a tile. */
static void score_tile(const struct path *path, const struct genotypes *g, Py_ssize_t first,
                       Py_ssize_t n_rows, const int64_t *table, const struct narrow *narrow,
                       Py_ssize_t n_columns, uint64_t *sums, Py_ssize_t person,
                       Py_ssize_t n_people, struct scratch *scratch)
{
    const Py_ssize_t stride = (g->n_people + 3) / 4, n_groups = count_groups(n_rows);
    for (Py_ssize_t group = 0; group < n_groups; group++) {
        const Py_ssize_t row = first + GROUP * group;
        const Py_ssize_t left = first + n_rows - row, n = left < GROUP ? left : GROUP;
        if (g->dosages)
            path->index_dosages(g->dosages + row * g->n_people + person, g->n_people, n,
                                table + 4 * row * n_columns, n_columns, sums, n_people, group,
                                scratch);
        else
            path->index_group(g->codes + row * stride + person / 4, stride, n, (n_people + 3) / 4,
                              group, scratch);
    }
    for (Py_ssize_t column = 0; column < n_columns; column += 8) {
        if (column % CHUNK == 0 && n_columns - column >= CHUNK)
            path->add_narrow(narrow, first / GROUP, n_groups, column, n_columns, sums + column,
                             n_people, scratch);
        path->add_wide(table, narrow, first / GROUP, n_rows, column, n_columns, sums + column,
                       n_people, scratch);
    }
}

static void score_many(const struct path *path, const struct genotypes *g, const int64_t *table,
                       const struct narrow *narrow, Py_ssize_t n_columns, uint64_t *sums,
                       struct scratch *scratch)
{
    memset(scratch->sums, 0, sizeof scratch->sums);
    memset(scratch->upper, 0, sizeof scratch->upper);
    scratch->missing_end[0] = 0;
    for (int bit = 0; bit < 64; bit++)
        scratch->places[bit] =
            (uint16_t)(bit % 2 * TILE + bit / 2 % 4 * SEGMENT_BYTES + bit / 8);
    for (Py_ssize_t person = g->start; person < g->end; person += TILE)
        for (Py_ssize_t row = 0; row < g->n_rows; row += GROUPS * GROUP) {
            const Py_ssize_t left = g->n_rows - row;
            score_tile(path, g, row, left < GROUPS * GROUP ? left : GROUPS * GROUP, table, narrow,
                       n_columns, sums + person * n_columns, person,
                       g->end - person < TILE ? g->end - person : TILE, scratch);
        }
}

/* ---- the module ------------------------------------------------------------- */

static int check_people(const struct genotypes *g)
{
    if (g->n_rows >= 0 && g->start >= 0 && g->start % 4 == 0 && g->start <= g->end &&
        g->end <= g->n_people)
        return 1;
    PyErr_Format(PyExc_ValueError,
                 "people [%zd, %zd) of %zd: start must be a multiple of 4 within them", g->start,
                 g->end, g->n_people);
    return 0;
}

static int check_genotypes(const struct genotypes *g, const Py_buffer *rows, int path)
{
    return check_path(path, n_code_paths()) && check_people(g) &&
           (g->dosages ? check_size(rows, g->n_rows * g->n_people * 2, "dosages")
                       : check_size(rows, g->n_rows * ((g->n_people + 3) / 4), "codes"));
}

static void place(struct genotypes *g, const Py_buffer *rows, int is_dosages)
{
    if (is_dosages)
        g->dosages = rows->buf;
    else
        g->codes = rows->buf;
}

static PyObject *count(PyObject *args, int is_dosages)
{
    Py_buffer rows, out;
    struct genotypes g = {0};
    int path;
    if (!PyArg_ParseTuple(args, "y*w*nnnni", &rows, &out, &g.n_rows, &g.n_people, &g.start, &g.end,
                          &path))
        return NULL;
    place(&g, &rows, is_dosages);
    const Py_ssize_t n_counts = is_dosages ? 3 : 4;
    const int ok = check_genotypes(&g, &rows, path) &&
                   check_size(&out, g.n_rows * n_counts * (Py_ssize_t)sizeof(int64_t), "counts");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        if (is_dosages)
            paths[path].count_dosages(g.dosages, g.n_people, g.n_rows, g.start, g.end, out.buf);
        else
            paths[path].count_codes(g.codes, (g.n_people + 3) / 4, g.n_rows, g.start, g.end,
                                    out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static int check_columns(Py_ssize_t n_columns)
{
    if (n_columns >= 8 && n_columns % 8 == 0)
        return 1;
    PyErr_Format(PyExc_ValueError, "%zd columns: must be 1 or a multiple of 8", n_columns);
    return 0;
}

static PyObject *score(PyObject *args, int is_dosages)
{
    Py_buffer rows, table, narrow, scratch, sums;
    struct genotypes g = {0};
    Py_ssize_t n_columns;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*y*w*w*nnnnni", &rows, &table, &narrow, &scratch, &sums,
                          &g.n_rows, &g.n_people, &n_columns, &g.start, &g.end, &path))
        return NULL;
    place(&g, &rows, is_dosages);
    const Py_ssize_t word = (Py_ssize_t)sizeof(int64_t);
    int ok = check_genotypes(&g, &rows, path) &&
             check_size(&table, g.n_rows * 4 * n_columns * word, "table") &&
             check_size(&sums, g.n_people * n_columns * word, "sums") &&
             (n_columns == 1 ||
              (check_columns(n_columns) &&
               check_size(&narrow, narrow_size(g.n_rows, n_columns), "narrow table") &&
               check_size(&scratch, SCRATCH_SIZE, "scratch")));
    if (ok) {
        int failed = 0;
        Py_BEGIN_ALLOW_THREADS
        if (n_columns == 1)
            failed = score_one(&paths[path], &g, table.buf, sums.buf);
        else {
            const struct narrow many = narrow_of(narrow.buf, g.n_rows, n_columns);
            score_many(&paths[path], &g, table.buf, &many, n_columns, sums.buf,
                       (void *)(((uintptr_t)scratch.buf + 63) & ~(uintptr_t)63));
        }
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_NoMemory();
            ok = 0;
        }
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&table);
    PyBuffer_Release(&narrow);
    PyBuffer_Release(&scratch);
    PyBuffer_Release(&sums);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *kernel_count_codes(PyObject *self, PyObject *args)
{
    (void)self;
    return count(args, 0);
}

static PyObject *kernel_count_dosages(PyObject *self, PyObject *args)
{
    (void)self;
    return count(args, 1);
}

static PyObject *kernel_score_codes(PyObject *self, PyObject *args)
{
    (void)self;
    return score(args, 0);
}

static PyObject *kernel_score_dosages(PyObject *self, PyObject *args)
{
    (void)self;
    return score(args, 1);
}

static PyObject *kernel_narrow_size(PyObject *self, PyObject *args)
{
    (void)self;
    Py_ssize_t n_rows, n_columns;
    if (!PyArg_ParseTuple(args, "nn", &n_rows, &n_columns) || !check_columns(n_columns))
        return NULL;
    return PyLong_FromSsize_t(narrow_size(n_rows, n_columns));
}

static PyObject *kernel_scratch_size(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return PyLong_FromSsize_t(SCRATCH_SIZE);
}

static PyObject *kernel_make_narrow(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer table, narrow;
    Py_ssize_t n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*w*nnnni", &table, &narrow, &n_rows, &n_columns, &start, &end,
                          &path))
        return NULL;
    int ok = check_path(path, n_code_paths()) && check_columns(n_columns) &&
             check_size(&table, n_rows * 4 * n_columns * (Py_ssize_t)sizeof(int64_t), "table") &&
             check_size(&narrow, narrow_size(n_rows, n_columns), "narrow table");
    if (ok && (start < 0 || start % GROUP || end < start || end > n_rows)) {
        PyErr_Format(PyExc_ValueError, "rows [%zd, %zd) of %zd: start must be a multiple of %d",
                     start, end, n_rows, GROUP);
        ok = 0;
    }
    if (ok) {
        const struct narrow of = narrow_of(narrow.buf, n_rows, n_columns);
        Py_BEGIN_ALLOW_THREADS
        paths[path].make_narrow(table.buf, n_rows, n_columns, &of, start / GROUP,
                                count_groups(end));
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&narrow);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static int check_from(const int32_t *from, Py_ssize_t n, Py_ssize_t n_rows)
{
    for (Py_ssize_t i = 0; i < n; i++)
        if (from[i] < 0 || from[i] >= n_rows) {
            PyErr_Format(PyExc_ValueError, "from[%zd] is %ld, there are %zd effects", i,
                         (long)from[i], n_rows);
            return 0;
        }
    return 1;
}

static PyObject *kernel_fill_codes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer table, rows, copies, effects, from, chosen, scales, columns;
    struct effects of;
    Py_ssize_t n, n_file_rows, n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "w*y*y*y*y*y*y*y*nnnnnnnni", &table, &rows, &copies, &effects,
                          &from, &chosen, &scales, &columns, &n, &n_file_rows, &of.n_scores,
                          &of.n_chosen, &n_rows, &n_columns, &start, &end, &path))
        return NULL;
    of.effects = effects.buf;
    of.from = from.buf;
    of.chosen = chosen.buf;
    of.scales = scales.buf;
    const Py_ssize_t word = (Py_ssize_t)sizeof(int64_t);
    const int ok = check_path(path, n_code_paths()) &&
                   check_size(&table, n_rows * 4 * n_columns * word, "table") &&
                   check_size(&rows, n * word, "rows") &&
                   check_size(&copies, n * 4 * word, "copies") &&
                   check_size(&effects, n_file_rows * of.n_scores * word, "effects") &&
                   check_size(&from, n * (Py_ssize_t)sizeof(int32_t), "from") &&
                   check_size(&chosen, of.n_chosen * word, "chosen") &&
                   check_size(&scales, of.n_chosen * word, "scales") &&
                   check_size(&columns, of.n_chosen * word, "columns") &&
                   check_places(rows.buf, n, n_rows, "rows") &&
                   check_from(of.from, n, n_file_rows) &&
                   check_places(of.chosen, of.n_chosen, of.n_scores, "chosen") &&
                   check_places(columns.buf, of.n_chosen, n_columns, "columns");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].fill_table(table.buf, rows.buf, copies.buf, &of, columns.buf, n, n_columns,
                               start, end);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&copies);
    PyBuffer_Release(&effects);
    PyBuffer_Release(&from);
    PyBuffer_Release(&chosen);
    PyBuffer_Release(&scales);
    PyBuffer_Release(&columns);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *kernel_paths(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return name_paths(paths, sizeof *paths, n_code_paths());
}

static PyMethodDef methods[] = {
    {"paths", kernel_paths, METH_NOARGS,
     "paths()\n--\n\n"
     "Name the sets of instructions that this machine runs; the last is the fastest."},
    {"count_codes", kernel_count_codes, METH_VARARGS,
     "count_codes(codes, counts, n_rows, n_people, start, end, path)\n--\n\n"
     "Write how many of the people [start, end) have each 2-bit code, a row of four a variant."},
    {"count_dosages", kernel_count_dosages, METH_VARARGS,
     "count_dosages(dosages, counts, n_rows, n_people, start, end, path)\n--\n\n"
     "Write the sum of the called dosages, how many are called, and how many have a fraction."},
    {"narrow_size", kernel_narrow_size, METH_VARARGS,
     "narrow_size(n_rows, n_columns)\n--\n\n"
     "How many bytes make_narrow writes."},
    {"scratch_size", kernel_scratch_size, METH_NOARGS,
     "scratch_size()\n--\n\n"
     "How many bytes of room a thread needs to score many columns."},
    {"make_narrow", kernel_make_narrow, METH_VARARGS,
     "make_narrow(table, narrow, n_rows, n_columns, start, end, path)\n--\n\n"
     "Write rows [start, end) of a table of many columns as sums of 32 bits take it."},
    {"score_codes", kernel_score_codes, METH_VARARGS,
     "score_codes(codes, table, narrow, scratch, sums, n_rows, n_people, n_columns, start, end, "
     "path)\n--\n\n"
     "Add to sums (people x columns) what the codes of [start, end) contribute."},
    {"score_dosages", kernel_score_dosages, METH_VARARGS,
     "score_dosages(dosages, table, narrow, scratch, sums, n_rows, n_people, n_columns, start, "
     "end, path)\n--\n\n"
     "Add to sums (people x columns) what the 16-bit dosages of [start, end) contribute."},
    {"fill_codes", kernel_fill_codes, METH_VARARGS,
     "fill_codes(table, rows, copies, effects, from, chosen, scales, columns, n, n_file_rows, "
     "n_file_scores, n_chosen, n_rows, n_columns, start, end, path)\n--\n\n"
     "Add to rows [start, end) of a table what copies times effects make, rounded to even."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Exact integer scoring of genotypes.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&module);
}
