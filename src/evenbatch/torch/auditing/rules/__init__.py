"""The table of rules: one file each; its code never changes its meaning."""

from evenbatch.torch.auditing.rules._rule import Rule
from evenbatch.torch.auditing.rules.eb101_bias import bias_before_batch_norm
from evenbatch.torch.auditing.rules.eb102_dropout import dropout_before_batch_norm
from evenbatch.torch.auditing.rules.eb103_shared import batch_norm_shared
from evenbatch.torch.auditing.rules.eb104_adapting import dropout_while_adapting
from evenbatch.torch.auditing.rules.eb201_frozen import frozen_but_moving
from evenbatch.torch.auditing.rules.eb202_nonfinite import non_finite_statistics
from evenbatch.torch.auditing.rules.eb203_averaged import averaged_weights_stale_statistics
from evenbatch.torch.auditing.rules.eb204_unlike import statistics_unlike_the_batch
from evenbatch.torch.auditing.rules.eb205_momentum import momentum_out_of_range
from evenbatch.torch.auditing.rules.eb206_eps import eps_vanishes
from evenbatch.torch.auditing.rules.eb207_dominates import eps_dominates
from evenbatch.torch.auditing.rules.eb208_odd_eps import eps_inconsistent
from evenbatch.torch.auditing.rules.eb209_half import half_precision_statistics
from evenbatch.torch.auditing.rules.eb210_none import no_running_statistics
from evenbatch.torch.auditing.rules.eb211_instance import instance_norm_tracks
from evenbatch.torch.auditing.rules.eb212_modes import training_inside_eval
from evenbatch.torch.auditing.rules.eb213_types import mixed_types
from evenbatch.torch.auditing.rules.eb214_functional import stuck_in_training
from evenbatch.torch.auditing.rules.eb215_fresh import fresh_statistics
from evenbatch.torch.auditing.rules.eb216_gain import gain_out_of_range
from evenbatch.torch.auditing.rules.eb217_nan import not_a_number
from evenbatch.torch.auditing.rules.eb218_arithmetic import arithmetic_fails
from evenbatch.torch.auditing.rules.eb219_unregistered import unregistered_norms
from evenbatch.torch.auditing.rules.eb301_decay import weight_decay_on_norms
from evenbatch.torch.auditing.rules.eb401_one_value import one_value_per_channel
from evenbatch.torch.auditing.rules.eb402_small_batch import small_batch
from evenbatch.torch.auditing.rules.eb403_last_batch import last_batch_of_one
from evenbatch.torch.auditing.rules.eb404_constant import constant_output
from evenbatch.torch.auditing.rules.eb405_channels_last import channels_last
from evenbatch.torch.auditing.rules.eb406_padding import padding_in_statistics
from evenbatch.torch.auditing.rules.eb407_accumulation import accumulation
from evenbatch.torch.auditing.rules.eb408_wrong_axis import normalized_over_positions
from evenbatch.torch.auditing.rules.eb409_unshuffled import sorted_batches
from evenbatch.torch.auditing.rules.eb501_nograd import moved_while_evaluating
from evenbatch.torch.auditing.rules.eb502_twice import recomputed_statistics
from evenbatch.torch.auditing.rules.eb503_broke import statistics_broke
from evenbatch.torch.auditing.rules.eb504_eval_gap import evaluation_unlike_training
from evenbatch.torch.auditing.rules.eb505_drift import frozen_drifted
from evenbatch.torch.auditing.rules.eb506_two_forwards import two_forwards_before_backward
from evenbatch.torch.auditing.rules.eb507_trained_in_eval import trained_in_evaluation_mode
from evenbatch.torch.auditing.rules.eb508_unlike_batches import batches_unlike_each_other
from evenbatch.torch.auditing.rules.eb601_fold import unsafe_fold
from evenbatch.torch.auditing.rules.eb602_deploy import deployed_in_training_mode
from evenbatch.torch.auditing.rules.eb603_sync import sync_batch_norm_alone
from evenbatch.torch.auditing.rules.eb604_vmap import running_statistics_under_vmap
from evenbatch.torch.auditing.rules.eb605_wrong_axis import folded_onto_the_wrong_axis
from evenbatch.torch.auditing.rules.eb606_large_mean import cancels_when_deployed
from evenbatch.torch.auditing.rules.eb607_below_half import below_half_precision
from evenbatch.torch.auditing.rules.eb608_converted import converted_otherwise
from evenbatch.torch.auditing.rules.eb609_noise import rounding_noise
from evenbatch.torch.auditing.rules.eb610_differs import differs_when_deployed
from evenbatch.torch.auditing.rules.eb611_zero_gain import zero_gain_in_quantized_training
from evenbatch.torch.auditing.rules.eb612_adapter import statistics_not_in_the_adapter
from evenbatch.torch.auditing.rules.eb701_ddp import not_synchronized
from evenbatch.torch.auditing.rules.eb702_contrastive import contrastive_leak
from evenbatch.torch.auditing.rules.eb703_gan import gan_company
from evenbatch.torch.auditing.rules.eb704_private import not_private
from evenbatch.torch.auditing.rules.eb705_federated import federated_statistics
from evenbatch.torch.auditing.rules.eb706_waiting import waits_while_evaluating

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
        dropout_while_adapting,
        frozen_but_moving,
        non_finite_statistics,
        averaged_weights_stale_statistics,
        statistics_unlike_the_batch,
        momentum_out_of_range,
        eps_vanishes,
        eps_dominates,
        eps_inconsistent,
        half_precision_statistics,
        no_running_statistics,
        instance_norm_tracks,
        training_inside_eval,
        mixed_types,
        stuck_in_training,
        fresh_statistics,
        gain_out_of_range,
        not_a_number,
        arithmetic_fails,
        unregistered_norms,
        weight_decay_on_norms,
        one_value_per_channel,
        small_batch,
        last_batch_of_one,
        constant_output,
        channels_last,
        padding_in_statistics,
        accumulation,
        normalized_over_positions,
        sorted_batches,
        moved_while_evaluating,
        recomputed_statistics,
        statistics_broke,
        evaluation_unlike_training,
        frozen_drifted,
        two_forwards_before_backward,
        trained_in_evaluation_mode,
        batches_unlike_each_other,
        unsafe_fold,
        deployed_in_training_mode,
        sync_batch_norm_alone,
        running_statistics_under_vmap,
        folded_onto_the_wrong_axis,
        cancels_when_deployed,
        below_half_precision,
        converted_otherwise,
        rounding_noise,
        differs_when_deployed,
        zero_gain_in_quantized_training,
        statistics_not_in_the_adapter,
        not_synchronized,
        contrastive_leak,
        gan_company,
        not_private,
        federated_statistics,
        waits_while_evaluating,
    )
}
