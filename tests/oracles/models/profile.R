# Profile-likelihood intervals of the logistic models of birthwt.csv, exact: confint() interpolates
# the profile between some ten points. Run as: Rscript profile.R birthwt.csv > profile.json
d <- read.csv(commandArgs(TRUE)[1])
exact <- glm.control(1e-15, 100)
models <- list(
  birthwt_main = low ~ age + lwt + factor(race) + smoke + ptl + ht + ui + ftv,
  birthwt_smoke_x_age = low ~ age * smoke + lwt
)
end <- function(x, y, place, top, side) {
  fall <- function(value) {
    held <- glm.fit(x[, -place], y, offset = x[, place] * value, family = binomial(), control = exact)
    held$deviance - top$deviance - qchisq(0.95, 1)
  }
  best <- coef(top)[place]
  width <- 20 * sqrt(diag(chol2inv(top$qr$qr)))[place]
  uniroot(fall, sort(c(best, best + side * width / 4)), tol = 1e-14)$root
}
found <- lapply(models, function(formula) {
  x <- model.matrix(formula, d)
  top <- glm.fit(x, d$low, family = binomial(), control = exact)
  sapply(colnames(x), function(name) {
    place <- which(colnames(x) == name)
    sapply(c(-1, 1), function(side) end(x, d$low, place, top, side))
  })
})
number <- function(v) paste0("[", paste(sprintf("%.15g", v), collapse = ", "), "]")
one <- function(name) {
  rows <- sprintf('    "%s": %s', colnames(found[[name]]), apply(found[[name]], 2, number))
  paste0('  "', name, '": {\n', paste(rows, collapse = ",\n"), "\n  }")
}
cat("{\n", sprintf('  "R": "%s",\n', getRversion()),
    paste(sapply(names(models), one), collapse = ",\n"), "\n}\n", sep = "")
