"""What cannot be trained is refused, in words that name the setting, the value and the way out."""

from __future__ import annotations

import copy
import json
import pickle
import re
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest

from evenbatch.data import DataError
from evenbatch.data.dataset import Dataset
from evenbatch.engine import (
    Conv,
    LayerWeights,
    Network,
    Session,
    SettingError,
    Trial,
    Weights,
    train,
)
from evenbatch.engine.trial import ENGINE_VERSION
from harness import classification, random_weights, regression

NETWORK: dict[str, Any] = {"inputs": 9, "hidden": (16, 8), "outputs": 4}
DATA = {d.name: d for d in (classification(9, 4), regression(9, 4))}
CLASSES, TARGETS = DATA.values()


def trial(data: Dataset = CLASSES, network: Any = (), **settings: Any) -> Trial:
    return Trial(Network(**NETWORK | dict(network)), data.name, **settings)


def message(error: str) -> str:
    """A pattern for exactly this message."""
    return f"^{re.escape(error)}$"


# ---- a network -----------------------------------------------------------------------------------

BAD_NETWORK = {
    ("inputs", 0): "inputs is 0; it must be from 1 to 16384",
    ("inputs", 64.0): "inputs is 64.0; it must be a whole number",
    ("inputs", True): "inputs is True; it must be a whole number",
    ("outputs", 20_000): "outputs is 20000; it must be from 1 to 16384",
    ("outputs", "4"): "outputs is '4'; it must be a whole number",
    ("hidden", ()): "depth (number of hidden layers) is 0; it must be from 1 to 200",
    ("hidden", (3,) * 201): "depth (number of hidden layers) is 201; it must be from 1 to 200",
    ("hidden", 32): "hidden is 32; it must hold a width for each hidden layer: (32, 32)",
    ("hidden", (16, -1)): "hidden[1] is -1; it must be from 1 to 16384",
    ("hidden", (16.5,)): "hidden[0] is 16.5; it must be a whole number",
    ("activation", "rlu"): (
        "activation is 'rlu'; it must be one of relu, leaky_relu, tanh, sigmoid, gelu, identity; "
        "did you mean 'relu'?"
    ),
    ("activation", None): (
        "activation is None; it must be one of relu, leaky_relu, tanh, sigmoid, gelu, identity"
    ),
    ("norm", "batchnorm"): (
        "norm is 'batchnorm'; it must be one of none, batch, layer, rms, group; "
        "did you mean 'batch'?"
    ),
    ("norm", None): "norm is None; it must be one of none, batch, layer, rms, group; "
    "did you mean 'none'?",
    ("placement", "befor"): (
        "placement is 'befor'; it must be one of before, after, input; did you mean 'before'?"
    ),
    ("affine", True): "affine is True; it must be one of both, gamma, beta, none",
    ("affine", "gama"): (
        "affine is 'gama'; it must be one of both, gamma, beta, none; did you mean 'gamma'?"
    ),
    ("init", "kaiming"): "init is 'kaiming'; it must be one of torch, he, xavier, gaussian",
    ("sigma", -0.1): "sigma is -0.1; it must be a number from 0, at most 1e+06",
    ("sigma", "big"): "sigma is 'big'; it must be a number",
    ("residual", -1): "residual is -1; it must be from 0 to 200",
    ("residual", 1.0): "residual is 1.0; it must be a whole number",
    ("dropout", 1.0): "dropout is 1.0; it must be a number from 0, below 1",
    ("dropout", -0.5): "dropout is -0.5; it must be a number from 0, below 1",
    ("drift", -1): "drift is -1; it must be a number from 0, at most 100",
    ("drift", "on"): "drift is 'on'; it must be a number",
    ("eps", float("nan")): "eps is nan; it must be a number from 0, at most 1000",
    ("eps", -1e-5): "eps is -1e-05; it must be a number from 0, at most 1000",
    ("momentum", 1.1): "momentum is 1.1; it must be a number from 0, at most 1",
    ("momentum", None): "momentum is None; it must be a number",
    ("groups", 0): "groups is 0; it must be from 1 to 16384",
    ("time_steps", -1): "time_steps is -1; it must be from 0 to 1000",
    ("time_steps", 3.0): "time_steps is 3.0; it must be a whole number",
    ("conv", (16,)): "shape is (); convolutions need to know how an example's features lie: "
    "shape=(positions, channels), or (height, width, channels)",
    ("conv", 16): "conv is 16; it must hold a convolution for each layer: (16, 32), or "
    "(Conv(16, kernel=5), Conv(32, stride=2))",
    ("conv", (16, "32")): "conv[1]: channels is '32'; it must be a whole number",
    ("shape", (3, 3, 1)): "shape is (3, 3, 1), but there is no convolution: leave it out, or say "
    "conv=(16, 32)",
    ("flatten", True): "flatten is True, but there is no convolution: leave it out, or say "
    "conv=(16, 32)",
    ("flatten", "yes"): "flatten is 'yes'; it must be True or False",
}


