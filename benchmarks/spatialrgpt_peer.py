"""SpatialRGPT in eager PyTorch: the tower, the decoder and the tokenizer are modules of `transformers`,
the rest is the little in between. What the Rust network is measured and checked against.

usage: spatialrgpt_peer.py trace --model DIR --inputs DIR --out DIR [--cases 0 5]
       spatialrgpt_peer.py check --model DIR --inputs DIR --golden DIR
       spatialrgpt_peer.py time  --model DIR --frames N --dtype float32|bfloat16 --threads 2 --new-tokens 64 [--json]

`trace` writes every intermediate tensor as caseN.safetensors and the answers as caseN.json, `check` compares
them with golden files, whole or trimmed (tests/fixtures/spatialrgpt/README.md), and `time` prints the
median of each stage. Inputs are a folder with meta.json: image, depth, boxes and turns of each case.
"""

import argparse
import json
import re
import resource
import statistics
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from torch import nn
from transformers import AutoTokenizer, CLIPVisionModel, LlamaForCausalLM, SiglipVisionModel

IMAGE_TOKEN = -200
POOLED_SIDE = 27  # the adaptive pooling's output, whatever the tower's grid
DEFAULT_STRIDE = 97  # of golden tensors that end in _rows without a number
TRACED_TOKENS = 24
FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "spatialrgpt"
SYSTEM_LLAMA_3 = (
    "<|start_header_id|>system<|end_header_id|>\n\nYou are a helpful language and vision assistant. You are able to "
    "understand the visual content that the user provides, and assist the user with a variety of tasks using "
    "natural language."
)
SYSTEM_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("trace", trace), ("check", check), ("time", time_stages)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--model", type=Path, required=True, help="checkpoint in the original layout")
        command.add_argument("--inputs", type=Path, default=FIXTURES / "inputs", help="folder with meta.json")
        command.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
        command.add_argument("--device", default="cpu")
        command.add_argument("--threads", type=int, default=2)
        if name == "time":
            command.add_argument("--frames", type=int, default=5, help="timed frames, after one to warm up (5)")
            command.add_argument("--new-tokens", type=int, default=64, help="made for each frame, come what may (64)")
            command.add_argument("--json", action="store_true", help="one line of JSON")
            command.add_argument("--whole-tower", action="store_true", help="also run the layers nobody reads")
        else:
            command.add_argument("--cases", type=int, nargs="*", help="their numbers (all)")
            command.add_argument("--out" if name == "trace" else "--golden", type=Path, required=True)
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    # Float32 is float32 on a GPU too, whose convolutions would round to ten bits.
    torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        arguments.run(arguments)


