"""Running statistics that a saved adapter leaves out.

## What it does
In a model with an adapter of peft (LoRA and others): asks peft what it would save, and looks for
norm layers that keep statistics which are not among it.

## Why is this bad?
While the adapter trains, batch norm's statistics move with the data. ``save_pretrained`` saves
the adapter's own weights, and of other modules those in ``modules_to_save``. Loaded onto the base
model, the adapter meets the base model's statistics: half the largest output off in a small
network. ``disable_adapter()`` does not give the base model back either.

## Example
```python
LoraConfig(target_modules=["conv1", "conv2"])  # and the model has batch norms
```

## Use instead
```python
LoraConfig(target_modules=["conv1", "conv2"], modules_to_save=["bn1", "bn2"])
```
with every norm that keeps statistics; or ``evenbatch.torch.freeze`` before training.

## Source
[peft#1732](https://github.com/huggingface/peft/issues/1732); measured, see docs/porting.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.words import counted


@rule("EB612", Severity.WARNING, "tree + state")
def statistics_not_in_the_adapter(subject: Subject) -> Iterator[Found]:
    """Norms that move in training and are not in what the adapter's file will hold."""
    peft = sys.modules.get("peft")
    if peft is None or not isinstance(subject.model, peft.PeftModel):
        return
    saved = {t.data_ptr() for t in peft.get_peft_model_state_dict(subject.model).values()}
    found = [
        norm for norm in subject.norms
        if norm.moves_when_training and not norm.call
        and ".original_module" not in norm.path  # its copy is what runs
        and not all(t.data_ptr() in saved for t in norm.statistics.values())
    ]  # fmt: skip
    if found:
        names = ", ".join(dict.fromkeys(f'"{n.path.rpartition(".")[2]}"' for n in found[:4]))
        yield Found(
            tuple(norm.path for norm in found),
            f"the running statistics of {counted(len(found), 'norm layer')} move while the adapter "
            "trains and are not in what it saves: loaded again, it meets others.",
            f"modules_to_save=[{names}{', …' if len(found) > 4 else ''}], or "
            "evenbatch.torch.freeze before training.",
            {"layers": len(found)},
        )