@pytest.mark.parametrize("shape", [[3, 3, 1], np.array([3, 3, 1]), (np.int64(9), 1)], ids=str)
def test_a_shape_of_data_however_it_is_given(shape: Any) -> None:
    x, y = np.zeros((4, 9), np.float32), np.zeros(4, np.int64)
    data = Dataset("nine", "classification", x, y, x, y, tuple("abcdefghi"), ("no", "yes"),
                   shape=shape)  # fmt: skip
    assert all(type(size) is int for size in data.shape)
    net = Network(inputs=9, hidden=(), outputs=2, conv=(2,), shape=data.shape)
    assert train([Trial(net, "nine", batch_size=2, steps=1)], {"nine": data})[0].ended == "finished"


@pytest.mark.parametrize("shape", [9, (9.0, 1), (-3, -3, 1), (9,), (4, 2), "33"], ids=str)
def test_a_shape_of_data_that_cannot_be(shape: Any) -> None:
    x, y = np.zeros((4, 9), np.float32), np.zeros(4, np.int64)
    with pytest.raises(DataError, match=r"nine: shape is .*for 9 columns it must be"):
        Dataset("nine", "classification", x, y, x, y, tuple("abcdefghi"), ("no", "yes"),
                shape=shape)  # fmt: skip


@pytest.mark.parametrize(("setting", "value"), BAD_NETWORK, ids=str)
def test_bad_network(setting: str, value: Any) -> None:
    with pytest.raises(SettingError, match=message(BAD_NETWORK[setting, value])):
        Network(**NETWORK | {setting: value})


BAD_CONVOLUTIONS = {
    "a setting of conv[0] is 'chanels'; it must be one of channels, kernel, stride, padding, pool, "
    "window, groups; did you mean 'channels'?": {"conv": [{"chanels": 16}]},
    "conv[0] has no channels; say how many, as in Conv(16)": {"conv": [{"kernel": 3}]},
    "conv[0]: padding is 3; it must be from 0 to 2": {"conv": [{"channels": 4, "padding": 3}]},
    "conv[0]: pool is 'sum'; it must be one of none, max, average":
    {"conv": [{"channels": 4, "pool": "sum"}]},
    "conv[0]: groups is 3, which does not divide the 8 channels: use one of 1, 2, 4, 8":
    {"conv": [{"channels": 8, "groups": 3}]},
    "conv[1]: groups is 4, which does not divide the 6 channels of its input: use one of "
    "1, 2, 3, 6":
    {"conv": (6, Conv(8, groups=4))},
    "shape is (3, 3, 2), which is 18 features, but inputs is 9": {"shape": (3, 3, 2)},
    "shape is (9,); convolutions need to know how an example's features lie: "
    "shape=(positions, channels), or (height, width, channels)": {"shape": (9,)},
    "conv[1]: kernel is 5, but only 3 × 3 positions are left there: use a smaller one, or less "
    "stride and pooling before it": {"conv": (4, Conv(4, kernel=5, padding=0))},
    "conv[0]: window is 10, but only 9 positions are left there: use a smaller one, or less "
    "stride and pooling before it": {"conv": (Conv(4, pool="max", window=10),), "shape": (9, 1)},
    "time_steps is 3, which a network with convolutions cannot have: use time_steps=0, or leave "
    "conv out": {"time_steps": 3},
    "drift is 1.0, which a network with convolutions cannot have: use drift=0, or leave conv out":
    {"drift": 1.0},
    "placement is 'input', which a network with convolutions cannot have: use "
    "placement='before', or leave conv out": {"norm": "batch", "placement": "input"},
    "groups is 4, which does not divide the width 6; choose a divisor of every normalized width":
    {"conv": (6,), "norm": "group"},
}  # fmt: skip


