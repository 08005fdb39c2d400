/* Sums over risk sets for eight Cox models at a time.
 *
 * The models share their people, event days and covariates x (n_people,
 * n_shared, one row a person); each has one column of its own and its own
 * relative risks, kept as (n_people, 8) so that one register holds one number
 * of all eight. People leave the risk sets in the order of their last event
 * day, so that one backward walk over the days gives every sum.
 *
 * The order of every sum is fixed by the data, and no sum crosses models: the
 * result is the same to the last bit for any number of threads and for any
 * other models in the batch.
 *
 * All functions take C-contiguous buffers of float64 and int64 and release the
 * interpreter lock. Shapes are the caller's duty.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
/* Built for three generations of x86-64; the loader picks the newest that runs. */
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#if defined(__GNUC__)
/* A helper must take the instruction set of the function that calls it. */
#define HELPER static inline __attribute__((always_inline))
#else
#define HELPER static inline
#endif

enum { LANES = 8, ROWS = 4 /* people whose products are added at once */ };

typedef double lanes __attribute__((vector_size(64), aligned(8), may_alias));

/* Who is at risk when: see risk_sets.py for the meaning of each array. */
typedef struct {
    int64_t n_people, n_days;
    const int64_t *leaving, *leaving_bounds; /* (n_leaving), (n_days + 1) */
    const int64_t *late, *late_bounds;       /* (n_late), (n_days + 1) */
    const int64_t *deaths, *death_bounds;    /* (n_events), (n_days + 1) */
    const int64_t *is_last;                  /* (n_days): the last of its stratum */
    const double *share;                     /* (n_events) */
} risk_sets;

/* ---- moments of risk sets ---------------------------------------------------- */

/* sums[c] for c < n_shared is over x, sums[n_shared] over own, sums[n_shared + 1]
 * over the risks themselves. */
HELPER void add_person(lanes *sums, const double *x, const lanes *own, lanes risk,
                              int64_t n_shared)
{
    for (int64_t c = 0; c < n_shared; c++)
        sums[c] += risk * x[c];
    sums[n_shared] += risk * *own;
    sums[n_shared + 1] += risk;
}

/* Walk back over the days. For each death: the sum of the risks at that time, less
 * its share of the day's deaths, into at_risk; the means of the columns, if asked
 * for, into means; and, with the death's weight and n_factors factors, minus the
 * weighted means into gradient and minus their products into information. */
CLONES static void walk_means(const risk_sets *sets, const double *x, int64_t n_shared,
                              const double *own, const double *risk, const double *factors,
                              int64_t n_factors, double *at_risk, double *means, double *gradient,
                              double *information, lanes *work)
{
    const int64_t n_columns = n_shared + 1, n_sums = n_shared + 2;
    const int64_t n_pairs = n_columns * (n_columns + 1) / 2;
    lanes *total = work, *today = work + n_sums, *mean = work + 2 * n_sums;
    for (int64_t day = sets->n_days - 1; day >= 0; day--) {
        if (sets->is_last[day])
            memset(total, 0, (size_t)n_sums * sizeof(lanes));
        for (int64_t k = sets->leaving_bounds[day]; k < sets->leaving_bounds[day + 1]; k++) {
            const int64_t i = sets->leaving[k];
            add_person(total, x + i * n_shared, (const lanes *)(own + LANES * i),
                       *(const lanes *)(risk + LANES * i), n_shared);
        }
        for (int64_t k = sets->late_bounds[day]; k < sets->late_bounds[day + 1]; k++) {
            const int64_t i = sets->late[k];
            add_person(total, x + i * n_shared, (const lanes *)(own + LANES * i),
                       -*(const lanes *)(risk + LANES * i), n_shared);
        }
        const int64_t first = sets->death_bounds[day], end = sets->death_bounds[day + 1];
        memset(today, 0, (size_t)n_sums * sizeof(lanes));
        if (sets->share[end - 1] > 0)
            for (int64_t k = first; k < end; k++) {
                const int64_t i = sets->deaths[k];
                add_person(today, x + i * n_shared, (const lanes *)(own + LANES * i),
                           *(const lanes *)(risk + LANES * i), n_shared);
            }
        for (int64_t k = first; k < end; k++) {
            const double share = sets->share[k];
            const lanes sum = total[n_columns] - share * today[n_columns];
            *(lanes *)(at_risk + LANES * k) = sum;
            const lanes inverse = 1.0 / sum;
            for (int64_t c = 0; c < n_columns; c++)
                mean[c] = (total[c] - share * today[c]) * inverse;
            if (means)
                memcpy(means + LANES * n_columns * k, mean, (size_t)n_columns * sizeof(lanes));
            for (int64_t f = 0; f < n_factors; f++) {
                const double factor = factors[n_factors * k + f];
                lanes *slope = (lanes *)(gradient + LANES * n_columns * f);
                lanes *cell = (lanes *)(information + LANES * n_pairs * f);
                for (int64_t a = 0; a < n_columns; a++) {
                    const lanes weighted = factor * mean[a];
                    slope[a] -= weighted;
                    for (int64_t b = a; b < n_columns; b++)
                        *cell++ -= weighted * mean[b];
                }
            }
        }
    }
}

