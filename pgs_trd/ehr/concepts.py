"""Expansion of listed concepts by the vocabulary's concept_ancestor."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def descendants(ancestors: ir.Table, listed: ir.Table) -> ir.Table:
    """Expand a list of concept ids by concept_ancestor; the ids themselves stay in.

    `listed` has ``concept_id`` and classes; the result has the same columns and
    ``is_listed`` (1 where the id itself stands in the list).
    """
    classes = [name for name in listed.columns if name != "concept_id"]
    expanded = ancestors.inner_join(
        listed, ancestors.ancestor_concept_id == listed.concept_id
    ).select(
        concept_id=ancestors.descendant_concept_id,
        **{name: listed[name] for name in classes},
        is_listed=ibis.literal(0, "int64"),
    )
    own = listed.select("concept_id", *classes, is_listed=ibis.literal(1, "int64"))
    return (
        expanded.union(own)
        .group_by("concept_id", *classes)
        .aggregate(is_listed=lambda t: t.is_listed.max())
    )
