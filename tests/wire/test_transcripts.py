"""The golden transcripts, played against the real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wire.transcripts import Transcript, paths, play


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
async def test_the_server_answers_as_the_transcript_says_byte_by_byte(path: Path) -> None:
    transcript = Transcript.read(path)
    assert await play(transcript) == [exchange.answer for exchange in transcript.exchanges]


def test_there_are_transcripts() -> None:
    assert len(paths()) >= 8
