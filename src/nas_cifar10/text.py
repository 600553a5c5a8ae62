"""Names, messages and numbers as text that can be printed; knows not what they say."""

import unicodedata

# Arabic letter mark, left-to-right and right-to-left marks, embeddings, overrides and isolates.
_TURNS = {"\u061c", "\u200e", "\u200f"}
_TURNS |= {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def one_line(text: object) -> str:
    """Return text with each line end, control character and broken byte written as an escape."""
    return "".join(
        character if printable(character) else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def three_digits(value: float) -> str:
    """Return a number with three digits that count: `0.00113`, and from 1,000 on `1,024`."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def percent(share: float, digits: int = 1) -> str:
    """Return `70.3 %`, which claims neither a perfect nor a zero that is not there."""
    return f"{_below(100 * share, 100, digits)} %"


def rounded(share: float, digits: int = 3) -> str:
    """Return `0.703`, which claims neither a perfect nor a zero that is not there."""
    return _below(share, 1, digits)


def _below(value: float, most: int, digits: int) -> str:
    text, step = f"{value:.{digits}f}", 10**-digits
    if value < most and float(text) == most:
        return f"> {most - step:.{digits}f}"
    return f"< {step:.{digits}f}" if value > 0 and float(text) == 0 else text


def printable(character: str) -> bool:
    """Say whether it is neither a line end, nor a control character, nor half a character."""
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}


def harmless(text: object) -> str:
    """Return lines for a terminal: what would move its cursor or turn its text is an escape."""
    return "".join(
        character
        if character == "\n" or (printable(character) and character not in _TURNS)
        else character.encode("unicode_escape").decode()
        for character in str(text)
    )
