"""Random checkpoints in SpatialRGPT's own layout: a medium one to measure speed with, one of the published
8B shape, and tiny ones of the variants that tests load.

usage: make_checkpoint.py medium OUT [--dtype float32] [--seed 0]
       make_checkpoint.py tiny-clip OUT --aspect-ratio pad --tokenizer-from LLM_DIR

Every tensor is drawn from a generator seeded by the seed and its name. Weights keep each block's output near
unit variance and attention sharp, and the embeddings small beside them, so answers depend on the image.
"""

import argparse
import json
import math
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

SHARD_BYTES = 5 * 10**9
EMBEDDING_SCALE = 0.1  # small beside the blocks' outputs, or the last word alone would decide the answer
SHARPNESS = 1.5  # of queries and of keys
LAYERS_AT_FULL_SCALE = 3  # deeper networks add less in each layer
PATCH = 14
GROUPS = {8: 64, 4: 32}  # weights that share a scale, by their bits (docs/model.md, fewer bits)
SPREAD = {8: 73.3, 4: 4.61}  # the standard deviation of evenly drawn numbers of so many bits
FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "spatialrgpt"


@dataclass
class Shape:
    """Sizes and choices of a checkpoint; widths in channels, sides in pixels."""

    tower: str  # siglip | clip
    image_side: int
    tower_width: int
    tower_layers: int
    tower_heads: int
    tower_mlp: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    vocabulary: int | None = None  # tokens to fill the tokenizer up to; None keeps its own number
    projector: str = "mlp_downsample"
    aspect_ratio: str = "resize"
    vision_resolution: int = -1
    rope_theta: float = 10000.0
    rope_factor: float | None = None
    tied: bool = False


