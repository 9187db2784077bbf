"""Count what is compiled."""

import contextlib
import logging
from collections.abc import Iterator


class Compilations(logging.Handler):
    """The names of the programs that JAX compiles, as it logs them."""

    def __init__(self):
        logging.Handler.__init__(self)
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Finished XLA compilation of "):
            self.names.append(message.removeprefix("Finished XLA compilation of ").split(" in ")[0])


@contextlib.contextmanager
def count_compilations() -> Iterator[Compilations]:
    """Collect compilations inside the block."""
    logger = logging.getLogger("jax._src.dispatch")
    handler, level, propagate = Compilations(), logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
