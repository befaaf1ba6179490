"""Times networks against eager PyTorch (transformers): the same checkpoint, the same picture, as many threads, each in
a process of its own, in turn on the same machine. Prints a table in Markdown.

usage: networks_vs_pytorch.py [--network depth_pro|sam2] [--model DIR] [--repeats N] [--pictures N] [--threads N]
                              [--dtype float32|bfloat16] [--python FILE] [--program FILE]
       networks_vs_pytorch.py checkpoint NETWORK DIR     a random checkpoint of the published shape
       networks_vs_pytorch.py peer NETWORK --model DIR --pictures N --threads N --dtype DTYPE

Needs nothing but the standard library itself; `--python` is one with benchmarks/requirements-networks.txt installed. A
network is a row of NETWORKS: what its checkpoint is made by, and what one picture costs in transformers. The example
crates/models/examples/time_networks.rs has a row of the same name.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
WIDTH, HEIGHT = 640, 480

# Key of both programs' JSON, what the table calls it and its unit.
FIGURES = [
    ("picture_s", "a picture", "s"),
    ("processor_s", "processor time of a picture", "s"),
    ("load_s", "loading", "s"),
    ("peak_rss_mb", "peak memory of the process", "MB"),
]


def picture():
    """Red, green and blue of each pixel, the same numbers as the example draws."""
    places = ((x, y, channel) for y in range(HEIGHT) for x in range(WIDTH) for channel in range(3))
    return bytes((x * 7 + y * 13 + channel * 50) % 256 for x, y, channel in places)


class DepthPro:
    """Depth Pro in the published shape: 35 patches of 384 pixels, ViT-L."""

    @staticmethod
    def checkpoint(folder):
        import torch
        from transformers import DepthProConfig, DepthProForDepthEstimation

        encoder = dict(model_type="dinov2", hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
        encoder |= dict(image_size=384, patch_size=16)
        config = DepthProConfig(
            use_fov_model=True,
            **{f"{name}_model_config": dict(encoder) for name in ("patch", "image", "fov")},
        )
        # Weights as they come from a generator: what transformers draws first takes minutes.
        torch.set_default_dtype(torch.float16)
        with torch.device("meta"):
            model = DepthProForDepthEstimation(config)
        model.to_empty(device="cpu")
        torch.manual_seed(0)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.dim() < 2:
                    weight.fill_(0.1 if "lambda1" in name else float("norm" in name and name.endswith("weight")))
                else:
                    weight.normal_(0, (1.5 / weight[0].numel()) ** 0.5)
            model.fov_model.head.layers[-1].weight.mul_(0.01)
            model.fov_model.head.layers[-1].bias.fill_(50.0)
            model.head.layers[4].bias.fill_(0.5)
        model.save_pretrained(folder)
        processor = dict(
            image_processor_type="DepthProImageProcessorFast",
            image_mean=[0.5] * 3,
            image_std=[0.5] * 3,
            size=dict(height=1536, width=1536),
        )
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))

    @staticmethod
    def load(folder, dtype):
        from transformers import AutoImageProcessor, DepthProForDepthEstimation

        model = DepthProForDepthEstimation.from_pretrained(folder, dtype=dtype).eval()
        processor = AutoImageProcessor.from_pretrained(folder)

        def see(image):
            inputs = processor(images=image, return_tensors="pt").to(dtype)
            outputs = model(**inputs)
            return processor.post_process_depth_estimation(outputs, target_sizes=[(image.height, image.width)])[0][
                "predicted_depth"
            ]

        return see


class Sam2:
    """SAM 2.1 tiny in the published shape at 1024 pixels: one object, each picture the next frame of a video."""

    @staticmethod
    def checkpoint(folder):
        import torch
        from transformers import Sam2VideoConfig, Sam2VideoModel

        torch.manual_seed(0)
        # What the classes have by default is the tiny one's shape.
        Sam2VideoModel(Sam2VideoConfig()).eval().save_pretrained(folder)
        processor = dict(
            image_processor_type="Sam2ImageProcessorFast",
            image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225],
            size=dict(height=1024, width=1024),
        )
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))

    @staticmethod
    def load(folder, dtype):
        from transformers import Sam2ImageProcessor, Sam2VideoModel, Sam2VideoProcessor, Sam2VideoVideoProcessor

        model = Sam2VideoModel.from_pretrained(folder, dtype=dtype).eval()
        processor = Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor(), target_size=1024)
        session = processor.init_video_session(dtype=dtype)
        first = dict(frame_idx=0, obj_ids=[0], input_boxes=[[[128, 96, 384, 336]]])

        def see(image):
            inputs = processor(images=image, return_tensors="pt")
            sizes = inputs.original_sizes
            if not session.obj_ids:
                processor.add_inputs_to_inference_session(session, **first, original_size=sizes[0].tolist())
            outputs = model(session, frame=inputs.pixel_values[0].to(dtype))
            processor.post_process_masks([outputs.pred_masks], original_sizes=sizes)
            return outputs.object_score_logits

        return see


NETWORKS = {"depth_pro": DepthPro, "sam2": Sam2}


def peer(arguments):
    """Eager PyTorch: one JSON line."""
    import resource

    import torch
    import transformers
    from PIL import Image

    torch.set_num_threads(arguments.threads)
    image = Image.frombytes("RGB", (WIDTH, HEIGHT), picture())
    begin = time.perf_counter()
    see = NETWORKS[arguments.network].load(arguments.model, getattr(torch, arguments.dtype))
    load_s = time.perf_counter() - begin
    seconds, processor_seconds = [], []
    with torch.inference_mode():
        for _ in range(arguments.pictures):
            begin, used = time.perf_counter(), time.process_time()
            result = see(image)
            seconds.append(time.perf_counter() - begin)
            processor_seconds.append(time.process_time() - used)
    figures = dict(
        picture_s=median(seconds),
        processor_s=median(processor_seconds),
        load_s=load_s,
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        mean=result.double().mean().item(),
        torch=torch.__version__,
        transformers=transformers.__version__,
    )
    print(json.dumps(figures))


def compare(arguments):
    from label_vs_python import build, processor, words

    program = arguments.program or build("--package", "spatial-reward-models", "--example", "time_networks")
    commands = {"ours": [program, arguments.network], "peer": [arguments.python, __file__, "peer", arguments.network]}
    options = {
        "--model": arguments.model,
        "--pictures": arguments.pictures,
        "--threads": arguments.threads,
        "--dtype": arguments.dtype,
    }
    runs = {name: [] for name in commands}
    for repeat in range(arguments.repeats):
        # Whoever comes second finds the files in the page cache and the processor warm: take turns.
        for name in list(commands)[:: -1 if repeat % 2 else 1]:
            runs[name].append(timed([*commands[name], *words(options)], arguments.threads))
    means = [run["mean"] for side in runs.values() for run in side]
    if max(means) - min(means) > 0.05 * abs(max(means)):
        sys.exit(f"the results differ, so this compares nothing: their means are {means}")
    first = runs["peer"][0]
    print(
        f"{processor()}, {arguments.threads} threads, {arguments.network}, {arguments.dtype}: the median of "
        f"{arguments.pictures} pictures of {WIDTH} x {HEIGHT}, in {arguments.repeats} runs; "
        f"PyTorch {first['torch']}, transformers {first['transformers']}\n"
    )
    print("| | spatial-reward | PyTorch | ours / PyTorch's |\n| --- | --- | --- | --- |")
    for key, name, unit in FIGURES:
        ours, theirs = (median(run[key] for run in runs[side]) for side in ("ours", "peer"))
        print(f"| {name} | {ours:.1f} {unit} | {theirs:.1f} {unit} | {ours / theirs:.2f} |")


def timed(command, threads):
    """One run of a program: what its last line says."""
    command = [str(word) for word in command]
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{Path(command[0]).name} failed with code {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def environment(threads):
    """The caller's, with pools of as many threads as are timed, and without our libtorch on the library path: PyTorch
    brings its own, and the example knows where its is."""
    ours = str(Path(os.environ.get("LIBTORCH", "")) / "lib")
    paths = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path and path != ours]
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(pools, str(threads)), "LD_LIBRARY_PATH": ":".join(paths)}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first == "checkpoint":
        parser.add_argument("command")
        parser.add_argument("network", choices=NETWORKS)
        parser.add_argument("model", type=Path)
        return parser.parse_args()
    if first == "peer":
        parser.add_argument("command")
        parser.add_argument("network", choices=NETWORKS)
    else:
        parser.set_defaults(command="compare")
        parser.add_argument("--network", choices=NETWORKS, default="depth_pro")
        parser.add_argument("--repeats", type=int, default=3, help="runs of each program (3)")
        parser.add_argument("--python", default=sys.executable, help="Python with the peer's packages (this one)")
        parser.add_argument("--program", type=Path, help="the example time_networks (built if not given)")
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint of the network")
    parser.add_argument("--pictures", type=int, default=2, help="pictures a run (2)")
    parser.add_argument("--threads", type=int, default=2, help="of each program (2)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the numbers (float32)")
    return parser.parse_args()


def main():
    arguments = parse()
    if arguments.command == "checkpoint":
        arguments.model.mkdir(parents=True, exist_ok=True)
        NETWORKS[arguments.network].checkpoint(arguments.model)
    elif arguments.command == "peer":
        peer(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
