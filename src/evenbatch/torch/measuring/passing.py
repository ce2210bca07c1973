"""The norm layers of a model on a batch: measured on what one forward pass gives them."""

from __future__ import annotations

from dataclasses import replace

from evenbatch.torch.measuring.finding import Norms, Recorded, find
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import forward, needs_gradients, set_mode


def find_on(lender: Lender, inputs: Inputs) -> tuple[Norms, Inputs]:
    """The norms of the lent model, by one pass that need not come to its end; and the batch as the
    model takes it, which may be with gradients."""
    with lender.lend() as run:
        set_mode(run, False)
        recorded = Recorded()
        try:
            with recorded.listening(run):
                forward(run, inputs)
        except (Exception, SystemExit) as error:
            if needs_gradients(error) and not inputs.grad:
                return find_on(lender, replace(inputs, grad=True))
        return find(lender.model, recorded, run), inputs
