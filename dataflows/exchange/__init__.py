"""Files of other tools: what they mean in this suite's terms, and this suite's mappings in theirs (docs/exchange.md).

Readers never drop anything silently: what changes no figure becomes a note, everything else that is not understood an error
that names it.
"""
