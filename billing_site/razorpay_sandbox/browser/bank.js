// The bank's window: one decision, told to the sandbox and, where the tie still holds, to the frame.
(function () {
  "use strict";

  var query = new URLSearchParams(location.search);
  var payment = query.get("payment_id") || "";

  function byId(id) { return document.getElementById(id); }

  async function decide(success) {
    byId("buttons").hidden = true;
    var response = await fetch("/v1/checkout/bank", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key_id: query.get("key_id"), payment_id: payment, success: success }),
    });
    var answer = await response.json();
    if (!response.ok) {
      byId("done").textContent = answer.error.description;
      return;
    }
    byId("done").textContent = (answer.state === "success" ? "Paid." : "Not paid.") + " You may close this window.";
    if (window.opener) {
      window.opener.postMessage({ type: "bank", outcome: answer }, location.origin);
      window.close();
    }
  }

  byId("payment").textContent = payment;
  byId("success").addEventListener("click", function () { decide(true); });
  byId("failure").addEventListener("click", function () { decide(false); });
  byId("success").focus();
})();
