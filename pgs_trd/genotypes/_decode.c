/* Decoding of genotype files: what is done once a genotype, and nothing else.
 *
 * Dosages leave as 16-bit units, 1/16384 of a copy, 65535 where missing; hard
 * calls as the 2-bit codes of PLINK 1 (00 two copies, 01 missing, 10 one, 11
 * none), low bits first. Everything that a file claims is checked against the
 * bytes that are there before it is used.
 *
 * Functions take C-contiguous buffers and release the interpreter lock to decode. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>
#include <string.h>

#include "../_extension.h"
#include "_decode.h"

static void release(Py_buffer *buffers, int n)
{
    for (int k = 0; k < n; k++)
        PyBuffer_Release(buffers + k);
}

static PyObject *decode_pack_copies(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    Py_ssize_t n_rows, n_people;
    if (!PyArg_ParseTuple(args, "y*w*nn", b, b + 1, &n_rows, &n_people))
        return NULL;
    const Py_ssize_t width = width_of(n_people);
    const int ok = check_size(b, n_rows * n_people, "copies") &&
                   check_size(b + 1, n_rows * width, "codes");
    if (ok) {
        const uint8_t *copies = b[0].buf;
        uint8_t *codes = b[1].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < n_rows; row++)
            pack_row(copies + row * n_people, n_people, codes + row * width);
        Py_END_ALLOW_THREADS
    }
    release(b, 2);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode_pack_units(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    Py_ssize_t n_rows, n_people;
    if (!PyArg_ParseTuple(args, "y*w*nn", b, b + 1, &n_rows, &n_people))
        return NULL;
    const Py_ssize_t width = width_of(n_people);
    int ok = check_size(b, 2 * n_rows * n_people, "units") &&
             check_size(b + 1, n_rows * width, "codes");
    uint8_t *copies = ok ? malloc((size_t)n_people + 1) : NULL;
    int is_whole = 1;
    if (ok && !copies) {
        PyErr_NoMemory();
        ok = 0;
    }
    if (ok) {
        const uint16_t *units = b[0].buf;
        uint8_t *codes = b[1].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < n_rows && is_whole; row++) {
            is_whole = whole_copies(units + row * n_people, n_people, copies);
            pack_row(copies, n_people, codes + row * width);
        }
        Py_END_ALLOW_THREADS
    }
    free(copies);
    release(b, 2);
    return ok ? PyBool_FromLong(is_whole) : NULL;
}

static PyObject *decode_expand_codes(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    Py_ssize_t n_rows, n_people;
    if (!PyArg_ParseTuple(args, "y*w*nn", b, b + 1, &n_rows, &n_people))
        return NULL;
    const Py_ssize_t width = width_of(n_people);
    const int ok = check_size(b, n_rows * width, "codes") &&
                   check_size(b + 1, 2 * n_rows * n_people, "units");
    if (ok) {
        const uint8_t *codes = b[0].buf;
        uint16_t *units = b[1].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < n_rows; row++)
            expand_row(codes + row * width, n_people, units + row * n_people);
        Py_END_ALLOW_THREADS
    }
    release(b, 2);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode_take_people(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[3];
    Py_ssize_t n_rows, n_people, n_kept;
    if (!PyArg_ParseTuple(args, "y*y*w*nnn", b, b + 1, b + 2, &n_rows, &n_people, &n_kept))
        return NULL;
    const Py_ssize_t width = width_of(n_people), out_width = width_of(n_kept);
    const Py_ssize_t n_words = (width + 7) / 8;
    int ok = check_size(b, n_rows * width, "codes") && check_size(b + 1, 8 * n_words, "mask") &&
             check_size(b + 2, n_rows * out_width, "out");
    if (ok) {
        Py_ssize_t n_bits = 0;
        const uint64_t *mask = b[1].buf;
        for (Py_ssize_t i = 0; i < n_words; i++)
            n_bits += __builtin_popcountll(mask[i]);
        if (n_bits != 2 * n_kept) {
            PyErr_Format(PyExc_ValueError, "mask has %zd bits for %zd people", n_bits, n_kept);
            ok = 0;
        }
    }
    if (ok) {
        const uint8_t *codes = b[0].buf;
        uint8_t *out = b[2].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < n_rows; row++)
            take_row(codes + row * width, width, b[1].buf, out + row * out_width, out_width);
        Py_END_ALLOW_THREADS
    }
    release(b, 3);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode_gather_text(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[3];
    if (!PyArg_ParseTuple(args, "y*y*w*", b, b + 1, b + 2))
        return NULL;
    const int64_t *spans = b[1].buf;
    const Py_ssize_t n = b[1].len / 16;
    int64_t total = 0;
    int ok = 1;
    for (Py_ssize_t i = 0; i < n && ok; i++) {
        const int64_t start = spans[2 * i], length = spans[2 * i + 1];
        ok = start >= 0 && length >= 0 && length <= b[0].len && start <= b[0].len - length;
        total += length;
    }
    if (!ok)
        PyErr_SetString(PyExc_ValueError, "a span lies outside the text");
    ok = ok && check_size(b + 2, total, "out");
    if (ok) {
        char *out = b[2].buf;
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < n; i++) {
            memcpy(out, (const char *)b[0].buf + spans[2 * i], (size_t)spans[2 * i + 1]);
            out += spans[2 * i + 1];
        }
        Py_END_ALLOW_THREADS
    }
    release(b, 3);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode_scan_bgen(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    long long start;
    int compression;
    if (!PyArg_ParseTuple(args, "y*w*Li", b, b + 1, &start, &compression))
        return NULL;
    int64_t place = start;
    const Py_ssize_t n = b[1].len / (RECORD * 8);
    Py_ssize_t done = 0;
    Py_BEGIN_ALLOW_THREADS
    while (done < n && scan_record(b[0].buf, b[0].len, &place, compression,
                                   (int64_t *)b[1].buf + RECORD * done))
        done++;
    Py_END_ALLOW_THREADS
    release(b, 2);
    return PyLong_FromSsize_t(done);
}

static PyObject *decode_scan_alleles(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[3];
    if (!PyArg_ParseTuple(args, "y*y*w*", b, b + 1, b + 2))
        return NULL;
    const Py_ssize_t n = b[1].len / (RECORD * 8);
    const int64_t *rows = b[1].buf;
    int64_t *spans = b[2].buf, total = 0;
    for (Py_ssize_t i = 0; i < n; i++)
        total += rows[RECORD * i + 6];
    int ok = check_size(b + 2, total * 16, "spans");
    for (Py_ssize_t i = 0; i < n && ok; i++) {
        int64_t at = rows[RECORD * i + 7];
        for (int64_t k = 0; k < rows[RECORD * i + 6] && ok; k++) {
            ok = at >= 0 && at + 4 <= b[0].len;
            if (!ok)
                break;
            spans[0] = at + 4;
            spans[1] = (int64_t)little((const uint8_t *)b[0].buf + at, 4);
            at += 4 + spans[1];
            spans += 2;
        }
        if (!ok)
            PyErr_SetString(PyExc_ValueError, "an allele lies outside the file");
    }
    release(b, 3);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyObject *decode_decode_bgen(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[3];
    Py_ssize_t n_people;
    int n_alleles;
    if (!PyArg_ParseTuple(args, "y*w*w*ni", b, b + 1, b + 2, &n_people, &n_alleles))
        return NULL;
    int ok = check_size(b + 1, 2 * n_people * (n_alleles - 1), "units") &&
             check_size(b + 2, n_people, "ploidy");
    const char *fault = NULL;
    int is_mixed = 0;
    if (ok) {
        Py_BEGIN_ALLOW_THREADS
        fault = decode_record(b[0].buf, b[0].len, n_people, n_alleles, b[1].buf, b[2].buf,
                              &is_mixed);
        Py_END_ALLOW_THREADS
        if (fault)
            PyErr_SetString(PyExc_ValueError, fault);
    }
    release(b, 3);
    return ok && !fault ? PyBool_FromLong(is_mixed) : NULL;
}

static PyObject *decode_scan_vcf(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    long long start;
    if (!PyArg_ParseTuple(args, "y*w*L", b, b + 1, &start))
        return NULL;
    const char *p = b[0].buf;
    const Py_ssize_t n = b[1].len / (LINE * 8);
    int64_t at = start, *row = b[1].buf;
    Py_ssize_t done = 0;
    Py_BEGIN_ALLOW_THREADS
    while (done < n && at < b[0].len) {
        const char *newline = memchr(p + at, '\n', (size_t)(b[0].len - at));
        if (!newline)
            break;
        int64_t end = newline - p;
        row[0] = at;
        row[15] = end + 1;
        if (end > at && p[end - 1] == '\r')
            end--;
        row[1] = end;
        if (!scan_line(p, at, end, row))
            break;
        at = row[15];
        row += LINE;
        done++;
    }
    Py_END_ALLOW_THREADS
    release(b, 2);
    return PyLong_FromSsize_t(done);
}

static PyObject *decode_read_lines(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[5];
    int half;
    Py_ssize_t n_people;
    if (!PyArg_ParseTuple(args, "y*y*inw*w*w*", b, b + 1, &half, &n_people, b + 2, b + 3, b + 4))
        return NULL;
    const Py_ssize_t n_lines = b[1].len / (8 * CALLS);
    const int ok = check_size(b + 1, n_lines * 8 * CALLS, "lines") &&
                   check_size(b + 2, n_lines * width_of(n_people), "codes") &&
                   check_size(b + 3, n_lines * n_people, "ploidy") &&
                   check_size(b + 4, n_lines, "found");
    uint8_t *scratch = ok ? malloc(3 * (size_t)n_people + 1) : NULL;
    const char *fault = NULL;
    if (scratch) {
        Py_BEGIN_ALLOW_THREADS
        fault = read_lines(b[0].buf, b[0].len, b[1].buf, n_lines, half, n_people, scratch,
                           b[2].buf, b[3].buf, b[4].buf);
        Py_END_ALLOW_THREADS
    } else if (ok)
        PyErr_NoMemory();
    free(scratch);
    release(b, 5);
    return scratch ? Py_BuildValue("z", fault) : NULL;
}

static PyObject *decode_decode_dosages(PyObject *self, PyObject *args)
{
    (void)self;
    Py_buffer b[2];
    long long start, end;
    int key, n_values;
    Py_ssize_t n_people;
    if (!PyArg_ParseTuple(args, "y*LLiinw*", b, &start, &end, &key, &n_values, &n_people, b + 1))
        return NULL;
    int ok = check_size(b + 1, n_people * n_values * (Py_ssize_t)sizeof(double), "values");
    if (ok && (start < 0 || end < start || end > b[0].len || key < 0 || n_people < 1)) {
        PyErr_SetString(PyExc_ValueError, "holds fewer bytes than can be read");
        ok = 0;
    }
    if (ok) {
        const char *fault;
        Py_BEGIN_ALLOW_THREADS
        fault = read_dosages(b[0].buf, start, end, key, n_people, n_values, b[1].buf);
        Py_END_ALLOW_THREADS
        if (fault) {
            PyErr_SetString(PyExc_ValueError, fault);
            ok = 0;
        }
    }
    release(b, 2);
    return ok ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"pack_copies", decode_pack_copies, METH_VARARGS,
     "pack_copies(copies, codes, n_rows, n_people)\n--\n\n"
     "Pack int8 copies (0, 1, 2; -1, -9 or 3 missing) into 2-bit codes."},
    {"pack_units", decode_pack_units, METH_VARARGS,
     "pack_units(units, codes, n_rows, n_people)\n--\n\n"
     "Pack 16-bit units into codes; False, and codes void, unless all are whole copies."},
    {"expand_codes", decode_expand_codes, METH_VARARGS,
     "expand_codes(codes, units, n_rows, n_people)\n--\n\nWrite codes as 16-bit units."},
    {"take_people", decode_take_people, METH_VARARGS,
     "take_people(codes, mask, out, n_rows, n_people, n_kept)\n--\n\n"
     "Keep the codes of the people whose two bits are set in mask (64-bit words)."},
    {"gather_text", decode_gather_text, METH_VARARGS,
     "gather_text(text, spans, out)\n--\n\n"
     "Copy the pieces [start, start + length) of the int64 spans one behind the other."},
    {"scan_bgen", decode_scan_bgen, METH_VARARGS,
     "scan_bgen(content, records, start, compression)\n--\n\n"
     "Fill int64 rows: offset, id start and length, chromosome start and length, position,\n"
     "number of alleles, place of the alleles, place and size of the genotypes; how many."},
    {"scan_alleles", decode_scan_alleles, METH_VARARGS,
     "scan_alleles(content, records, spans)\n--\n\nWrite start and length of all alleles."},
    {"decode_bgen", decode_decode_bgen, METH_VARARGS,
     "decode_bgen(record, units, ploidy, n_people, n_alleles)\n--\n\n"
     "Write units of all alleles but the first; True, and ploidy, if somebody is haploid."},
    {"scan_vcf", decode_scan_vcf, METH_VARARGS,
     "scan_vcf(text, lines, start)\n--\n\n"
     "Fill int64 rows of whole lines: start, end, start and length of CHROM, ID, REF, ALT and\n"
     "FORMAT, POS, start of the people, number of alleles, start of the next; how many."},
    {"read_lines", decode_read_lines, METH_VARARGS,
     "read_lines(text, lines, half, n_people, codes, ploidy, found)\n--\n\n"
     "Read calls of int64 rows: start, end, key, number of alleles, alternative; what is found\n"
     "is 0 unread, 1 all diploid, 2 some haploid. The first fault as text, or None."},
    {"decode_dosages", decode_decode_dosages, METH_VARARGS,
     "decode_dosages(text, start, end, key, n_values, n_people, values)\n--\n\n"
     "Read a line's dosages; -inf where missing."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_decode", "Decoding of genotype files.", 0, methods, slots, NULL,
    NULL, NULL,
};

PyMODINIT_FUNC PyInit__decode(void)
{
    return PyModuleDef_Init(&module);
}
