"""PEFT's adapter_config.json: written by `to_peft` and `to_text`, read by `from_peft`."""

from lora.peft_config.names import target_names
from lora.peft_config.reading import from_peft
from lora.peft_config.writing import is_ours, to_peft, to_text

__all__ = ["from_peft", "is_ours", "target_names", "to_peft", "to_text"]
