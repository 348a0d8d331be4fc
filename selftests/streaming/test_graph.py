"""A graph is completed for a run, and one that can't work is refused."""

from importlib import resources

import pytest

from mp09.errors import StreamError
from mp09.streaming.graph import complete, read_graph


def test_one_processor_of_the_demo():
    graph = complete(read_graph("demo"), processors=1, options={"Writer": {"total": 3}})
    assert list(graph["actors"]) == ["Acquirer", "Processor1", "Writer"]
    assert graph["actors"]["Writer"] == {"package": "mp09.streaming.actors", "class": "Writer", "total": 3}
    assert graph["connections"] == {
        "Acquirer.to_Processor1": ["Processor1.q_in"],
        "Processor1.q_out": ["Writer.from_Processor1"],
        "Writer.q_out": ["Acquirer.q_in"],
    }


def test_what_names_the_processor_stands_there_for_each():
    graph = complete(read_graph("timing"), processors=2, options={"Processor": {"threads": 1}})
    assert list(graph["actors"]) == ["Acquirer", "Processor1", "Processor2", "Writer"]
    assert all(actor["timing"] for actor in graph["actors"].values())
    assert [graph["actors"][f"Processor{i}"]["threads"] for i in (1, 2)] == [1, 1]
    assert graph["connections"]["Acquirer.to_Processor2"] == ["Processor2.q_in"]
    assert graph["connections"]["Processor2.q_out"] == ["Writer.from_Processor2"]
    assert len(graph["connections"]) == 5


NULL = "{connections: {Acquirer.q_out: null}, actors: {Acquirer: {}, Processor: {}, Writer: {}}}"


@pytest.mark.parametrize(
    "content", [None, "actors: [", "- 1", "actors: {}", "{connections: {}, actors: {Writer: {}}}", NULL]
)
def test_what_is_no_graph_is_refused(tmp_path, content):
    path = tmp_path / "graph.yaml"
    if content:
        path.write_text(content)
    with pytest.raises(StreamError, match="expected"):
        read_graph(str(path))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Writer.q_out: [Acquirer.q_in]", "Writer.q_out: [Acquirer.in]", "missing: Acquirer.q_in"),
        ("Processor.q_out: [Writer.from_Processor]", "Processor.q_out: [Wrtier.in]", r"got Wrtier\.in"),
        ("Acquirer.to_Processor:", "to_Processor:", "got to_Processor"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path, old, new, words):
    path = tmp_path / "graph.yaml"
    demo = (resources.files("mp09.streaming") / "graphs" / "demo.yaml").read_text()
    path.write_text(demo.replace(old, new))
    with pytest.raises(StreamError, match=words):
        read_graph(str(path))
