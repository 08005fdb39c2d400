"""Write the BigQuery SQL that Ibis makes of the records, one file a table.

Made with ibis-framework 12.0.0 and sqlglot 30.30.0 (``python tests/oracles/bigquery/write.py``).
What changes here changes what runs on BigQuery, which no test can reach: read it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import ibis
import pyarrow.parquet as pq

from pgs_trd.ehr import open_ehr
from pgs_trd.simulate.omop import SCHEMAS

FOLDER = Path(__file__).resolve().parent
TABLES = (
    "persons",
    "observation",
    "prescriptions",
    "diagnoses",
    "procedures",
    "deaths",
    "visits",
    "scales",
)


def statements() -> dict[str, str]:
    """Give the SQL of each table of empty OMOP tables; names of tables are made plain."""
    with tempfile.TemporaryDirectory() as name:
        for table, schema in SCHEMAS.items():
            pq.write_table(schema.empty_table(), Path(name) / f"{table}.parquet")
        ehr = open_ehr(name)
        return {table: _plain(ibis.to_sql(getattr(ehr, table), "bigquery")) for table in TABLES}


def _plain(text: str) -> str:
    names: dict[str, str] = {}
    # What DuckDB has as a temporary table goes to BigQuery with the query.
    pattern = r"(?:`temp`\.`main`\.)?`ibis_(read_parquet|\w+memtable|pgs_trd)_[a-z0-9]{26}`"

    def rename(match: re.Match[str]) -> str:
        kind = "records" if match[1] == "read_parquet" else "codes"
        return names.setdefault(match[0], f"`{kind}_{len(names)}`")

    return re.sub(pattern, rename, str(text)) + "\n"


if __name__ == "__main__":
    for table, text in statements().items():
        (FOLDER / f"{table}.sql").write_text(text, encoding="utf-8")