/* out[i] = the sum of values over the deaths while i is at risk, less the shares of
 * the deaths of i's own day if i is among them. `from` is -1 for people who are there
 * from the start of their stratum. */
CLONES static void spread(const risk_sets *sets, const double *values, const int64_t *from,
                          const int64_t *until, double *out, lanes *running)
{
    lanes sum = {0};
    running[0] = sum;
    for (int64_t day = 0; day < sets->n_days; day++) {
        for (int64_t k = sets->death_bounds[day]; k < sets->death_bounds[day + 1]; k++)
            sum += *(const lanes *)(values + LANES * k);
        running[day + 1] = sum;
        if (sets->is_last[day])
            memset(&sum, 0, sizeof sum);
    }
    for (int64_t i = 0; i < sets->n_people; i++) {
        lanes value = running[until[i]];
        if (from[i] >= 0)
            value -= running[from[i]];
        *(lanes *)(out + LANES * i) = value;
    }
    for (int64_t day = 0; day < sets->n_days; day++) {
        const int64_t first = sets->death_bounds[day], end = sets->death_bounds[day + 1];
        if (sets->share[end - 1] == 0)
            continue;
        lanes shared = {0};
        for (int64_t k = first; k < end; k++)
            shared += sets->share[k] * *(const lanes *)(values + LANES * k);
        for (int64_t k = first; k < end; k++)
            *(lanes *)(out + LANES * sets->deaths[k]) -= shared;
    }
}

/* ---- products over people ---------------------------------------------------- */

/* out[i] = x[i] times beta's first rows, plus own[i] times its last; and the largest. */
CLONES static void predict(const double *x, int64_t n_shared, const double *own,
                           const double *beta, int64_t n_people, double *out, double *largest)
{
    const lanes *b = (const lanes *)beta;
    lanes top;
    for (int c = 0; c < LANES; c++)
        top[c] = -INFINITY;
    for (int64_t i = 0; i < n_people; i++) {
        lanes sum = *(const lanes *)(own + LANES * i) * b[n_shared];
        for (int64_t c = 0; c < n_shared; c++)
            sum += x[i * n_shared + c] * b[c];
        *(lanes *)(out + LANES * i) = sum;
        for (int c = 0; c < LANES; c++)
            top[c] = sum[c] > top[c] ? sum[c] : top[c];
    }
    memcpy(largest, &top, sizeof top);
}

