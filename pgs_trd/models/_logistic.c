/* Logistic and Poisson models, many at once that share their people and covariates.
 *
 * One call takes a range of people and some models, and adds up what Newton's method
 * needs of them. It goes through the people in chunks that stay in cache. What the
 * models share is left to BLAS: linear predictors, slopes, and the weighted cross
 * products of the covariates, as one product of the variances of all models with the
 * products of all pairs of covariates, which are formed once a chunk. Between the
 * matrix products a single pass makes likelihood, residuals, variances and the sums
 * that belong to the columns of one model alone. Sums run over people in one fixed
 * order, so that the number of threads does not change a bit.
 *
 * The passes are written down once, in the header beside this file, and compiled for
 * three sets of machine instructions; callers say which. The caller hands over the
 * address of BLAS's dgemm in a capsule. The interpreter lock is released.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_extension.h"

enum { LOGISTIC, POISSON };
enum { EVALUATE, PENALTY, INFLUENCE, START, BEND };
enum { MAX_OWN = 16, BLOCK = 256, CHUNK = 256, SCRATCH = 1 << 20 };

struct rows {
    Py_ssize_t n, n_own;
    const double *outcome, *prior;
    int family;
};

#define PATH(name) name##_portable
#include "_logistic_rows.h"
#undef PATH

#ifdef X86_PATHS
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define PATH(name) name##_avx2
#include "_logistic_rows.h"
#undef PATH
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,fma,prefer-vector-width=512")
#define PATH(name) name##_avx512
#include "_logistic_rows.h"
#undef PATH
#pragma GCC pop_options
#endif

struct path {
    const char *name;
    void (*evaluate)(const struct rows *, const double *const *, const double *, double *,
                     double *, double *const *, double *);
    void (*penalty)(const struct rows *, const double *const *, const double *const *,
                    const double *, const double *, const double *, double *, double *);
    void (*influence)(const struct rows *, const double *const *, const double *, const double *,
                      double *);
    void (*pairs)(const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, double *);
    void (*start)(const struct rows *, const double *const *, const double *, const double *,
                  double *const *, double *);
    void (*bend)(const struct rows *, const double *const *, const double *, const double *,
                 double *, double *);
};

static const struct path PATHS[] = {
    {"portable", evaluate_model_portable, penalty_model_portable, influence_model_portable,
     multiply_pairs_portable, start_model_portable, bend_model_portable},
#ifdef X86_PATHS
    {"avx2", evaluate_model_avx2, penalty_model_avx2, influence_model_avx2,
     multiply_pairs_avx2, start_model_avx2, bend_model_avx2},
    {"avx512", evaluate_model_avx512, penalty_model_avx512, influence_model_avx512,
     multiply_pairs_avx512, start_model_avx512, bend_model_avx512},
#endif
};

static int n_paths(void)
{
#ifdef X86_PATHS
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return 2;
    return 3;
#else
    return 1;
#endif
}

typedef void dgemm_t(char *, char *, int *, int *, int *, double *, double *, int *, double *,
                     int *, double *, double *, int *);

/* One call. Matrices are by rows; `shared` is basis columns x people, `own` is own
 * columns x all models x people, coefficients and combinations models x (shared, then
 * own). The shapes of the results:
 *   EVALUATE   sums      models x (1 + own + own (own + 1) / 2)
 *              slopes    (1 + own) x models x shared: of residuals, of weighted own columns
 *              pairs     models x shared (shared + 1) / 2
 *   PENALTY    sums      models x own
 *              slopes    models x shared
 *              pairs     in: the packed inverses, off-diagonal entries twice
 *              extra     in: models x (own x shared, then own (own + 1) / 2) of the inverses
 *   INFLUENCE  extra     in: the combinations
 *              sums      models x people: the influences
 * and with all models at the shared coefficients of the first, their own being 0,
 *   START      as EVALUATE, but likelihood, slopes of residuals and pairs of the first only
 *   BEND       extra     in: the steps, models x (shared, then own)
 *              sums      models x own
 *              slopes    models x shared: minus half the third derivatives along the steps */
struct call {
    Py_buffer basis, own, coefficients, models, outcome, prior, offset, sums, slopes, pairs, extra;
    Py_ssize_t n_shared, n_own, n_all, n_people, start, end;
    int family, mode, path;
    dgemm_t *dgemm;
};

struct scratch {
    double *eta;      /* (1 + own) x models x people: residuals, weighted own columns */
    double *variance; /* models x people */
    double *product;  /* pairs x people */
    double *form;     /* (1 + own) x models x people */
    double *all;
};

