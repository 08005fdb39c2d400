/* Products, counts and comparisons of 2-bit genotype codes.
 *
 * Codes are those of PLINK 1: 00 two copies of the counted allele, 01 missing, 10
 * one copy, 11 none. Rows are variants and columns people, as on disk, or after
 * `transpose` the other way round. Genotypes are never unpacked: in a product with a
 * dense matrix three columns together make an index into a table of their 64 possible
 * sums (the method of the four Russians), and comparisons count bits.
 *
 * The work is written down once, in the header beside this file, and compiled for
 * three sets of machine instructions; callers say which. All functions take
 * C-contiguous buffers, release the interpreter lock, and work on [start, end), so
 * that threads can share one call's arrays without touching each other's part.
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
    TRIPLES = 8,            /* triples of columns in a group: 32 KiB of tables */
    GROUP = 3 * TRIPLES,    /* columns in a group: six bytes */
    PRODUCT_ROWS = 1024,    /* rows whose sums are in cache: 64 KiB */
    PRODUCT_COLUMNS = 1536, /* columns summed in single precision, 64 groups */
    TURNED = 64,            /* bytes of each row turned at once */
    KING_WORDS = 128        /* words of each row compared at once */
};

#define LOW_BITS UINT64_C(0x5555555555555555)

static const uint8_t no_codes[TURNED];

struct product_scratch {
    alignas(64) float tables[TRIPLES * 64 * 16];
    alignas(64) float sums[PRODUCT_ROWS * 16];
    /* Eight more than rows, so that the groups of a row are not all in one set of the cache. */
    alignas(64) uint64_t words[PRODUCT_COLUMNS / GROUP][PRODUCT_ROWS + 8];
};

/* The last `n` < 32 codes of a row; behind them `rest`. */
static inline uint64_t last_word(const uint8_t *from, Py_ssize_t n, uint64_t rest)
{
    const uint64_t mask = (UINT64_C(1) << (2 * n)) - 1;
    uint64_t word = 0;
    memcpy(&word, from, (size_t)(n + 3) / 4);
    return (word & mask) | (rest & ~mask);
}

#define PATH(name) name##_portable
#include "_packed_rows.h"
#undef PATH

#ifdef X86_PATHS
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt")
#define PATH(name) name##_avx2
#include "_packed_rows.h"
#undef PATH
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")
#define PATH(name) name##_avx512
#include "_packed_rows.h"
#undef PATH
#pragma GCC pop_options
#endif

struct path {
    const char *name;
    void (*count_rows)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, int64_t *);
    void (*transpose)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, uint8_t *);
    void (*multiply)(const uint8_t *, const float *, const float *, Py_ssize_t, Py_ssize_t,
                     Py_ssize_t, Py_ssize_t, double *, struct product_scratch *);
    void (*add_missing)(const uint8_t *, const float *, Py_ssize_t, Py_ssize_t, Py_ssize_t,
                        Py_ssize_t, double *);
    void (*split_planes)(const uint8_t *, Py_ssize_t, Py_ssize_t, Py_ssize_t, uint64_t *);
    void (*king)(const uint64_t *, Py_ssize_t, const uint64_t *, Py_ssize_t, Py_ssize_t,
                 int32_t *);
    void (*correlate)(const uint64_t *, const uint64_t *, const int64_t *, Py_ssize_t, Py_ssize_t,
                      Py_ssize_t, int64_t *);
};

#define PATH_ROW(name)                                                                   \
    {                                                                                    \
        #name, count_rows_##name, transpose_##name, multiply_##name, add_missing_##name, \
            split_planes_##name, king_##name, correlate_##name                           \
    }

/* Each needs all that the one before it needs. */
static const struct path paths[] = {
    PATH_ROW(portable),
#ifdef X86_PATHS
    PATH_ROW(avx2),
    PATH_ROW(avx512),
#endif
};

/* ---- Hardy-Weinberg --------------------------------------------------------- */

/* Exact p-value (Wigginton et al. 2005): the share of all outcomes with these alleles
 * that are no likelier than the one observed; with mid-p those as likely count half.
 * Weights are relative to the likeliest outcome; each side is summed outwards until
 * what is left adds nothing. */
