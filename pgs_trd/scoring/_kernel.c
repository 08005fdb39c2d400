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
    TRIPLES = 8,          /* threes of variants in a group, many scores: 32 KiB of tables */
    GROUP = 3 * TRIPLES,  /* variants in a group */
    GROUPS = 43,          /* of which the index is kept: a block of 1,024 variants */
    CHUNK = 16,           /* columns whose sums are added at once */
    TILE = 2048,          /* people in a tile, a multiple of 64: 256 KiB of sums of a chunk */
    PACKED_BYTES = TILE / 4,
    STEP_COLUMNS = 64,    /* columns to which fractions are added at once */
    PREFETCH_ROWS = 16
};

struct scratch {
    alignas(64) uint64_t triples[TRIPLES * 64 * 8];
    uint64_t sums[TILE * CHUNK];
    uint64_t index[GROUPS * TILE];
    uint8_t codes[GROUP * PACKED_BYTES];
    uint32_t fractions[TILE];
    alignas(64) uint64_t steps[GROUP * 2 * STEP_COLUMNS];
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
    void (*find_narrow)(const int64_t *, Py_ssize_t, Py_ssize_t, uint8_t *);
    void (*index_triples)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, uint64_t *);
    void (*index_dosages)(const uint16_t *, Py_ssize_t, Py_ssize_t, const int64_t *, Py_ssize_t,
                          uint64_t *, Py_ssize_t, uint64_t *, struct scratch *);
    void (*add_chunk)(const int64_t *, Py_ssize_t, Py_ssize_t, const uint8_t *, Py_ssize_t,
                      Py_ssize_t, struct scratch *);
    void (*fill_table)(int64_t *, const int64_t *, const double *, const double *, const int64_t *,
                       Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t);
};

#define PATH_ROW(name, score_codes_single)                                                     \
    {                                                                                          \
        #name, count_rows_##name, count_dosages_##name, score_codes_single,                    \
            score_dosages_single_##name, find_narrow_##name, index_triples_##name,             \
            index_dosages_##name, add_chunk_##name, fill_table_##name                          \
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

/* Add the sums of a chunk of columns to those of all. */
static void fold(const uint64_t *chunk, Py_ssize_t columns, uint64_t *sums, Py_ssize_t n_columns,
                 Py_ssize_t n_people)
{
    for (Py_ssize_t i = 0; i < n_people; i++, chunk += columns, sums += n_columns)
        for (Py_ssize_t c = 0; c < columns; c++)
            sums[c] += chunk[c];
}

/* Add what rows [first, first + n_rows), at most GROUPS groups, contribute to a tile. */
static void score_tile(const struct path *path, const struct genotypes *g, Py_ssize_t first,
                       Py_ssize_t n_rows, const int64_t *table, const uint8_t *fits,
                       Py_ssize_t n_columns, uint64_t *sums, Py_ssize_t person,
                       Py_ssize_t n_people, struct scratch *scratch)
{
    const Py_ssize_t stride = (g->n_people + 3) / 4;
    for (Py_ssize_t row = 0; row < n_rows; row += GROUP) {
        const Py_ssize_t n = n_rows - row < GROUP ? n_rows - row : GROUP;
        uint64_t *index = scratch->index + row / GROUP * TILE;
        if (g->dosages)
            path->index_dosages(g->dosages + (first + row) * g->n_people + person, g->n_people, n,
                                table + 4 * row * n_columns, n_columns, sums, n_people, index,
                                scratch);
        else
            path->index_triples(g->codes + (first + row) * stride + person / 4, stride, n,
                                (n_people + 3) / 4, index);
    }
    for (Py_ssize_t column = 0; column < n_columns; column += CHUNK) {
        const Py_ssize_t columns = n_columns - column < CHUNK ? n_columns - column : CHUNK;
        memset(scratch->sums, 0, sizeof(uint64_t) * (size_t)(n_people * columns));
        path->add_chunk(table + column, n_rows, n_columns, fits + column / 8, columns, n_people,
                        scratch);
        fold(scratch->sums, columns, sums + column, n_columns, n_people);
    }
}

static int score_many(const struct path *path, const struct genotypes *g, const int64_t *table,
                      Py_ssize_t n_columns, uint64_t *sums)
{
    struct scratch *scratch = aligned_alloc(64, sizeof(struct scratch));
    uint8_t *fits = malloc((size_t)((g->n_rows / GROUP + 1) * (n_columns / 8)));
    if (!scratch || !fits) {
        free(scratch);
        free(fits);
        return -1;
    }
    path->find_narrow(table, g->n_rows, n_columns, fits);
    for (Py_ssize_t person = g->start; person < g->end; person += TILE)
        for (Py_ssize_t row = 0; row < g->n_rows; row += GROUPS * GROUP) {
            const Py_ssize_t left = g->n_rows - row;
            score_tile(path, g, row, left < GROUPS * GROUP ? left : GROUPS * GROUP,
                       table + 4 * row * n_columns, fits + row / GROUP * (n_columns / 8),
                       n_columns, sums + person * n_columns, person,
                       g->end - person < TILE ? g->end - person : TILE, scratch);
        }
    free(scratch);
    free(fits);
    return 0;
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

static PyObject *score(PyObject *args, int is_dosages)
{
    Py_buffer rows, table, sums;
    struct genotypes g = {0};
    Py_ssize_t n_columns;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnni", &rows, &table, &sums, &g.n_rows, &g.n_people,
                          &n_columns, &g.start, &g.end, &path))
        return NULL;
    place(&g, &rows, is_dosages);
    const Py_ssize_t word = (Py_ssize_t)sizeof(int64_t);
    int ok = check_genotypes(&g, &rows, path) &&
             check_size(&table, g.n_rows * 4 * n_columns * word, "table") &&
             check_size(&sums, g.n_people * n_columns * word, "sums");
    if (ok && n_columns != 1 && (n_columns < 8 || n_columns % 8)) {
        PyErr_Format(PyExc_ValueError, "%zd columns: must be 1 or a multiple of 8", n_columns);
        ok = 0;
    }
    if (ok) {
        int failed = 0;
        Py_BEGIN_ALLOW_THREADS
        failed = n_columns == 1 ? score_one(&paths[path], &g, table.buf, sums.buf)
                                : score_many(&paths[path], &g, table.buf, n_columns, sums.buf);
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_NoMemory();
            ok = 0;
        }
    }
    PyBuffer_Release(&rows);
    PyBuffer_Release(&table);
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

