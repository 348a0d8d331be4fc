"""Downloads the official CIFAR-10 archive.

A download that was cut off is resumed, and the archive gets its name only when it is complete and its MD5 is right.
"""

import errno
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from mp09.data.archives import Progress
from mp09.errors import DataError, DownloadError
from mp09.files import checksum

ARCHIVE_NAME = "cifar-10-python.tar.gz"
URL = "https://www.cs.toronto.edu/~kriz/" + ARCHIVE_NAME
MD5 = "c58f30108f718f92721af3b95e74349a"  # as published on the archive's page
CONNECT_TIMEOUT_S = 10.0


def download(target: Path, *, url: str = URL, md5: str = MD5, progress: Progress | None = None) -> Path:
    """Download `url` to `target` and return this path.

    Until it is complete, the file is called `target.part`. When there is one from an earlier run, it is continued.

    Args:
        target: the file to write.
        url: where to get it.
        md5: the checksum that it must have.
        progress: called as progress("downloading", done, total), in bytes.

    Raises:
        DownloadError: the server can't be reached, breaks off, or sends something with another MD5.
        DataError: the file can't be written here.
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or error.filename:  # a local error
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
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return DownloadError(f"{url}: could not be fetched ({reason}). Run again to resume.")


def _fetch(url: str, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the part is already complete, so no bytes are left to ask for
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
