// A page that is opened from disk may not start workers: there, a hidden frame of the same page does a worker's work.
// The name is the one by which the site's generator sees that it need not load such a script from elsewhere.
(() => {
  if (location.protocol !== "file:") return;

  window.Worker = class extends EventTarget {
    onmessage = null;
    onerror = null;
    onmessageerror = null;
    #frame = document.createElement("iframe");
    #waiting = []; // what was sent before the script was there

    constructor(url) {
      super();
      this.#frame.hidden = true;
      document.documentElement.append(this.#frame);
      const inside = this.#frame.contentWindow;
      inside.postMessage = (data) => {
        const copy = structuredClone(data); // neither side may change what the other holds
        setTimeout(() => this.#tell("message", new MessageEvent("message", { data: copy })));
      };
      const script = inside.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        const sent = this.#waiting;
        this.#waiting = null;
        sent.forEach((data) => this.#deliver(data));
      };
      script.onerror = () => this.#tell("error", new ErrorEvent("error", { message: `${url} cannot be read` }));
      inside.document.head.append(script);
    }

    #tell(kind, event) {
      if (!this.#frame.isConnected) return;
      this[`on${kind}`]?.(event);
      this.dispatchEvent(event);
    }

    postMessage(data) {
      const copy = structuredClone(data);
      if (this.#waiting) this.#waiting.push(copy);
      else this.#deliver(copy);
    }

    #deliver(data) {
      const inside = this.#frame.contentWindow;
      setTimeout(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }

    terminate() {
      this.#frame.remove();
    }
  };
})();
