"""The sandbox reads file commands like GitHub's runner."""

import pytest

from sandbox.runner.files import MAX_SUMMARY_BYTES, FileCommand, MalformedFileError, create_files, pairs, read_files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("a=b", [("a", "b")]),
        ("a=b\n\nc=\n", [("a", "b"), ("c", "")]),
        ("a=b=c<<d", [("a", "b=c<<d")]),
        ("a = b ", [("a ", " b ")]),
        ("a<<EOF\nEOF\n", [("a", "")]),
        ("a<<EOF\nb\nEOF", [("a", "b")]),
        ("a<<EOF\nb\n\nEOF\n", [("a", "b\n")]),
        ("a<<E=F\nb=c\n EOF\nE=F\nd=e\n", [("a", "b=c\n EOF"), ("d", "e")]),
        ("a<<EOF\r\nb\r\nEOF\r\n", [("a", "b\r")]),
        ("a<<EOF\nb\rc\x0bd\u2028e\nEOF\n", [("a", "b\rc\x0bd\u2028e")]),
    ],
)
def test_names_and_values_are_read_as_the_runner_reads_them(text, expected):
    # The runner on Linux splits lines at \n only, so a delimiter read with \r needs \r at its end too.
    assert list(pairs(text)) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a", "Invalid format 'a'"),
        ("=b", "Name must not be empty"),
        ("<<EOF\nb\nEOF", "Name must not be empty"),
        ("a<<\nb\n", "delimiter must not be empty"),
        ("a<<EOF\nb\n", "Matching delimiter not found 'EOF'"),
        ("a<<EOF\nb", "EOF marker missing new line"),
        ("a<<EOF\nb EOF\n", "Matching delimiter not found 'EOF'"),
        ("a<<EOF\nb\nEOF \n", "Matching delimiter not found 'EOF'"),
    ],
)
def test_a_malformed_file_is_an_error(text, error):
    with pytest.raises(MalformedFileError, match=error):
        list(pairs(text))


def test_all_file_commands_of_a_step_are_read(tmp_path):
    files = create_files(tmp_path, "suffix")
    assert {path.name for path in files.values()} == {
        "set_output_suffix",
        "save_state_suffix",
        "step_summary_suffix",
        "set_env_suffix",
        "add_path_suffix",
    }
    files[FileCommand.OUTPUT].write_bytes(b"\xef\xbb\xbfa=b\xff\nc<<EOF\nlost")
    files[FileCommand.STATE].write_text("id=7\nid=8\n")
    files[FileCommand.ENV].write_text("NAME=octocat\n")
    files[FileCommand.PATH].write_text("/one\n\n/two\n")
    files[FileCommand.STEP_SUMMARY].unlink()
    results = read_files(files)

    assert results.outputs == {"a": "b\ufffd"}
    assert results.errors == [
        "Unable to process file command 'output' successfully.",
        "Invalid value. EOF marker missing new line.",
    ]
    assert results.state == {"id": "8"}
    assert results.env == {"NAME": "octocat"}
    assert results.path == ["/one", "/two"]
    assert results.summary == ""
    assert results.warnings == []


@pytest.mark.parametrize("size", [MAX_SUMMARY_BYTES, MAX_SUMMARY_BYTES + 1])
def test_a_summary_beyond_the_limit_is_dropped_with_a_warning(tmp_path, size):
    files = create_files(tmp_path, "suffix")
    files[FileCommand.STEP_SUMMARY].write_text("x" * size)
    results = read_files(files)

    assert len(results.summary) == (size if size <= MAX_SUMMARY_BYTES else 0)
    assert bool(results.warnings) is (size > MAX_SUMMARY_BYTES)
    assert not results.errors
