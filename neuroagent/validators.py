"""Say what PostgreSQL would refuse, before it has to."""

import json
import re
from decimal import Decimal, DecimalException
from typing import NoReturn

from django.core.exceptions import ValidationError

# In valid JSON a backslash starts an escape, and only in strings. A surrogate pair
# comes first, so that what is left of D800-DFFF stands alone.
ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u....|\\."
)
LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]..")

# Source: https://www.postgresql.org/docs/current/datatype-numeric.html
MAX_DIGITS_BEFORE_POINT = 131_072
MAX_DIGITS_AFTER_POINT = 16_383


def validate_jsonb(text: str) -> None:
    r"""Accept only text that PostgreSQL can cast to jsonb.

    That is less than Python's `json.loads` takes: no NaN or Infinity, no \u0000, no
    half of a surrogate pair, no number beyond `numeric`. Nesting deeper than Python
    can follow is refused too.

    >>> validate_jsonb('{"role": "user", "content": "hello"}')
    >>> validate_jsonb("hello")
    Traceback (most recent call last):
    ...
    django.core.exceptions.ValidationError: ['Not JSON: Expecting value: line 1 column 1 (char 0).']

    Raises: ValidationError.

    Source: https://www.postgresql.org/docs/current/datatype-json.html
    """  # noqa: E501
    try:
        text.encode()
        json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_check_number,
            parse_float=_check_number,
        )
    except UnicodeEncodeError as error:
        raise ValidationError(
            f"Not text: character {error.start} is half of a surrogate pair.",
            code="not_jsonb",
        ) from error
    except RecursionError as error:
        raise ValidationError("Nested too deeply.", code="not_jsonb") from error
    except ValueError as error:
        raise ValidationError(f"Not JSON: {error}.", code="not_json") from error
    for escape in ESCAPE.findall(text):
        if escape == r"\u0000":
            raise ValidationError(
                r"PostgreSQL cannot store \u0000 in a string.", code="not_jsonb"
            )
        if LONE_SURROGATE.fullmatch(escape):
            raise ValidationError(
                f"PostgreSQL cannot store {escape}, half of a surrogate pair.",
                code="not_jsonb",
            )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_number(text: str) -> None:
    try:
        number = Decimal(text)
    except DecimalException:
        fits = False
    else:
        exponent = number.as_tuple().exponent
        fits = (
            number.adjusted() < MAX_DIGITS_BEFORE_POINT
            and isinstance(exponent, int)
            and -exponent <= MAX_DIGITS_AFTER_POINT
        )
    if not fits:
        raise ValidationError(
            f"PostgreSQL cannot store a number such as {text[:20]}.", code="not_jsonb"
        )