@pytest.mark.parametrize("error", BAD_CONVOLUTIONS)
def test_convolutions_that_do_not_fit(error: str) -> None:
    given = {"inputs": 9, "hidden": (), "outputs": 4, "conv": (8,), "shape": (3, 3, 1)}
    with pytest.raises(SettingError, match=message(error)):
        Network(**given | BAD_CONVOLUTIONS[error])
    Network(**given)


def test_every_setting_of_a_network_is_checked() -> None:
    assert {name for name, _ in BAD_NETWORK} == {f.name for f in fields(Network)}


@pytest.mark.parametrize(
    ("network", "width"),
    [({"hidden": (16, 10)}, 10), ({"hidden": (16,), "placement": "input"}, 9)],
)
def test_groups_must_divide_every_normalized_width(network: Any, width: int) -> None:
    wanted = (
        f"groups is 4, which does not divide the width {width}; "
        "choose a divisor of every normalized width"
    )
    with pytest.raises(SettingError, match=message(wanted)):
        Network(**NETWORK | network | {"norm": "group"})
    Network(**NETWORK | network | {"norm": "layer"})  # only group norm minds


def test_a_recurrent_network_does_not_drift() -> None:
    wanted = (
        "drift is 0.5 with time_steps=3: a recurrent network cannot be made to drift; "
        "leave drift at 0"
    )
    with pytest.raises(SettingError, match=message(wanted)):
        Network(**NETWORK, time_steps=3, drift=0.5)


# ---- a trial -------------------------------------------------------------------------------------

BAD_TRIAL = {
    ("network", "mlp"): "network is 'mlp'; it must be a Network",
    ("data", CLASSES.x_train.shape): (
        "data is a tuple; a trial names its data set: pass the name here and the data set itself "
        "to train(..., data={name: dataset})"
    ),
    ("optimizer", "adm"): (
        "optimizer is 'adm'; it must be one of sgd, momentum, adam, adamw; did you mean 'adam'?"
    ),
    ("learning_rate", -1.0): "learning_rate is -1.0; it must be a number from 0, at most 1e+06",
    ("learning_rate", float("inf")): (
        "learning_rate is inf; it must be a number from 0, at most 1e+06"
    ),
    ("learning_rate", "0.1"): "learning_rate is '0.1'; it must be a number",
    ("learning_rate", True): "learning_rate is True; it must be a number",
    ("batch_size", 0): "batch_size is 0; it must be from 1 to 1048576",
    ("batch_size", 32.0): "batch_size is 32.0; it must be a whole number",
    ("steps", 0): "steps is 0; it must be from 1 to 10000000",
    ("steps", 10**8): "steps is 100000000; it must be from 1 to 10000000",
    ("seed", -1): "seed is -1; it must be from 0 to 9223372036854775807",
    ("seed", 1 << 63): "seed is 9223372036854775808; it must be from 0 to 9223372036854775807",
    ("schedule", "cos"): "schedule is 'cos'; it must be one of constant, cosine; "
    "did you mean 'cosine'?",
    ("warmup", -1): "warmup is -1; it must be from 0 to 10000000",
    ("momentum", 2): "momentum is 2; it must be a number from 0, at most 1",
    ("weight_decay", -0.1): "weight_decay is -0.1; it must be a number from 0, at most 1000",
    ("evaluate_every", -1): "evaluate_every is -1; it must be from 0 to 10000000",
    ("evaluate_every", 0.5): "evaluate_every is 0.5; it must be a whole number",
    ("evaluate_train", 1): "evaluate_train is 1; it must be True or False",
    ("evaluate_train", "no"): "evaluate_train is 'no'; it must be True or False",
    ("statistics", "exact"): "statistics is 'exact'; it must be one of running, population, batch",
    ("evaluation_batch", -1): "evaluation_batch is -1; it must be from 0 to 1048576",
    ("evaluation_batch", 8): (
        "evaluation_batch is 8 with statistics='running': a row is then evaluated the same in any "
        "batch; use statistics='batch', or leave evaluation_batch at 0"
    ),
    ("landscape_every", 2.5): "landscape_every is 2.5; it must be a whole number",
    ("landscape_every", -1): "landscape_every is -1; it must be from 0 to 10000000",
    ("dtype", "float16"): (
        "dtype is 'float16'; it must be one of float32, float64; did you mean 'float64'?"
    ),
    ("dtype", "double"): "dtype is 'double'; it must be one of float32, float64",
    ("probe_every", -5): "probe_every is -5; it must be from 0 to 10000000",
}


