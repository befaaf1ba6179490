"""Episodes' videos, one behind the other in files of LeRobot's size.

Packets are copied, not encoded anew. A file stays open while it grows, so an episode costs its own length, however much
is in the file already; times are counted in frames, so that the last episode of a long file is as exact as the first.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

VIDEO_MB = 200
CHUNK_FILES = 1000


def next_file(chunk: int, file: int) -> tuple[int, int]:
    """The numbers of the file after this one."""
    return (chunk + 1, 0) if file == CHUNK_FILES - 1 else (chunk, file + 1)


class VideoFile:
    """The video files of one camera."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunk, self.file = 0, 0
        self._container: Any = None
        self._stream: Any = None
        self._size = 0
        self._frames = 0

    def append(self, episode: Path, frames: int, fps: int) -> dict[str, Any]:
        """An episode from its own file; what its row among the episodes says of it."""
        import av

        size = episode.stat().st_size
        if self._frames and self._size + size >= VIDEO_MB * 1024**2:
            self.close()
            self.chunk, self.file = next_file(self.chunk, self.file)
        with av.open(str(episode)) as source:
            template = source.streams.video[0]
            if self._container is None:
                path = self.folder / f"chunk-{self.chunk:03d}" / f"file-{self.file:03d}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                # The index comes first: a reader over a network need not seek to the end.
                self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
                self._stream = self._container.add_stream_from_template(template, opaque=True)
                self._stream.time_base = template.time_base
            tick = template.time_base or Fraction(1, fps)
            begins = round(Fraction(self._frames, fps) / tick)
            for packet in source.demux(template):
                if packet.dts is None or packet.pts is None:  # the end
                    continue
                packet.pts += begins
                packet.dts += begins
                packet.stream = self._stream
                self._container.mux(packet)
        first = self._frames
        self._frames += frames
        self._size += size
        key = self.folder.name
        return {
            f"videos/{key}/chunk_index": self.chunk,
            f"videos/{key}/file_index": self.file,
            f"videos/{key}/from_timestamp": first / fps,
            f"videos/{key}/to_timestamp": self._frames / fps,
        }

    def close(self) -> None:
        """The open file is complete."""
        if self._container is not None:
            self._container.close()
        self._container = self._stream = None
        self._size = self._frames = 0
