"""What can go wrong with the warehouse, in words for the user. Each message says what to do next."""


class WarehouseError(Exception):
    """Something about the warehouse that the user can act on."""


class NotPublishedError(WarehouseError):
    """There is no published copy to read yet."""


class LockHeldError(WarehouseError):
    """Another process held the writer lock for longer than we wait."""


class NewerWarehouseError(WarehouseError):
    """The warehouse was written by a newer version of braket_etl."""


class DamagedError(WarehouseError):
    """The warehouse cannot be opened, or holds fewer rows than were committed."""


class DuplicateKeyError(WarehouseError):
    """A merge would have left two rows for one key; it was rolled back."""


class HeldBackError(WarehouseError):
    """What is stored was not published, since a check that blocks found something."""


class NoSpaceError(WarehouseError):
    """The disk is too full to go on safely."""


class LakeError(WarehouseError):
    """A DuckLake's catalog or files cannot be reached, or its extensions are not installed."""


class ConflictError(WarehouseError):
    """Somebody else changed the same files of a DuckLake meanwhile; nothing of the transaction was stored."""


class NotEmptyError(WarehouseError):
    """What is to be filled holds records already; nothing was changed."""
