// Made from Python's types by web/made.py; whoever changes those runs it again.

export const Plan = {"ROWS": 0, "BATCH_SIZE": 1, "STEPS": 2, "OPTIMIZER": 3, "COSINE": 4, "WARMUP": 5, "CLASSIFY": 6, "N_TRAIN": 7, "N_TEST": 8, "X_STRIDE": 9, "Y_STRIDE": 10, "TARGETS": 11, "N_LEARNED": 12, "DECAY_END": 13, "INPUT": 14, "OUTPUT": 15, "D0": 16, "D1": 17, "STASH": 18, "TRANSPOSE": 19, "EVAL_TRAIN": 20, "EXACT": 21, "SEED_LOW": 22, "SEED_HIGH": 23, "INJECTED": 24, "CLOCK": 25, "CLOCK_ID": 26, "N_OPS": 27, "EVAL_MODE": 28} as const;

export const Hyper = {"LEARNING_RATE": 0, "MOMENTUM": 1, "WEIGHT_DECAY": 2, "EPS": 3, "STAT_MOMENTUM": 4, "SST_TEST": 5, "SST_TRAIN": 6} as const;

export const Counter = {"STEP": 0, "STATUS": 1, "NEXT_EVALUATION": 2, "NEXT_PROBE": 3, "NEXT_SURVEY": 4} as const;

export const Sum = {"LOSS_SUM": 0, "LOSS_COUNT": 1, "SECONDS": 2} as const;

export const Point = {"TRAIN_LOSS": 0, "TEST_LOSS": 1, "METRIC": 2, "TRAIN_EVAL_LOSS": 3, "TRAIN_METRIC": 4, "TRAIN_SECONDS": 5} as const;

export const Probe = {"MEAN": 0, "SPREAD": 1, "SATURATED": 2, "DEAD": 3, "GRADIENT_NORM": 4, "GAMMA_SHIFT": 5, "BETA_SHIFT": 6, "GAMMA_MEAN": 7} as const;

export const Status = {"RUNNING": 0, "FINISHED": 1, "DIVERGED": 2} as const;

export const Mode = {"TRAIN": 0, "EVALUATE": 1, "POPULATION": 2, "OWN": 3} as const;

export const Op = {"PRODUCT": 0, "ACTIVATE": 1, "BATCH": 2, "ROW": 3, "GROUP": 4, "DROPOUT": 5, "ADD": 6, "FORK": 7, "DRIFT": 8, "ORDER": 9, "SUM": 10, "ENDING": 11, "HOLD": 12, "SHARE": 13, "CONVOLVE": 14, "POOL": 15, "PLANE": 16} as const;

export const Field = {"OP": 0, "SRC": 1, "DST": 2, "STRIDE_IN": 3, "STRIDE": 4, "COLUMNS": 5, "A": 6, "B": 7, "C": 8, "E": 9, "CODE": 10, "NEED_DX": 11, "COUNT": 12, "HEIGHT": 13, "WIDTH": 14, "KERNEL_HEIGHT": 15, "KERNEL_WIDTH": 16, "GAP": 17, "TOP": 18, "LEFT": 19, "OUT_HEIGHT": 20, "OUT_WIDTH": 21, "CHANNELS": 22, "PIXEL": 23, "PATCHES": 24} as const;

export const ProbeField = {"IN": 0, "IN_STRIDE": 1, "IN_COLUMNS": 2, "OUT": 3, "STRIDE": 4, "COLUMNS": 5, "Z": 6, "CODE": 7, "W": 8, "W_SIZE": 9, "STEPS": 10, "COUNT": 11, "IN_STEP": 12, "OUT_STEP": 13, "IN_ROWS": 14, "OUT_ROWS": 15, "GAMMA": 16, "BETA": 17, "NORM_COLUMNS": 18} as const;

export const TABLES = {"advance": [["program.ops", 2], ["program.slopes", 1], ["program.probes", 2], ["program.probe_slopes", 1], ["program.plan", 1], ["program.hyper", 1], ["program.evaluations", 1], ["program.probe_steps", 1], ["program.survey_steps", 1], ["program.etas", 1], ["data.x", 1], ["data.labels", 1], ["data.target", 1], ["data.x_test", 1], ["data.labels_test", 1], ["data.target_test", 1], ["learner.theta", 1], ["learner.m", 1], ["learner.v", 1], ["learner.running", 1], ["learner.population", 1], ["room.ws", 1], ["room.grad", 1], ["room.order", 1], ["room.spare_theta", 1], ["room.spare_running", 1], ["room.spare_grad", 1], ["log.counters", 1], ["log.sums", 1], ["log.curve", 2], ["log.probed", 3], ["log.here", 2], ["log.away", 3], ["until", 0]], "shuffle": [["order", 1], ["seed_low", 0], ["seed_high", 0], ["epoch", 0]], "draw": [["state", 1], ["normal", 0], ["scale", 1], ["out", 1]]} as const;

export const OPTIMIZERS = ["sgd", "momentum", "adam", "adamw"] as const;

export const ACTIVATIONS = {"relu": [0, 0.0], "leaky_relu": [0, 0.01], "tanh": [1, 1.0], "sigmoid": [2, 1.0], "gelu": [3, 1.0], "identity": [0, 1.0]} as const;

export const SHARING = {"CLEAR": 0, "ADD": 1, "FINISH": 2, "ONLY_SUM": 3} as const;

export const PAD = 16 as const;

export const EVALUATION_ROWS = 128 as const;

export const KEPT_BYTES = 1048576 as const;

export const LOGIT_PADDING = -1e+30 as const;

export const LEAKY_SLOPE = 0.01 as const;

export const DRIFT_KEYS = 256 as const;

export const LANDSCAPE_STEPS = [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0] as const;

export const KEY = 0 as const;

export const PLACE = 10 as const;

export const STATE = 11 as const;

export const WORDS = 4 as const;
