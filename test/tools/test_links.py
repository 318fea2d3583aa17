"""Everything that the pages of the documentation name exists: links, headings, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md')])
_FENCED = re.compile(r'^```.*?^```$', re.MULTILINE | re.DOTALL)
_LINK = re.compile(r'\]\(([^)\s]+)\)')
_HEADING = re.compile(r'^#+ (.+)$', re.MULTILINE)
# `methods/fedavg.py`, `test/net/test_packet_loss.py`, `config/demo.yaml`.
_PATH = re.compile(r'`([\w.-]+(?:/[\w.-]+)+\.(?:py|yaml|msg|srv|sdf|md|toml|sh))`')
_MODULE = re.compile(r'\biot_fl_ros(?:\.[a-z_]+)+')
_GROUPS = ('models', 'data_sets', 'methods', 'peer_methods')  # of entry points; see extending.md
# In files that users write, or that a run or the build does.
_NOT_HERE = ('my_fleet/', 'runs/', '/etc/', 'docs/results/')


def text_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCED.sub('', page.read_text())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = (
        re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', one) for one in _HEADING.findall(text_of(page))
    )
    return {re.sub(r'[^\w\- ]', '', one.strip().lower()).replace(' ', '-') for one in titles}


def broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for link in _LINK.findall(text_of(page)):
        if re.match(r'[a-z]+:', link):
            continue
        path, _, anchor = link.partition('#')
        target = page.parent / path if path else page
        lost = anchor and target.suffix == '.md' and anchor not in anchors(target)
        if not target.exists() or lost:
            broken.append(link)
    return broken


def missing_paths(page: Path) -> list[str]:
    """Return the files of this repository that a page names and that are not there."""
    return [
        path
        for path in _PATH.findall(page.read_text())
        if not path.startswith(_NOT_HERE)
        and not any((root / path).exists() for root in (ROOT, ROOT / 'iot_fl_ros', page.parent))
    ]


def missing_modules(page: Path) -> list[str]:
    """Return the modules of the package that a page names and that are not there."""
    found = []
    for name in _MODULE.findall(page.read_text()):
        parts = name.split('.')
        if len(parts) == 2 and (parts[1] in _GROUPS or parts[1] in ('msg', 'srv', 'invalid')):
            continue
        module, above = ROOT.joinpath(*parts), ROOT.joinpath(*parts[:-1])
        # The last part may be a function.
        files = (module.with_suffix('.py'), above.with_suffix('.py'))
        if not (module.is_dir() or any(file.is_file() for file in files)):
            found.append(name)
    return found


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_everything_that_a_page_names_exists(page: Path) -> None:
    assert broken_links(page) == []
    assert missing_paths(page) == []
    assert missing_modules(page) == []


def test_what_is_gone_is_found(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '# A title, with `code`\n[a](#a-title-with-code) [b](#b) [c](gone.md) [d](page.md#e)\n'
        'See `learning/fedavg.py`, `iot_fl_ros/methods/fedavg.py`, `methods/fedavg.py`,\n'
        '`iot_fl_ros.learning.fedavg`, `iot_fl_ros.methods.fedavg`, `iot_fl_ros.methods.gone`.\n'
        '```console\n$ cat [x](nowhere)\n```\n'
    )
    assert broken_links(page) == ['#b', 'gone.md', 'page.md#e']
    assert missing_paths(page) == ['learning/fedavg.py']
    assert missing_modules(page) == ['iot_fl_ros.learning.fedavg', 'iot_fl_ros.methods.gone']


def test_readme_is_short_and_lines_fit() -> None:
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 150
    for page in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md')):
        lines = text_of(page).splitlines()
        long = [line for line in lines if len(line) > 110 and not line.startswith(('|', '!['))]
        assert [line for line in long if ' ' in line[:100]] == [], page
