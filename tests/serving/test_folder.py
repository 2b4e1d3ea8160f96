"""A policy folder is believed only if every byte, operator and number of it is what it may be."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from nba_gym.errors import BundleError
from nba_gym.export.policies import exportable
from nba_gym.export.write import write_folder
from nba_gym.policies import NoContact, UniformRandom
from nba_gym.serving import Engine, read_folder
from nba_gym.serving.bundle import checksums_text, digest_of
from nba_gym.serving.contents import CHECKSUMS, GOLDEN, GRAPH, SIZES, TRITON_GRAPH
from nba_gym.serving.trial import try_out


@pytest.fixture
def copy(written, tmp_path) -> Path:
    return Path(shutil.copytree(written.folder, tmp_path / "policy"))


def rewrite(folder: Path, **files: bytes) -> None:
    """Put other files in and make the checksums fit, as whoever forges a folder would."""
    named = {name.replace("__", "."): data for name, data in files.items()}
    if GRAPH in named:
        named[TRITON_GRAPH] = named[GRAPH]
    for name, data in named.items():
        (folder / name).write_bytes(data)
    names = [name for name in SIZES if name != CHECKSUMS]
    digests = {name: digest_of((folder / name).read_bytes()) for name in names}
    (folder / CHECKSUMS).write_bytes(checksums_text(digests))


def forge(folder: Path, change) -> None:
    """Change the graph, and make the checksums fit."""
    model = onnx.load_model(folder / GRAPH)
    change(model)
    rewrite(folder, policy__onnx=model.SerializeToString())


@pytest.mark.parametrize("name", SIZES)
def test_one_flipped_bit_in_any_file_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    for place in (0, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 1
        (copy / name).write_bytes(flipped)
        with pytest.raises(BundleError, match=r"must (match the digest|be valid JSON|list)|format"):
            read_folder(copy)


@pytest.mark.parametrize("name", SIZES)
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"must hold {name}, got none"):
        read_folder(copy)


def test_nothing_else_may_lie_in_a_folder(copy):
    (copy / "model.pkl").write_text("x")
    with pytest.raises(BundleError, match=r"its own files only, got model\.pkl"):
        read_folder(copy)


@pytest.mark.parametrize("name", [GRAPH, "card.json", "triton/policy/1/model.onnx"])
def test_a_link_is_not_followed(copy, name, tmp_path):
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match=f"{name} must be a plain file or folder, got a link"):
        read_folder(copy)


def test_a_linked_folder_inside_is_not_followed(copy, tmp_path):
    (copy / "triton").rename(tmp_path / "triton")
    (copy / "triton").symlink_to(tmp_path / "triton")
    with pytest.raises(BundleError, match="triton must be a plain file or folder, got a link"):
        read_folder(copy)


def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(copy):
    (copy / GOLDEN).unlink()
    os.mkfifo(copy / GOLDEN)
    with pytest.raises(BundleError, match=r"golden\.json must be a plain file"):
        read_folder(copy)


def test_names_in_the_checksums_cannot_lead_out_of_the_folder(copy):
    tree = json.loads((copy / CHECKSUMS).read_text())
    tree["sha256"]["../../etc/passwd"] = "0" * 64
    (copy / CHECKSUMS).write_bytes(checksums_text(tree["sha256"]))
    with pytest.raises(BundleError, match="must list the files of the folder and nothing else"):
        read_folder(copy)


def test_a_file_that_is_too_large_is_refused(copy):
    with (copy / "MLmodel").open("ab") as file:
        file.write(b" " * SIZES["MLmodel"])
    with pytest.raises(BundleError, match="MLmodel must have at most"):
        read_folder(copy)


def test_another_format_is_refused(copy):
    card = json.loads((copy / "card.json").read_text())
    rewrite(copy, card__json=json.dumps(card | {"format": "nba_gym policy 1"}).encode())
    with pytest.raises(BundleError, match=r"card\.json: format must be"):
        read_folder(copy)


def operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Loop"


def custom(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")


def not_a_number(model: onnx.ModelProto) -> None:
    values = numpy_helper.to_array(model.graph.initializer[0]).copy()
    values.flat[0] = np.nan
    name = model.graph.initializer[0].name
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, name))


def another_set(model: onnx.ModelProto) -> None:
    model.opset_import.add(domain="ai.onnx.ml", version=3)


def a_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="hidden")


def fixed_rows(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def another_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "ranks"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (operator, "operator must be one of those allowed, got :Loop"),
        (custom, r"operator must be one of those allowed, got com\.evil"),
        (external, "inside of the file, got external data"),
        (not_a_number, "must be finite"),
        (another_set, "operator set must be"),
        (a_function, "functions must be none"),
        (fixed_rows, "inputs must be"),
        (another_output, "outputs must be"),
    ],
)
def test_a_forged_graph_is_refused_though_its_checksum_fits(copy, change, words):
    forge(copy, change)
    with pytest.raises(BundleError, match=rf"policy\.onnx: .*{words}"):
        read_folder(copy)


def test_something_else_than_a_graph_is_refused(copy):
    rewrite(copy, policy__onnx=b"not a graph")
    with pytest.raises(BundleError, match=r"policy\.onnx"):
        read_folder(copy)


def other_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 2 and values.dtype == np.float32 and len(values) > 1:
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(1.001), tensor.name))


def test_other_weights_do_not_give_the_golden_answers(copy):
    forge(copy, other_weights)
    with pytest.raises(BundleError, match=r"scores must be those of golden\.json"):
        Engine(copy, trial=False)
    with pytest.raises(BundleError, match=r"scores must be those of golden\.json"):
        try_out(read_folder(copy))


def bomb(model: onnx.ModelProto) -> None:
    """Nodes that are all allowed, and together ask for 1.6 GB."""
    graph = model.graph
    long = np.zeros((20_000, 1), dtype=np.float32)
    graph.initializer.extend(
        [numpy_helper.from_array(long, "tall"), numpy_helper.from_array(long.T.copy(), "wide")]
    )
    nodes = [
        helper.make_node("ReduceMax", ["observations"], ["most"], keepdims=1),
        helper.make_node("Add", ["tall", "most"], ["tall_now"]),
        helper.make_node("Mul", ["tall_now", "wide"], ["huge"]),
        helper.make_node("ReduceMax", ["huge"], ["nothing"], keepdims=0),
    ]
    scores = next(node for node in graph.node if "scores" in node.output)
    nodes.append(helper.make_node("Add", [scores.input[1], "nothing"], ["scores_now"]))
    at = list(graph.node).index(scores)
    scores.input[1] = "scores_now"
    kept = [*graph.node[:at], *nodes, *graph.node[at:]]
    graph.ClearField("node")
    graph.node.extend(kept)


def test_a_graph_that_asks_for_too_much_memory_dies_in_the_trial_and_not_here(copy):
    forge(copy, bomb)
    with pytest.raises(BundleError, match="must pass its trial within"):
        try_out(read_folder(copy))


def test_a_sound_folder_passes_its_trial_and_says_what_it_is(written):
    engine = Engine(written.folder)
    assert engine.card["scenario"] == "retail"
    assert engine.folder.scenario == written.scenario
    assert engine.digest == digest_of((written.folder / CHECKSUMS).read_bytes())
    assert len(engine.card["limits"]) > 0
    rules = {row["name"]: row["rules"] for row in engine.card["actions"]}
    assert rules["wait"] == []
    assert any(rule.startswith("eligibility: no consent") for rule in rules[engine.actions[1]])


def test_a_scenario_that_is_not_that_of_the_card_is_refused(copy):
    scenario = json.loads((copy / "scenario.json").read_text())
    rewrite(copy, scenario__json=json.dumps(scenario | {"horizon": 99}).encode())
    with pytest.raises(BundleError, match=r"scenario\.json must have the hash in card\.json"):
        _ = read_folder(copy).scenario


# --- writing ----------------------------------------------------------------------------------


def test_a_folder_is_replaced_as_a_whole_and_keeps_nothing_else_beside_it(written, tmp_path):
    folder = tmp_path / "policy"
    for policy in (NoContact(), UniformRandom()):
        write_folder(exportable(policy), written.scenario, folder, rows=100, customers=20)
    assert Engine(folder, trial=False).name == "uniform random (exported)"
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_what_goes_wrong_while_writing_leaves_the_older_folder(written, tmp_path):
    folder = tmp_path / "policy"
    write_folder(exportable(NoContact()), written.scenario, folder, rows=100, customers=20)
    before = Engine(folder, trial=False).digest
    source = exportable(UniformRandom())

    class Liar:
        policy, training, scores_are, draw = source.policy, {"algorithm": "x"}, "x", source.draw

        def answer(self, observations, masks):
            scores, chances = source.answer(observations, masks)
            return np.where(masks > 0, scores * 0.5, scores), chances

    with pytest.raises(BundleError, match="scores must agree"):
        write_folder(Liar(), written.scenario, folder, rows=100, customers=20)
    assert Engine(folder, trial=False).digest == before
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]


def test_a_folder_that_holds_something_else_is_never_replaced(written, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="must be new, empty or an older policy folder"):
        write_folder(exportable(NoContact()), written.scenario, tmp_path, rows=100, customers=20)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
