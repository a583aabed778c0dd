"""Checks of the streams of a file together: each parent is there, no stream is above itself, and names are free."""

from __future__ import annotations

from collections.abc import Mapping

from haulier.config.place import Place, suggest
from haulier.config.stream_table import check_new_name
from haulier.sources.ancestry import ancestor_fields, circle_of, line_of
from haulier.sources.recipe import StreamRecipe
from haulier.sources.templates import PARENT, PARENTS


def check_new_names(streams: Mapping[str, StreamRecipe], place: Place) -> None:
    """`SourceFileError` where items of incremental runs would have the kind of another stream's items."""
    for name, recipe in streams.items():
        owner = line_of(recipe, streams)[0]
        if owner.incremental is not None and (other := f"{name}_new") in streams:
            raise place.at(other).error(
                f"items of incremental runs of {name!r} have this name.", "Write another name for one of the two."
            )


def check_parents(streams: Mapping[str, StreamRecipe], place: Place) -> None:
    """`SourceFileError` unless every parent is another stream of the file, and the one at the top is divided."""
    for name, recipe in streams.items():
        if recipe.parent is not None and streams.get(recipe.parent.stream) in (None, recipe):
            parent = recipe.parent.stream
            remedy = suggest(parent, [other for other in streams if other != name])
            raise (
                place.at(name)
                .at("parent")
                .error(
                    f"there is no other stream {parent!r}.",
                    remedy or "A parent is another stream of this file: write it, too.",
                )
            )
    for name, recipe in streams.items():
        if recipe.parent is not None:
            _check_line(recipe, streams, place.at(name))


def _check_line(recipe: StreamRecipe, streams: Mapping[str, StreamRecipe], place: Place) -> None:
    _check_circle(recipe, streams, place)
    line = line_of(recipe, streams)
    if line[0].incremental is not None:
        check_new_name(recipe.name, place, f", as its parent {line[0].name!r} has,")
    if line[0].full is None:
        raise place.at("parent").error(
            f"{line[0].name!r} does not say how a full run is divided into items.",
            f"Write a table [streams.{line[0].name}.full.ids], or another of its kind.",
        )
    above = [stream.name for stream in line[:-2]]
    for stream, field in ancestor_fields(recipe):
        if stream == line[-2].name:
            raise place.error(
                f"{{{PARENTS}{stream}.{field}}} names the parent itself.", f"Write {{{PARENT}{field}}} for it."
            )
        if stream and stream not in above:
            raise place.error(
                f"{{{PARENTS}{stream}.{field}}}: no stream {stream!r} is above the parent.",
                suggest(stream, above) if above else f"Write {{{PARENT}FIELD}} for a field of the parent.",
            )


def _check_circle(recipe: StreamRecipe, streams: Mapping[str, StreamRecipe], place: Place) -> None:
    line = [recipe]
    while (rule := line[0].parent) is not None:
        if circle := circle_of(streams[rule.stream], line):
            raise place.at("parent").error(
                f"the parents lead in a circle: {circle}.", "Name a stream above that is divided by `full` itself."
            )
        line.insert(0, streams[rule.stream])
