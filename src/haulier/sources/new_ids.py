from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from haulier.items.due import due_parts, due_starts
from haulier.items.ranges import IdRange
from haulier.items.workitem import WorkItem
from haulier.sources.context import Context
from haulier.sources.finished import Finished
from haulier.sources.ids import IdsDivision


class NewIdsDivision(IdsDivision):
    """Ranges of an incremental run: IDs that no earlier one has finished, and the last ones once more."""

    async def items(self, context: Context) -> AsyncIterator[WorkItem]:
        """None where nothing is due. Raises `UsageError` where the API does not say the last ID."""
        finished = context.finished.ids(self.item.stream)
        found = await self._edges(context.api)
        if found is None:
            return
        first, last = found
        if finished and last + 1 < finished[-1].end:
            # Rows at the end were deleted, and their IDs may be given out again; or one ID was far out, or all begin
            # anew, and nothing would be due for ever.
            context.log.warning(
                "the last ID is below what is finished, so new records with IDs in between count as read: "
                "`haulier state set` says up to which ID all is there",
                extra={"stream": self.item.stream, "last": last, "finished_up_to": finished[-1].end - 1},
            )
        parts = due_starts if self._recipe.only_start else due_parts
        step, lookback = self._recipe.step, self._recipe.lookback
        for ids in parts(finished, IdRange(first, last + 1), step=step, lookback=lookback):
            yield self._make(ids)

    def due(self, all_finished: Finished) -> Iterator[IdRange]:
        """What a run reads of the IDs that were known: holes, and the last ones once more. Newer ones only the API
        tells."""
        finished = all_finished.ids(self.item.stream)
        if not finished:
            return iter(())
        first, end = finished[0].start, finished[-1].end
        if isinstance(self._recipe.first, int):
            first = min(self._recipe.first, end - 1)
        return due_parts(finished, IdRange(first, end), step=None, lookback=self._recipe.lookback)
