"""Run-length coding of words in a stream, as on the memory side of Eyeriss (dense reference, 3.7)."""