@pytest.mark.parametrize(("setting", "value"), BAD_TRIAL, ids=str)
def test_bad_trial(setting: str, value: Any) -> None:
    settings = {"network": Network(**NETWORK)} | {setting: value}
    with pytest.raises(SettingError, match=message(BAD_TRIAL[setting, value])):
        Trial(**settings)


def test_every_setting_of_a_trial_is_checked() -> None:
    assert {name for name, _ in BAD_TRIAL} == {f.name for f in fields(Trial)}


def test_a_batch_of_one_cannot_be_batch_normalized() -> None:
    with pytest.raises(SettingError, match=r"batch_size is 1 with norm='batch': .* norm='layer'$"):
        trial(network={"norm": "batch"}, batch_size=1)
    trial(network={"norm": "layer"}, batch_size=1)


def test_a_setting_error_is_a_value_error() -> None:
    assert issubclass(SettingError, ValueError)


# ---- trials and data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (
            trial(network={"inputs": 8}),
            f"the network has inputs=8 but data set '{CLASSES.name}' has 9 features; "
            "use Network(inputs=9, …)",
        ),
        (
            trial(network={"outputs": 5}),
            f"the network has outputs=5 but data set '{CLASSES.name}' has 4 classes; "
            "use Network(outputs=4, …)",
        ),
        (
            trial(TARGETS, network={"outputs": 1}),
            f"the network has outputs=1 but data set '{TARGETS.name}' has 4 targets; "
            "use Network(outputs=4, …)",
        ),
        (
            trial(batch_size=98),
            f"batch_size is 98 but data set '{CLASSES.name}' has only 97 training rows; "
            "use a batch size of at most 97",
        ),
    ],
    ids=["inputs", "classes", "targets", "batch"],
)
def test_a_trial_that_does_not_fit_its_data(made: Trial, wanted: str) -> None:
    """Refused before anything trains, by `train` and by `Session`, wherever it stands."""
    called = []
    with pytest.raises(SettingError, match=message(wanted)):
        train([trial(steps=5), made], DATA, on_curve=lambda *_: called.append(1))
    assert not called
    with pytest.raises(SettingError, match=message(wanted)):
        Session([trial(steps=5), made], DATA)


@pytest.mark.parametrize(
    ("trials", "wanted"),
    [
        (3, "trials is 3; it must hold Trials"),
        ([trial(), "x"], "trials holds 'x'; every item must be a Trial"),
    ],
)
def test_what_is_no_trial(trials: Any, wanted: str) -> None:
    for call in (train, Session):
        with pytest.raises(SettingError, match=message(wanted)):
            call(trials, DATA)


def test_one_trial_need_not_be_in_a_list() -> None:
    [curve] = train(trial(steps=3), DATA)  # type: ignore[arg-type]
    assert curve.ended == "finished"


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_bad_threads(threads: Any) -> None:
    wanted = f"threads is {threads!r}; use a whole number from 1, or leave it out for all cores"
    for call in (train, Session):
        with pytest.raises(SettingError, match=message(wanted)):
            call([trial()], DATA, threads=threads)


# ---- injected weights and minibatches ------------------------------------------------------------


