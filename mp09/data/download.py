"""Fetches the official CIFAR-10 archive: resumed where it stopped, checked by MD5, never half there under its name."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from mp09.data.folders import Progress
from mp09.errors import DownloadError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"  # published beside the archive on its page
CONNECT_TIMEOUT_S = 10.0


def download(target: Path, *, url: str = URL, md5: str = MD5, progress: Progress | None = None) -> Path:
    """Fetch `url` to `target` and return it; a partial `target.part` from an earlier run is continued.

    Raises DownloadError when the server can't be reached, breaks off, or sends something with another MD5.
    """
    target = Path(target)
    part = target.with_name(target.name + ".part")
    try:
        _fetch(url, part, progress)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url}: could not be fetched ({reason}). Run again to resume.") from error
    if (found := file_md5(part)) != md5:
        part.unlink()
        raise DownloadError(f"{url}: expected MD5 {md5}, got {found}. The damaged file was removed; run again.")
    part.replace(target)
    return target


def file_md5(path: Path) -> str:
    """Hexadecimal MD5 of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is complete already: nothing lies beyond its end
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "wb") as file:
        done = file.tell()
        total = done + int(response.headers.get("Content-Length") or 0)
        while block := response.read(1 << 16):
            file.write(block)
            done += len(block)
            if progress:
                progress("downloading", done, total)
    if done < total:
        raise OSError(f"the connection broke after {done} of {total} bytes")