/* Add the weighted products of all pairs of columns, four people at a time. */
CLONES static void add_gram(const double *x, int64_t n_shared, const double *own,
                            const double *weights, int64_t n_people, double *information)
{
    static const double nothing[LANES];
    for (int64_t first = 0; first < n_people; first += ROWS) {
        const double *row[ROWS];
        lanes weight[ROWS], mine[ROWS];
        for (int64_t r = 0; r < ROWS; r++) {
            const int64_t i = first + r < n_people ? first + r : n_people - 1;
            row[r] = x + i * n_shared;
            mine[r] = *(const lanes *)(own + LANES * i);
            weight[r] = *(const lanes *)(first + r < n_people ? weights + LANES * i : nothing);
        }
        lanes *cell = (lanes *)information;
        for (int64_t a = 0; a < n_shared; a++) {
            const lanes w0 = weight[0] * row[0][a], w1 = weight[1] * row[1][a],
                        w2 = weight[2] * row[2][a], w3 = weight[3] * row[3][a];
            for (int64_t b = a; b < n_shared; b++)
                *cell++ += (w0 * row[0][b] + w1 * row[1][b]) + (w2 * row[2][b] + w3 * row[3][b]);
            *cell++ += (w0 * mine[0] + w1 * mine[1]) + (w2 * mine[2] + w3 * mine[3]);
        }
        *cell += (weight[0] * mine[0] * mine[0] + weight[1] * mine[1] * mine[1]) +
                 (weight[2] * mine[2] * mine[2] + weight[3] * mine[3] * mine[3]);
    }
}

/* ---- Firth's penalty ----------------------------------------------------------- */

/* What a person adds to the moments that the slope of the penalty needs: with
 * z = (x, own) and q = z' V z the layout is [z (c), 1, q, z q (c), z z' (pairs)]. */
HELPER void add_moments(lanes *m, const double *x, lanes mine, lanes risk, lanes form,
                               int64_t n_shared)
{
    const int64_t n = n_shared + 1;
    lanes *square = m + 2 * n + 2;
    for (int64_t a = 0; a < n_shared; a++) {
        const lanes one = risk * x[a];
        m[a] += one;
        m[n + 2 + a] += one * form;
        for (int64_t b = a; b < n_shared; b++)
            *square++ += one * x[b];
        *square++ += one * mine;
    }
    const lanes last = risk * mine;
    m[n_shared] += last;
    m[n] += risk;
    m[n + 1] += risk * form;
    m[2 * n + 1] += last * form;
    *square += last * mine;
}

HELPER void quadratic_form(const double *x, lanes mine, const lanes *inverse, int64_t n_shared,
                           lanes *form)
{
    lanes sum = {0};
    for (int64_t a = 0; a < n_shared; a++) {
        lanes half = 0.5 * *inverse++ * x[a];
        for (int64_t b = a + 1; b < n_shared; b++)
            half += *inverse++ * x[b];
        half += *inverse++ * mine;
        sum += 2.0 * x[a] * half;
    }
    *form = sum + *inverse * mine * mine;
}

/* Add to gradient the sum over deaths of weight * E[(z - m) (z - m)' V (z - m)], the
 * contraction of the information's derivative with V (packed, one triangle). */
