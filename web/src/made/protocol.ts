// Made from Python's protocol by web/made.py.

export const POINTS = 50;
export const TUNING_SEED = 1000000;
export const PENALTY = 10;
export const FRAMES = 40;
export const SAMPLE = 400;
export const SHARE = 0.9;
export const NOTHING = 0.1;
export const RESAMPLES = 20000;
export const FALL = 0.1;
export const CAP = 10.0;
export const GROWTHS = 18;
export const TIMED_PAIRS = 51;
export const RESOLUTION = 8;
export const AHEAD = 1.45;
export const POINT = 1.0;
export const MIN_SEEDS = 5;
export const INIT_NAMES = {"torch": "PyTorch's initialization", "he": "He initialization", "xavier": "Xavier initialization", "gaussian": "normal initial weights"};
export const FEW = 4;
export const LOWEST = -12.0;
export const HIGHEST = 2.0;
export const BELOW = 2.5;
export const OPPOSITE = {"fewer": "more", "less": "more", "smaller": "larger", "deeper": "shallower", "wider": "narrower"};
export const STATE = "35399562948360463058890781895381311971";
export const INCREMENT = "87136372517582989555478159403783844777";
export const TAILS = [0.0, 0.0, 0.0, 6.834137311617638e-08, 0.00011903073915320306, 0.0009541005518824974, 0.0024318031746115576, 0.004109153815637312, 0.005737520517029915, 0.007224819183153985, 0.008550639024406392, 0.009722406900079639, 0.010756614916552498, 0.011671300553592723, 0.012483255223348422, 0.013207173126811467, 0.01385557040476676, 0.014438984972307556, 0.014966254465741013, 0.015444791816291492, 0.015880829920347894];
