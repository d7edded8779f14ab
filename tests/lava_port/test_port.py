"""A PORT survives its trip to disk bit for bit, is replaced whole or not at all, and is refused when it is not whole."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from lava_port import graph, passes, port, quantise, reference, trace
from neurallnet_jax import spec


def converted(whole):
    fixed, rounding = quantise.quantise(passes.fold(whole))
    seen = tuple(hashlib.sha256(bytes([number])).hexdigest() for number in range(3))
    return port.Port(whole, fixed, rounding, seen[:2], seen[2:], {"checkpoint": {"sha256": "0" * 64}, "epochs": 3})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "there" / "smears.port"


@pytest.fixture
def saved(networks, lowered, folder):
    made = converted(lowered(networks["delayed"], 0))
    port.save(made, folder)
    return made


def check_same_nodes(left, right):
    assert left.steps == right.steps
    assert left.classes == right.classes
    for mine, other in zip(left.nodes, right.nodes, strict=True):
        assert type(mine) is type(other)
        for field in dataclasses.fields(mine):
            first, second = getattr(mine, field.name), getattr(other, field.name)
            if isinstance(first, np.ndarray):
                assert first.dtype == second.dtype, (mine.name, field.name)
                np.testing.assert_array_equal(first, second)
            else:
                assert first == second, (mine.name, field.name)
                assert type(first) is type(second), (mine.name, field.name)


def test_a_port_comes_back_exactly(network, lowered, folder):
    made = converted(lowered(network, 1))
    port.save(made, folder)
    back = port.load(folder)
    check_same_nodes(made.graph, back.graph)
    check_same_nodes(made.fixed, back.fixed)
    assert (back.rounding, back.seen, back.test) == (made.rounding, tuple(sorted(made.seen)), made.test)
    assert (back.provenance, back.classes, back.image_size) == (made.provenance, made.classes, network.image_size)


def test_a_port_without_dilations_in_its_files_is_one_without_dilation(networks, lowered, folder):
    made = converted(lowered(networks["plain"], 1))
    port.save(made, folder)
    data = json.loads((folder / "port.json").read_text())
    convolutions = [
        entry
        for part in (data["graph"]["nodes"], data["fixed"]["nodes"])
        for entry in part
        if entry.pop("dilation", None) is not None
    ]
    assert len(convolutions) == 4
    (folder / "port.json").write_text(json.dumps(data))
    back = port.load(folder)
    check_same_nodes(made.graph, back.graph)
    check_same_nodes(made.fixed, back.fixed)


def test_drawn_integer_networks_come_back_exactly(networks, lowered, fixed_graph_of, folder, mode):
    made = converted(lowered(networks["plain"], 0))
    for seed in range(6):
        port.save(dataclasses.replace(made, fixed=fixed_graph_of(seed, mode)), folder)
        check_same_nodes(fixed_graph_of(seed, mode), port.load(folder).fixed)


def test_weights_that_are_not_even_or_beyond_eight_bits_come_back_too(networks, lowered, folder):
    made = converted(lowered(networks["plain"], 0))
    dense = graph.find(made.fixed, "dense_1")
    for odd in (3, 255, -258, 32767):
        weight = dense.weight.copy()
        weight[0, 0] = odd
        new = dataclasses.replace(dense, weight=weight)
        nodes = tuple(new if node.name == "dense_1" else node for node in made.fixed.nodes)
        fixed = dataclasses.replace(made.fixed, nodes=nodes)
        port.save(dataclasses.replace(made, fixed=fixed), folder)
        check_same_nodes(fixed, port.load(folder).fixed)


def test_a_loaded_port_runs_as_the_saved_one(saved, folder, images_of):
    images = images_of((16, 16, 3), 4, 0)
    before, after = (reference.run_fixed(p.fixed, images) for p in (saved, port.load(folder)))
    assert not any(entry.mismatches for entry in trace.compare(before, after))


def test_the_integers_of_the_full_network_take_400_000_bytes_at_most(lowered, folder):
    network = spec.neurallnet()
    port.save(converted(lowered(network, 0)), folder)
    assert (folder / "fixed.safetensors").stat().st_size <= 400_000


def test_a_network_that_saw_no_image_is_saved_too(saved, folder):
    port.save(dataclasses.replace(saved, seen=()), folder)
    assert port.load(folder).seen == ()


# --- Replacing


def test_an_older_port_is_replaced_and_nothing_is_left_beside_it(saved, folder):
    port.save(dataclasses.replace(saved, provenance={"second": True}), folder)
    assert port.load(folder).provenance == {"second": True}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_save_that_fails_leaves_the_older_port_alone(saved, folder):
    with pytest.raises(TypeError):
        port.save(dataclasses.replace(saved, provenance={"no json": object()}), folder)
    assert port.load(folder).provenance == saved.provenance
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_rename_that_fails_puts_the_older_port_back(saved, folder, monkeypatch):
    rename = type(folder).rename

    def fails_for_the_new_one(path, target):
        if path.name.endswith(".new"):
            raise OSError("disk full")
        return rename(path, target)

    monkeypatch.setattr(type(folder), "rename", fails_for_the_new_one)
    with pytest.raises(ValueError, match=r"cannot be written \(disk full\); free some space or name another place"):
        port.save(saved, folder)
    assert port.load(folder).provenance == saved.provenance
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_that_is_no_port_is_not_written_over(saved, tmp_path):
    other = tmp_path / "photographs"
    other.mkdir()
    (other / "cat.txt").write_text("keep me")
    with pytest.raises(ValueError, match=r"photographs exists and is no PORT; nothing was written"):
        port.save(saved, other)
    assert (other / "cat.txt").read_text() == "keep me"


def test_a_wrong_seen_hash_is_refused(saved, folder):
    with pytest.raises(ValueError, match=r"'abc' is no SHA-256 of an image"):
        port.save(dataclasses.replace(saved, seen=("abc",)), folder)


# --- Refusals


def edit(folder, change):
    path = folder / "port.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def refusal(folder):
    with pytest.raises(ValueError, match=r"\w") as caught:
        port.load(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_is_no_folder_or_no_port_is_refused(tmp_path):
    assert "is no folder" in refusal(tmp_path / "nowhere")
    assert "is no PORT: it has no port.json" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["fixed.safetensors", "float.safetensors"])
def test_a_missing_or_damaged_file_is_refused_by_name(saved, folder, name):
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert f"{name} is damaged: its SHA-256" in refusal(folder)
    path.unlink()
    assert f"lacks {name}" in refusal(folder)


def test_a_file_that_is_no_safetensors_is_refused_even_with_its_hash(saved, folder):
    (folder / "fixed.safetensors").write_bytes(b"nothing")
    digest = hashlib.sha256(b"nothing").hexdigest()
    edit(folder, lambda data: data["sha256"].update({"fixed.safetensors": digest}))
    assert "fixed.safetensors is damaged" in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"format_version": 1}', '{"classes": []}'])
def test_a_damaged_structure_is_refused(saved, folder, text):
    (folder / "port.json").write_text(text)
    assert "damaged" in refusal(folder)


def test_a_newer_format_is_refused(saved, folder):
    edit(folder, lambda data: data.update(format_version=port.FORMAT_VERSION + 1))
    assert f"has format {port.FORMAT_VERSION + 1}, this version reads up to {port.FORMAT_VERSION}" in refusal(folder)


def test_a_port_of_version_1_with_its_spec_is_read_as_before(networks, saved, folder):
    old = {"format_version": 1, "network": spec.network_to_json(networks["delayed"])}
    edit(folder, lambda data: data.update(old))
    back = port.load(folder)
    check_same_nodes(saved.graph, back.graph)
    check_same_nodes(saved.fixed, back.fixed)
    assert back.image_size == (16, 16)


def test_an_unknown_node_or_field_is_refused(saved, folder):
    edit(folder, lambda data: data["fixed"]["nodes"][1].update(type="FixedDream"))
    assert "node 'conv_1' is of unknown type 'FixedDream'" in refusal(folder)
    edit(folder, lambda data: data["fixed"]["nodes"][1].update(type="FixedConv", colour="red"))
    assert "port.json is damaged" in refusal(folder)
    assert "colour" in refusal(folder)


def test_an_array_that_the_structure_names_and_no_file_holds_is_refused(saved, folder):
    edit(folder, lambda data: data["fixed"]["nodes"][1]["weight"].update(array="conv_1/gone"))
    assert "conv_1/gone" in refusal(folder)
