"""Trains a small OWLv2 on pictures of `sim/sightings.py`, beginning with nano's vision tower.

usage: PYTHONPATH=benchmarks python -m word_detector.train PICTURES OUT --held-out PICTURES [OPTIONS]

OUT/model is the checkpoint, OUT/curve.csv how many of the held-out pictures it answers along the way, OUT/state.pt
what an interrupted training goes on from: the same command again. Needs benchmarks/requirements-networks.txt.
"""

import argparse
import csv
import math
import random
import time
from pathlib import Path

import numpy as np
import torch

from . import checkpoint, judge, losses, phrases, pictures

ROOT = Path(__file__).parents[2]
SIDE = 280  # of nano's pictures, pixels
WARM_UP = 100
MEAN_EVERY, DECAY = 4, 0.99  # of the mean of the weights, which is what is judged and saved


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    words = checkpoint.tokenizer(phrases.words())
    rows = pictures.read(options.pictures)
    sample = [pictures.plain(row, SIDE).pixels for row in rows[:: max(1, len(rows) // 8)]]
    model = checkpoint.begin(options.nano, len(words), _normal(torch.from_numpy(np.stack(sample))))
    Training(model, words, options).run(rows, judge.questions(pictures.read(options.held_out)))


def _normal(pixels: torch.Tensor) -> torch.Tensor:
    """As the network sees pixels of 0 to 1."""
    return (pixels - checkpoint.SPREAD[0]) / checkpoint.SPREAD[0]


class Training:
    """The network with what training adds."""

    def __init__(self, model, words, options: argparse.Namespace):
        self.model, self.words, self.options = model, words, options
        self.side = model.config.vision_config.image_size
        self.grid = self.side // model.config.vision_config.patch_size
        new = [p for name, p in model.named_parameters() if "vision_model" not in name]
        old = [p for name, p in model.named_parameters() if "vision_model" in name]
        self.rates = (options.rate * options.new_rate, options.rate)
        groups = [{"params": new}, {"params": old}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.rate, weight_decay=0.02, betas=(0.9, 0.98))
        self.mean = {name: p.detach().clone() for name, p in model.state_dict().items()}
        self.step, self.cost = 0, []
        state = options.out / "state.pt"
        if state.exists():
            saved = torch.load(state, weights_only=True)
            model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.mean, self.step = saved["mean"], saved["step"]

    def run(self, rows: list[dict], questions: list[judge.Question]) -> None:
        options, started, used = self.options, time.monotonic(), time.process_time()
        options.out.mkdir(parents=True, exist_ok=True)
        print(f"{len(rows)} pictures, {len(questions)} held-out questions, from step {self.step}", flush=True)
        while self.step < options.steps:
            rng = random.Random(f"{options.seed} {self.step}")
            self.cost.append(self._learn([rng.choice(rows) for _ in range(options.batch)], rng))
            self.step += 1
            if self.step % 50 == 0:
                means = " ".join(f"{value:.3f}" for value in np.mean(self.cost[-50:], 0))
                spent = time.monotonic() - started, time.process_time() - used
                print(f"step {self.step}: {means}, {spent[0]:.0f} s, {spent[1]:.0f} s of processor", flush=True)
            if self.step % options.judge_every == 0 or self.step == options.steps:
                self._save()
                self._judge(questions[: options.judged] if self.step < options.steps else questions)

    def _rate(self, group: int) -> float:
        done = self.step / self.options.steps
        fall = 0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2
        return self.rates[group] * fall * min(1.0, (self.step + 1) / WARM_UP)

    def _learn(self, rows: list[dict], rng: random.Random) -> tuple[float, float, float]:
        whole = rng.random() < 0.12  # else only the patches that have picture
        examples = [pictures.varied(row, self.side, rng, whole) for row in rows]
        asked = [phrase for example in examples for phrase in phrases.ask(example.regions, rng)]
        asked = list({phrase.text: phrase for phrase in asked}.values())
        aims = [losses.wanted(example.regions, asked, self.grid) for example in examples]
        rows_used = self.grid if whole else math.ceil(max(example.rows for example in examples) * self.grid - 1e-6)
        count = rows_used * self.grid
        classes = torch.from_numpy(np.stack([aim.classes[:count] for aim in aims]))
        boxes = torch.from_numpy(np.stack([aim.boxes[:count] for aim in aims]))
        owned = torch.from_numpy(np.stack([aim.owned[:count] for aim in aims]))
        weights = torch.from_numpy(np.stack([aim.weights[:count] for aim in aims]))
        pixels = torch.from_numpy(np.stack([example.pixels for example in examples]))
        logits, found, objects = self._forward(_normal(pixels), [phrase.text for phrase in asked], count)
        of_words = losses.focal(logits, classes, weights[..., None])
        of_boxes = losses.of_boxes(found[owned], boxes[owned], weights[owned])
        of_objects = losses.focal(objects, owned.to(torch.int8), weights)
        for group, at in enumerate(self.optimizer.param_groups):
            at["lr"] = self._rate(group)
        self.optimizer.zero_grad(set_to_none=True)
        (of_words + of_boxes + 0.2 * of_objects).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        if self.step % MEAN_EVERY == 0:
            self._take_mean()
        return of_words.item(), of_boxes.item(), of_objects.item()

    @torch.no_grad()
    def _take_mean(self) -> None:
        keep = min(DECAY, (self.step + 1) / (self.step + 20))
        for name, weight in self.model.state_dict().items():
            self.mean[name].lerp_(weight, 1 - keep)

    def _forward(self, pixels: torch.Tensor, texts: list[str], count: int):
        """Logits (B, N, Q), boxes (B, N, 4) and objectness (B, N) of the first `count` patches; others are not seen."""
        model = self.model
        tower = model.owlv2.vision_model
        with torch.autocast("cpu", torch.bfloat16):
            hidden = tower.pre_layernorm(tower.embeddings(pixels)[:, : 1 + count])
            hidden = tower.encoder(inputs_embeds=hidden).last_hidden_state.float()
        hidden = tower.post_layernorm(hidden)
        features = model.layer_norm(hidden[:, 1:] * hidden[:, :1])
        tokens = self.words(texts, padding="longest", return_tensors="pt")
        embeds = model.owlv2.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output
        logits, _ = model.class_head(features, embeds[None].expand(len(pixels), -1, -1), None)
        boxes = torch.sigmoid(model.box_head(features) + model.box_bias[:count])
        return logits, boxes, model.objectness_predictor(features)

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
            "step": self.step,
        }
        part = self.options.out / ".state.part"
        torch.save(state, part)
        part.rename(self.options.out / "state.pt")
        checkpoint.save(self.model, self.mean, self.words, self.options.out / "model")

    def _judge(self, questions: list[judge.Question]) -> None:
        model, processor = checkpoint.load(self.options.out / "model")
        told = judge.shares(questions, judge.answers(model, processor, questions))
        path = self.options.out / "curve.csv"
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, ["step", "pictures", *told])
            if fresh:
                writer.writeheader()
            writer.writerow({"step": self.step, "pictures": self.step * self.options.batch, **told})
        print(f"step {self.step}: held out {told}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--held-out", type=Path, required=True, help="pictures of robots and tasks that are not trained"
    )
    parser.add_argument("--nano", type=Path, default=ROOT / "models" / "nano")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-4, help="learning rate of the vision tower at its highest")
    parser.add_argument("--new-rate", type=float, default=3.0, help="how much faster the rest learns")
    parser.add_argument("--judge-every", type=int, default=500)
    parser.add_argument("--judged", type=int, default=100, help="questions of a judging before the last")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