def test_injected_weights_must_fit() -> None:
    made = trial(network={"norm": "batch"})
    good = random_weights(made.network, 0, np.float32)
    none = random_weights(Network(**NETWORK), 0, np.float32)
    first = good.linears[0]
    narrow = Weights((LayerWeights(first.weight[:, :8], None), *good.linears[1:]), good.norms)
    biased = Weights((LayerWeights(first.weight, np.zeros(16)), *good.linears[1:]), good.norms)
    last = LayerWeights(good.linears[2].weight, None)
    for weights, wanted in (
        (none, "weights has 3 linear layers and 0 normalizers; this network has 3 and 2"),
        (narrow, "weight 0 has shape (16, 8); this network needs (16, 9)"),
        (
            biased,
            "layer 0 has no bias in this network (none right before a batch normalizer)",
        ),
        (
            Weights((*good.linears[:2], last), good.norms),
            "layer 2 needs a bias in this network (none right before a batch normalizer)",
        ),
    ):
        with pytest.raises(SettingError, match=message(wanted)):
            Session([made], DATA, weights={0: weights})
    Session([made], DATA, weights={0: good}).close()


@pytest.mark.parametrize(
    ("batches", "wanted"),
    [
        (np.zeros((3, 32)), "batches has shape (3, 32); this trial needs (4, 32)"),
        (np.full((4, 32), 97), "batches holds row 97 to 97; the training set has rows 0 to 96"),
        (np.full((4, 32), -1), "batches holds row -1 to -1; the training set has rows 0 to 96"),
    ],
)
def test_injected_minibatches_must_fit(batches: Any, wanted: str) -> None:
    with pytest.raises(SettingError, match=message(wanted)):
        Session([trial(steps=4)], DATA, batches={0: batches})


# ---- keys ----------------------------------------------------------------------------------------

KEYED = Trial(
    Network(inputs=64, hidden=(32, 32), outputs=10, norm="batch"),
    "digits",
    learning_rate=0.1,
    steps=100,
    seed=3,
)


def test_a_key_is_for_good() -> None:
    """Stored curves are found by their key, so this one may change in two ways only: a new setting,
    or `ENGINE_VERSION` raised because the same trial gives another curve. Both make every stored
    curve unreachable; change the line below deliberately, and say so in the changelog.
    """
    assert ENGINE_VERSION == 3
    assert KEYED.key == "9f28532db3e21164c0bfd8f9"


OTHER = {
    "data": "cookies", "optimizer": "adam", "learning_rate": 0.2, "batch_size": 16, "steps": 101,
    "seed": 4, "schedule": "cosine", "warmup": 5, "momentum": 0.8, "weight_decay": 0.1,
    "evaluate_every": 5, "evaluate_train": True, "statistics": "batch", "evaluation_batch": 8,
    "probe_every": 3, "landscape_every": 7, "dtype": "float64",
}  # fmt: skip
OTHER_NETWORK = {
    "inputs": 63, "hidden": (32,), "outputs": 11, "activation": "tanh", "norm": "layer",
    "placement": "after", "affine": "gamma", "init": "he", "sigma": 0.1, "residual": 1,
    "dropout": 0.1, "drift": 0.5, "groups": 2, "eps": 1e-3, "momentum": 0.2, "time_steps": 3,
    "conv": (16,), "shape": (64, 1), "flatten": True,
}  # fmt: skip
CONVOLUTIONAL = {"conv": (8,), "shape": (8, 8, 1), "flatten": False}
NO_CONVOLUTION: dict[str, Any] = {"conv": (), "shape": (), "flatten": False}


def test_every_setting_changes_the_key() -> None:
    assert set(OTHER) == {f.name for f in fields(Trial)} - {"network"}
    assert set(OTHER_NETWORK) == {f.name for f in fields(Network)}
    keys = []
    for name, value in OTHER.items():
        needed = {"statistics": "batch"} if name == "evaluation_batch" else {}
        keys.append(replace(KEYED, **needed | {name: value}).key)
    for name, value in OTHER_NETWORK.items():
        needed = CONVOLUTIONAL if name in ("conv", "shape", "flatten") else {}
        keys.append(replace(KEYED, network=replace(KEYED.network, **needed | {name: value})).key)
    for other in ({"kernel": 5}, {"stride": 2}, {"padding": 0}, {"pool": "max"}, {"groups": 4}):
        conv = (8, Conv(8, **other))
        network = replace(KEYED.network, **CONVOLUTIONAL | {"conv": conv})
        keys.append(replace(KEYED, network=network).key)
    assert len({KEYED.key, *keys}) == 1 + len(keys)


