/* What the compiled modules share; include it after Python.h.
 *
 * Each checks its buffers by size, since only that can be checked without numpy, and
 * those that are built for several sets of machine instructions ("paths") name them.
 */
#ifndef PGS_TRD_EXTENSION_H
#define PGS_TRD_EXTENSION_H

#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define X86_PATHS
#endif

static inline int check_size(const Py_buffer *buffer, Py_ssize_t wanted, const char *name)
{
    if (buffer->len == wanted)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s holds %zd bytes, expected %zd", name, buffer->len, wanted);
    return 0;
}

static inline int check_places(const int64_t *places, Py_ssize_t n, Py_ssize_t limit,
                               const char *name)
{
    for (Py_ssize_t i = 0; i < n; i++)
        if (places[i] < 0 || places[i] >= limit) {
            PyErr_Format(PyExc_ValueError, "%s[%zd] is %lld, the table has %zd", name, i,
                         (long long)places[i], limit);
            return 0;
        }
    return 1;
}

static inline int check_path(int path, int n_paths)
{
    if (path >= 0 && path < n_paths)
        return 1;
    PyErr_Format(PyExc_ValueError, "path %d: this machine runs paths 0 to %d", path, n_paths - 1);
    return 0;
}

/* How many of portable, AVX2 and AVX-512 a machine runs, of those that work on packed codes. */
static inline int n_code_paths(void)
{
    int n = 1;
#ifdef X86_PATHS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
        n = 2;
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vpopcntdq"))
            n = 3;
    }
#endif
    return n;
}

/* The names of `n` structs of `size` bytes that begin with one. */
static inline PyObject *name_paths(const void *first, size_t size, int n)
{
    PyObject *names = PyTuple_New(n);
    for (int i = 0; names && i < n; i++) {
        const char *text = *(const char *const *)((const char *)first + (size_t)i * size);
        PyObject *name = PyUnicode_FromString(text);
        if (!name || PyTuple_SetItem(names, i, name)) {
            Py_DECREF(names);
            return NULL;
        }
    }
    return names;
}

#endif
