"""tools/doc_tables writes the inputs and outputs of the code into action.yml and docs/."""

import re

import pytest
import yaml

from sandbox.runner.runner import ACTION
from tools import doc_tables
from tools.doc_tables import FILES, ROOT, filled, main


@pytest.mark.parametrize("name", FILES)
def test_generated_tables_are_up_to_date(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.search("^( *# )?(<!-- (in|out)puts -->|(in|out)puts:|<!-- sections -->)$", text, re.MULTILINE)
    assert filled(text, yaml=name.endswith(".yml")) == text, "run: python -m tools.doc_tables"


def test_the_tables_list_the_inputs_and_outputs_of_action_yml_in_order():
    action = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))
    assert [row.split("|")[1].strip(" `") for row in doc_tables.inputs_table().splitlines()[2:]] == list(
        action["inputs"]
    )
    assert [row.split("|")[1].strip(" `") for row in doc_tables.outputs_table().splitlines()[2:]] == list(
        action["outputs"]
    )


def test_every_table_row_has_the_same_number_of_cells():
    for table in (doc_tables.inputs_table(), doc_tables.outputs_table()):
        bars = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(bars) == 1


def test_only_marked_blocks_are_rewritten():
    text = "a\n<!-- outputs -->\nold\n<!-- /outputs -->\nb\n"
    new = filled(text)
    assert new.startswith("a\n<!-- outputs -->\n| output |")
    assert new.endswith("|\n<!-- /outputs -->\nb\n")
    assert filled(new) == new


def test_only_inputs_and_outputs_of_action_yml_are_rewritten():
    text = "name: x\n\ninputs:\n  old:\n    default: ''\n\noutputs:\n\nruns:\n  using: docker\n"
    new = filled(text, yaml=True)
    assert new.startswith("name: x\n\ninputs:\n  api-key:\n    description: 'Stormkit API key")
    assert "\n\noutputs:\n  status:\n    description: " in new
    assert new.endswith("'\n\nruns:\n  using: docker\n")
    assert filled(new, yaml=True) == new


def test_check_reports_an_outdated_file_and_the_plain_command_rewrites_it(tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text("<!-- outputs -->\n<!-- /outputs -->\n", encoding="utf-8")
    monkeypatch.setattr(doc_tables, "ROOT", tmp_path)
    monkeypatch.setattr(doc_tables, "FILES", ["README.md"])
    with pytest.raises(SystemExit, match=r"Out of date: README\.md"):
        main(["--check"])
    main([])
    assert path.read_text(encoding="utf-8") == filled(path.read_text(encoding="utf-8"))
    main(["--check"])
