/* The loops of _logistic.c, compiled once for each set of machine instructions. */

/* exp(x) for x <= 709; below -708 it stays at exp(-708). NaN stays NaN. */
static inline double PATH(exponential)(double x)
{
    const double shift = 0x1.8p52, log2e = 0x1.71547652b82fep+0;
    const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    x = x < -708.0 ? -708.0 : x;
    const double shifted = x * log2e + shift;
    const double power = shifted - shift;
    const double r = (x - power * ln2_high) - power * ln2_low;
    /* Taylor's series: |r| <= log(2)/2, so the first term left out is below 5e-18. */
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    /* The low bits of `shifted` are the power of two as an integer. */
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (bits + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, 8);
    return p * scale;
}

/* log(1 + e) = 2 atanh(s) for s = e / (2 + e) <= 1/3: what is left out is below 2e-17. */
static inline double PATH(log_one_plus)(double s)
{
    const double z = s * s;
    double p = 1.0 / 33;
    p = p * z + 1.0 / 31;
    p = p * z + 1.0 / 29;
    p = p * z + 1.0 / 27;
    p = p * z + 1.0 / 25;
    p = p * z + 1.0 / 23;
    p = p * z + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    p = p * z + 1.0;
    return 2 * s * p;
}

/* From the linear predictor to likelihood, residual and variance of one block. */
static double PATH(logistic_block)(const double *y, double *eta, double *variance, Py_ssize_t n)
{
    double value = 0.0;
#pragma omp simd reduction(+ : value)
    for (Py_ssize_t i = 0; i < n; i++) {
        const double x = eta[i];
        const double e = PATH(exponential)(x < 0 ? x : -x);
        const double one = 1.0 + e, two = 2.0 + e;
        const double inverse = 1.0 / (one * two);
        const double share = two * inverse;
        const double mean = x < 0 ? e * share : share;
        const double softplus = (x < 0 ? 0.0 : x) + PATH(log_one_plus)(e * one * inverse);
        value += y[i] * x - softplus;
        eta[i] = y[i] - mean;
        variance[i] = e * share * share;
    }
    return value;
}

static double PATH(weighted_logistic_block)(const double *y, const double *prior, double *eta,
                                            double *variance, Py_ssize_t n)
{
    double value = 0.0;
#pragma omp simd reduction(+ : value)
    for (Py_ssize_t i = 0; i < n; i++) {
        const double x = eta[i];
        const double e = PATH(exponential)(x < 0 ? x : -x);
        const double one = 1.0 + e, two = 2.0 + e;
        const double inverse = 1.0 / (one * two);
        const double share = two * inverse;
        const double mean = x < 0 ? e * share : share;
        const double softplus = (x < 0 ? 0.0 : x) + PATH(log_one_plus)(e * one * inverse);
        value += prior[i] * (y[i] * x - softplus);
        eta[i] = prior[i] * (y[i] - mean);
        variance[i] = prior[i] * (e * share * share);
    }
    return value;
}

static double PATH(poisson_block)(const double *y, const double *prior, double *eta,
                                  double *variance, Py_ssize_t n)
{
    double value = 0.0;
#pragma omp simd reduction(+ : value)
    for (Py_ssize_t i = 0; i < n; i++) {
        const double x = eta[i] > 709.0 ? 709.0 : eta[i];
        const double mean = PATH(exponential)(x);
        const double w = prior ? prior[i] : 1.0;
        value += w * (y[i] * eta[i] - mean);
        eta[i] = w * (y[i] - mean);
        variance[i] = w * mean;
    }
    return value;
}

/* What a block adds to the sums of the columns of one model alone. */
static void PATH(own_sums)(const struct rows *r, const double *const *own, Py_ssize_t first,
                           Py_ssize_t n, const double *residual, const double *variance,
                           double *const *weighted, double *sum)
{
    for (Py_ssize_t t = 0; t < r->n_own; t++) {
        const double *column = own[t] + first;
        double *w = weighted[t] + first;
        double slope = 0.0, square = 0.0;
#pragma omp simd reduction(+ : slope, square)
        for (Py_ssize_t i = 0; i < n; i++) {
            w[i] = variance[i] * column[i];
            slope += residual[i] * column[i];
            square += w[i] * column[i];
        }
        *sum++ += slope;
        *sum++ += square;
        for (Py_ssize_t u = 0; u < t; u++) {
            const double *other = own[u] + first;
            double product = 0.0;
#pragma omp simd reduction(+ : product)
            for (Py_ssize_t i = 0; i < n; i++)
                product += w[i] * other[i];
            *sum++ += product;
        }
    }
}