CLONES static void walk_penalty(const risk_sets *sets, const double *x, int64_t n_shared,
                                const double *own, const double *risk, const double *inverse,
                                const double *weights, double *gradient, lanes *work)
{
    const int64_t n = n_shared + 1, n_pairs = n * (n + 1) / 2, n_sums = 2 * n + 2 + n_pairs;
    const lanes *v = (const lanes *)inverse;
    lanes *total = work, *today = total + n_sums, *now = today + n_sums, *along = now + n_sums;
    lanes *slope = (lanes *)gradient;
    for (int64_t day = sets->n_days - 1; day >= 0; day--) {
        const int64_t *members[3] = {sets->leaving, sets->late, sets->deaths};
        const int64_t *bounds[3] = {sets->leaving_bounds, sets->late_bounds, sets->death_bounds};
        if (sets->is_last[day])
            memset(total, 0, (size_t)n_sums * sizeof(lanes));
        memset(today, 0, (size_t)n_sums * sizeof(lanes));
        const int64_t first = sets->death_bounds[day], end = sets->death_bounds[day + 1];
        for (int group = 0; group < (sets->share[end - 1] > 0 ? 3 : 2); group++)
            for (int64_t k = bounds[group][day]; k < bounds[group][day + 1]; k++) {
                const int64_t i = members[group][k];
                const lanes mine = *(const lanes *)(own + LANES * i);
                lanes r = *(const lanes *)(risk + LANES * i), form;
                quadratic_form(x + i * n_shared, mine, v, n_shared, &form);
                add_moments(group == 2 ? today : total, x + i * n_shared, mine,
                            group == 1 ? -r : r, form, n_shared);
            }
        for (int64_t k = first; k < end; k++) {
            const lanes sum = total[n] - sets->share[k] * today[n];
            for (int64_t c = 0; c < n_sums; c++)
                now[c] = (total[c] - sets->share[k] * today[c]) / sum;
            memset(along, 0, (size_t)n * sizeof(lanes)); /* V m */
            lanes form = {0};                            /* m' V m */
            for (int64_t a = 0, p = 0; a < n; a++) {
                along[a] += v[p++] * now[a];
                for (int64_t b = a + 1; b < n; b++, p++) {
                    along[a] += v[p] * now[b];
                    along[b] += v[p] * now[a];
                }
            }
            for (int64_t a = 0; a < n; a++)
                form += now[a] * along[a];
            const lanes *square = now + 2 * n + 2;
            const lanes level = now[n + 1] - 2.0 * form;
            for (int64_t a = 0; a < n; a++)
                slope[a] += weights[k] * (now[n + 2 + a] - now[a] * level);
            for (int64_t a = 0, p = 0; a < n; a++) {
                slope[a] -= 2.0 * weights[k] * square[p++] * along[a];
                for (int64_t b = a + 1; b < n; b++, p++) {
                    slope[a] -= 2.0 * weights[k] * square[p] * along[b];
                    slope[b] -= 2.0 * weights[k] * square[p] * along[a];
                }
            }
        }
    }
}

/* ---- Python ------------------------------------------------------------------ */

enum { N_SET_BUFFERS = 8, N_MAX_BUFFERS = 20 };

typedef struct {
    Py_buffer buffer[N_MAX_BUFFERS];
    int n;
} buffers;

static void release(buffers *held)
{
    while (held->n)
        PyBuffer_Release(&held->buffer[--held->n]);
}

/* Take the buffers of a tuple's first items; None gives a null pointer. */
static int hold(buffers *held, PyObject *args, int n_buffers, void **pointers)
{
    held->n = 0;
    for (int k = 0; k < n_buffers; k++) {
        PyObject *item = PyTuple_GetItem(args, k);
        if (!item) {
            release(held);
            return 0;
        }
        pointers[k] = NULL;
        if (item == Py_None)
            continue;
        if (PyObject_GetBuffer(item, &held->buffer[held->n], PyBUF_C_CONTIGUOUS) < 0) {
            release(held);
            return 0;
        }
        pointers[k] = held->buffer[held->n++].buf;
    }
    return 1;
}

