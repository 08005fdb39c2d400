/* Rows of text with many numbers, told apart from the columns of text.
 *
 * Only what needs no thought is taken: every line with all its fields, numbers in plain
 * decimal digits, no quotation marks. Anything else makes `split` say so, and the caller
 * reads the file with a parser for tables, whose word it is then.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../_extension.h"

enum { TEXT = 1, WEIGHT, OTHER };
enum { LONGEST_NUMBER = 64, EXACT_POWER = 22 };

struct job {
    const char *text;
    const uint8_t *kinds;
    Py_ssize_t n_columns;
    struct numbers {
        double *next, *end;
    } weights, others;
    char *kept;
    char separator;
};

static int is_missing(const char *from, Py_ssize_t n)
{
    static const char *const known[] = {".",    "NA",   "N/A",  "NaN", "nan",
                                        "NULL", "null", "None", "none"};
    if (n == 0)
        return 1;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if ((size_t)n == strlen(known[k]) && !memcmp(from, known[k], (size_t)n))
            return 1;
    return 0;
}

/* Read the number that starts at `p`, rounded to the nearest; gives where it ends, or NULL
 * if there is none, or none that is plain.
 *
 * Up to 2**53 times or over a power of ten up to 10**22 both are exact, and one product
 * or quotient is rounded right (Clinger 1990, PLDI); the C library does the others. */
static const char *read_number(const char *p, double *number)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *const from = p;
    const int is_negative = *p == '-';
    uint64_t digits = 0;
    int n_digits = 0, n_after = 0, power = 0;
    p += is_negative;
    const char *const first = p;
    for (; *p >= '0' && *p <= '9'; p++) {
        digits = 10 * digits + (uint64_t)(*p - '0');
        n_digits += digits != 0;
    }
    if (*p == '.') {
        const char *const point = p++;
        for (; *p >= '0' && *p <= '9'; p++) {
            digits = 10 * digits + (uint64_t)(*p - '0');
            n_digits += digits != 0;
        }
        n_after = (int)(p - point) - 1;
        if (p == first + 1)
            return NULL;
    } else if (p == first)
        return NULL;
    if (*p == 'e' || *p == 'E') {
        const int is_below = *++p == '-';
        p += is_below || *p == '+';
        const char *const start = p;
        for (; *p >= '0' && *p <= '9' && p < start + 4; p++)
            power = 10 * power + (*p - '0');
        if (p == start)
            return NULL;
        power = is_below ? -power : power;
    }
    if (p - from > LONGEST_NUMBER)
        return NULL;
    power -= n_after;
    if (n_digits < 19 && digits <= UINT64_C(1) << 53 && power >= -EXACT_POWER &&
        power <= EXACT_POWER) {
        const double exact = (double)digits;
        const double size = power < 0 ? exact / powers[-power] : exact * powers[power];
        *number = is_negative ? -size : size;
        return p;
    }
    char copy[LONGEST_NUMBER + 1], *end;
    memcpy(copy, from, (size_t)(p - from));
    copy[p - from] = '\0';
    *number = strtod(copy, &end);
    /* What float64 does not hold is not plain; a decimal comma of the locale ends too soon. */
    return end == copy + (p - from) && (isnormal(*number) || n_digits == 0) ? p : NULL;
}

static struct numbers numbers_of(const Py_buffer *buffer)
{
    double *first = buffer->buf;
    return (struct numbers){first, first + buffer->len / (Py_ssize_t)sizeof(double)};
}

/* Go through all lines, the last one ended too; gives 0, or -1 if one is not plain. */
static int split_lines(struct job *job, const char *end)
{
    for (const char *p = job->text; p < end;) {
        for (Py_ssize_t column = 0; column < job->n_columns; column++) {
            const char *from = p, *to = NULL;
            const int kind = job->kinds[column];
            struct numbers *numbers = kind == WEIGHT  ? &job->weights
                                      : kind == OTHER ? &job->others
                                                      : NULL;
            if (numbers && numbers->next == numbers->end)
                return -1;
            if (numbers)
                to = read_number(p, numbers->next);
            for (p = to ? to : p; *p != job->separator && *p != '\n' && *p != '\r' && *p != '"';)
                p++;
            if (numbers && p != to) {
                if (!is_missing(from, p - from))
                    return -1;
                *numbers->next = NAN;
            }
            if (numbers)
                numbers->next++;
            if (kind == TEXT) {
                memcpy(job->kept, from, (size_t)(p - from));
                job->kept += p - from;
                *job->kept++ = job->separator;
            }
            if (*p == '\r' && p + 1 < end && p[1] == '\n')
                p++;
            if (*p++ != (column == job->n_columns - 1 ? '\n' : job->separator))
                return -1;
        }
        job->kept[-1] = '\n';
    }
    return 0;
}

static PyObject *rows_split(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer text, kinds, weights, others, kept;
    int separator;
    if (!PyArg_ParseTuple(args, "y*iy*w*w*w*", &text, &separator, &kinds, &weights, &others, &kept))
        return NULL;
    struct job job = {
        .text = text.buf,
        .kinds = kinds.buf,
        .n_columns = kinds.len,
        .weights = numbers_of(&weights),
        .others = numbers_of(&others),
        .kept = kept.buf,
        .separator = (char)separator,
    };
    int has_text = 0;
    for (Py_ssize_t column = 0; column < kinds.len; column++)
        has_text |= job.kinds[column] == TEXT;
    PyObject *result = NULL;
    if (!has_text)
        PyErr_SetString(PyExc_ValueError, "kinds has no column of text");
    else if (text.len == 0 || job.text[text.len - 1] != '\n')
        PyErr_SetString(PyExc_ValueError, "text must end in a line end");
    else if (check_size(&kept, text.len, "kept")) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = split_lines(&job, job.text + text.len);
        Py_END_ALLOW_THREADS
        result = failed ? Py_NewRef(Py_None) : PyLong_FromSsize_t(job.kept - (char *)kept.buf);
    }
    PyBuffer_Release(&text);
    PyBuffer_Release(&kinds);
    PyBuffer_Release(&weights);
    PyBuffer_Release(&others);
    PyBuffer_Release(&kept);
    return result;
}

static PyMethodDef methods[] = {
    {"split", rows_split, METH_VARARGS,
     "split(text, separator, kinds, weights, others, kept)\n--\n\n"
     "Write the numbers of all lines and the columns of text, the kind of each column being 1\n"
     "(text), 2 (a weight), 3 (another number) or 0 (not wanted); give how many bytes of text\n"
     "there are, or None if a line is not plain or has no room."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_rows", "Rows of text with many numbers.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&module);
}
