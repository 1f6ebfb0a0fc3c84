"""Hooks of schemathesis: its cases stay within HTTP.

A header with a control character is no HTTP message (RFC 9110, 5.5). The front refuses such a head before any path is known, in the
form of every other malformed message, which the description of the REST interface does not cover.
"""

import schemathesis


def is_sent(letter):
    """Whether a letter may stand in the value of a header."""
    return letter == "\t" or (letter >= " " and letter != "\x7f")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Takes control characters out of the headers of a case."""
    for name, value in list((case.headers or {}).items()):
        if isinstance(value, str):
            case.headers[name] = "".join(filter(is_sent, value)).strip()
