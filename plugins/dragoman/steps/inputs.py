"""What a delivery builds on: every source sealed, every whole-set translation staged."""

from __future__ import annotations

from dragoman.steps.extract import extract_stream
from dragoman.steps.translate import translate_node
from dragoman.steps.work import Work

__all__ = ["seal_inputs"]


def seal_inputs(work: Work) -> None:
    """Do what is not done yet; each step knows its own state, so nothing is done twice."""
    for source in work.flow.sources:
        for stream in source.streams:
            extract_stream(work, source, stream)
    for translation in work.flow.translations:
        translate_node(work, translation)