static double hardy_p(int64_t n_het, int64_t n_hom_1, int64_t n_hom_2, int is_mid)
{
    const double tie = 1e-8, nothing = 1e-18;
    const int64_t n = n_het + n_hom_1 + n_hom_2;
    const int64_t rare = 2 * (n_hom_1 < n_hom_2 ? n_hom_1 : n_hom_2) + n_het;
    if (!n)
        return NAN;
    int64_t mode = (int64_t)((double)rare * (double)(2 * n - rare) / (double)(2 * n));
    mode += (mode ^ rare) & 1;
    if (mode > rare)
        mode -= 2;
    double observed = 1.0, w = 1.0;
    const int side = n_het < mode ? -1 : 1;
    for (int64_t h = mode; h != n_het; h += 2 * side) {
        const double r = (double)(rare - h) / 2, c = (double)(2 * n - rare - h) / 2;
        if (side > 0)
            w *= 4 * r * c / ((double)(h + 2) * (double)(h + 1));
        else
            w *= (double)h * (double)(h - 1) / (4 * (r + 1) * (c + 1));
    }
    observed = w;
    double total = 0, tail = 0, ties = 0;
    for (int up = 0; up < 2; up++) {
        w = 1.0;
        for (int64_t h = mode; h >= 0 && h <= rare;) {
            if (!(up && h == mode)) {
                total += w;
                if (w < observed * (1 - tie))
                    tail += w;
                else if (w <= observed * (1 + tie))
                    ties += w;
            }
            const double r = (double)(rare - h) / 2, c = (double)(2 * n - rare - h) / 2;
            if (up) {
                w *= 4 * r * c / ((double)(h + 2) * (double)(h + 1));
                h += 2;
            } else {
                w *= (double)h * (double)(h - 1) / (4 * (r + 1) * (c + 1));
                h -= 2;
            }
            /* Falling weights: from here on they add nothing to the total or the tail. */
            if (w < nothing * total && (w < nothing * (tail + ties) || w == 0.0))
                break;
        }
    }
    return fmin(1.0, (tail + (is_mid ? 0.5 : 1.0) * ties) / total);
}

/* ---- the module ------------------------------------------------------------- */

static int check_part(Py_ssize_t start, Py_ssize_t end, Py_ssize_t n, int path)
{
    if (!check_path(path, n_code_paths()))
        return 0;
    if (start >= 0 && start <= end && end <= n)
        return 1;
    PyErr_Format(PyExc_ValueError, "part [%zd, %zd) of %zd", start, end, n);
    return 0;
}

static int check_codes(const Py_buffer *codes, Py_ssize_t n_rows, Py_ssize_t n_columns)
{
    return check_size(codes, n_rows * ((n_columns + 3) / 4), "codes");
}

static Py_ssize_t plane_bytes(Py_ssize_t n_rows, Py_ssize_t n_columns)
{
    return 3 * n_rows * ((n_columns + 63) / 64) * (Py_ssize_t)sizeof(uint64_t);
}

static PyObject *packed_count_rows(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, out;
    Py_ssize_t n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*w*nnnni", &codes, &out, &n_rows, &n_columns, &start, &end,
                          &path))
        return NULL;
    const int ok = check_part(start, end, n_rows, path) &&
                   check_codes(&codes, n_rows, n_columns) && check_size(&out, 32 * n_rows, "out");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].count_rows(codes.buf, n_columns, start, end, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_transpose(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, out;
    Py_ssize_t n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*w*nnnni", &codes, &out, &n_rows, &n_columns, &start, &end,
                          &path))
        return NULL;
    int ok = check_part(start, end, n_columns, path) && check_codes(&codes, n_rows, n_columns) &&
             check_size(&out, n_columns * ((n_rows + 3) / 4), "out");
    if (ok && start % 4) {
        PyErr_Format(PyExc_ValueError, "start must be a multiple of 4, got %zd", start);
        ok = 0;
    }
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].transpose(codes.buf, n_rows, n_columns, start, end, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_multiply(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, coefficients, dense, out;
    Py_ssize_t n_rows, n_columns, width, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*y*w*nnnnni", &codes, &coefficients, &dense, &out, &n_rows,
                          &n_columns, &width, &start, &end, &path))
        return NULL;
    const Py_ssize_t real = (Py_ssize_t)sizeof(float);
    int ok = check_part(start, end, n_rows, path) && check_codes(&codes, n_rows, n_columns) &&
             check_size(&coefficients, 4 * n_columns * real, "coefficients") &&
             check_size(&dense, n_columns * width * real, "dense") &&
             check_size(&out, n_rows * width * 2 * real, "out");
    if (ok && (width < 16 || width % 16)) {
        PyErr_Format(PyExc_ValueError, "%zd dense columns: must be a multiple of 16", width);
        ok = 0;
    }
    if (ok) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        struct product_scratch *scratch = aligned_alloc(64, sizeof *scratch);
        failed = !scratch;
        if (scratch)
            paths[path].multiply(codes.buf, coefficients.buf, dense.buf, n_columns, width, start,
                                 end, out.buf, scratch);
        free(scratch);
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_NoMemory();
            ok = 0;
        }
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&coefficients);
    PyBuffer_Release(&dense);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_add_missing(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, dense, out;
    Py_ssize_t n_rows, n_columns, width, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*w*nnnnni", &codes, &dense, &out, &n_rows, &n_columns, &width,
                          &start, &end, &path))
        return NULL;
    const Py_ssize_t real = (Py_ssize_t)sizeof(float);
    const int ok = check_part(start, end, n_rows, path) &&
                   check_codes(&codes, n_rows, n_columns) &&
                   check_size(&dense, n_columns * width * real, "dense") &&
                   check_size(&out, n_rows * width * 2 * real, "out");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].add_missing(codes.buf, dense.buf, n_columns, width, start, end, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&dense);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_split_planes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer codes, planes;
    Py_ssize_t n_rows, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*w*nnnni", &codes, &planes, &n_rows, &n_columns, &start, &end,
                          &path))
        return NULL;
    const int ok = check_part(start, end, n_rows, path) &&
                   check_codes(&codes, n_rows, n_columns) &&
                   check_size(&planes, plane_bytes(n_rows, n_columns), "planes");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].split_planes(codes.buf, n_columns, start, end, planes.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&codes);
    PyBuffer_Release(&planes);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_king(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer first, second, out;
    Py_ssize_t n_first, n_second, n_columns;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*w*nnni", &first, &second, &out, &n_first, &n_second,
                          &n_columns, &path))
        return NULL;
    const int ok = check_part(0, n_first, n_first, path) &&
                   check_size(&first, plane_bytes(n_first, n_columns), "first") &&
                   check_size(&second, plane_bytes(n_second, n_columns), "second") &&
                   check_size(&out, 16 * n_first * n_second, "out");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].king(first.buf, n_first, second.buf, n_second, (n_columns + 63) / 64, out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&first);
    PyBuffer_Release(&second);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_correlate(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer one, planes, others, out;
    Py_ssize_t n_rows, n_others, n_columns, start, end;
    int path;
    if (!PyArg_ParseTuple(args, "y*y*y*w*nnnnni", &one, &planes, &others, &out, &n_rows,
                          &n_others, &n_columns, &start, &end, &path))
        return NULL;
    const int ok = check_part(start, end, n_others, path) &&
                   check_size(&one, plane_bytes(1, n_columns), "one") &&
                   check_size(&planes, plane_bytes(n_rows, n_columns), "planes") &&
                   check_size(&others, 8 * n_others, "others") &&
                   check_size(&out, 48 * n_others, "out") &&
                   check_places(others.buf, n_others, n_rows, "others");
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        paths[path].correlate(one.buf, planes.buf, others.buf, start, end, (n_columns + 63) / 64,
                              out.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&one);
    PyBuffer_Release(&planes);
    PyBuffer_Release(&others);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_hardy(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer counts, out;
    Py_ssize_t n;
    int is_mid;
    if (!PyArg_ParseTuple(args, "y*w*np", &counts, &out, &n, &is_mid))
        return NULL;
    int ok = check_size(&counts, 24 * n, "counts") && check_size(&out, 8 * n, "out");
    const int64_t *c = counts.buf;
    for (Py_ssize_t i = 0; ok && i < 3 * n; i++)
        if (c[i] < 0 || c[i] > INT64_C(1) << 40) {
            PyErr_Format(PyExc_ValueError, "count %lld is out of range", (long long)c[i]);
            ok = 0;
        }
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < n; i++)
            ((double *)out.buf)[i] = hardy_p(c[3 * i + 1], c[3 * i], c[3 * i + 2], is_mid);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&counts);
    PyBuffer_Release(&out);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *packed_paths(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    return name_paths(paths, sizeof *paths, n_code_paths());
}

