"""Names and messages of unknown origin as one line that can be printed; knows not what they say."""

import unicodedata


def one_line(text: object) -> str:
    """Return text with each line end, control character and broken byte written as an escape."""
    return "".join(
        character if printable(character) else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def printable(character: str) -> bool:
    """Say whether it is neither a line end, nor a control character, nor half a character."""
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
