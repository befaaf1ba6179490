"""examples/quickstart.ipynb runs, and what its cells end with shows itself as a notebook would show it."""

import ast
import json
from pathlib import Path

from conftest import ROOT

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def test_each_cell_runs_and_shows_something(tmp_path, monkeypatch):
    # given the notebook in a folder beside the data
    (tmp_path / "examples").mkdir()
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path / "examples")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 5
    # when its cells run one after the other
    names = {}
    for cell in cells:
        assert cell["outputs"] == []
        *lines, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(lines, []), str(NOTEBOOK), "exec"), names)
        shown = eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
        # then each ends with something that has a page of its own
        assert len(shown._repr_html_()) > 100
    assert [path.name for path in Path().iterdir()] == ["labelled"]
