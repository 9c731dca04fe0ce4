"""What can be wrong with prices, bills and the files that users keep, in words for the user."""


class CostError(Exception):
    """Something about costs that the user can act on; the warehouse was not changed."""


class PriceListError(CostError):
    """The text is no AmazonBraket price list, or one that contradicts itself or what is stored."""


class BillingFileError(CostError):
    """A bill, or a file of reservations, discounts or usage types, cannot be used."""


class UnknownPriceError(CostError):
    """No single price is known for what is to be estimated."""
