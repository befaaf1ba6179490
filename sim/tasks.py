"""Which simulator tasks are recorded, what is the target in each, and what is kept out of training.

Robots and tasks come from gymnasium-robotics (Fetch) and Meta-World (Sawyer). A part is chosen by body, and where one
body holds several parts, by mesh: `"drawer_link/drawerhandle"` is the mesh `drawerhandle` of the body `drawer_link`.
At the workbench (workbench.py) each robot is a task; its target is drawn.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Task:
    """One task: the simulator that runs it, its name there, the target's parts, and names for the other parts."""

    simulator: str
    name: str
    target: tuple[str, ...]
    prompt: str
    held_out: bool = False
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name users type: `FetchPush`, `drawer-open`."""
        return self.name.removesuffix("-v3").removesuffix("-v4")


def _fetch(name: str, prompt: str, held_out: bool = False) -> Task:
    return Task("fetch", name, ("object0",), prompt, held_out)


def _metaworld(
    name: str, target: tuple[str, ...], prompt: str, held_out: bool = False, **others: tuple[str, ...]
) -> Task:
    named = {part.replace("_", " "): geoms for part, geoms in others.items()}
    return Task("metaworld", f"{name}-v3", target, prompt, held_out, named)


def _workbench(engine: str, robot: str, held_out: bool = False) -> Task:
    return Task(engine, robot, ("target",), "pick up the object", held_out)


WORKBENCH = {
    "robosuite": (
        "panda-panda",
        "ur5e-robotiq85",
        "sawyer-rethink",
        "iiwa-robotiq140",
        "jaco-jaco",
        "kinova3-robotiq85",
        "panda-robotiq140",
        "ur5e-robotiq3f",
        "iiwa-panda",
        "kinova3-rethink",
        "ur5e-shaped",
        "panda-shaped",
        "iiwa-shaped",
        "kinova3-shaped",
    ),
    "aloha": ("viperx",),
    "xarm": ("xarm7",),
    "shaped": ("arm",),
    "hil": ("panda-2f85",),
}
HELD_OUT_ENGINES = ("hil",)  # nothing is trained on them
TASKS = (
    _fetch("FetchPickAndPlace-v4", "pick up the object"),
    _fetch("FetchPush-v4", "push the object"),
    _fetch("FetchSlide-v4", "slide the puck", held_out=True),
    _metaworld("pick-place", ("obj",), "pick up the puck"),
    _metaworld("push", ("obj",), "push the puck"),
    _metaworld("push-wall", ("obj",), "push the puck around the wall", wall=("wall",)),
    _metaworld("bin-picking", ("objA",), "take the block out of the bin", bin=("binA",), goal_bin=("binB",)),
    _metaworld(
        "basketball", ("basketball",), "pick up the basketball", backboard=("backboardlink",), hoop=("hooplink",)
    ),
    _metaworld("button-press", ("button",), "press the button", button_box=("buttonbox",)),
    _metaworld("button-press-topdown", ("button",), "press the button from above", button_box=("buttonbox",)),
    _metaworld(
        "drawer-open",
        ("drawer_link/drawerhandle",),
        "open the drawer",
        drawer=("drawer_link/drawer",),
        cabinet=("drawercase_link",),
    ),
    _metaworld(
        "door-open",
        ("door_link/door_handle", "door_link/handle_base"),
        "open the door",
        door=("door_link/door",),
        safe=("doorlockB",),
    ),
    _metaworld("faucet-open", ("faucet_link2",), "turn the faucet", faucet_base=("faucet_link",)),
    _metaworld("window-open", ("windowb_a/primitive",), "open the window", window_frame=("windowb_a/windowb_h_frame",)),
    _metaworld("plate-slide", ("/puck",), "slide the plate", goal_rim=("/goal_rim",)),
    _metaworld("peg-insert-side", ("peg",), "pick up the peg", peg_box=("/block_inner", "/block_outer")),
    _metaworld("sweep", ("/block",), "sweep the block"),
    _metaworld("sweep-into", ("obj",), "sweep the puck into the hole"),
    _metaworld("hammer", ("hammer",), "pick up the hammer", hammer_block=("hammerblock",), nail=("nail_link",)),
    _metaworld(
        "box-close", ("top_link/boxhandle",), "take the lid by its handle", lid=("top_link/boxtop",), box=("box",)
    ),
    _metaworld("lever-pull", ("lever_link1/lever_handle",), "pull the lever", lever_base=("/lever_base",)),
    _metaworld("handle-press", ("handle_link/handle_press_grip",), "press the handle", handle_base=("hdlprs",)),
    _metaworld("dial-turn", ("/dial", "/dialhead", "/primitive"), "turn the dial"),
    _metaworld("stick-push", ("/stick",), "pick up the stick", thermos=("/therm_body", "/therm_base", "/therm_cap")),
    _metaworld("peg-unplug-side", ("plug",), "unplug the peg", socket=("plug_wall",)),
    _metaworld("coffee-push", ("mug",), "push the mug", held_out=True, coffee_machine=("cm_link",)),
    _metaworld("soccer", ("soccer_ball1",), "kick the ball", held_out=True, goal=("soccer_goal",)),
    _metaworld("hand-insert", ("obj",), "pick up the block", held_out=True),
    _metaworld("assembly", ("asmbly_peg",), "pick up the ring by its handle", held_out=True, peg=("peg",)),
    _metaworld("disassemble", ("asmbly_peg",), "lift the ring off the peg", held_out=True, peg=("peg",)),
    *(_workbench(engine, robot, engine in HELD_OUT_ENGINES) for engine, known in WORKBENCH.items() for robot in known),
)
GROUPS = {  # what --simulator takes beside a simulator's own name
    "both": ("fetch", "metaworld"),
    "workbench": tuple(WORKBENCH),
    "all": ("fetch", "metaworld", *WORKBENCH),
}


def select(simulator: str, wanted: str) -> list[Task]:
    """The tasks that `--simulator` and `--task` ask for; an unknown name is an error that lists the known ones."""
    pool = [task for task in TASKS if task.simulator in GROUPS.get(simulator, (simulator,))]
    if wanted in ("all-training", "all-held-out"):
        return [task for task in pool if task.held_out == (wanted == "all-held-out")]
    chosen = [task for task in pool if wanted in (task.key, task.name)]
    if not chosen:
        known = ", ".join(task.key for task in pool)
        raise SystemExit(f"error: `{simulator}` has no task `{wanted}`. Choose all-training, all-held-out or: {known}")
    return chosen
