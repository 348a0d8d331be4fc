"""Fetches the official CIFAR-10 archive: resumed where it stopped, checked by MD5, never half there under its name."""

import errno
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from mp09.data.folders import Progress
from mp09.errors import DataError, DownloadError
from mp09.files import checksum

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"  # published beside the archive on its page
CONNECT_TIMEOUT_S = 10.0


def download(target: Path, *, url: str = URL, md5: str = MD5, progress: Progress | None = None) -> Path:
    """Fetch `url` to `target` and return it; a partial `target.part` from an earlier run is continued.

    Raises DownloadError when the server can't be reached, breaks off, or sends something with another MD5;
    DataError when the file can't be written here.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{target.parent}: could not be made ({error.strerror}).") from error
    part = target.with_name(target.name + ".part")
    try:
        _fetch(url, part, progress)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: the server answered {error.code} {error.reason}.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or getattr(error, "filename", None):  # ours, not the network's
            raise DataError(f"{part}: could not be written ({error.strerror}).") from error
        raise _broken(url, error) from error
    except (ValueError, http.client.HTTPException) as error:
        raise _broken(url, error) from error
    if (found := checksum(part, "md5")) != md5:
        part.unlink()
        raise DownloadError(f"{url}: expected MD5 {md5}, got {found}. The damaged file was removed; run again.")
    part.replace(target)
    return target


def _broken(url: str, error: Exception) -> DownloadError:
    return DownloadError(f"{url}: could not be fetched ({getattr(error, 'reason', error)}). Run again to resume.")


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