static risk_sets as_sets(void **p, int64_t n_people, int64_t n_days)
{
    risk_sets sets = {n_people, n_days, p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
    return sets;
}

static PyObject *cox_walk_means(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *of_sets, *arrays;
    long long n_people, n_days, n_shared, n_factors;
    if (!PyArg_ParseTuple(args, "OOLLLL", &of_sets, &arrays, &n_people, &n_days, &n_shared,
                          &n_factors))
        return NULL;
    buffers first, second;
    void *s[N_SET_BUFFERS], *a[8];
    if (!hold(&first, of_sets, N_SET_BUFFERS, s))
        return NULL;
    if (!hold(&second, arrays, 8, a)) {
        release(&first);
        return NULL;
    }
    lanes *work = malloc((size_t)(3 * (n_shared + 2)) * sizeof(lanes));
    if (work) {
        const risk_sets sets = as_sets(s, n_people, n_days);
        Py_BEGIN_ALLOW_THREADS
        walk_means(&sets, a[0], n_shared, a[1], a[2], a[3], n_factors, a[4], a[5], a[6], a[7], work);
        Py_END_ALLOW_THREADS
    }
    release(&second);
    release(&first);
    const int ok = work != NULL;
    free(work);
    return ok ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *cox_walk_penalty(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *of_sets, *arrays;
    long long n_people, n_days, n_shared;
    if (!PyArg_ParseTuple(args, "OOLLL", &of_sets, &arrays, &n_people, &n_days, &n_shared))
        return NULL;
    buffers first, second;
    void *s[N_SET_BUFFERS], *a[6];
    if (!hold(&first, of_sets, N_SET_BUFFERS, s))
        return NULL;
    if (!hold(&second, arrays, 6, a)) {
        release(&first);
        return NULL;
    }
    const int64_t n = n_shared + 1, n_sums = 2 * n + 2 + n * (n + 1) / 2;
    lanes *work = malloc((size_t)(3 * n_sums + n) * sizeof(lanes));
    if (work) {
        const risk_sets sets = as_sets(s, n_people, n_days);
        Py_BEGIN_ALLOW_THREADS
        walk_penalty(&sets, a[0], n_shared, a[1], a[2], a[3], a[4], a[5], work);
        Py_END_ALLOW_THREADS
    }
    release(&second);
    release(&first);
    const int ok = work != NULL;
    free(work);
    return ok ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *cox_spread(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *of_sets, *arrays;
    long long n_people, n_days;
    if (!PyArg_ParseTuple(args, "OOLL", &of_sets, &arrays, &n_people, &n_days))
        return NULL;
    buffers first, second;
    void *s[N_SET_BUFFERS], *a[4];
    if (!hold(&first, of_sets, N_SET_BUFFERS, s))
        return NULL;
    if (!hold(&second, arrays, 4, a)) {
        release(&first);
        return NULL;
    }
    lanes *work = malloc((size_t)(n_days + 1) * sizeof(lanes));
    if (work) {
        const risk_sets sets = as_sets(s, n_people, n_days);
        Py_BEGIN_ALLOW_THREADS
        spread(&sets, a[0], a[1], a[2], a[3], work);
        Py_END_ALLOW_THREADS
    }
    release(&second);
    release(&first);
    const int ok = work != NULL;
    free(work);
    return ok ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *over_people(PyObject *args, int is_gram)
{
    PyObject *arrays;
    long long n_people, n_shared;
    if (!PyArg_ParseTuple(args, "OLL", &arrays, &n_people, &n_shared))
        return NULL;
    buffers held;
    void *a[5];
    if (!hold(&held, arrays, is_gram ? 4 : 5, a))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (is_gram)
        add_gram(a[0], n_shared, a[1], a[2], n_people, a[3]);
    else
        predict(a[0], n_shared, a[1], a[2], n_people, a[3], a[4]);
    Py_END_ALLOW_THREADS
    release(&held);
    return Py_NewRef(Py_None);
}

static PyObject *cox_add_gram(PyObject *self, PyObject *args)
{
    (void)self;
    return over_people(args, 1);
}

static PyObject *cox_predict(PyObject *self, PyObject *args)
{
    (void)self;
    return over_people(args, 0);
}

static PyMethodDef methods[] = {
    {"walk_means", cox_walk_means, METH_VARARGS,
     "walk_means(sets, (x, own, risk, factors, at_risk, means, gradient, information), n_people, "
     "n_days, n_shared, n_factors)\n--\n\n"
     "Write sums of risk and column means at each death, and subtract them from the moments."},
    {"walk_penalty", cox_walk_penalty, METH_VARARGS,
     "walk_penalty(sets, (x, own, risk, inverse, weights, gradient), n_people, n_days, n_shared)"
     "\n--\n\nAdd the contraction of the information's derivative with its inverse."},
    {"spread", cox_spread, METH_VARARGS,
     "spread(sets, (values, from, until, out), n_people, n_days)\n--\n\n"
     "Write each person's sum of a value of deaths over their time at risk."},
    {"add_gram", cox_add_gram, METH_VARARGS,
     "add_gram((x, own, weights, information), n_people, n_shared)\n--\n\n"
     "Add weighted products of all pairs of columns."},
    {"predict", cox_predict, METH_VARARGS,
     "predict((x, own, beta, out, largest), n_people, n_shared)\n--\n\n"
     "Write the linear predictors, and the largest of each model."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_cox", "Sums over risk sets of Cox models.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__cox(void)
{
    return PyModuleDef_Init(&module);
}