static void multiply(const struct call *c, char left, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                     const double *a, Py_ssize_t a_stride, const double *b, Py_ssize_t b_stride,
                     double beta, double *out, Py_ssize_t out_stride)
{
    int rows = (int)m, columns = (int)n, inner = (int)k;
    int lda = (int)a_stride, ldb = (int)b_stride, ldc = (int)out_stride;
    double one = 1.0;
    char right = 'N';
    if (m && n)
        c->dgemm(&left, &right, &rows, &columns, &inner, &one, (double *)a, &lda, (double *)b,
                 &ldb, &beta, out, &ldc);
}

/* A chunk where all models are at the shared coefficients of the first. */
static void run_shared_chunk(const struct call *c, const struct scratch *s, Py_ssize_t start,
                             Py_ssize_t n)
{
    const Py_ssize_t n_models = c->models.len / 8, n_own = c->n_own, n_shared = c->n_shared;
    const Py_ssize_t n_pairs = n_shared * (n_shared + 1) / 2, n_people = c->n_people;
    const Py_ssize_t n_sums = 1 + n_own + n_own * (n_own + 1) / 2;
    const int64_t *models = c->models.buf;
    const double *basis = (const double *)c->basis.buf + start, *steps = c->extra.buf;
    double *slopes = c->slopes.buf, *sums = c->sums.buf;
    const struct path *path = &PATHS[c->path];
    struct rows rows = {
        .n = n,
        .n_own = 0,
        .outcome = (const double *)c->outcome.buf + start,
        .prior = c->prior.len ? (const double *)c->prior.buf + start : NULL,
        .family = c->family,
    };
    double value = 0.0;
    multiply(c, 'N', n, 1, n_shared, basis, n_people, c->coefficients.buf, n_shared, 0.0, s->eta,
             n);
    if (!n_shared)
        memset(s->eta, 0, n * sizeof(double));
    if (c->offset.len)
        for (Py_ssize_t i = 0; i < n; i++)
            s->eta[i] += ((const double *)c->offset.buf)[start + i];
    path->evaluate(&rows, NULL, NULL, s->eta, s->variance, NULL, &value);
    rows.n_own = n_own;
    if (c->mode == START) {
        path->pairs(basis, n_people, n_shared, n, s->product);
        multiply(c, 'T', n_pairs, 1, n, s->product, n, s->variance, n, 1.0, c->pairs.buf, n_pairs);
        multiply(c, 'T', n_shared, 1, n, basis, n_people, s->eta, n, 1.0, slopes, n_shared);
        sums[0] += value;
    } else {
        multiply(c, 'N', n, n_models, n_shared, basis, n_people, steps, n_shared + n_own, 0.0,
                 s->form, n);
        for (Py_ssize_t i = 0; i < n; i++) {
            const double prior = rows.prior ? rows.prior[i] : 1.0;
            const double mean = rows.outcome[i] - s->eta[i] / prior;
            s->variance[i] *= -0.5 * (c->family == LOGISTIC ? 1 - 2 * mean : 1);
        }
    }
    for (Py_ssize_t k = 0; k < n_models; k++) {
        const double *own[MAX_OWN];
        double *weighted[MAX_OWN];
        for (Py_ssize_t t = 0; t < n_own; t++) {
            own[t] = (const double *)c->own.buf + (t * c->n_all + models[k]) * n_people + start;
            weighted[t] = s->eta + ((1 + t) * n_models + k) * n;
        }
        if (c->mode == START)
            path->start(&rows, own, s->eta, s->variance, weighted, sums + k * n_sums);
        else
            path->bend(&rows, own, steps + k * (n_shared + n_own) + n_shared, s->variance,
                       s->form + k * n, sums + k * n_own);
    }
    if (c->mode == START)
        multiply(c, 'T', n_shared, n_own * n_models, n, basis, n_people, s->eta + n_models * n, n,
                 1.0, slopes + n_models * n_shared, n_shared);
    else
        multiply(c, 'T', n_shared, n_models, n, basis, n_people, s->form, n, 1.0, slopes, n_shared);
}

