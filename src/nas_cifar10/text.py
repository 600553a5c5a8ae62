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


def short(count: int) -> str:
    """Return a large count with three digits that count: `19.4 M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:  # rounds up to one of these
            return f"{three_digits(count / size)} {unit}"
    return str(count)


def duration(seconds: float) -> str:
    """Return `41 s`, `5 min 12 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def about(seconds: float) -> str:
    """Return `89 s`, `5 min` or `2 h 05 min`, for what changes while it is read."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else duration(seconds)


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