/* One model: `eta` holds what the shared columns predict, and is left as residuals. */
static void PATH(evaluate_model)(const struct rows *r, const double *const *own,
                                 const double *coefficients, double *eta, double *variance,
                                 double *const *weighted, double *sums)
{
    for (Py_ssize_t first = 0; first < r->n; first += BLOCK) {
        const Py_ssize_t n = r->n - first < BLOCK ? r->n - first : BLOCK;
        const double *y = r->outcome + first;
        const double *prior = r->prior ? r->prior + first : NULL;
        double *x = eta + first, *v = variance + first;
        for (Py_ssize_t t = 0; t < r->n_own; t++) {
            const double *column = own[t] + first, b = coefficients[t];
            for (Py_ssize_t i = 0; i < n; i++)
                x[i] += b * column[i];
        }
        if (r->family == POISSON)
            sums[0] += PATH(poisson_block)(y, prior, x, v, n);
        else if (prior)
            sums[0] += PATH(weighted_logistic_block)(y, prior, x, v, n);
        else
            sums[0] += PATH(logistic_block)(y, x, v, n);
        PATH(own_sums)(r, own, first, n, x, v, weighted, sums + 1);
    }
}

/* One model of those that are all at the same shared coefficients. */
static void PATH(start_model)(const struct rows *r, const double *const *own,
                              const double *residual, const double *variance,
                              double *const *weighted, double *sums)
{
    for (Py_ssize_t first = 0; first < r->n; first += BLOCK) {
        const Py_ssize_t n = r->n - first < BLOCK ? r->n - first : BLOCK;
        PATH(own_sums)(r, own, first, n, residual + first, variance + first, weighted, sums + 1);
    }
}

/* How the slope bends along a step: `step` holds what the shared columns make of it. */
static void PATH(bend_model)(const struct rows *r, const double *const *own,
                             const double *coefficients, const double *third, double *step,
                             double *sums)
{
    for (Py_ssize_t t = 0; t < r->n_own; t++)
        for (Py_ssize_t i = 0; i < r->n; i++)
            step[i] += coefficients[t] * own[t][i];
    for (Py_ssize_t i = 0; i < r->n; i++)
        step[i] *= third[i] * step[i];
    for (Py_ssize_t t = 0; t < r->n_own; t++) {
        double slope = 0.0;
#pragma omp simd reduction(+ : slope)
        for (Py_ssize_t i = 0; i < r->n; i++)
            slope += step[i] * own[t][i];
        sums[t] += slope;
    }
}

/* What Jeffreys' prior adds to the slope: hat values times (1/2 - mean), in place of
 * the residuals; `form` is x' inverse x without the parts of the own columns, which
 * `cross` (basis times their half of the inverse) and `corner` make up. */
static void PATH(penalty_model)(const struct rows *r, const double *const *own,
                                const double *const *cross, const double *corner,
                                const double *form, const double *variance, double *residual,
                                double *sums)
{
    for (Py_ssize_t first = 0; first < r->n; first += BLOCK) {
        const Py_ssize_t n = r->n - first < BLOCK ? r->n - first : BLOCK;
        const double *y = r->outcome + first, *v = variance + first;
        double *x = residual + first, square[BLOCK];
        memcpy(square, form + first, n * sizeof *square);
        const double *entry = corner;
        for (Py_ssize_t t = 0; t < r->n_own; t++) {
            const double *column = own[t] + first, *half = cross[t] + first;
            for (Py_ssize_t i = 0; i < n; i++)
                square[i] += 2 * column[i] * half[i];
            for (Py_ssize_t u = 0; u <= t; u++) {
                const double *other = own[u] + first, twice = (u < t ? 2 : 1) * *entry++;
                for (Py_ssize_t i = 0; i < n; i++)
                    square[i] += twice * column[i] * other[i];
            }
        }
        if (r->prior)
            for (Py_ssize_t i = 0; i < n; i++)
                x[i] /= r->prior[first + i];
        for (Py_ssize_t i = 0; i < n; i++)
            x[i] = v[i] * square[i] * (0.5 - y[i] + x[i]);
        for (Py_ssize_t t = 0; t < r->n_own; t++) {
            const double *column = own[t] + first;
            double slope = 0.0;
#pragma omp simd reduction(+ : slope)
            for (Py_ssize_t i = 0; i < n; i++)
                slope += x[i] * column[i];
            sums[t] += slope;
        }
    }
}

/* Each person's residual times one combination of the columns. */
static void PATH(influence_model)(const struct rows *r, const double *const *own,
                                  const double *coefficients, const double *residual,
                                  double *combination)
{
    for (Py_ssize_t t = 0; t < r->n_own; t++) {
        const double *column = own[t], b = coefficients[t];
        for (Py_ssize_t i = 0; i < r->n; i++)
            combination[i] += b * column[i];
    }
    for (Py_ssize_t i = 0; i < r->n; i++)
        combination[i] *= residual[i];
}

/* The products of each column with itself and those after it. */
static void PATH(multiply_pairs)(const double *basis, Py_ssize_t stride, Py_ssize_t n_shared,
                                 Py_ssize_t n, double *product)
{
    for (Py_ssize_t i = 0; i < n_shared; i++)
        for (Py_ssize_t j = i; j < n_shared; j++, product += n)
            for (Py_ssize_t person = 0; person < n; person++)
                product[person] = basis[i * stride + person] * basis[j * stride + person];
}
