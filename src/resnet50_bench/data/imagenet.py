"""ImageNet's validation set as it was published: its archive, figures and file names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """A published archive of numbered images.

    Attributes:
        file_name: of the archive.
        url: where it is published.
        size_bytes: of the archive.
        md5: of the archive, 32 hexadecimal digits.
        sha256: of the archive, 64 hexadecimal digits.
        images: how many there are, numbered from 1.

    """

    file_name: str
    url: str
    size_bytes: int
    md5: str
    sha256: str
    images: int

    def name_image(self, number: int) -> str:
        """Return the file name of an image, given its number from 1."""
        return f"ILSVRC2012_val_{number:08d}.JPEG"


VALIDATION = ImageArchive(
    file_name="ILSVRC2012_img_val.tar",
    url="https://image-net.org/data/ILSVRC/2012/ILSVRC2012_img_val.tar",
    size_bytes=6_744_924_160,
    md5="29b22e2961454d5413ddabcf34fc5622",
    sha256="c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0",
    images=50_000,
)
"""The 50,000 validation images of ILSVRC 2012; the MD5 is on the download page of image-net.org."""
