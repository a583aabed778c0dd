"""NDJSON under gzip: one line a record, its bytes unchanged; and every damage is seen."""

import gzip
import hashlib
import json
import tracemalloc
import zlib
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulier.errors import ItemError
from haulier.lake.local.lake import LocalLake
from haulier.lake.ndjson import BLOCK_BYTES, LineCompressor, LineCounter, to_lines
from haulier.lake.seam import ObjectFacts
from haulier.testing.contracts.lake.contents import OBJECT, spooled, stored

SPACE = st.text(alphabet=" \t\r\n", max_size=3)
NUMBERS = st.sampled_from(["0", "-0", "1.10", "1e400", "1E+2", "123456789012345678901234567890", "-0.0"])
TEXTS = st.one_of(
    st.text(max_size=6).map(json.dumps),
    st.sampled_from(
        [r'"caf\u00e9"', r'"a\/b"', r'"\ud83d\ude9a"', '"naïve 日本"', r'"line\nend\r"', r'"\\"', '"{[,:]}"']
    ),
)


@st.composite
def spaced(draw: st.DrawFn, parts: st.SearchStrategy[list[str]], brackets: str) -> str:
    """An array or object with white space wherever JSON allows it."""
    joined = ",".join(f"{draw(SPACE)}{part}{draw(SPACE)}" for part in draw(parts)) or draw(SPACE)
    return f"{brackets[0]}{joined}{brackets[1]}"


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(TEXTS, SPACE, SPACE, inner).map(lambda pair: f"{pair[0]}{pair[1]}:{pair[2]}{pair[3]}")
    return spaced(st.lists(inner, max_size=3), "[]") | spaced(st.lists(pairs, max_size=3), "{}")


VALUES = st.recursive(NUMBERS | TEXTS | st.sampled_from(["true", "false", "null"]), containers, max_leaves=8)
RECORDS = st.builds(lambda before, value, after: f"{before}{value}{after}".encode(), SPACE, VALUES, SPACE)


def counted(stored: bytes, piece_bytes: int = 1024 * 1024) -> ObjectFacts:
    """What an object is found to hold; ValueError if it is damaged."""
    counter = LineCounter()
    for start in range(0, len(stored), piece_bytes):
        counter.feed(stored[start : start + piece_bytes])
    counter.check_end()
    return counter.facts()


def compressed(lines: bytes, records: int) -> tuple[bytes, ObjectFacts]:
    compressor = LineCompressor()
    compressor.add(lines, records)
    return compressor.finish(), compressor.facts()


@given(st.lists(RECORDS, max_size=6))
def test_a_record_keeps_its_bytes_on_one_line(records: list[bytes]) -> None:
    """G6: of any JSON only CR and LF go, which stand between tokens alone; it means the same as before."""
    lines = to_lines(records)
    assert lines.count(b"\n") == len(records)
    assert lines == b"".join(record.replace(b"\r", b"").replace(b"\n", b"") + b"\n" for record in records)
    assert [json.loads(line, parse_float=str) for line in lines.splitlines()] == [
        json.loads(record, parse_float=str) for record in records
    ]


@pytest.mark.parametrize("padding", [0, 2_000])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\n"])
@pytest.mark.parametrize("place", range(3))
def test_line_ends_are_found_in_short_and_long_records(padding: int, end: bytes, place: int) -> None:
    """G6: at the start, in the middle and at the end of a record, wherever it stands in its page."""
    record = b'{"a":"%s"}' % (b"x" * padding)
    for awkward in (end + record, b"{" + end + record[1:], record + end):
        page = [record] * 3
        page[place] = awkward
        assert to_lines(page) == (record + b"\n") * 3


@pytest.mark.parametrize("padding", [0, 2_000])
@pytest.mark.parametrize("empties", [[0], [1], [2], [0, 1], [1, 2]])
def test_empty_records_are_found_among_short_and_long_ones(padding: int, empties: list[int]) -> None:
    """Though another record has line ends enough to make up for them."""
    record = b'{"a":"%s"}' % (b"x" * padding)
    for other in (record, b"\n" + record):
        page = [b"" if number in empties else other for number in range(3)]
        with pytest.raises(ItemError, match=f"Record {empties[0] + 1} of 3"):
            to_lines(page)


@given(st.lists(RECORDS, min_size=1, max_size=6), st.data())
def test_an_empty_record_is_named(records: list[bytes], data: st.DataObject) -> None:
    """It would be a line that readers skip and counts miss: an error of the item, with its place."""
    place = data.draw(st.integers(0, len(records)))
    empty = data.draw(st.text(alphabet="\r\n", max_size=3)).encode()
    with pytest.raises(ItemError, match=f"Record {place + 1} of {len(records) + 1} "):
        to_lines([*records[:place], empty, *records[place:]])


@given(st.lists(RECORDS, min_size=1, max_size=6), st.integers(1, 50))
def test_what_was_written_is_what_is_counted(records: list[bytes], piece_bytes: int) -> None:
    """G3, P9: whoever reads an object, in whatever pieces, finds what its writer said."""
    lines = to_lines(records)
    stored, facts = compressed(lines, len(records))
    assert gzip.decompress(stored) == lines
    assert facts == ObjectFacts(len(records), len(stored), hashlib.sha256(stored).hexdigest())
    assert counted(stored, piece_bytes) == facts


