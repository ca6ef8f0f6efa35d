"""The fast way and the walk find the same records."""

import hypothesis.strategies as st
from hypothesis import given, settings

from dragoman.formats.delimited_layout import Splitter

PIECES = st.sampled_from([b'"', b'""', b",", b"\n", b"\r\n", b"x", b"yz", b'"a"', b'"b\nc"', b" "])


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_the_fast_way_agrees_with_the_walk_or_leaves_it_to_it(pieces):
    data = b"".join(pieces)
    splitter = Splitter(b",", b'"', b"")
    fast, walked = splitter._by_parity(data), splitter._walk(data)
    assert len(walked.ends) == len(walked.lines)
    if fast is None:
        return
    assert fast.ends.tolist() == walked.ends.tolist()
    assert fast.lines.tolist() == walked.lines.tolist()
    assert (fast.after, fast.torn) == (walked.after, walked.torn)


def test_well_formed_text_takes_the_fast_way():
    data = b'a,"b ""c"" d","e\nf",""\n"",,"x"\r\n'
    layout = Splitter(b",", b'"', b"")._by_parity(data)
    assert layout is not None
    assert layout.lines.tolist() == [0, 2]


def test_an_unfinished_record_is_left():
    layout = Splitter(b",", b'"', b"").split(b'1,2\n3,"open\n4,5\n')
    assert layout.cut == 4


def test_windows_line_ends_take_the_fast_way_wherever_the_piece_is_cut():
    data = b'1,"a\r\nb"\r\n2,c\r\n'
    splitter = Splitter(b",", b'"', b"")
    for cut in range(len(data) + 1):
        part = splitter.split(data[:cut])
        assert part.cut in {0, 10, 15}
        assert part.cut <= cut
    assert splitter.split(data).lines.tolist() == [0, 2]
