"""Names and messages of unknown origin as one line that can be printed; knows not what they say."""

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
