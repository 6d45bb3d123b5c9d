// The sandbox's checkout.js: the same window.Razorpay as the real script, for development only.
// Styles go through the CSSOM and nothing is evaluated, so it runs under a strict Content-Security-Policy.
(function () {
  "use strict";

  var ORIGIN = new URL(document.currentScript.src).origin;

  function Razorpay(options) {
    if (!(this instanceof Razorpay)) return new Razorpay(options);
    if (!options || typeof options !== "object") throw new Error("Razorpay: options are missing");
    if (!options.key) throw new Error("No key passed");
    this.options = options;
    this.listeners = {};
    this.frame = null;
    this.onMessage = this.onMessage.bind(this);
  }

  Razorpay.open = function (options) {
    var checkout = new Razorpay(options);
    checkout.open();
    return checkout;
  };

  Razorpay.prototype.on = function (name, listener) {
    (this.listeners[name] = this.listeners[name] || []).push(listener);
    return this;
  };

  Razorpay.prototype.open = function () {
    if (this.frame) return this;
    var query = new URLSearchParams({ key_id: this.options.key, order_id: this.options.order_id || "" });
    var frame = document.createElement("iframe");
    frame.className = "razorpay-checkout-frame";
    frame.title = "Razorpay sandbox checkout";
    frame.src = ORIGIN + "/v1/checkout/public?" + query;
    var style = {
      position: "fixed", inset: "0", width: "100%", height: "100%", border: "0", margin: "0",
      "z-index": "2147483647", background: "transparent", "color-scheme": "light",
    };
    Object.keys(style).forEach(function (name) { frame.style.setProperty(name, style[name]); });
    this.frame = frame;
    this.overflow = document.body.style.overflow;
    this.focused = document.activeElement;
    document.body.style.overflow = "hidden";
    window.addEventListener("message", this.onMessage);
    document.body.appendChild(frame);
    if (this.options.timeout) {
      this.timer = setTimeout(this.dismiss.bind(this, "timeout"), this.options.timeout * 1000);
    }
    return this;
  };

  // Takes the frame away without telling anybody.
  Razorpay.prototype.close = function () {
    if (!this.frame) return;
    clearTimeout(this.timer);
    window.removeEventListener("message", this.onMessage);
    this.frame.remove();
    this.frame = null;
    document.body.style.overflow = this.overflow;
    if (this.focused && this.focused.focus) this.focused.focus();
  };

  Razorpay.prototype.dismiss = function (reason) {
    this.close();
    var modal = this.options.modal || {};
    if (typeof modal.ondismiss === "function") modal.ondismiss(reason);
  };

  // Only our own frame, from our own origin, is listened to.
  Razorpay.prototype.onMessage = function (event) {
    if (!this.frame || event.origin !== ORIGIN || event.source !== this.frame.contentWindow) return;
    var message = event.data || {};
    if (message.type === "ready") this.sendOptions();
    if (message.type === "dismiss") this.dismiss();
    if (message.type === "failed") this.failed(message.error);
    if (message.type === "success") this.succeed(message.response);
  };

  Razorpay.prototype.sendOptions = function () {
    var o = this.options;
    var modal = o.modal || {};
    this.frame.contentWindow.postMessage({
      type: "options",
      options: {
        name: String(o.name || ""), description: String(o.description || ""),
        prefill: plain(o.prefill), notes: plain(o.notes), color: String((o.theme || {}).color || ""),
        retry: (o.retry || {}).enabled !== false, confirm_close: modal.confirm_close === true,
        escape: modal.escape !== false, callback_url: o.callback_url ? String(new URL(o.callback_url, location.href)) : "",
        redirect: o.redirect === true,
      },
    }, ORIGIN);
    this.frame.focus();
  };

  Razorpay.prototype.failed = function (error) {
    (this.listeners["payment.failed"] || []).forEach(function (listener) { listener({ error: error }); });
  };

  Razorpay.prototype.succeed = function (response) {
    this.close();
    if (typeof this.options.handler === "function") this.options.handler(response);
  };

  function plain(value) {
    return value && typeof value === "object" ? JSON.parse(JSON.stringify(value)) : {};
  }

  window.Razorpay = Razorpay;
})();
