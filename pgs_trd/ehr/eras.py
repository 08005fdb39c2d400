"""Prescriptions of one ingredient joined into eras."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from pgs_trd.ehr.periods import day_number


def supply_rows(
    prescriptions: ir.Table,
    *,
    default_supply_days: int,
    max_supply_days: int,
    use_refills: bool,
) -> ir.Table:
    """Give each person, drug and day one row with the days it supplies.

    The supply of a row is, in this order: its ``days_supply`` if positive (times
    one plus the refills of an order, cut at `max_supply_days`); the span to its
    end date if that lies after its start; else nothing is known. Rows of one day
    are one: two strengths of one drug are taken together, so the longest known
    supply stands. A day on which no row knows its supply gets
    `default_supply_days`.

    Returns
    -------
    Table
        ``person_id``, ``period``, ``last_day``, ``ingredient``, ``drug_class``,
        ``start_day``, ``end_day`` (half-open, days since 1970-01-01),
        ``is_imputed`` (1 where the default was used).
    """
    rows = prescriptions.mutate(start_day=day_number(prescriptions.date))
    span = day_number(rows.end_date) - rows.start_day + 1
    refills = rows.refills.fill_null(0) if use_refills else ibis.literal(0, "int64")
    # More than a year of refills is cut anyway; the bound keeps the product small.
    times = ibis.greatest(ibis.least(refills, ibis.literal(max_supply_days, "int64")), 0) + 1
    supplied = ibis.least(rows.days_supply, ibis.literal(max_supply_days, "int64"))
    known = ibis.cases(
        (rows.days_supply > 0, supplied * times),
        (span > 1, span),
    )
    known = ibis.least(known, ibis.literal(max_supply_days, "int64"))
    # DuckDB's LEAST skips nulls, other engines' gives null: say which is meant.
    known = ((rows.days_supply > 0).fill_null(False) | (span > 1).fill_null(False)).ifelse(
        known, ibis.null("int64")
    )
    keys = ["person_id", "period", "last_day", "ingredient", "drug_class", "start_day"]
    days = rows.select(*keys, known=known)
    merged = days.group_by(keys).aggregate(longest=days.known.max())
    supply = merged.longest.fill_null(default_supply_days)
    return merged.select(
        *keys,
        end_day=merged.start_day + supply,
        is_imputed=merged.longest.isnull().cast("int64"),
    )


def stockpile_rows(rows: ir.Table) -> ir.Table:
    """Let each fill begin when the one before is used up: nothing of early refills is lost.

    With S the running sum of the supplies, the supplies so far last until S plus the
    largest start less the supply before it: one pass, no loop. A pause uses up what is
    left, so that nothing is carried across it.

    Returns
    -------
    Table
        `rows` with ``end_day`` moved.
    """
    keys = ["person_id", "period", "ingredient"]
    running = ibis.cumulative_window(group_by=keys, order_by="start_day")
    supplied = rows.mutate(supply=rows.end_day - rows.start_day)
    summed = supplied.mutate(total=supplied.supply.sum().over(running).cast("int64"))
    free = summed.mutate(free=summed.start_day - (summed.total - summed.supply))
    lasting = free.mutate(lasts=free.total + free.free.max().over(running))
    return lasting.select(
        *[name for name in rows.columns if name != "end_day"], end_day=lasting.lasts
    ).select(*rows.columns)


def build_eras(rows: ir.Table, *, gap_days: int) -> ir.Table:
    """Join the supplied days of a person and drug into eras.

    A new era begins where a row starts more than `gap_days` after everything
    before it has run out. "Everything before": the running maximum of the ends,
    so that a short fill inside a long one does not split the era. Eras do not
    cross a hole in observation, and end with observation or life.

    Returns
    -------
    Table
        ``person_id``, ``ingredient``, ``drug_class``, ``start_day``, ``end_day``
        (half-open), ``n_prescriptions``, ``n_supply_imputed``.
    """
    keys = ["person_id", "period", "ingredient"]
    # One row a day makes the order total: nothing depends on how rows arrive.
    running = ibis.cumulative_window(group_by=keys, order_by="start_day")
    earlier = ibis.window(group_by=keys, order_by="start_day", preceding=(None, 1))
    before = rows.mutate(before=rows.end_day.max().over(earlier))
    opened = before.mutate(
        opens=(before.before.notnull() & (before.start_day > before.before + gap_days)).cast(
            "int64"
        )
    )
    numbered = opened.mutate(era=opened.opens.sum().over(running))
    eras = numbered.group_by(*keys, "era").aggregate(
        drug_class=numbered.drug_class.max(),
        start_day=numbered.start_day.min(),
        end_day=numbered.end_day.max(),
        last_day=numbered.last_day.max(),
        n_prescriptions=numbered.start_day.count(),
        n_supply_imputed=numbered.is_imputed.sum().cast("int64"),
    )
    return eras.select(
        "person_id",
        "ingredient",
        "drug_class",
        "start_day",
        end_day=ibis.least(eras.end_day, eras.last_day + 1),
        n_prescriptions=eras.n_prescriptions,
        n_supply_imputed=eras.n_supply_imputed,
    )
