"""Replacing a table's rows so that no reader ever sees it empty or half full.

A plain table is replaced by a new one that gets its name when everything is loaded: readers wait for a moment only.
Where that could lose something that hangs on the table (views, foreign keys, triggers, policies, partitions,
sequences, column grants) or the role does not own it, its rows are deleted and the new ones inserted in the same
transaction; readers go on to see the old rows until the commit.
"""

from __future__ import annotations

from typing import Any

import psycopg

from dragoman.connectors._sql.identifiers import quote, quote_table, short_name
from dragoman.connectors.postgres.catalog import Table
from dragoman.connectors.postgres.session import run

__all__ = ["Replacement"]

_PLAIN = """
SELECT c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND NOT c.relrowsecurity
  AND c.reloptions IS NULL AND c.reltablespace = 0 AND NOT c.relhasrules AND NOT c.relhassubclass
  AND c.reloftype = 0 AND c.relreplident = 'd'
  AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND (attacl IS NOT NULL OR attidentity <> ''))
  AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND (indisclustered OR indisreplident OR NOT indisvalid))
  AND NOT EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = c.oid
                  AND NOT (classid = 'pg_class'::regclass
                           AND objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid))
                  AND NOT (classid = 'pg_class'::regclass AND objid = c.reltoastrelid)
                  AND NOT (classid = 'pg_class'::regclass AND objid = c.oid)
                  AND NOT (classid = 'pg_constraint'::regclass
                           AND objid IN (SELECT oid FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'f'))
                  AND NOT (classid = 'pg_type'::regclass
                           AND objid IN (SELECT oid FROM pg_type WHERE typrelid = c.oid))
                  AND NOT (classid = 'pg_attrdef'::regclass
                           AND objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = c.oid)))
  AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_type t ON d.refobjid IN (t.oid, t.typarray)
                  WHERE d.refclassid = 'pg_type'::regclass AND t.oid = c.reltype AND d.deptype <> 'i')
FROM pg_class c WHERE c.oid = %s
"""
_GRANTS = """
SELECT format('GRANT %%s ON %%s TO %%s%%s', a.privilege_type, %s::text,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %s AND a.grantee <> c.relowner
"""
_INDEXES = """
SELECT c.relname::text,
       concat_ws('|', i.indisunique, i.indisprimary, i.indkey, i.indclass, i.indcollation, i.indoption,
                 c.relam, pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid))
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %s::regclass ORDER BY 2, i.indexrelid
"""


class Replacement:
    """One replacement, begun with the run's transaction and finished right before its commit."""

    def __init__(self, server: psycopg.Connection[Any], table: Table, integration: str) -> None:
        self._server = server
        self._table = table
        self._new = ""
        if run(server, _PLAIN, (table.oid,))[0][0]:
            self._new = short_name("_dragoman_new", table.name, integration)
            run(server, f"CREATE TABLE {self.target} (LIKE {table.quoted} INCLUDING ALL)")
        else:
            run(server, f"DELETE FROM {table.quoted}")

    @property
    def target(self) -> str:
        """Where the new rows go, quoted."""
        return quote_table(self._table.schema, self._new) if self._new else self._table.quoted

    @property
    def swapped(self) -> bool:
        """Whether a new table takes the old one's place."""
        return bool(self._new)

    def finish(self) -> None:
        """Give the new table the old one's owner, grants, comment, name and index names."""
        if not self._new:
            return
        server, old, new = self._server, self._table, self.target
        run(server, f"LOCK TABLE {old.quoted} IN ACCESS EXCLUSIVE MODE")
        owner, comment = run(
            server,
            "SELECT quote_ident(pg_get_userbyid(relowner)), quote_literal(obj_description(oid, 'pg_class')) "
            "FROM pg_class WHERE oid = %s",
            (old.oid,),
        )[0]
        for (grant,) in run(server, _GRANTS, (new, old.oid)):
            run(server, grant)
        if comment is not None:
            run(server, f"COMMENT ON TABLE {new} IS {comment}")
        names = run(server, _INDEXES, (old.quoted,))
        made = run(server, _INDEXES, (new,))
        run(server, f"ALTER TABLE {new} OWNER TO {owner}")
        run(server, f"DROP TABLE {old.quoted}")
        run(server, f"ALTER TABLE {new} RENAME TO {quote(old.name)}")
        for (was, _), (now, _) in zip(names, made, strict=True):
            run(server, f"ALTER INDEX {quote_table(old.schema, now)} RENAME TO {quote(was)}")
