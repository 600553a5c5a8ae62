"""The front door: parse, call one function, print; the only room that prints."""