static void run_chunk(const struct call *c, const struct scratch *s, Py_ssize_t start, Py_ssize_t n)
{
    const Py_ssize_t n_models = c->models.len / 8, n_own = c->n_own, n_shared = c->n_shared;
    const Py_ssize_t n_parameters = n_shared + n_own, n_pairs = n_shared * (n_shared + 1) / 2;
    const Py_ssize_t n_corner = n_own * (n_own + 1) / 2, n_people = c->n_people;
    const int64_t *models = c->models.buf;
    const double *basis = (const double *)c->basis.buf + start;
    const double *coefficients = c->coefficients.buf, *extra = c->extra.buf;
    double *slopes = c->slopes.buf, *pairs = c->pairs.buf, *sums = c->sums.buf;
    const struct path *path = &PATHS[c->path];
    const struct rows rows = {
        .n = n,
        .n_own = n_own,
        .outcome = (const double *)c->outcome.buf + start,
        .prior = c->prior.len ? (const double *)c->prior.buf + start : NULL,
        .family = c->family,
    };
    multiply(c, 'N', n, n_models, n_shared, basis, n_people, coefficients, n_parameters, 0.0,
             s->eta, n);
    if (c->mode != INFLUENCE)
        path->pairs(basis, n_people, n_shared, n, s->product);
    if (c->mode == PENALTY) {
        multiply(c, 'N', n, n_models, n_pairs, s->product, n, pairs, n_pairs, 0.0, s->form, n);
        for (Py_ssize_t t = 0; t < n_own; t++)
            multiply(c, 'N', n, n_models, n_shared, basis, n_people, extra + t * n_shared,
                     n_own * n_shared + n_corner, 0.0, s->form + (1 + t) * n_models * n, n);
    }
    if (c->mode == INFLUENCE)
        multiply(c, 'N', n, n_models, n_shared, basis, n_people, extra, n_parameters, 0.0, s->form,
                 n);
    for (Py_ssize_t k = 0; k < n_models; k++) {
        const double *own[MAX_OWN], *cross[MAX_OWN];
        double *weighted[MAX_OWN], *eta = s->eta + k * n, *variance = s->variance + k * n;
        double unused[1 + MAX_OWN + MAX_OWN * (MAX_OWN + 1) / 2] = {0};
        for (Py_ssize_t t = 0; t < n_own; t++) {
            own[t] = (const double *)c->own.buf + (t * c->n_all + models[k]) * n_people + start;
            weighted[t] = s->eta + ((1 + t) * n_models + k) * n;
            cross[t] = s->form + ((1 + t) * n_models + k) * n;
        }
        if (c->offset.len)
            for (Py_ssize_t i = 0; i < n; i++)
                eta[i] += ((const double *)c->offset.buf)[start + i];
        path->evaluate(&rows, own, coefficients + k * n_parameters + n_shared, eta, variance,
                       weighted,
                       c->mode == EVALUATE ? sums + k * (1 + n_own + n_corner) : unused);
        if (c->mode == PENALTY)
            path->penalty(&rows, own, cross,
                          extra + k * (n_own * n_shared + n_corner) + n_own * n_shared,
                          s->form + k * n, variance, eta, sums + k * n_own);
        if (c->mode == INFLUENCE) {
            path->influence(&rows, own, extra + k * n_parameters + n_shared, eta, s->form + k * n);
            memcpy(sums + k * n_people + start, s->form + k * n, n * sizeof(double));
        }
    }
    if (c->mode == EVALUATE) {
        multiply(c, 'T', n_shared, (1 + n_own) * n_models, n, basis, n_people, s->eta, n, 1.0,
                 slopes, n_shared);
        multiply(c, 'T', n_pairs, n_models, n, s->product, n, s->variance, n, 1.0, pairs, n_pairs);
    }
    if (c->mode == PENALTY)
        multiply(c, 'T', n_shared, n_models, n, basis, n_people, s->eta, n, 1.0, slopes, n_shared);
}

static int run_call(const struct call *c)
{
    const Py_ssize_t n_models = c->models.len / 8;
    const Py_ssize_t columns = (1 + c->n_own) * n_models;
    const Py_ssize_t n_pairs = c->n_shared * (c->n_shared + 1) / 2;
    const Py_ssize_t n_rows = 2 * columns + n_models + n_pairs + 1;
    Py_ssize_t chunk = CHUNK;
    struct scratch s;
    /* With very many covariates fewer people at a time, so that the pairs stay in cache. */
    while (chunk > 64 && n_rows * chunk > SCRATCH)
        chunk /= 2;
    s.all = aligned_alloc(64, (size_t)n_rows * chunk * 8);
    if (!s.all)
        return -1;
    s.eta = s.all;
    s.form = s.eta + columns * chunk;
    s.variance = s.form + columns * chunk;
    s.product = s.variance + n_models * chunk;
    for (Py_ssize_t start = c->start; start < c->end; start += chunk)
        (c->mode >= START ? run_shared_chunk : run_chunk)(
            c, &s, start, c->end - start < chunk ? c->end - start : chunk);
    free(s.all);
    return 0;
}

/* ---- the module ------------------------------------------------------------- */

static int check_doubles(const Py_buffer *buffer, Py_ssize_t n, const char *name)
{
    return check_size(buffer, 8 * n, name);
}

