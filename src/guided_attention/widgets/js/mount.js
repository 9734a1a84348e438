// The loader of static pages: state out of the page, a model without a kernel, and the widget's own render.

// What anywidget calls `model`, where nobody but the page listens.
export class PageModel {
  constructor(state) {
    this.state = state;
    this.listeners = new Map();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const listener of [...(this.listeners.get(`change:${name}`) ?? [])]) listener();
  }

  on(event, listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(listener);
  }

  off(event, listener) {
    this.listeners.get(event)?.delete(listener);
  }

  save_changes() {}
}

// The state that pack.py encoded: base64 of gzip of length, JSON and bytes.
export async function decode(text) {
  const packed = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const whole = await new Response(stream).arrayBuffer();
  const length = new DataView(whole).getUint32(0, true);
  const start = 4 + length;
  return JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, length)), (_, value) =>
    value && value.$bytes ? new DataView(whole, start + value.$bytes[0], value.$bytes[1]) : value,
  );
}

// Mount the first widget with this key that nobody has mounted yet; if that fails, show its picture and say so.
export async function mount(widget, key) {
  const host = document.querySelector(`.ga-mount[data-key="${key}"]:not([data-state])`);
  host.dataset.state = "loading";
  try {
    const model = new PageModel(await decode(host.querySelector('script[type="application/octet-stream"]').textContent));
    await widget.render({ model, el: host });
    host.dataset.state = "ready";
  } catch (error) {
    host.dataset.state = "failed";
    host.insertAdjacentHTML("beforeend", host.querySelector("noscript").textContent);
    console.error(error);
  }
}