@given(st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6))
def test_the_cuts_of_its_input_do_not_show(sizes: list[int]) -> None:
    """Equal lines, equal bytes: however they were handed in, the compressor is fed the same blocks."""
    lines = (b"haulier hauls %x\n" * 7 % (1, 20, 300, 4000, 50, 6, 70)) * 12_000
    whole, facts = compressed(lines, 0)
    pieces = LineCompressor()
    stored, start = b"", 0
    for size in sizes:
        pieces.add(lines[start : start + size], 0)
        start += size
        if pieces.waiting_bytes >= BLOCK_BYTES:
            stored += pieces.drain()
            assert pieces.waiting_bytes < BLOCK_BYTES
    pieces.add(lines[start:], 0)
    assert stored + pieces.finish() == whole
    assert pieces.facts() == facts


@pytest.mark.parametrize("sizes", [[900_000] * 3, [20_000] * 60, [900_000, 20_000] * 3, [1_000_000, 100, 300_000]])
async def test_a_page_is_not_there_twice_while_it_is_written(lake: LocalLake, sizes: list[int]) -> None:
    """G9: beside the pages themselves, two blocks and the compressor; and the object is the same as from one page."""
    records = [b'{"id":%d,"text":"%s"}' % (number, b"x" * (number % 7 * 3_000)) for number in range(400)]
    pages, start = [], 0
    for size in sizes:
        page, left = [], size
        while left > 0:
            page.append(records[start % len(records)])
            left -= len(page[-1])
            start += 1
        pages.append(page)
    spool = await lake.open_spool("staging", "pages")
    tracemalloc.start()
    try:
        for page in pages:
            await spool.write(page)
        facts = await spool.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * BLOCK_BYTES
    whole, expected = compressed(to_lines([record for page in pages for record in page]), start)
    assert facts == expected
    await lake.publish(spool, OBJECT)
    assert await stored(lake, OBJECT) == whole


async def test_an_empty_record_of_a_large_page_is_named_by_its_place(lake: LocalLake) -> None:
    """In the page, however many of its records are made into lines at a time."""
    page = [b'{"text":"%s"}' % (b"x" * 10_000)] * 100
    page[89] = b"\r\n"
    spool = await lake.open_spool("staging", "pages")
    with pytest.raises(ItemError, match="Record 90 of 100 in a page"):
        await spool.write(page)
    await spool.discard()


@pytest.mark.parametrize("level", [1, 9])
def test_an_object_cut_off_at_any_byte_is_damaged(level: int) -> None:
    """P9: whoever compressed it."""
    stored = gzip.compress(b'{"a":1}\n{"b":"%d"}\n' % 2**300, compresslevel=level)
    assert counted(stored).records == 2
    for length in range(len(stored)):
        with pytest.raises(ValueError, match=r"cut off|no bytes"):
            counted(stored[:length])


def test_an_object_of_ours_cut_off_at_any_byte_is_damaged() -> None:
    """P9: one member, whose end is its object's end."""
    stored, _ = compressed(b"".join(b'{"id":%d}\n' % number for number in range(200)), 200)
    for length in range(len(stored)):
        with pytest.raises(ValueError, match=r"cut off|no bytes"):
            counted(stored[:length])


def test_a_flipped_bit_is_damaged_or_changes_nothing_that_is_read() -> None:
    """P9: the checksum and the length at the end of a member are believed over its data."""
    lines = b"".join(b'{"id":%d}\n' % number for number in range(50))
    stored, _ = compressed(lines, 50)
    for bit in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            facts = counted(bytes(flipped))
        except ValueError:
            continue
        assert facts.records == 50
        assert facts.sha256 != hashlib.sha256(stored).hexdigest()
        assert bit // 8 < 10 or zlib.decompress(flipped[10:], wbits=-15) == lines


@given(st.binary(min_size=1, max_size=20).filter(lambda tail: tail[:2] != b"\x1f\x8b"))
def test_what_follows_an_object_is_damage(tail: bytes) -> None:
    """Zeros, too, which some readers let pass."""
    stored, _ = compressed(b"{}\n", 1)
    with pytest.raises(ValueError, match=r"not gzip|cut off"):
        counted(stored + tail)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(1, 30))
def test_several_members_are_one_object(members: list[int], piece_bytes: int) -> None:
    """As the format has it, and as every reader of a lake reads it."""
    stored = b"".join(gzip.compress(b'{"a":1}\n' * count) for count in members)
    assert counted(stored, piece_bytes).records == sum(members)


def test_a_last_line_without_its_end_is_damage() -> None:
    """Its record may be half."""
    with pytest.raises(ValueError, match="last line has no end"):
        counted(gzip.compress(b'{"a":1}\n{"b'))


def test_a_bomb_is_read_in_bounded_memory() -> None:
    """G9: 200 MB of lines in 200 KB are counted a megabyte at a time."""
    member = gzip.compress(b" " * 9_999_999 + b"\n", compresslevel=1)
    assert counted(member * 20).records == 20


async def test_duckdb_reads_what_we_wrote(lake: LocalLake, root: Path) -> None:
    """The one line that the documentation gives for it: every record, late fields and awkward values included."""
    records = [b'{"id":%d,"text":"caf\\u00e9",\r\n"price":1.10}' % number for number in range(25_000)]
    records[-1] = b'{"id":25000,"late":"field"}'
    await lake.publish(await spooled(lake, records), OBJECT)
    query = """
        SELECT count(*), count(DISTINCT id), count(late), count(*) FILTER (text = 'café'), sum(price)::DECIMAL(10, 2)
        FROM read_json(?, union_by_name = true, sample_size = -1)
    """
    found = duckdb.execute(query, [str(root / "**" / "*.ndjson.gz")]).fetchone()
    assert found is not None
    assert [str(each) for each in found] == ["25000", "25000", "1", "24999", "27498.90"]
