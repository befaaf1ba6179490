"""A checkpoint whose weights have few bits (`spatial-reward quantise`) once more with the same weights in float32,
so that programs that know nothing of few bits read it: what PyTorch makes of it is what ours has to.

usage: exact_weights.py CHECKPOINT OUT
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

NUMBERS = ".weight_numbers"
PARTS = ("llm", "vision_tower")


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = map(Path, sys.argv[1:])
    shutil.copytree(source, out)
    for part in PARTS:
        rewrite(out / part)


def rewrite(folder: Path) -> None:
    """A part's weights in one file, if any of them have few bits."""
    files = sorted(folder.glob("*.safetensors"))
    stored = {name: tensor for file in files for name, tensor in load_file(file).items()}
    if not any(name.endswith(NUMBERS) for name in stored):
        return
    config = json.loads((folder / "config.json").read_text())
    config.pop("quantization_config", None)
    config["torch_dtype"] = "float32"
    exact = {}
    for name, tensor in stored.items():
        layer, numbers, _ = name.partition(NUMBERS)
        if numbers:
            exact[f"{layer}.weight"] = weights(layer, stored, config)
        elif not name.endswith((".weight_scales", ".weight_least")):
            exact[name] = tensor.float()
    for file in [*files, *folder.glob("*.safetensors.index.json")]:
        file.unlink()
    if "lm_head.weight" in exact:
        config["tie_word_embeddings"] = False
    save_file(exact, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def weights(layer: str, stored: dict, config: dict) -> torch.Tensor:
    """(out, in) of a layer: a group's numbers times its scale, from its least weight on where it has one."""
    numbers, scales = stored[layer + NUMBERS], stored[f"{layer}.weight_scales"].float()[..., None]
    least = stored.get(f"{layer}.weight_least")
    out, groups, _ = scales.shape
    if least is None:
        steps = numbers.reshape(out, groups, -1).float() - 128
        exact = steps * scales
    else:
        pairs = torch.stack([numbers & 15, numbers >> 4], -1)  # the earlier one in the lower half
        exact = pairs.reshape(out, groups, -1).float() * scales + least.float()[..., None]
    wide = layer.endswith(("down_proj", "fc2"))
    # A last group that is not whole is filled up.
    return exact.reshape(out, -1)[:, : config["intermediate_size" if wide else "hidden_size"]].contiguous()


if __name__ == "__main__":
    main()
