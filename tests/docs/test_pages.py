"""Every snippet and command of README and docs runs, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(
    r"(?:<!--\s*(?P<note>[^>]*?)\s*-->\s*\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```\s*$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    note: str
    line: int


def blocks(page: Path) -> list[Block]:
    source = page.read_text()
    return [
        Block(m["language"], m["text"], m["note"] or "", source[: m.start()].count("\n") + 1)
        for m in _FENCE.finditer(source)
    ]


def test_fences_are_found() -> None:
    assert any(block.language == "bash" for block in blocks(ROOT / "README.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    name = f"page_{page.stem.replace('-', '_')}"
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    for block in blocks(page):
        if block.note.startswith("file:"):
            path = tmp_path / block.note.removeprefix("file:").strip()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            # A page is no script, but what stands under the guard is what the page is about.
            text = block.text.replace('if __name__ == "__main__":', "if True:")
            code = compile(text, f"{page.name}:{block.line}", "exec")
            exec(code, module.__dict__)
        elif block.language == "bash":
            for command in block.text.splitlines():
                run(command.split("  #")[0].strip(), tmp_path, block.note)


def run(command: str, folder: Path, note: str) -> None:
    if not command or command.startswith("#"):
        return
    if command.startswith("make "):  # the set-up itself: CI runs it, a test must not nest it
        assert f"\n{command.split()[1]}:" in (ROOT / "Makefile").read_text(), command
        return
    if command.startswith(("git clone", "cd ", "pip install", "apt", "source ", "sudo ")):
        return
    assert command.startswith("archloom "), f"no way to run {command!r} in a test"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    expected = int(note.removeprefix("exit:")) if note.startswith("exit:") else 0
    assert done.returncode == expected, f"{command}\n{done.stdout}\n{done.stderr}"
