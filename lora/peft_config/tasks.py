"""What PEFT calls the task of a model."""

import inspect
import sys
from collections.abc import Collection
from typing import Any

from torch import nn

# By the end of the name of a class of transformers.
TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
}
HEADS = ("classifier", "score", "qa_outputs")  # PEFT's models of the last three want these saved
PASSED = ("input_ids", "attention_mask", "inputs_embeds", "labels")  # what PEFT's models pass on


def task_type(model: nn.Module, saved: Collection[str]) -> str | None:
    """PEFT's task type of a transformers model by its class, or None where it is not known, or
    where PEFT's model for the task would compute something else.

    Args:
        model: the base model, with or without adapters.
        saved: the names of the modules that are saved whole. Where a head of a classifier is not
            among them PEFT finds no weights for it.
    """
    library = sys.modules.get("transformers.modeling_utils")  # never imported
    if library is None or not isinstance(model, library.PreTrainedModel):
        return None
    known: Any = model
    ends = (end for cls in type(model).__mro__ for end in TASKS if cls.__name__.endswith(end))
    task = TASKS.get(next(ends, ""))
    if task in ("CAUSAL_LM", "SEQ_2_SEQ_LM"):
        generates = callable(getattr(model, "prepare_inputs_for_generation", None))
        fits = generates and (task == "CAUSAL_LM" or known.config.is_encoder_decoder)
    else:
        fits = all(name in saved for name, _ in model.named_modules() if name.endswith(HEADS))
    parameters = inspect.signature(known.forward).parameters.values()
    named = {parameter.name for parameter in parameters}
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    takes = known.main_input_name == "input_ids" and (open_ended or named.issuperset(PASSED))
    return task if fits and takes else None
