"""Many rows at once: a statement is spelled out once, and from then on only values are handed over.

For a batch of results, peewee takes ten times as long to spell the statement as SQLite to run it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from uptimehunt.store.columns import JsonColumn, PackedJsonColumn
from uptimehunt.store.models import DATABASE


class Put:
    """Inserts rows, or changes those that are there; to be used inside `Store.write`.

    The statement is peewee's own, so that every database gets it in its own spelling.
    """

    def __init__(
        self,
        columns: Sequence[Any],
        *,
        key: Sequence[Any] = (),
        is_packed: bool = False,
    ) -> None:
        """Describe the rows.

        Args:
            columns: of one table, in the order of the values in a row.
            key: those by which a row that is there is known, whose others are then replaced; none
                to insert always.
            is_packed: values of JSON columns are given as they are stored.
        """
        self._columns = columns
        self._key = key
        kinds = JsonColumn | PackedJsonColumn
        self._json_at = [
            at for at, one in enumerate(columns) if isinstance(one, kinds) and not is_packed
        ]
        self._statement = ""

    def __call__(self, rows: Iterable[Sequence[Any]]) -> None:
        """Put rows of plain values: numbers, text, booleans, None, and what goes into JSON."""
        values = [list(row) for row in rows]
        for row in values:
            for at in self._json_at:
                row[at] = self._columns[at].db_value(row[at])
        if values:
            self._statement = self._statement or self._spelled()
            DATABASE.connection().cursor().executemany(self._statement, values)

    def _spelled(self) -> str:
        # With a dictionary in its place, peewee would put the columns into its own order.
        nothing = [None] * len(self._columns)
        query = self._columns[0].model.insert_many([nothing], fields=self._columns)
        if self._key:
            key = {one.name for one in self._key}
            taken = [one for one in self._columns if one.name not in key]
            query = query.on_conflict(conflict_target=self._key, preserve=taken)
        statement: str = query.sql()[0]
        return statement