static PyObject *kernel_fill_codes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer table, rows, copies, effects, columns;
    Py_ssize_t n, n_effects, n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "w*y*y*y*y*nnnnnni", &table, &rows, &copies, &effects, &columns, &n,
                          &n_effects, &n_rows, &n_columns, &start, &end, &path))
        return NULL;
    const Py_ssize_t word = (Py_ssize_t)sizeof(int64_t);
    const int ok = check_path(path, n_code_paths()) && check_size(&table, n_rows * 4 * n_columns * word, "table") &&
                   check_size(&rows, n * word, "rows") &&
                   check_size(&copies, n * 4 * word, "copies") &&
                   check_size(&effects, n * n_effects * word, "effects") &&
                   check_size(&columns, n_effects * word, "columns") &&
                   check_places(rows.buf, n, n_rows, "rows") &&
                   check_places(columns.buf, n_effects, n_columns, "columns");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].fill_table(table.buf, rows.buf, copies.buf, effects.buf, columns.buf, n,
                               n_effects, n_columns, start, end);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&copies);
    PyBuffer_Release(&effects);
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
    {"score_codes", kernel_score_codes, METH_VARARGS,
     "score_codes(codes, table, sums, n_rows, n_people, n_columns, start, end, path)\n--\n\n"
     "Add to sums (people x columns) what the codes of [start, end) contribute."},
    {"score_dosages", kernel_score_dosages, METH_VARARGS,
     "score_dosages(dosages, table, sums, n_rows, n_people, n_columns, start, end, path)\n--\n\n"
     "Add to sums (people x columns) what the 16-bit dosages of [start, end) contribute."},
    {"fill_codes", kernel_fill_codes, METH_VARARGS,
     "fill_codes(table, rows, copies, effects, columns, n, n_effects, n_rows, n_columns, start, "
     "end, path)\n--\n\n"
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
