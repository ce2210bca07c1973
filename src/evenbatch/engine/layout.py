"""How a trial lies in memory while the compiled loop trains it.

`evenbatch.engine.loop.advance` takes five groups of arrays, and whole numbers in them mean what the
enumerations here say. `evenbatch.engine.state.TrialState` fills the groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Any, NamedTuple, get_type_hints

from numpy.typing import NDArray

# Of the trial's own precision (`Trial.dtype`), or of one and the same type in every trial.
OWN, INT64, FLOAT64, FLOAT32 = "own", "int64", "float64", "float32"
Array = NDArray[Any]
Own1 = Annotated[Array, OWN, 1]
Int1 = Annotated[Array, INT64, 1]
Int2 = Annotated[Array, INT64, 2]
Real1 = Annotated[Array, FLOAT64, 1]
Real2 = Annotated[Array, FLOAT64, 2]
Real3 = Annotated[Array, FLOAT64, 3]


class Program(NamedTuple):
    """What the trial does: its tape and its settings. Only read."""

    ops: Int2  # (operations, `Field`)
    slopes: Real1  # (operations,) of activations left of zero; dropout's and drift's strength
    probes: Int2  # (linear layers, `ProbeField`)
    probe_slopes: Real1  # (linear layers,)
    plan: Int1  # `Plan`
    hyper: Real1  # `Hyper`
    evaluations: Int1  # steps after which the network is evaluated, the last step last
    probe_steps: Int1  # steps at which it is probed
    survey_steps: Int1  # steps at which the loss around it is surveyed
    etas: Real1  # how far along the negative gradient, times the gradient


class Data(NamedTuple):
    """The data set: flat, rows padded. Only read; trials share it."""

    x: Own1  # (training rows · `Plan.X_STRIDE`)
    labels: Int1  # (training rows), or empty
    target: Own1  # (training rows · `Plan.Y_STRIDE`), or empty
    x_test: Own1
    labels_test: Int1
    target_test: Own1


class Learner(NamedTuple):
    """What the trial has learned."""

    theta: Own1  # the parameters
    m: Own1  # the optimizer's first moments, or empty
    v: Own1  # the second, or empty
    running: Own1  # running statistics
    population: Own1  # those of the whole training set, or empty


class Room(NamedTuple):
    """Scratch: holds nothing from one call to the next but `order` where it was given."""

    ws: Own1  # the workspace
    grad: Own1  # the gradient by theta
    order: Int1  # rows of the training set in the order of this epoch, or of the whole trial
    spare_theta: Own1  # for a survey; or empty, as the two below
    spare_running: Own1
    spare_grad: Own1


class Log(NamedTuple):
    """Where the trial stands and what came of it."""

    counters: Int1  # `Counter`
    sums: Real1  # `Sum`
    curve: Real2  # (evaluations, `Point`)
    probed: Annotated[Array, FLOAT32, 3]  # (probed steps, linear layers, `Probe`)
    here: Real2  # (surveyed steps, loss and gradient norm)
    away: Real3  # (surveyed steps, loss and gradient change, etas)


GROUPS = (Program, Data, Learner, Room, Log)


class Plan(IntEnum):
    """Whole settings of a trial, by place in `Program.plan`."""

    ROWS = 0  # evaluated at a time
    BATCH_SIZE = 1
    STEPS = 2
    OPTIMIZER = 3  # `evenbatch.kernels.engine.optimizers`
    COSINE = 4  # 1: the learning rate falls along a cosine
    WARMUP = 5  # steps
    CLASSIFY = 6  # 1: cross-entropy and accuracy; 0: squared error and R²
    N_TRAIN = 7
    N_TEST = 8
    X_STRIDE = 9
    Y_STRIDE = 10
    TARGETS = 11
    N_LEARNED = 12  # parameters that learn: the first ones
    DECAY_END = 13  # parameters that decay: the first of those
    INPUT = 14  # where the input lies in the workspace, and so on
    OUTPUT = 15
    D0 = 16
    D1 = 17
    STASH = 18
    TRANSPOSE = 19
    EVAL_TRAIN = 20  # 1: the training set is evaluated too
    EXACT = 21  # 1: by the statistics of the whole training set
    SEED_LOW = 22  # 32 bits each
    SEED_HIGH = 23
    INJECTED = 24  # 1: `Room.order` holds every minibatch
    CLOCK = 25  # address of a clock function, 0 for none
    CLOCK_ID = 26
    N_OPS = 27
    EVAL_MODE = 28  # a `Mode`


class Hyper(IntEnum):
    """Real settings of a trial, by place in `Program.hyper`."""

    LEARNING_RATE = 0
    MOMENTUM = 1
    WEIGHT_DECAY = 2
    EPS = 3
    STAT_MOMENTUM = 4
    SST_TEST = 5  # total sum of squares of the targets
    SST_TRAIN = 6


class Counter(IntEnum):
    """Places in `Log.counters`."""

    STEP = 0
    STATUS = 1
    NEXT_EVALUATION = 2
    NEXT_PROBE = 3
    NEXT_SURVEY = 4


class Sum(IntEnum):
    """Places in `Log.sums`."""

    LOSS_SUM = 0  # since the last evaluation
    LOSS_COUNT = 1
    SECONDS = 2


class Point(IntEnum):
    """Columns of `Log.curve`."""

    TRAIN_LOSS = 0
    TEST_LOSS = 1
    METRIC = 2
    TRAIN_EVAL_LOSS = 3
    TRAIN_METRIC = 4
    TRAIN_SECONDS = 5


class Probe(IntEnum):
    """Columns of `Log.probed`."""

    MEAN = 0
    SPREAD = 1
    SATURATED = 2
    DEAD = 3
    GRADIENT_NORM = 4
    GAMMA_SHIFT = 5
    BETA_SHIFT = 6
    GAMMA_MEAN = 7


class Status(IntEnum):
    """How a trial stands."""

    RUNNING = 0
    FINISHED = 1
    DIVERGED = 2


class Mode(IntEnum):
    """How batch norm normalizes."""

    TRAIN = 0  # by the batch, which enters the running statistics
    EVALUATE = 1  # by the running statistics
    POPULATION = 2  # by the whole training set, which replaces the statistics
    OWN = 3  # by the batch at hand, which is kept nowhere


class Op(IntEnum):
    """Operations of a tape. What those from ORDER to SHARE do, which belong to a layer that runs
    over time, is said in `evenbatch.engine.recurrent`; what the three after them do, on examples
    that have positions, in `evenbatch.engine.convolutional`."""

    PRODUCT = 0
    ACTIVATE = 1
    BATCH = 2
    ROW = 3
    GROUP = 4
    DROPOUT = 5
    ADD = 6
    FORK = 7
    DRIFT = 8
    ORDER = 9
    SUM = 10
    ENDING = 11
    HOLD = 12
    SHARE = 13
    CONVOLVE = 14
    POOL = 15
    PLANE = 16


class Field(IntEnum):
    """Columns of `Program.ops`. A, B, C and E hold what the operation needs (see `Builder`)."""

    OP = 0
    SRC = 1
    DST = 2
    STRIDE_IN = 3
    STRIDE = 4
    COLUMNS = 5
    A = 6
    B = 7
    C = 8
    E = 9
    CODE = 10
    NEED_DX = 11
    COUNT = 12  # where in the workspace the number of rows lies, or −1: the whole batch
    HEIGHT = 13  # the nine numbers of a `kernels.engine.convolution.Window`
    WIDTH = 14
    KERNEL_HEIGHT = 15
    KERNEL_WIDTH = 16
    GAP = 17
    TOP = 18
    LEFT = 19
    OUT_HEIGHT = 20
    OUT_WIDTH = 21
    CHANNELS = 22  # of a convolution's input
    PIXEL = 23  # how far positions of the input are apart
    PATCHES = 24  # gathered at a time


class ProbeField(IntEnum):
    """Columns of `Program.probes`: where a layer's input, activation, weights and knobs lie."""

    IN = 0
    IN_STRIDE = 1
    IN_COLUMNS = 2
    OUT = 3
    STRIDE = 4
    COLUMNS = 5
    Z = 6
    CODE = 7
    W = 8
    W_SIZE = 9
    STEPS = 10
    COUNT = 11
    IN_STEP = 12
    OUT_STEP = 13
    IN_ROWS = 14  # of each example: where it has positions, one each
    OUT_ROWS = 15
    GAMMA = 16
    BETA = 17
    NORM_COLUMNS = 18


ENUMERATIONS = (
    Plan, Hyper, Counter, Sum, Point, Probe, Status, Mode, Op, Field, ProbeField,
)  # fmt: skip


def arrays(group: type[Any]) -> Iterator[tuple[str, str, int]]:
    """(name, type, dimensions) of each array of a group.

    >>> next(arrays(Program))
    ('ops', 'int64', 2)
    """
    for name, hint in get_type_hints(group, include_extras=True).items():
        yield name, *hint.__metadata__
