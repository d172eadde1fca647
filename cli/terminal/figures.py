"""Numbers as people read them."""

from __future__ import annotations

from custody.counted import counted

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def amount(count: int) -> str:
    """A number of bytes for people: ``512 bytes``, ``1.2 GiB``."""
    if count < 1024:
        return counted(count, "byte")
    size = float(count)
    for unit in _UNITS:
        size /= 1024
        if size < 999.95 or unit == _UNITS[-1]:
            return f"{size:.1f} {unit}"
    raise AssertionError("unreachable")  # pragma: no cover


def progress(
    files: int, count: int, total_files: int | None, total_bytes: int | None, seconds: float
) -> str:
    """The state of the work in one line: files, bytes, rate, time left."""
    of_files = counted(files, "file")
    if total_files is not None:
        of_files = f"{files:,} of {counted(total_files, 'file')}"
    of_bytes = "" if total_bytes is None else f" of {amount(total_bytes)}"
    rate = count / seconds if seconds > 0 else 0.0
    text = f"{of_files}, {amount(count)}{of_bytes}, {amount(int(rate))}/s"
    if total_bytes is not None and rate > 0 and total_bytes > count:
        text += f", {_duration((total_bytes - count) / rate)} left"
    return text


def _duration(seconds: float) -> str:
    whole = int(seconds) + 1
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