# The network between the tower and the decoder. Names are the checkpoint's keys.


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of (N, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class RegionExtractor(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.feature_refinement_module = nn.Sequential(
            nn.ConvTranspose2d(width, width, 2, 2),
            ChannelNorm(width),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, 2, 2),
            nn.GELU(),
        )
        self.rgb_projector = nn.Linear(width, hidden)
        self.depth_projector = nn.Linear(width, hidden)

    def refine(self, features):
        """(N, G*G, C) -> refined (N, 16*G*G, C), pooled (N, 27*27, C)."""
        count, tokens, width = features.shape
        side = int(tokens**0.5)
        grid = features.transpose(1, 2).reshape(count, width, side, side)
        refined = self.feature_refinement_module(grid)  # (N, C, 4G, 4G)
        pooled = F.adaptive_avg_pool2d(refined, POOLED_SIDE)
        return refined.flatten(2).transpose(1, 2), pooled.flatten(2).transpose(1, 2)

    @staticmethod
    def pool(features, masks):
        """Mean of `features` (L, C) under soft `masks` (M, S, S) -> (M, C)."""
        scale = (features.shape[0] / (masks.shape[-1] * masks.shape[-2])) ** 0.5
        weights = F.interpolate(masks[None].float(), scale_factor=scale, mode="bilinear")[0].to(features.dtype)
        weights = weights.flatten(1)  # (M, L)
        return (weights / (weights.sum(-1, keepdim=True) + 1e-8)) @ features


class DownSample(nn.Module):
    def forward(self, x):
        """Join 2x2 neighbours: (N, G*G, C) -> (N, ceil(G/2)^2, 4C), tokens column by column."""
        count, tokens, width = x.shape
        side = int(tokens**0.5)
        x = x.view(count, side, side, width)
        if side % 2:
            x = F.pad(x, (0, 0, 0, 1, 0, 1))
        half = x.shape[1] // 2
        x = x.reshape(count, half, 2, half, 2, width)  # (N, y, r, x, c, C)
        return x.permute(0, 3, 1, 2, 4, 5).reshape(count, half * half, 4 * width)


def projector(kind: str, width: int, hidden: int) -> nn.Module:
    if kind == "identity":
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(width, hidden)
    if kind == "mlp_downsample":
        return nn.Sequential(
            DownSample(), nn.LayerNorm(4 * width), nn.Linear(4 * width, hidden), nn.GELU(), nn.Linear(hidden, hidden)
        )
    layers = [nn.Linear(width, hidden)]
    for _ in range(int(re.fullmatch(r"mlp(\d+)x_gelu", kind)[1]) - 1):
        layers += [nn.GELU(), nn.Linear(hidden, hidden)]
    return nn.Sequential(*layers)


def stretched_positions(table, count: int):
    """The position table (P, C) as `count` rows, in float32. A row that falls on an old one exactly becomes
    zero, as in the original: both weights vanish there, at the first and the last row at least."""
    at = torch.arange(count) / (count - 1) * (len(table) - 1)
    below, above = at.floor().long(), at.ceil().long().clamp(max=len(table) - 1)
    return (at - below)[:, None] * table[above] + (above - at)[:, None] * table[below]


class Tower(nn.Module):
    """SigLIP's or CLIP's encoder as far as the selected hidden state."""

    def __init__(self, folder: Path, config: dict, dtype, whole: bool):
        super().__init__()
        kind = json.loads((folder / "config.json").read_text())["model_type"]
        model = {"siglip_vision_model": SiglipVisionModel, "clip_vision_model": CLIPVisionModel}[kind]
        self.model = model.from_pretrained(folder, dtype=dtype)
        self.side = self.model.config.image_size
        self.drops_class_token = config["mm_vision_select_feature"] == "patch"
        resolution = config.get("vision_resolution") or -1
        if resolution not in (-1, self.side):
            self.resize(resolution)
        layers = self.model.encoder.layers
        last = config["mm_vision_select_layer"] % (len(layers) + 1)
        self.whole = whole
        self.selected, self.unread = layers[:last], layers[last:]

    def resize(self, side: int) -> None:
        embeddings = self.model.embeddings
        if isinstance(self.model, CLIPVisionModel):
            raise SystemExit("the original cannot resize CLIP's positions, which have a row for the class token")
        table = embeddings.position_embedding.weight
        count = (side // embeddings.patch_size) ** 2
        embeddings.position_embedding = nn.Embedding.from_pretrained(stretched_positions(table, count).to(table.dtype))
        embeddings.position_ids = torch.arange(count)[None]
        embeddings.image_size = self.side = side

    def forward(self, pixels, hidden: list | None = None):
        """(N, 3, S, S) -> (N, G*G, C); `hidden` takes the states on the way."""
        x = self.model.embeddings(pixels)
        if isinstance(self.model, CLIPVisionModel):
            x = self.model.pre_layrnorm(x)
        states = [x]
        for layer in self.selected:
            states.append(layer(states[-1], None))
        if self.whole:
            x = states[-1]
            for layer in self.unread:
                x = layer(x, None)
        if hidden is not None:
            hidden += states
        return states[-1][:, 1:] if self.drops_class_token else states[-1]


class SpatialRgpt(nn.Module):
    def __init__(self, folder: Path, dtype, device: str = "cpu", whole_tower: bool = False):
        super().__init__()
        config = json.loads((folder / "config.json").read_text())
        projector_config = json.loads((folder / "mm_projector" / "config.json").read_text())
        self.llm = LlamaForCausalLM.from_pretrained(folder / "llm", dtype=dtype, attn_implementation="sdpa")
        self.tower = Tower(folder / "vision_tower", config, dtype, whole_tower)
        width, hidden = self.tower.model.config.hidden_size, self.llm.config.hidden_size
        # The tower's and the decoder's weights are there already; make no others only to replace them.
        with torch.device("meta"):
            self.region_extractor = RegionExtractor(width, hidden)
            layers = projector(projector_config["mm_projector_type"], width, hidden)
            self.mm_projector = nn.ModuleDict({"layers": layers})
        for part in ("region_extractor", "mm_projector"):
            weights = {k: v.to(dtype) for k, v in load_file(folder / part / "model.safetensors").items()}
            getattr(self, part).load_state_dict(weights, assign=True)
        self.to(device).eval()
        self.dtype, self.device, self.config = dtype, device, config

    def encode(self, pixels, depth_pixels, masks, traced: dict | None = None):
        """Images (1, 3, S, S) and masks (M, S, S), one for each mention -> image features (T, D), colour and
        depth regions (M, D)."""
        features = self.see([pixels] if depth_pixels is None else [pixels, depth_pixels], traced)
        depth_features = None if depth_pixels is None else features[1]
        return self.describe(features[:1], depth_features, masks, traced)

    def see(self, images: list, traced: dict | None = None):
        """One pass over both images: products of twice the rows are a little faster than two passes."""
        hidden = None if traced is None else []
        features = self.tower(torch.cat(images).to(self.device, self.dtype), hidden)
        if traced is not None:
            traced["tower_features"] = features[:1]
            traced |= {f"vision_hidden_{i}": state[:1] for i, state in enumerate(hidden)}
            if len(images) == 2:
                traced["depth_tower_features"] = features[1:]
        return features

    def describe(self, features, depth_features, masks, traced: dict | None = None):
        extractor = self.region_extractor
        refined, pooled = extractor.refine(features)
        image = self.mm_projector["layers"](pooled)[0]
        color = depth = None
        if masks is not None:
            masks = masks.to(self.device)
            color = extractor.rgb_projector(extractor.pool(refined[0], masks))
            if depth_features is not None:
                depth = extractor.depth_projector(extractor.pool(depth_features, masks))
        if traced is not None:
            traced |= {"hres_features": refined, "lres_features": pooled, "image_features": image[None]}
            traced |= {k: v for k, v in (("mask_embeds", color), ("depth_embeds", depth)) if v is not None}
        return image, color, depth

    def splice(self, ids: list[int], image, color, depth, words: "Words"):
        """Token ids with one image in them -> embeddings (1, N, D)."""
        ids = torch.tensor(ids, device=self.device)
        x = self.llm.get_input_embeddings()(ids.clamp(min=0))
        for token, regions in ((words.mask_id, color), (words.depth_id, depth)):
            places = (ids == token).nonzero()[:, 0]
            if regions is not None and len(places):
                x = x.index_copy(0, places, regions[: len(places)])
        at = int((ids == IMAGE_TOKEN).nonzero()[0, 0])
        most = getattr(self.llm.config, "tokenizer_model_max_length", None)
        return torch.cat([x[:at], image, x[at + 1 :]])[None, :most]

    def generate(
        self,
        embeds,
        count: int,
        *,
        stop=lambda ids: False,
        steps: list | None = None,
        clock=lambda name: None,
        script: list | None = None,
    ):
        """Greedy decoding of at most `count` tokens; `steps` takes the logits of each. A script's count as such."""

        def chosen(at):
            likeliest = int(out.logits[0, -1].argmax())
            return likeliest if script is None else script[at]

        out = self.llm(inputs_embeds=embeds, use_cache=True, logits_to_keep=1)
        ids = [chosen(0)]
        clock("prefill")
        while True:
            if steps is not None:
                steps.append(out.logits[0, -1])
            if len(ids) == count or stop(ids):
                break
            token = torch.tensor([[ids[-1]]], device=self.device)
            out = self.llm(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
            ids.append(chosen(len(ids)))
        clock("decode")
        return ids


class Words:
    """Questions to token ids and back."""

    def __init__(self, folder: Path):
        tokenizer = AutoTokenizer.from_pretrained(folder, legacy=False)
        tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
        self.tokenizer = tokenizer
        tokenizer.add_tokens(["<mask>", "<depth>"], special_tokens=True)
        self.mask_id, self.depth_id = tokenizer.convert_tokens_to_ids(["<mask>", "<depth>"])
        self.is_llama_3 = "<|eot_id|>" in tokenizer.get_vocab()
        self.stop = "<|eot_id|>" if self.is_llama_3 else "</s>"
        # Bytes that are no text decode as the original's slow tokenizer does it only in sentencepiece itself.
        model = folder / "tokenizer.model"
        self.pieces = SentencePieceProcessor(model_file=str(model)) if model.exists() else None
        path = folder / "generation_config.json"
        eos = json.loads(path.read_text())["eos_token_id"] if path.exists() else tokenizer.eos_token_id
        self.stop_ids = {*(eos if isinstance(eos, list) else [eos]), tokenizer.convert_tokens_to_ids(self.stop)}

    def prompt(self, turns: list[str], answers: list[str], with_depth: bool) -> str:
        region = "<mask> <depth>" if with_depth else "<mask>"
        questions = [re.sub(r"<region\d+>", region, turn) for turn in turns]
        questions[0] = "<image>\n" + questions[0]
        if self.is_llama_3:
            head = "<|start_header_id|>{}<|end_header_id|>\n\n"
            parts = [SYSTEM_LLAMA_3]
            for question, answer in zip(questions, [*answers, ""], strict=True):
                parts += [head.format("user") + question, head.format("assistant") + answer]
            return self.stop.join(parts)
        text = SYSTEM_VICUNA + " "
        for question, answer in zip(questions, [*answers, None], strict=True):
            text += f"USER: {question} ASSISTANT:" + ("" if answer is None else f" {answer}</s>")
        return text

    def ids(self, prompt: str) -> list[int]:
        pieces = [self.tokenizer(piece).input_ids for piece in prompt.split("<image>")]
        bos = self.tokenizer.bos_token_id
        ids = list(pieces[0])
        for piece in pieces[1:]:
            ids += [IMAGE_TOKEN, *piece[piece[:1] == [bos] :]]
        return ids

    def script(self, answer: str, count: int) -> list[int]:
        """The first tokens of an answer."""
        ids = self.tokenizer(answer, add_special_tokens=False).input_ids
        assert len(ids) >= count, f"an answer has {len(ids)} tokens, and {count} are timed"
        return ids[:count]

    def text(self, ids: list[int]) -> str:
        if self.pieces:
            specials = set(self.tokenizer.all_special_ids)
            text = self.pieces.decode([i for i in ids if i not in specials]).strip()
        else:
            text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        return text.removesuffix(self.stop).strip()


class Preparer:
    """Pictures and boxes to the tower's input, with the original's roundings."""

    def __init__(self, folder: Path, side: int, aspect_ratio: str):
        if aspect_ratio not in ("resize", "pad"):
            raise SystemExit(f"image_aspect_ratio {aspect_ratio!r} is not supported, only 'resize' and 'pad'")
        config = json.loads((folder / "preprocessor_config.json").read_text())
        self.side, self.pads = side, aspect_ratio == "pad"
        self.background = tuple(int(mean * 255) for mean in config["image_mean"])
        mean, std = (np.array(config[name], np.float32)[:, None] for name in ("image_mean", "image_std"))
        levels = (np.arange(256) * config["rescale_factor"]).astype(np.float32)
        self.table = (levels - mean) / std  # (3, 256): there are no other values

    def image(self, image: Image.Image) -> np.ndarray:
        """RGB -> (S, S, 3) uint8."""
        if self.pads:
            side, (width, height) = max(image.size), image.size
            square = Image.new("RGB", (side, side), self.background)
            square.paste(image, ((side - width) // 2, (side - height) // 2))
            image = square
        return np.array(image.resize((self.side, self.side), Image.Resampling.BICUBIC))

    def pixels(self, levels: np.ndarray) -> torch.Tensor:
        """(S, S, 3) uint8 -> (1, 3, S, S) float32."""
        return torch.from_numpy(np.stack([self.table[c][levels[..., c]] for c in range(3)])[None])

    def masks(self, size: tuple[int, int], boxes: list, by_pillow: bool = False) -> np.ndarray:
        """Boxes -> (n, S, S) of 0 and 1; `by_pillow` resizes as the original's benchmark script does."""
        width, height = size
        masks = np.zeros((len(boxes), self.side, self.side), np.uint8)
        for mask, (x_min, y_min, x_max, y_max) in zip(masks, boxes, strict=True):
            drawn = np.zeros((height, width), np.uint8)
            x0, x1 = (min(max(int(x), 0), width) for x in (x_min, x_max))
            y0, y1 = (min(max(int(y), 0), height) for y in (y_min, y_max))
            drawn[y0:y1, x0:x1] = 1
            if self.pads:
                side = max(size)
                left, top = (side - width) // 2, (side - height) // 2
                drawn = np.pad(drawn, ((top, side - height - top), (left, side - width - left)))
            if self.pads or by_pillow:
                mask[:] = Image.fromarray(drawn).resize((self.side, self.side), Image.Resampling.BICUBIC)
            else:
                mask[:] = cv2.resize(drawn, (self.side, self.side), interpolation=cv2.INTER_NEAREST)
        return masks


class Peer:
    def __init__(self, arguments):
        folder = arguments.model
        whole = getattr(arguments, "whole_tower", False)
        self.model = SpatialRgpt(folder, getattr(torch, arguments.dtype), arguments.device, whole)
        self.words = Words(folder / "llm")
        aspect_ratio = self.model.config["image_aspect_ratio"]
        self.preparer = Preparer(folder / "vision_tower", self.model.tower.side, aspect_ratio)

    def stop(self, ids: list[int]) -> bool:
        return ids[-1] in self.words.stop_ids


def cases(arguments) -> list[tuple[int, dict]]:
    found = list(enumerate(json.loads((arguments.inputs / "meta.json").read_text())))
    return [(i, case) for i, case in found if not arguments.cases or i in arguments.cases]


def opened(inputs: Path, case: dict) -> tuple[Image.Image, Image.Image]:
    return tuple(Image.open(inputs / case[name]).convert("RGB") for name in ("image", "depth"))


def mentions(turns: list[str]) -> list[int]:
    return [int(number) for turn in turns for number in re.findall(r"<region(\d+)>", turn)]


def trace(arguments) -> None:
    peer = Peer(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number, case in cases(arguments):
        tensors, answers = traced_case(peer, arguments.inputs, case)
        save_file(tensors, arguments.out / f"case{number}.safetensors")
        text = json.dumps({"case": number, **case, **answers}, indent=1)
        (arguments.out / f"case{number}.json").write_text(text + "\n")


def traced_case(peer: Peer, inputs: Path, case: dict) -> tuple[dict, dict]:
    """All intermediate tensors of one case, with depth (d1) and without (d0)."""
    image, depth = opened(inputs, case)
    levels, depth_levels = peer.preparer.image(image), peer.preparer.image(depth)
    boxes, turns = case["boxes"], case["turns"]
    pixels, depth_pixels = peer.preparer.pixels(levels), peer.preparer.pixels(depth_levels)
    tensors = {"pixel_u8": torch.from_numpy(levels), "depth_u8": torch.from_numpy(depth_levels)[..., 0]}
    tensors["pixel_values"] = pixels
    if peer.preparer.pads:  # the border of a padded depth map may have a colour
        tensors["depth_rgb_u8"] = torch.from_numpy(depth_levels)
    masks = None
    if boxes:
        tensors["masks_all"] = torch.from_numpy(peer.preparer.masks(image.size, boxes))
        tensors["masks_eval"] = torch.from_numpy(peer.preparer.masks(image.size, boxes, by_pillow=True))
        masks = tensors["masks_all"]
    answers = {}
    for name, depth_input in (("d1", depth_pixels), ("d0", None)):
        said, ids, traced = [], [], {}
        for turn in range(len(turns)):
            prompt = peer.words.prompt(turns[: turn + 1], said, depth_input is not None)
            order = mentions(turns[: turn + 1])
            traced = {}
            ids = converse(peer, prompt, pixels, depth_input, masks[order] if order else None, traced=traced)
            said.append(peer.words.text(ids))
        answers[name] = {"prompt": prompt, "text": said[-1], "all_turn_texts": said}
        answers[name]["output_ids"] = [peer.words.tokenizer.bos_token_id, *ids]
        of_both = [k for k in traced if not k.startswith("llm.")]
        tensors |= {k: traced.pop(k) for k in of_both if k not in tensors}
        tensors |= {k.replace("llm.", f"{name}."): v for k, v in traced.items() if k.startswith("llm.")}
        tensors[f"{name}.output_ids"] = torch.tensor(answers[name]["output_ids"])
    # Copies, since some are views of others.
    tensors = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    return {k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}, answers


def converse(peer: Peer, prompt: str, pixels, depth_pixels, masks, *, traced: dict) -> list[int]:
    ids = peer.words.ids(prompt)
    image, color, depth = peer.model.encode(pixels, depth_pixels, masks, traced)
    embeds = peer.model.splice(ids, image, color, depth, peer.words)
    last = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: last.append(out[0, -1])) for layer in peer.model.llm.model.layers
    ]
    steps = []
    answer = peer.model.generate(embeds, TRACED_TOKENS, stop=peer.stop, steps=steps)
    for hook in hooks:
        hook.remove()
    top = [step.float().topk(5) for step in steps]
    traced |= {"llm.input_ids": torch.tensor(ids), "llm.inputs_embeds": embeds, "llm.first_logits": steps[0]}
    traced |= {f"llm.llm_layer{i}_last": last[i] for i in range(len(hooks))}
    traced["llm.step_top5_ids"] = torch.stack([t.indices for t in top])
    traced["llm.step_top5_vals"] = torch.stack([t.values for t in top])
    return answer


def check(arguments) -> None:
    """Compare with golden files: floats to 2e-5 of the largest element, everything else exactly."""
    import hashlib

    peer, failures, compared, worst = Peer(arguments), [], 0, 0.0
    for number, case in cases(arguments):
        path = arguments.golden / f"case{number}.safetensors"
        if not path.exists():
            continue
        tensors, answers = traced_case(peer, arguments.inputs, case)
        golden = json.loads(path.with_suffix(".json").read_text())
        for name, tensor in load_file(path).items():
            base, _, stride = name.partition("_rows")
            found = tensors.get(name if name in tensors else base)
            if found is None:
                print(f"case {number}: {name} is not made here")
                continue
            if name not in tensors and name != base:
                found = found[..., :: int(stride or DEFAULT_STRIDE), :]
            found, wanted = found.squeeze().double(), tensor.squeeze().double()
            if found.shape == wanted.shape and wanted.numel() == 0:
                continue
            error = (found - wanted).abs().max().item() if found.shape == wanted.shape else np.inf
            error /= wanted.abs().max().item() or 1.0
            compared, worst = compared + 1, max(worst, error)
            if not error <= 2e-5:
                failures.append(f"case {number}: {name} {tuple(found.shape)} {tuple(wanted.shape)} {error:.1e}")
        for name, digest in golden.get("sha256", {}).items():
            compared += 1
            if hashlib.sha256(tensors[name].contiguous().numpy().tobytes()).hexdigest() != digest:
                failures.append(f"case {number}: {name} has other bytes")
        for name in ("d1", "d0"):
            for key in ("prompt", "output_ids", "text"):
                compared += 1
                if answers[name][key] != golden[name][key]:
                    failures.append(f"case {number}: {name}.{key} {answers[name][key]!r}, not {golden[name][key]!r}")
    print("\n".join(failures))
    print(f"{compared - len(failures)} of {compared} agree, largest float error {worst:.1e} of the largest element")
    raise SystemExit(bool(failures) or not compared)


class Stopwatch:
    """Seconds between calls, by name; waits for the device so that each stage pays for its own work."""

    def __init__(self, device: str):
        self.wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
        self.seconds: dict[str, float] = {}
        self.started = self.last = time.perf_counter()

    def __call__(self, name: str) -> None:
        self.wait()
        now = time.perf_counter()
        self.seconds[name] = now - self.last
        self.last = now


def time_stages(arguments) -> None:
    arguments.cases = None
    loaded = time.perf_counter()
    peer = Peer(arguments)
    loaded = time.perf_counter() - loaded
    frames = [(case, *opened(arguments.inputs, case)) for _, case in cases(arguments) if mentions(case["turns"][:1])]
    runs = [timed_frame(peer, *frames[i % len(frames)], arguments) for i in range(arguments.frames + 1)][1:]
    result = {
        "model": str(arguments.model),
        "dtype": arguments.dtype,
        "device": arguments.device,
        "threads": arguments.threads,
        "frames": len(runs),
        "new_tokens": arguments.new_tokens,
        "prompt_tokens": statistics.median(run["prompt_tokens"] for run in runs),
        **stages(runs, arguments.new_tokens, statistics.median),
        "best": stages(runs, arguments.new_tokens, min),
        "load_s": loaded,
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if arguments.json:
        print(json.dumps(result))
        return
    best = result.pop("best")
    for name, value in result.items():
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        print(f"{name:22} {text:>10}" + (f"   best {best[name]:.1f}" if name in best else ""))


def stages(runs: list[dict], new_tokens: int, choose) -> dict[str, float]:
    """One figure a stage, chosen from its seconds in every run."""
    seconds = {name: choose(run[name] for run in runs) for name in runs[0]}
    return {
        "prepare_ms": 1e3 * seconds["prepare"],
        "vision_per_image_ms": 1e3 * seconds["vision"] / 2,
        "regions_ms": 1e3 * seconds["regions"],
        "prefill_ms": 1e3 * seconds["prefill"],
        "decode_tokens_per_s": (new_tokens - 1) / seconds["decode"],
        "frame_ms": 1e3 * seconds["frame"],
    }


def timed_frame(peer: Peer, case: dict, image: Image.Image, depth: Image.Image, arguments) -> dict[str, float]:
    """Seconds a stage takes from decoded pictures to the answer's text, with the first turn's question."""
    script = peer.words.script(case["answer"], arguments.new_tokens) if "answer" in case else None
    turns, model, clock = case["turns"][:1], peer.model, Stopwatch(arguments.device)
    images = [peer.preparer.pixels(peer.preparer.image(picture)) for picture in (image, depth)]
    masks = torch.from_numpy(peer.preparer.masks(image.size, case["boxes"]))[mentions(turns)]
    clock("prepare")
    features = model.see(images)
    clock("vision")
    parts = model.describe(features[:1], features[1], masks)
    clock("regions")
    ids = peer.words.ids(peer.words.prompt(turns, [], with_depth=True))
    embeds = model.splice(ids, *parts, peer.words)
    clock("words")
    answer = model.generate(embeds, arguments.new_tokens, clock=clock, script=script)
    peer.words.text(answer)
    assert len(answer) == arguments.new_tokens
    seconds = clock.seconds
    return {**seconds, "frame": time.perf_counter() - clock.started, "prompt_tokens": embeds.shape[1]}


def peak_rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
