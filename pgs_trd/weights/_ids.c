/* Distinct texts of an Arrow array by hashing, without a copy of any of them.
 *
 * A table of slots holds the numbers of distinct texts, or -1; a text's slot is the
 * first free one from its hash on. The number of slots is a power of two, at least
 * twice the number of texts, so that one is always free.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "../_extension.h"

enum { ABSENT = -1, NO_ID = -2 };

/* Texts of Arrow: text k is data[offsets[k] .. offsets[k + 1]). */
struct texts {
    Py_buffer offsets, data, is_null;
    Py_ssize_t n;
    int is_wide;
};

struct text {
    const unsigned char *start;
    int64_t length;
};

static int64_t offset_of(const struct texts *t, Py_ssize_t k)
{
    return t->is_wide ? ((const int64_t *)t->offsets.buf)[k] : ((const int32_t *)t->offsets.buf)[k];
}

static struct text text_of(const struct texts *t, Py_ssize_t k)
{
    int64_t start = offset_of(t, k);
    struct text text = {(const unsigned char *)t->data.buf + start, offset_of(t, k + 1) - start};
    return text;
}

/* Missing, empty or "." is no id. */
static int is_id(const struct texts *t, Py_ssize_t k, struct text text)
{
    if (t->is_null.len && ((const unsigned char *)t->is_null.buf)[k])
        return 0;
    return text.length > 1 || (text.length == 1 && text.start[0] != '.');
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t hash(struct text text)
{
    uint64_t h = (uint64_t)text.length, word;
    for (; text.length >= 8; text.start += 8, text.length -= 8) {
        memcpy(&word, text.start, 8);
        h = mix(h ^ word) * UINT64_C(0xD6E8FEB86659FD93);
    }
    word = 0;
    memcpy(&word, text.start, (size_t)text.length);
    return mix(mix(h ^ word));
}

static int is_same(struct text a, struct text b)
{
    return a.length == b.length && !memcmp(a.start, b.start, (size_t)a.length);
}

/* The slot of a text: it holds the text's number, or -1 if the text is new. */
static size_t slot_of(const struct texts *t, const int32_t *first, const int32_t *slots,
                      size_t n_slots, struct text text)
{
    size_t slot = (size_t)hash(text) & (n_slots - 1);
    for (; slots[slot] != ABSENT; slot = (slot + 1) & (n_slots - 1)) {
        if (is_same(text_of(t, first[slots[slot]]), text))
            break;
    }
    return slot;
}

static int check_texts(const struct texts *t)
{
    if (!check_size(&t->offsets, (t->n + 1) * (t->is_wide ? 8 : 4), "offsets"))
        return 0;
    if (t->is_null.len && !check_size(&t->is_null, t->n, "is_null"))
        return 0;
    int64_t start = offset_of(t, 0);
    int is_right = start >= 0;
    for (Py_ssize_t k = 1; k <= t->n; k++) {
        int64_t end = offset_of(t, k);
        is_right &= end >= start;
        start = end;
    }
    if (is_right && start <= t->data.len)
        return 1;
    PyErr_SetString(PyExc_ValueError, "offsets: do not ascend within the data");
    return 0;
}

/* `first` has a row for each distinct text, and at most as many as there are texts. */
static int check_slots(const Py_buffer *slots, const Py_buffer *first, Py_ssize_t n)
{
    Py_ssize_t n_slots = slots->len / 4;
    if (n_slots > 0 && !(n_slots & (n_slots - 1)) && n_slots >= 2 * n && n < INT32_MAX &&
        first->len % 4 == 0 && first->len <= 4 * n)
        return 1;
    PyErr_SetString(PyExc_ValueError, "slots: not a power of two of at least twice the texts");
    return 0;
}

static void release(struct texts *t)
{
    PyBuffer_Release(&t->offsets);
    PyBuffer_Release(&t->data);
    PyBuffer_Release(&t->is_null);
}

static PyObject *ids_number(PyObject *self, PyObject *args)
{
    struct texts t;
    Py_buffer slots, first, number;
    int32_t n_distinct = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*niw*w*w*", &t.offsets, &t.data, &t.is_null, &t.n, &t.is_wide,
                          &slots, &first, &number))
        return NULL;
    int is_right = check_texts(&t) && check_slots(&slots, &first, t.n) &&
                   check_size(&first, 4 * t.n, "first") &&
                   check_size(&number, 4 * t.n, "number");
    if (is_right) {
        int32_t *slot = slots.buf, *row = first.buf, *out = number.buf;
        size_t n_slots = (size_t)slots.len / 4;
        Py_BEGIN_ALLOW_THREADS
        memset(slot, 0xFF, (size_t)slots.len);
        for (Py_ssize_t k = 0; k < t.n; k++) {
            struct text text = text_of(&t, k);
            if (!is_id(&t, k, text)) {
                out[k] = NO_ID;
                continue;
            }
            size_t place = slot_of(&t, row, slot, n_slots, text);
            if (slot[place] == ABSENT) {
                row[n_distinct] = (int32_t)k;
                slot[place] = n_distinct++;
            }
            out[k] = slot[place];
        }
        Py_END_ALLOW_THREADS
    }
    release(&t);
    PyBuffer_Release(&slots);
    PyBuffer_Release(&first);
    PyBuffer_Release(&number);
    return is_right ? PyLong_FromLong(n_distinct) : NULL;
}

static PyObject *ids_find(PyObject *self, PyObject *args)
{
    struct texts t, asked;
    Py_buffer slots, first, number;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*niy*y*y*y*y*niw*", &t.offsets, &t.data, &t.is_null, &t.n,
                          &t.is_wide, &slots, &first, &asked.offsets, &asked.data, &asked.is_null,
                          &asked.n, &asked.is_wide, &number))
        return NULL;
    int is_right = check_texts(&t) && check_slots(&slots, &first, t.n) && check_texts(&asked) &&
                   check_size(&number, 4 * asked.n, "number");
    if (is_right) {
        const int32_t *slot = slots.buf, *row = first.buf;
        int32_t *out = number.buf, next = 0, n_distinct = (int32_t)(first.len / 4);
        size_t n_slots = (size_t)slots.len / 4;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t k = 0; k < asked.n; k++) {
            struct text text = text_of(&asked, k);
            if (!is_id(&asked, k, text)) {
                out[k] = NO_ID;
                continue;
            }
            /* Two tables are mostly in one order: the id after the last found comes next. */
            if (next < n_distinct && is_same(text_of(&t, row[next]), text))
                out[k] = next;
            else
                out[k] = slot[slot_of(&t, row, slot, n_slots, text)];
            if (out[k] != ABSENT)
                next = out[k] + 1;
        }
        Py_END_ALLOW_THREADS
    }
    release(&t);
    release(&asked);
    PyBuffer_Release(&slots);
    PyBuffer_Release(&first);
    PyBuffer_Release(&number);
    if (!is_right)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"number", ids_number, METH_VARARGS,
     "number(offsets, data, is_null, n, is_wide, slots, first, number)\n--\n\n"
     "Number distinct texts by first occurrence, -2 where there is none; give how many."},
    {"find", ids_find, METH_VARARGS,
     "find(offsets, data, is_null, n, is_wide, slots, first, offsets, data, is_null, n, is_wide, "
     "number)\n--\n\n"
     "Find the numbers of texts, -1 where they are not there, -2 where there is none."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_ids", "Distinct texts of Arrow arrays.", 0, methods, module_slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__ids(void)
{
    return PyModuleDef_Init(&module);
}
