"""The inputs and outputs in action.yml and docs/ are those of the code."""

import re

import pytest
import yaml

from sandbox.runner.runner import ACTION
from tools import doc_tables
from tools.doc_tables import FILES, ROOT, filled, main


@pytest.mark.parametrize("name", FILES)
def test_a_file_s_tables_are_up_to_date(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.search("^( *# )?(<!-- (in|out)puts -->|(in|out)puts:|<!-- sections -->)$", text, re.MULTILINE)
    assert filled(text, yaml=name.endswith(".yml")) == text, "run: python -m tools.doc_tables"


def test_every_input_and_output_of_the_action_has_a_row():
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    assert [row.split("|")[1].strip(" `") for row in doc_tables.inputs_table().splitlines()[2:]] == list(
        action["inputs"]
    )
    assert [row.split("|")[1].strip(" `") for row in doc_tables.outputs_table().splitlines()[2:]] == list(
        action["outputs"]
    )


def test_cells_break_no_table():
    for table in (doc_tables.inputs_table(), doc_tables.outputs_table()):
        bars = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(bars) == 1


def test_only_the_marked_blocks_change():
    text = "a\n<!-- outputs -->\nold\n<!-- /outputs -->\nb\n"
    new = filled(text)
    assert new.startswith("a\n<!-- outputs -->\n| output |")
    assert new.endswith("|\n<!-- /outputs -->\nb\n")
    assert filled(new) == new


def test_only_inputs_and_outputs_of_action_yml_change():
    text = "name: x\n\ninputs:\n  old:\n    default: ''\n\noutputs:\n\nruns:\n  using: docker\n"
    new = filled(text, yaml=True)
    assert new.startswith("name: x\n\ninputs:\n  api-key:\n    description: 'Stormkit API key")
    assert "\n\noutputs:\n  status:\n    description: " in new
    assert new.endswith("'\n\nruns:\n  using: docker\n")
    assert filled(new, yaml=True) == new


def test_the_command_writes_or_checks(tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text("<!-- outputs -->\n<!-- /outputs -->\n", encoding="utf-8")
    monkeypatch.setattr(doc_tables, "ROOT", tmp_path)
    monkeypatch.setattr(doc_tables, "FILES", ["README.md"])
    with pytest.raises(SystemExit, match=r"Out of date: README\.md"):
        main(["--check"])
    main([])
    assert path.read_text(encoding="utf-8") == filled(path.read_text(encoding="utf-8"))
    main(["--check"])
