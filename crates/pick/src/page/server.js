// What the page asks of the program, at its own address.

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
}

export const server = {
  state: async (after, known) => (await ask(`state/${after}/${known ?? -1}`)).json(),
  curve: async () => (await ask("curve")).json(),
  open: (bag) => ask(`open/${bag}`, null),
  draw: async (bag, boxes) => (await (await ask(`boxes/${bag}`, boxes)).json()).revision,
  finish: () => ask("finish", null),
};

// A program whose page was closed need not wait long.
addEventListener("pagehide", () => navigator.sendBeacon("left"));

const KEPT_PICTURES = 400;

/// The pictures of a bag, fetched once, the newest wish first.
export class Pictures {
  constructor(bag, count) {
    Object.assign(this, { bag, count, kept: new Map(), fetching: null, wanted: null });
  }

  /// Show a picture as soon as it is there, unless another one is wanted by then.
  show(frame, shown) {
    this.wanted = { frame, shown };
    this.next();
  }

  async next() {
    if (this.fetching || this.closed) return;
    const wanted = this.wanted;
    if (wanted && this.kept.has(wanted.frame)) {
      this.wanted = null;
      this.last = wanted.frame;
      wanted.shown(this.kept.get(wanted.frame));
    }
    // Then those beside it.
    const beside = [1, -1, 2, -2, 3, 4].map((step) => this.last + step);
    const frame = this.wanted?.frame ?? beside.find((one) => one >= 0 && one < this.count && !this.kept.has(one));
    if (frame === undefined) return;
    this.fetching = true;
    try {
      const blob = await (await ask(`frames/${this.bag}/${frame}`)).blob();
      this.keep(frame, URL.createObjectURL(blob));
    } catch {
      this.keep(frame, null);
    }
    this.fetching = false;
    this.next();
  }

  keep(frame, url) {
    this.kept.set(frame, url);
    if (this.kept.size > KEPT_PICTURES) {
      const [oldest, url] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      if (url) URL.revokeObjectURL(url);
    }
  }

  close() {
    this.closed = true;
    for (const url of this.kept.values()) if (url) URL.revokeObjectURL(url);
    this.kept.clear();
  }
}