def test_equal_trials_have_equal_keys() -> None:
    """Whole numbers, NumPy's numbers and lists are the same settings."""
    network = Network(
        np.int64(64), [np.int32(32), 32], 10, norm="batch", dropout=0, sigma=np.float64(0.01)
    )  # type: ignore[arg-type]
    same = Trial(network, "digits", learning_rate=np.float64(0.1), steps=np.int64(100), seed=3)  # type: ignore[arg-type]
    assert same == KEYED
    assert hash(same) == hash(KEYED)
    assert same.key == KEYED.key
    assert replace(KEYED, learning_rate=1).key == replace(KEYED, learning_rate=1.0).key


def test_a_key_kept_changes_nothing_else() -> None:
    """It is worked out once; equality, hash, settings and pickles are as if it never was."""
    fresh = replace(KEYED)
    used = replace(fresh)
    assert used.key is used.key
    assert used == fresh
    assert hash(used) == hash(fresh)
    assert repr(used) == repr(fresh)
    assert asdict(used) == asdict(fresh)
    every = asdict(used)
    every["network"] = {n: v for n, v in every["network"].items() if n not in CONVOLUTIONAL}
    assert used.as_dict() == every
    assert pickle.dumps(used) == pickle.dumps(fresh), "another version's key must not travel along"
    for copied in (pickle.loads(pickle.dumps(used)), copy.deepcopy(used)):
        assert copied == used
        assert copied.key == used.key
    assert replace(used, seed=4).key != used.key


def test_a_trial_is_frozen() -> None:
    with pytest.raises(AttributeError):
        KEYED.seed = 4  # type: ignore[misc]
    with pytest.raises(AttributeError):
        KEYED.network.norm = "none"  # type: ignore[misc]


# ---- as plain values and back --------------------------------------------------------------------


def test_from_dict_is_the_way_back() -> None:
    changed = [
        Trial(Network(**OTHER_NETWORK | without), **OTHER)  # type: ignore[arg-type]
        # No network has two of these.
        for without in (
            NO_CONVOLUTION | {"drift": 0.0},
            NO_CONVOLUTION | {"time_steps": 0},
            {"drift": 0.0, "time_steps": 0, "inputs": 64},
        )
    ]
    for made in (KEYED, *changed):
        assert Trial.from_dict(made.as_dict()) == made
        through_json = Trial.from_dict(json.loads(json.dumps(made.as_dict())))
        assert through_json == made
        assert through_json.key == made.key


def test_from_dict_leaves_its_argument_alone_and_fills_in_defaults() -> None:
    given = {"network": {"inputs": 64, "hidden": [32, 32], "outputs": 10, "norm": "batch"}}
    made = Trial.from_dict(given)
    assert made == Trial(KEYED.network)
    assert list(given) == ["network"]
    assert given["network"]["hidden"] == [32, 32]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"batchsize": 3}, r"a setting of Trial is 'batchsize'; .*; did you mean 'batch_size'\?$"),
        (
            {"network.norm": "x"},
            r"a setting of Trial is 'network.norm'; it must be one of network,",
        ),
        (
            {"network": NETWORK | {"activaton": "relu"}},
            r"a setting of Network is 'activaton'; .*; did you mean 'activation'\?$",
        ),
        (
            {"network": {"inputs": 3, "outputs": 2}},
            "^hidden is missing; a Network cannot do without",
        ),
        ({"network": "mlp"}, "^network is 'mlp'; it must be a mapping of a network's settings$"),
    ],
)
def test_from_dict_names_what_it_does_not_know(given: Any, wanted: str) -> None:
    with pytest.raises(SettingError, match=wanted):
        Trial.from_dict({"network": NETWORK} | given)


def test_from_dict_without_a_network() -> None:
    with pytest.raises(SettingError, match=r"^network is None; it must be a mapping"):
        Trial.from_dict({"seed": 3})
