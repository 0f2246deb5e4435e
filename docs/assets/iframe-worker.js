// Browsers refuse web workers to pages that are opened from the file system. There, a hidden frame
// takes the worker's place, so that search works without a server. On a server nothing is changed.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inside = frame.contentWindow
      inside.document.open()
      inside.document.write("<!doctype html><html><head></head><body></body></html>")
      inside.document.close()
      // what the worker posts comes to the page, and not to the frame itself
      inside.postMessage = data => this.tell(data)
      inside.importScripts = (...urls) =>
        urls.reduce((before, each) => before.then(() => this.load(inside, each)), Promise.resolve())
      this.ready = this.load(inside, url)
      this.inside = inside
    }
    load(inside, url) {
      return new Promise((done, failed) => {
        const script = inside.document.createElement("script")
        script.src = new URL(url, location.href)
        script.onload = done
        script.onerror = failed
        inside.document.body.appendChild(script)
      })
    }
    tell(data) {
      const event = new MessageEvent("message", { data })
      this.dispatchEvent(event)
      if (this.onmessage) this.onmessage(event)
    }
    postMessage(data) {
      this.ready.then(() =>
        this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }))
      )
    }
    terminate() {}
  }
  window.Worker = window.IFrameWorker
}
