"""About as many threads compute at once as there are processors; one that waits lets another one in.

A thread for each block on its way is the simplest way to wait, and a bad way to compute: when a commit answers 32
of them at once, they all want the interpreter, and on two processors most of what they do is to wake each other
up. Measured, it took a third of all puts and half of all reads. So a thread holds a slot while it computes, and
gives it up for as long as it waits for a commit.

    with processors.computing():          in the shell, around a request
        ...
        with processors.waiting():        wherever that request waits for other threads
            ...

Slots are never needed to make what a thread waits for happen, so holding one cannot block anybody for good.
"""

from queue import SimpleQueue


class Processors:
    """A number of slots. Safe from any thread."""

    def __init__(self, count: int) -> None:
        assert count > 0
        slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(count):
            slots.put(None)
        self._computing = Computing(slots)
        self._waiting = Waiting(slots)

    def computing(self) -> "Computing":
        """Hold a slot for as long as the block lasts; wait for one first."""
        return self._computing

    def waiting(self) -> "Waiting":
        """Lend the slot of this thread for as long as the block lasts; wait for one then.

        A thread that holds none may do so too: for that long there is one more.
        """
        return self._waiting


class Computing:
    """A context manager without state of its own, so that entering it costs next to nothing."""

    def __init__(self, slots: "SimpleQueue[None]") -> None:
        self._slots = slots

    def __enter__(self) -> None:
        self._slots.get()

    def __exit__(self, *_: object) -> None:
        self._slots.put(None)


class Waiting:
    """The reverse of `Computing`."""

    def __init__(self, slots: "SimpleQueue[None]") -> None:
        self._slots = slots

    def __enter__(self) -> None:
        self._slots.put(None)

    def __exit__(self, *_: object) -> None:
        self._slots.get()
