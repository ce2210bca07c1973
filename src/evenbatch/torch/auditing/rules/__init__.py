"""The table of rules: one file each; its code never changes its meaning."""

from evenbatch.torch.auditing.rules._rule import Rule
from evenbatch.torch.auditing.rules.eb101_bias import bias_before_batch_norm
from evenbatch.torch.auditing.rules.eb102_dropout import dropout_before_batch_norm
from evenbatch.torch.auditing.rules.eb103_shared import batch_norm_shared
from evenbatch.torch.auditing.rules.eb201_frozen import frozen_but_moving
from evenbatch.torch.auditing.rules.eb202_nonfinite import non_finite_statistics
from evenbatch.torch.auditing.rules.eb205_momentum import momentum_out_of_range
from evenbatch.torch.auditing.rules.eb301_decay import weight_decay_on_norms
from evenbatch.torch.auditing.rules.eb401_one_value import one_value_per_channel
from evenbatch.torch.auditing.rules.eb402_small_batch import small_batch
from evenbatch.torch.auditing.rules.eb404_constant import constant_output

FAMILIES = {
    "EB1": "Structure",
    "EB2": "Statistics and state",
    "EB3": "Optimizer",
    "EB4": "Batches and shapes",
    "EB5": "While it trains",
    "EB6": "Deployment",
    "EB7": "Several devices, and examples that must not mix",
}

RULES: dict[str, Rule] = {
    rule.code: rule
    for rule in (
        bias_before_batch_norm,
        dropout_before_batch_norm,
        batch_norm_shared,
        frozen_but_moving,
        non_finite_statistics,
        momentum_out_of_range,
        weight_decay_on_norms,
        one_value_per_channel,
        small_batch,
        constant_output,
    )
}
