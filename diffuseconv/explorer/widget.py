"""The explorer inside a notebook: the same page module, in anywidget's form (extra ``widget``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget

from diffuseconv.explorer.session import Session, answer

__all__ = ["Explorer"]


class Explorer(anywidget.AnyWidget):
    """The explorer as a widget of Jupyter, Colab or marimo: put an instance at the end of a cell."""

    _esm = Path(__file__).with_name("explorer.js")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._session = Session()
        self.on_msg(self._reply)

    def _reply(self, widget: Any, message: Any, buffers: Any) -> None:
        """Answer a request of the page."""
        self.send({"id": message.get("id"), "answer": answer(self._session, message.get("request"))})
