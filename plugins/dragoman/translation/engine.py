"""The front door of the translations, as the steps use them."""

from __future__ import annotations

from dragoman.translation.set_inputs import SetInput
from dragoman.translation.sets import SetTranslator
from dragoman.translation.translated import Translated
from dragoman.translation.translator import Translator

__all__ = ["SetInput", "SetTranslator", "Translated", "Translator"]