static int check_ranges(const struct call *c)
{
    const int64_t *models = c->models.buf;
    if (c->n_shared < 0 || c->n_own < 0 || c->n_own > MAX_OWN || c->n_people > INT32_MAX ||
        c->start < 0 || c->start > c->end || c->end > c->n_people || c->path < 0 ||
        c->path >= n_paths() || c->family < LOGISTIC || c->family > POISSON ||
        c->mode < EVALUATE || c->mode > BEND || (c->mode >= START && !c->models.len)) {
        PyErr_SetString(PyExc_ValueError, "people, columns, family, mode or path out of range");
        return 0;
    }
    for (Py_ssize_t k = 0; k < c->models.len / 8; k++)
        if (models[k] < 0 || models[k] >= c->n_all) {
            PyErr_Format(PyExc_ValueError, "model %zd of %zd", (Py_ssize_t)models[k], c->n_all);
            return 0;
        }
    return 1;
}

static int check_call(const struct call *c)
{
    const Py_ssize_t n_models = c->models.len / 8, n_own = c->n_own, n_shared = c->n_shared;
    const Py_ssize_t n_corner = n_own * (n_own + 1) / 2, n_pairs = n_shared * (n_shared + 1) / 2;
    const Py_ssize_t n_sums = 1 + n_own + n_corner, all_slopes = (1 + n_own) * n_models * n_shared;
    const Py_ssize_t some_slopes = n_models * n_shared, steps = n_models * (n_shared + n_own);
    const Py_ssize_t sums[] = {n_models * n_sums, n_models * n_own, n_models * c->n_people,
                               n_models * n_sums, n_models * n_own};
    const Py_ssize_t slopes[] = {all_slopes, some_slopes, 0, all_slopes, some_slopes};
    const Py_ssize_t pairs[] = {n_models * n_pairs, n_models * n_pairs, 0, n_pairs, 0};
    const Py_ssize_t extra[] = {0, n_models * (n_own * n_shared + n_corner), steps, 0, steps};
    return check_ranges(c) && check_doubles(&c->basis, n_shared * c->n_people, "basis") &&
           check_doubles(&c->own, n_own * c->n_all * c->n_people, "own") &&
           check_doubles(&c->coefficients, n_models * (n_shared + n_own), "coefficients") &&
           check_doubles(&c->outcome, c->n_people, "outcome") &&
           (c->prior.len == 0 || check_doubles(&c->prior, c->n_people, "prior")) &&
           (c->offset.len == 0 || check_doubles(&c->offset, c->n_people, "offset")) &&
           check_doubles(&c->sums, sums[c->mode], "sums") &&
           check_doubles(&c->slopes, slopes[c->mode], "slopes") &&
           check_doubles(&c->pairs, pairs[c->mode], "pairs") &&
           check_doubles(&c->extra, extra[c->mode], "extra");
}

static PyObject *logistic_run(PyObject *self, PyObject *args)
{
    struct call c;
    PyObject *capsule, *result = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy*y*y*y*y*y*y*w*w*w*y*nnnnnniii", &capsule, &c.basis, &c.own,
                          &c.coefficients, &c.models, &c.outcome, &c.prior, &c.offset, &c.sums,
                          &c.slopes, &c.pairs, &c.extra, &c.n_shared, &c.n_own, &c.n_all,
                          &c.n_people, &c.start, &c.end, &c.family, &c.mode, &c.path))
        return NULL;
    c.dgemm = (dgemm_t *)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    if (c.dgemm && check_call(&c)) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = run_call(&c);
        Py_END_ALLOW_THREADS
        result = failed ? PyErr_NoMemory() : Py_NewRef(Py_None);
    }
    Py_buffer *buffers[] = {&c.basis,  &c.own,  &c.coefficients, &c.models, &c.outcome, &c.prior,
                            &c.offset, &c.sums, &c.slopes,       &c.pairs,  &c.extra};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        PyBuffer_Release(buffers[i]);
    return result;
}

static PyObject *logistic_paths(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return name_paths(PATHS, sizeof *PATHS, n_paths());
}

static PyMethodDef methods[] = {
    {"paths", logistic_paths, METH_NOARGS,
     "paths()\n--\n\n"
     "Name the sets of instructions that this machine runs; the last is the fastest."},
    {"run", logistic_run, METH_VARARGS,
     "run(dgemm, basis, own, coefficients, models, outcome, prior, offset, sums, slopes, pairs, "
     "extra, n_shared, n_own, n_all, n_people, start, end, family, mode, path)\n--\n\n"
     "Add up what some models need of the people [start, end)."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_logistic", "Logistic and Poisson models, many at once.", 0, methods,
    slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__logistic(void)
{
    return PyModuleDef_Init(&module);
}
