import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcc.targets.cache import LAYOUT, Cache, default_directory, key, write_atomically


def test_what_is_put_is_got(tmp_path):
    cache = Cache(tmp_path)
    assert cache.get(key("a")) is None
    cache.put(key("a"), b"contents")
    assert cache.get(key("a")) == b"contents"
    assert cache.get_or_make(key("a"), lambda: b"other") == b"contents"
    assert cache.get_or_make(key("b"), lambda: b"made") == b"made"
    assert cache.get(key("b")) == b"made"


def test_a_key_depends_on_parts_their_order_and_their_borders():
    keys = {key("ab", "c"), key("a", "bc"), key("c", "ab"), key("abc"), key(b"ab", b"c", b"")}
    assert len(keys) == 5
    assert key("ab") == key(b"ab")


def test_a_damaged_entry_is_dropped(tmp_path):
    cache = Cache(tmp_path)
    cache.put(key("a"), b"contents")
    (file,) = (p for p in (tmp_path / LAYOUT).rglob("*") if p.is_file() and p.name != "pruned")
    for damaged in (b"", file.read_bytes()[:-1], b"x" + file.read_bytes()[1:]):
        file.write_bytes(damaged)
        assert cache.get(key("a")) is None
        assert not file.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_is_an_empty_one(tmp_path):
    tmp_path.chmod(0o500)
    Cache(tmp_path / "no").put(key("a"), b"x")
    assert Cache(tmp_path / "no").get(key("a")) is None


def test_a_cache_below_a_file_is_an_empty_one(tmp_path):
    (tmp_path / "file").write_text("")
    Cache(tmp_path / "file").put(key("a"), b"x")
    assert Cache(tmp_path / "file").get(key("a")) is None


def test_the_entries_unused_for_longest_go_first(tmp_path):
    cache = Cache(tmp_path, max_bytes=3 * (1000 + 32))
    for number in range(5):
        cache.put(key(str(number)), bytes(1000))
        path = cache._path(key(str(number)))
        os.utime(path, (number, number))
    cache.get(key("0"))
    left_behind = cache._path(key("0")).with_name(".x.tmp")
    left_behind.write_bytes(b"half")
    os.utime(left_behind, (1, 1))
    cache.prune()
    assert [n for n in range(5) if cache.get(key(str(n))) is not None] == [0, 3, 4]
    assert not left_behind.exists()


def test_where_it_lies():
    assert default_directory({"TCC_CACHE_DIR": "/a"}) == Path("/a")
    assert default_directory({"XDG_CACHE_HOME": "/b", "HOME": "/h"}) == Path("/b/tcc")
    assert default_directory({"HOME": "/h"}) == Path("/h/.cache/tcc")


def _work(directory: str, seed: int) -> int:
    cache = Cache(Path(directory), max_bytes=200_000)
    wrong = 0
    for step in range(150):
        number = (seed * 7 + step * 13) % 40
        found = cache.get(key(str(number)))
        wrong += found is not None and found != str(number).encode() * 3000
        cache.put(key(str(number)), str(number).encode() * 3000)
        if step % 50 == seed:
            cache.prune()
    return wrong


def test_processes_share_it(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.starmap(_work, [(str(tmp_path), seed) for seed in range(4)]) == [0] * 4


def test_a_killed_writer_leaves_whole_entries_only(tmp_path):
    script = (
        "import sys, itertools; from pathlib import Path; from tcc.targets.cache import Cache, key\n"
        "cache = Cache(Path(sys.argv[1])); print('ready', flush=True)\n"
        "for n in itertools.count(): cache.put(key(str(n % 20)), str(n % 20).encode() * 200000)\n"
    )
    cache = Cache(tmp_path)
    for delay in (0.0, 0.003, 0.007, 0.013, 0.02, 0.031):
        command = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            process.stdout.readline()
            time.sleep(0.01 + delay)
            process.send_signal(signal.SIGKILL)
        entries = [cache.get(key(str(n))) for n in range(20)]
        assert all(e is None or e == str(n).encode() * 200000 for n, e in enumerate(entries))
    assert any(entries)


def test_a_file_appears_complete_or_not_at_all(tmp_path):
    target = tmp_path / "out.bin"
    target.write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "folder", b"new")
    write_atomically(target, b"new", 0o755)
    assert target.read_bytes() == b"new"
    assert os.access(target, os.X_OK)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "out.bin"]
