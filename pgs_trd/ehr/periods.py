"""Periods of observation, made disjoint."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

EPOCH = (1970, 1, 1)


def day_number(date: ir.DateValue) -> ir.IntegerValue:
    """Count days since 1970-01-01: whole numbers add and compare alike on every engine."""
    return date.delta(ibis.date(*EPOCH), unit="day").cast("int64")


def merge_periods(periods: ir.Table) -> ir.Table:
    """Join periods of one person that overlap or follow on the next day.

    Parameters
    ----------
    periods
        ``person_id``, ``start_date``, ``end_date``, both inclusive. Rows without
        a date, or that end before they start, are left out.

    Returns
    -------
    Table
        ``person_id``, ``period`` (0, 1, ... in order), ``start_date``, ``end_date``.
    """
    usable = periods.filter(
        periods.person_id.notnull()
        & periods.start_date.notnull()
        & periods.end_date.notnull()
        & (periods.end_date >= periods.start_date)
    ).distinct()
    usable = usable.mutate(start_day=day_number(usable.start_date))
    usable = usable.mutate(end_day=day_number(usable.end_date))
    order = ["start_day", "end_day"]
    reach = usable.mutate(
        reach=usable.end_day.max().over(
            ibis.cumulative_window(group_by="person_id", order_by=order)
        )
    )
    before = reach.mutate(before=reach.reach.lag(1).over(group_by="person_id", order_by=order))
    opened = before.mutate(
        opens=(before.before.notnull() & (before.start_day > before.before + 1)).cast("int64")
    )
    numbered = opened.mutate(
        period=opened.opens.sum().over(ibis.cumulative_window(group_by="person_id", order_by=order))
    )
    return numbered.group_by("person_id", "period").aggregate(
        start_date=numbered.start_date.min(), end_date=numbered.end_date.max()
    )


def span_of_records(*records: ir.Table) -> ir.Table:
    """Take the time from a person's first to last record as the time of observation.

    What is left to a source without observation periods. It ends with the last
    contact, so that staying well looks like leaving.
    """
    rows = ibis.union(*records)
    dated = rows.filter(rows.person_id.notnull() & rows.date.notnull())
    spans = dated.group_by("person_id").aggregate(
        start_date=dated.date.min(), end_date=dated.date.max()
    )
    return spans.select("person_id", "start_date", "end_date", period=ibis.literal(0, "int64"))
