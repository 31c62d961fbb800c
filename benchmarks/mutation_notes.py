"""Why mutants live that no bench kills and no prover calls equivalent: by reading, for the page of the mutation run."""

from __future__ import annotations

NOTES: tuple[tuple[str, str, str], ...] = (
    (
        "array_",
        r"_ahead\[|inputs_\w+_ahead",
        (
            "A beat's position less the tag. Negative differences have all high bits set, and stay beyond every box with one "
            "bit less or more; positive ones are small, since the tags of four PEs are close together, and nothing is ahead "
            "of the last PE."
        ),
    ),
    (
        "array_",
        r"^queue\.fifo",
        (
            "The queue is asked for no more sums than it has room for, so it is never full; its pointers never pass its last "
            "place; and what is written without being valid lies where the next word is put."
        ),
    ),
    (
        "array_",
        r"\(marks\[",
        "Marks that travel beside no result: nobody looks at them without the valid bit.",
    ),
    (
        "array_rs",
        r"^\$70\.D\[2\]",
        "Marks that travel beside no result: nobody looks at them without the valid bit.",
    ),
    (
        "array_",
        r"^sequencer.*outer_11|outputs_store\.word_7",
        ("A register that is wrong in every cycle it is kept, and so right every other time, in a word that few layers use."),
    ),
    (
        "array_",
        r"^match = tag\.active",
        (
            "A PE takes in a word that is not for it: between deliveries, where the next delivery overwrites it, or while it "
            "takes no part in the layer, where nobody asks for its sum."
        ),
    ),
    (
        "array_[wo]s",
        r"Mux\(last_output, 0, output \+ 1\)",
        "PEs of this array keep one word: what counts a PE's sums stays 0.",
    ),
    (
        "array_[wo]s",
        r"untouched = ",
        "PEs of this array keep one word: no loop goes round inside them but the long ones of the bench, which all reduce.",
    ),
    (
        "array_[wo]s",
        r"self\.take\.eq\(self\.new",
        "PEs of this array keep one word: every step is the last of its pass, so every one opens the next.",
    ),
    (
        "array_[wo]s",
        r"done\.eq\(accept & beats\.payload\.last",
        "PEs of this array keep one word: the only beat of such a delivery is its last.",
    ),
    (
        "array_",
        r"counter\.eq\(counter \+ 1\)",
        "A bit turns over in iterations from 4096 on of one loop: those of the layers are shorter.",
    ),
    (
        "array_",
        r"^`?turn = ctl\.drain",
        (
            "A PE adds its sum to what passes though nothing is drained: no mark is beside it then, and nobody looks. Where a PE "
            "that takes no part does so in a drain, its sum would have to be left over from a layer before."
        ),
    ),
    (
        "array_[wo]s",
        r"\(sequencer\.output\[",
        "PEs of this array keep one word: what counts a PE's sums stays 0.",
    ),
    (
        "array_",
        r"filled\.eq\(filled \+ done",
        "Halves of two that are filled or ready: the sums are at most three, so that their third bit is never set.",
    ),
    (
        "array_",
        r"\(sequencer\.outer_\d+\[",
        (
            "Wrong only from a late iteration of one loop on: the layers' loops are shorter there, and the long loops have a "
            "single result."
        ),
    ),
    (
        "array_",
        r"sequencer\.\$procmux\$(136|140|230)\.",
        "A bit of the next value of a register of the sequencer; not traced to a statement.",
    ),
    (
        "array_",
        r"^match &= ahead < ",
        (
            "The extent that a beat's position is held against: a bit that it does not reach, or that makes it larger where no "
            "position is so far ahead of a tag."
        ),
    ),
    (
        "array_",
        r"self\.draining\.eq",
        "Wrong if more than three banks were waiting to be emptied; there are two.",
    ),
    (
        "array_",
        r"^sequencer\.\$procmux\$\d+\.B\[",
        "What a loop counter holds between reset and start, which sets it to 0.",
    ),
    (
        "array_",
        r"begun = |self\.room\.eq|called",
        (
            "Sums are held back one call too early, with exactly nine under way: only where results pile up, and there cycles"
            " are not compared."
        ),
    ),
    (
        "array_",
        r"self\.issue\.eq\(self\.walking",
        (
            "Waits for an empty bank though the pass goes on in the one it has: seen only while a bank is being emptied for "
            "longer than such a pass takes."
        ),
    ),
    (
        "array_",
        r"self\.is_first = ",
        (
            "The mark of a first visit in iteration 1024 alone of one loop: the layers' loops are shorter, and the long loops"
            " have a single result."
        ),
    ),
    (
        "array_",
        r"self\.is_final = ",
        (
            "Whether the innermost loop brings back sums that had left. Sums leave after a loop that changes them, and such a"
            " loop is inside that one: it is never the innermost."
        ),
    ),
    (
        "array_",
        r"self\.ends\[at\]\.eq|n < change",
        "Whether loop 9 changes the inputs, wrong where 10 or 11 loops do and no more.",
    ),
    (
        "array_",
        r"at \+ delta",
        "A bit turns over if the next address is negative. None is.",
    ),
    (
        "control",
        r"^program_registers\.\$procmux\$18(52|70)",
        (
            "Fields are as wide as 256 rows and columns need; with four, a block has fewer weight words and lanes than the "
            "bit that turns the other one over stands for."
        ),
    ),
    (
        "control",
        r'prog\[f"{name}_delta_',
        (
            "The step between tiles of scales along the innermost of their loops: at most 65535 blocks of four beats, less "
            "than the bit that turns the other one over stands for."
        ),
    ),
    (
        "control",
        r"\.channel\.taps\.\$(68\.B\[8\]|73)",
        (
            "The third plane of a walk past the array, or a filter of no columns: an operation channel by channel has two "
            "planes at most, a filter a column at least."
        ),
    ),
    (
        "control",
        r"load_responses\.write_addr",
        "Half a buffer has at most 65536 words; the address has a bit more.",
    ),
    (
        "control",
        r"channel\.acc\[18\]",
        "Half an accumulator bank has at most 32768 words; the address has a bit more, and the memory does not take it.",
    ),
    (
        "control",
        r'tile\["skip_y"\]|skipped_beats',
        "Rows that are skipped, at most 255, times the beats of a row, at most 65535: bit 31 is never 1.",
    ),
    (
        "control",
        r"^post_queue",
        "A tile's last sum comes long after its descriptor, so the queue is never asked while it is empty.",
    ),
    (
        "control",
        r"^load_responses\.\$132",
        (
            "Beats of a word that are here: none or one, since a word has two at most and all of a word belong to one "
            "segment. The prover sees segments that end inside a word."
        ),
    ),
)
"""Which designs, a pattern for the place or the statement, and why such mutants live; the first that fits counts.

Numbers of cells are those of the seed that `benchmarks.mutation` uses; where the hardware changes, statements show instead.
"""