PRESETS = {
    "medium": Shape("siglip", 384, 768, 12, 12, 3072, 1024, 12, 16, 16, 3072, vocabulary=32000),
    "8b": Shape("siglip", 384, 1152, 27, 16, 4304, 4096, 32, 32, 8, 14336, vocabulary=128259, rope_theta=500000.0),
    "tiny-siglip": Shape("siglip", 224, 32, 3, 4, 72, 40, 3, 4, 2, 80),
    "tiny-clip": Shape("clip", 336, 32, 3, 4, 72, 40, 3, 4, 4, 80, projector="mlp2x_gelu"),
    "tiny-linear": Shape("siglip", 224, 24, 2, 4, 56, 32, 2, 4, 1, 72, projector="linear"),
    "tiny-identity": Shape("siglip", 224, 32, 2, 4, 72, 32, 2, 4, 4, 72, projector="identity"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    parser.add_argument("--tokenizer-from", type=Path, default=FIXTURES / "c" / "checkpoint" / "llm", metavar="LLM_DIR")
    parser.add_argument("--projector", help="identity, linear, mlp_downsample or mlpNx_gelu")
    parser.add_argument("--aspect-ratio", choices=("resize", "pad"))
    parser.add_argument("--vision-resolution", type=int, help="another side than the position table's")
    parser.add_argument("--rope-factor", type=float, help="linear scaling of the positions")
    parser.add_argument(
        "--bits",
        type=int,
        choices=GROUPS,
        help="the language model's linear layers as `quantise` stores them, the exact ones never made",
    )
    parser.add_argument("--tied", action="store_true", default=None, help="the output uses the embedding table")
    arguments = parser.parse_args()
    given = {
        k: v
        for k in ("projector", "aspect_ratio", "vision_resolution", "rope_factor", "tied")
        if (v := getattr(arguments, k)) is not None
    }
    shape = replace(PRESETS[arguments.preset], **given)
    arguments.out.mkdir(parents=True)
    words = copy_tokenizer(arguments.tokenizer_from, arguments.out / "llm", shape.vocabulary)
    if words["is_llama_3"]:
        shape = replace(shape, rope_theta=500000.0)
    parts = configurations(shape, words, arguments.dtype)
    if arguments.bits:
        stored = {"quant_method": "spatial_reward", "bits": arguments.bits, "group_size": GROUPS[arguments.bits]}
        parts["llm"]["quantization_config"] = stored
    write_configurations(arguments.out, shape, parts, arguments.dtype)
    tensors = {
        "llm": decoder_tensors(shape, words["count"]),
        "vision_tower": tower_tensors(shape),
        "mm_projector": projector_tensors(shape),
        "region_extractor": region_tensors(shape),
    }
    count = 0
    for part, shapes in tensors.items():
        bits = arguments.bits if part == "llm" else None
        write_weights(arguments.out / part, shapes, getattr(torch, arguments.dtype), arguments.seed, bits)
        count += sum(math.prod(size) for size, _ in shapes.values())
    print(f"{arguments.out}: {count / 1e6:.1f} M parameters, {words['count']} tokens")


# Tokenizers: a small one, filled up with tokens that no text contains.


def copy_tokenizer(source: Path, target: Path, vocabulary: int | None) -> dict:
    """Copy the tokenizer's files, filled up to `vocabulary` tokens, and say what the configurations need."""
    target.mkdir()
    for path in source.iterdir():
        if path.suffix in (".json", ".model") and path.name not in ("config.json", "model.safetensors.index.json"):
            shutil.copyfile(path, target / path.name)
    fill = fill_sentencepiece if (target / "tokenizer.model").exists() else fill_bpe
    count = fill(target, vocabulary)
    config = json.loads((target / "tokenizer_config.json").read_text())
    ids = {token["content"]: int(number) for number, token in config["added_tokens_decoder"].items()}
    return {
        "count": count,
        "is_llama_3": "<|eot_id|>" in ids,
        "mask": ids["<mask>"],
        "depth": ids["<depth>"],
        "bos": ids[config["bos_token"]],
        "eos": ids[config["eos_token"]],
    }


def fill_bpe(folder: Path, vocabulary: int | None) -> int:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    table = tokenizer["model"]["vocab"]
    count = max([*table.values(), *(token["id"] for token in tokenizer["added_tokens"])]) + 1
    if vocabulary is None:
        return count
    table.update({f"<|unused_{number}|>": number for number in range(count, vocabulary)})
    path.write_text(json.dumps(tokenizer, ensure_ascii=False))
    return vocabulary


def fill_sentencepiece(folder: Path, vocabulary: int | None) -> int:
    """Pieces are appended to the protobuf message itself; the added tokens move to the end."""
    from sentencepiece import SentencePieceProcessor

    path = folder / "tokenizer.model"
    pieces = SentencePieceProcessor(model_file=str(path)).vocab_size()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    added = {int(number): token for number, token in config["added_tokens_decoder"].items() if int(number) >= pieces}
    if vocabulary is None:
        return pieces + len(added)
    first_added = vocabulary - len(added)
    with path.open("ab") as file:
        for number in range(pieces, first_added):
            name = f"<unused_{number}>".encode()
            piece = bytes([0x0A, len(name)]) + name + b"\x15\x00\x00\x00\x00" + b"\x18\x05"  # score 0, type UNUSED
            file.write(bytes([0x0A, len(piece)]) + piece)
    kept = {number: token for number, token in config["added_tokens_decoder"].items() if int(number) < pieces}
    moved = dict(zip(range(first_added, vocabulary), added.values(), strict=True))
    config["added_tokens_decoder"] = kept | {str(number): token for number, token in moved.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    names = {token["content"]: number for number, token in moved.items()}
    (folder / "added_tokens.json").write_text(json.dumps(names, indent=2))
    return vocabulary


# Configurations


def configurations(shape: Shape, words: dict, dtype: str) -> dict[str, dict]:
    common = {"torch_dtype": dtype, "transformers_version": "4.37.2"}
    scaling = None if shape.rope_factor is None else {"type": "linear", "factor": shape.rope_factor}
    positions = 8192 if words["is_llama_3"] else 4096
    llm = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": words["bos"],
        "eos_token_id": words["eos"],
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": 0.02,
        "intermediate_size": shape.mlp,
        "max_position_embeddings": positions,
        "model_max_length": 4096,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": scaling,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tied,
        "tokenizer_model_max_length": 4096,
        "tokenizer_padding_side": "right",
        "use_cache": True,
        "vocab_size": words["count"],
    }
    tower = {
        "attention_dropout": 0.0,
        "hidden_size": shape.tower_width,
        "image_size": shape.image_side,
        "intermediate_size": shape.tower_mlp,
        "llm_depth_token_id": words["depth"],
        "llm_mask_token_id": words["mask"],
        "num_attention_heads": shape.tower_heads,
        "num_channels": 3,
        "num_hidden_layers": shape.tower_layers,
        "patch_size": PATCH,
    }
    if shape.tower == "clip":
        tower |= {
            "architectures": ["CLIPVisionModel"],
            "model_type": "clip_vision_model",
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-05,
            "initializer_factor": 1.0,
            "initializer_range": 0.02,
            "projection_dim": shape.tower_width,
        }
    else:
        tower |= {
            "architectures": ["SiglipVisionModel"],
            "model_type": "siglip_vision_model",
            "hidden_act": "gelu_pytorch_tanh",
            "layer_norm_eps": 1e-06,
        }
    projector = {"architectures": ["MultimodalProjector"], "mm_projector_type": shape.projector}
    regions = {"architectures": ["RegionExtractor"], "region_extractor_type": "regiongpt"}
    return {
        "llm": llm | common,
        "vision_tower": tower | common,
        "mm_projector": projector | {"model_type": "v2l_projector"} | common,
        "region_extractor": regions | {"model_type": "region_extractor"} | common,
    }


def write_configurations(out: Path, shape: Shape, parts: dict[str, dict], dtype: str) -> None:
    top = {
        "architectures": ["LlavaLlamaModel"],
        "drop_path_rate": 0.0,
        "enable_depth": True,
        "enable_region": True,
        "hidden_size": shape.width,
        "image_aspect_ratio": shape.aspect_ratio,
        "interpolate_mode": "linear",
        "mm_hidden_size": shape.tower_width,
        "mm_projector_lr": None,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch" if shape.tower == "clip" else "cls_patch",
        "mm_vision_select_layer": -2,
        "model_dtype": f"torch.{dtype}",
        "model_type": "llava_llama",
        "s2": False,
        "s2_max_split_size": 336,
        "s2_scales": "336,672,1008",
        "transformers_version": "4.37.2",
        "vision_resolution": shape.vision_resolution,
    }
    top |= {f"{part}_cfg": config for part, config in parts.items()}
    write_json(out / "config.json", top)
    for part, config in parts.items():
        (out / part).mkdir(exist_ok=True)
        write_json(out / part / "config.json", config)
    write_json(out / "vision_tower" / "preprocessor_config.json", preprocessor(shape))
    if not (out / "llm" / "generation_config.json").exists():
        write_json(out / "llm" / "generation_config.json", {"eos_token_id": parts["llm"]["eos_token_id"]})


def preprocessor(shape: Shape) -> dict:
    common = {"do_normalize": True, "do_rescale": True, "do_resize": True, "resample": 3, "rescale_factor": 1 / 255}
    side = shape.image_side
    square = {"height": side, "width": side}
    if shape.tower == "siglip":
        half = [0.5, 0.5, 0.5]
        own = {"image_processor_type": "SiglipImageProcessor", "image_mean": half, "image_std": half, "size": square}
        return common | own
    return common | {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": True,
        "do_convert_rgb": True,
        "crop_size": square,
        "size": {"shortest_edge": side},
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


# Weights: for each key its size and how it is drawn, as (mean, standard deviation).


def norm(prefix: str, width: int) -> dict:
    return {f"{prefix}.weight": ((width,), (1.0, 0.1)), f"{prefix}.bias": ((width,), (0.0, 0.05))}


def linear(prefix: str, out: int, into: int, gain: float = 1.0, bias: bool = True) -> dict:
    tensors = {f"{prefix}.weight": ((out, into), (0.0, gain / math.sqrt(into)))}
    return tensors | ({f"{prefix}.bias": ((out,), (0.0, 0.05 * gain))} if bias else {})


def residual_gain(layers: int) -> float:
    return min(1.0, math.sqrt(LAYERS_AT_FULL_SCALE / layers))


def tower_tensors(shape: Shape) -> dict:
    width, tensors, clip = shape.tower_width, {}, shape.tower == "clip"
    patches = (shape.image_side // PATCH) ** 2
    patch_scale = 1 / math.sqrt(3 * PATCH * PATCH)
    embeddings = "vision_model.embeddings"
    tensors[f"{embeddings}.patch_embedding.weight"] = ((width, 3, PATCH, PATCH), (0.0, patch_scale))
    if clip:
        tensors[f"{embeddings}.class_embedding"] = ((width,), (0.0, 0.5))
        tensors |= norm("vision_model.pre_layrnorm", width)  # the checkpoints' own spelling
    else:
        tensors[f"{embeddings}.patch_embedding.bias"] = ((width,), (0.0, 0.05))
    tensors[f"{embeddings}.position_embedding.weight"] = ((patches + clip, width), (0.0, 0.3))
    gain = residual_gain(shape.tower_layers)
    for i in range(shape.tower_layers):
        layer = f"vision_model.encoder.layers.{i}"
        tensors |= norm(f"{layer}.layer_norm1", width) | norm(f"{layer}.layer_norm2", width)
        for name, of in (("q_proj", SHARPNESS), ("k_proj", SHARPNESS), ("v_proj", 1.0), ("out_proj", gain)):
            tensors |= linear(f"{layer}.self_attn.{name}", width, width, of)
        tensors |= linear(f"{layer}.mlp.fc1", shape.tower_mlp, width)
        tensors |= linear(f"{layer}.mlp.fc2", width, shape.tower_mlp, gain)
    tensors |= norm("vision_model.post_layernorm", width)
    return tensors if clip else tensors | pooling_head(shape)


def pooling_head(shape: Shape) -> dict:
    """SigLIP's head, which a checkpoint holds and nobody reads."""
    width, head = shape.tower_width, "vision_model.head"
    tensors = {f"{head}.probe": ((1, 1, width), (0.0, 0.1))}
    tensors[f"{head}.attention.in_proj_weight"] = ((3 * width, width), (0.0, 1 / math.sqrt(width)))
    tensors[f"{head}.attention.in_proj_bias"] = ((3 * width,), (0.0, 0.05))
    tensors |= linear(f"{head}.attention.out_proj", width, width) | norm(f"{head}.layernorm", width)
    tensors |= linear(f"{head}.mlp.fc1", shape.tower_mlp, width)
    return tensors | linear(f"{head}.mlp.fc2", width, shape.tower_mlp)


def decoder_tensors(shape: Shape, vocabulary: int) -> dict:
    width, kv_width = shape.width, shape.width // shape.heads * shape.kv_heads
    tensors = {"model.embed_tokens.weight": ((vocabulary, width), (0.0, EMBEDDING_SCALE))}
    gain = residual_gain(shape.layers)
    for i in range(shape.layers):
        layer = f"model.layers.{i}"
        for name, out, of in (
            ("q_proj", width, SHARPNESS),
            ("k_proj", kv_width, SHARPNESS),
            ("v_proj", kv_width, 1.0),
            ("o_proj", width, gain),
        ):
            tensors |= linear(f"{layer}.self_attn.{name}", out, width, of, bias=False)
        tensors |= linear(f"{layer}.mlp.gate_proj", shape.mlp, width, bias=False)
        tensors |= linear(f"{layer}.mlp.up_proj", shape.mlp, width, bias=False)
        tensors |= linear(f"{layer}.mlp.down_proj", width, shape.mlp, gain, bias=False)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{layer}.{name}.weight"] = ((width,), (1.0, 0.1))
    tensors["model.norm.weight"] = ((width,), (1.0, 0.1))
    return tensors if shape.tied else tensors | linear("lm_head", vocabulary, width, 2.0, bias=False)


def projector_tensors(shape: Shape) -> dict:
    width, hidden, kind = shape.tower_width, shape.width, shape.projector
    if kind == "identity":
        if width != hidden:
            raise SystemExit(f"an identity projector needs one width, not {width} and {hidden}")
        return {}
    if kind == "linear":
        return linear("layers", hidden, width, EMBEDDING_SCALE)
    if kind == "mlp_downsample":
        tensors = norm("layers.1", 4 * width) | linear("layers.2", hidden, 4 * width)
        return tensors | linear("layers.4", hidden, hidden, 2 * EMBEDDING_SCALE)
    depth = int(kind.removeprefix("mlp").removesuffix("x_gelu"))
    widths = [width] + [hidden] * depth
    tensors = {}
    for i in range(depth):
        gain = 2 * EMBEDDING_SCALE if i == depth - 1 else 1.0
        tensors |= linear(f"layers.{2 * i}", hidden, widths[i], gain)
    return tensors


def region_tensors(shape: Shape) -> dict:
    width, refinement, tensors = shape.tower_width, "feature_refinement_module", {}
    for i, gain in ((0, 1.0), (3, 1.6)):
        tensors[f"{refinement}.{i}.weight"] = ((width, width, 2, 2), (0.0, gain / math.sqrt(width)))
        tensors[f"{refinement}.{i}.bias"] = ((width,), (0.0, 0.05))
    tensors |= norm(f"{refinement}.1", width)
    for name in ("rgb_projector", "depth_projector"):
        tensors |= linear(name, shape.width, width, EMBEDDING_SCALE)
    return tensors


def write_weights(folder: Path, tensors: dict, dtype: torch.dtype, seed: int, bits: int | None = None) -> None:
    """One file, or as many as keep each within the shard's size, with the index beside them."""
    shards, used = [[]], 0
    for name, (size, _) in tensors.items():
        bytes_needed = math.prod(size) * dtype.itemsize
        if used and used + bytes_needed > SHARD_BYTES:
            shards.append([])
            used = 0
        shards[-1].append(name)
        used += bytes_needed
    names = [f"model-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    if len(shards) == 1:
        names = ["model.safetensors"]
    places, total = {}, 0
    for file, keys in zip(names, shards, strict=True):
        content = {}
        # A generator draws on one core, and each tensor has its own.
        with ThreadPoolExecutor() as pool:
            for part in pool.map(lambda key: stored(key, *tensors[key], dtype=dtype, seed=seed, bits=bits), keys):
                content |= part
        save_file(content, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(content, file)
        total += sum(tensor.numel() * tensor.itemsize for tensor in content.values())
    if len(shards) > 1:
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})


def stored(name: str, size: tuple, how: tuple, *, dtype: torch.dtype, seed: int, bits: int | None) -> dict:
    """What a file holds of a tensor: itself, or what stands for it in few bits."""
    if bits and name.endswith(".weight") and len(size) == 2 and "embed" not in name:
        return drawn_in_bits(name, size, how, 8 if name == "lm_head.weight" else bits, seed)
    return {name: drawn(name, size, how, dtype, seed)}


def drawn_in_bits(name: str, size: tuple, how: tuple[float, float], bits: int, seed: int) -> dict[str, torch.Tensor]:
    """A layer's weight as numbers of so many bits with their groups' scales and, of four bits, least weights."""
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    out, groups = size[0], -(-size[1] // GROUPS[bits])
    columns = groups * GROUPS[bits] * bits // 8
    scale = how[1] / SPREAD[bits]
    stored = {
        f"{name}_numbers": torch.randint(1, 256, (out, columns), dtype=torch.uint8, generator=generator),
        f"{name}_scales": torch.full((out, groups), scale, dtype=torch.bfloat16),
    }
    if bits == 4:
        stored[f"{name}_least"] = torch.full((out, groups), -7.5 * scale, dtype=torch.bfloat16)
    return stored


def drawn(name: str, size: tuple, how: tuple[float, float], dtype: torch.dtype, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
    mean, deviation = how
    return torch.randn(size, generator=generator).mul_(deviation).add_(mean).to(dtype)


if __name__ == "__main__":
    main()