static PyMethodDef methods[] = {
    {"paths", packed_paths, METH_NOARGS,
     "paths()\n--\n\n"
     "Name the sets of instructions that this machine runs; the last is the fastest."},
    {"count_rows", packed_count_rows, METH_VARARGS,
     "count_rows(codes, out, n_rows, n_columns, start, end, path)\n--\n\n"
     "Write how many columns have each 2-bit code, a row of four a row."},
    {"transpose", packed_transpose, METH_VARARGS,
     "transpose(codes, out, n_rows, n_columns, start, end, path)\n--\n\n"
     "Write columns [start, end) of codes as rows of out."},
    {"multiply", packed_multiply, METH_VARARGS,
     "multiply(codes, coefficients, dense, out, n_rows, n_columns, width, start, end, path)\n--\n\n"
     "Add to out the sums over columns of the coefficient of the code times dense."},
    {"add_missing", packed_add_missing, METH_VARARGS,
     "add_missing(codes, dense, out, n_rows, n_columns, width, start, end, path)\n--\n\n"
     "Add to out the sums of dense over missing columns."},
    {"split_planes", packed_split_planes, METH_VARARGS,
     "split_planes(codes, planes, n_rows, n_columns, start, end, path)\n--\n\n"
     "Write bits of rows: heterozygous, homozygous, two counted copies."},
    {"king", packed_king, METH_VARARGS,
     "king(first, second, out, n_first, n_second, n_columns, path)\n--\n\n"
     "Add to out both heterozygous, opposite homozygous, only first, only second heterozygous."},
    {"correlate", packed_correlate, METH_VARARGS,
     "correlate(one, planes, others, out, n_rows, n_others, n_columns, start, end, path)\n--\n\n"
     "Write n, sum 1, sum 2, squares 1, squares 2, products of one row with others."},
    {"hardy", packed_hardy, METH_VARARGS,
     "hardy(counts, out, n, is_mid)\n--\n\n"
     "Write exact Hardy-Weinberg p-values of (two copies, one, none)."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_packed", "Products and comparisons of packed genotypes.", 0, methods,
    slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__packed(void)
{
    return PyModuleDef_Init(&module);
}
