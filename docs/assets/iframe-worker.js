// The search of a site that is opened from disk. Browsers start no Web Worker from a file: address, so there the search runs
// in a hidden frame, behind the part of Worker's interface that it uses. Over HTTP this does nothing.
"use strict";
if (location.protocol === "file:") {
  const load = (inside, address) =>
    new Promise((done, failed) => {
      const script = inside.document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = failed;
      inside.document.head.append(script);
    });

  window.Worker = class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><head></head>";
      this.ready = new Promise((done) => this.frame.addEventListener("load", done, { once: true })).then(() => {
        const inside = this.frame.contentWindow;
        inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        inside.importScripts = async (...addresses) => {
          for (const each of addresses) await load(inside, each);
        };
        return load(inside, address);
      });
      document.documentElement.append(this.frame);
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
