// Redrive and discard: first how many that would be, then what will happen, then the click, then the result in words. The
// click takes what was counted and nothing else.

import { api } from "./api.js";
import { make, makeTable, setProse, setRows, setShown, setText } from "./dom.js";
import { countOf, number } from "./words.js";

const VERBS = {
  redrive: {
    title: "Redrive",
    done: "redriven",
    fate:
      "They are put on the queue again, with their failures forgotten. The run opens again, keeps all that it has, and is " +
      "closed anew once they have ended. Workers that run take them by themselves.",
  },
  discard: {
    title: "Discard",
    done: "discarded",
    fate:
      "They are written off: the run can be complete without their records. It cannot be taken back. Who did it, when and " +
      "why stays in the account of the run.",
  },
};

/** ``what`` is redrive or discard, ``selection`` what the server is told, ``words`` the same for a person. */
export function openDecision({ page, runId, what, selection, words, onDone }) {
  const verb = VERBS[what];
  const said = make("p", { role: "status" }, "Counting …");
  const table = makeTable("What would be " + verb.done, ["Reason", "Status", "Error", "#Items"]);
  const fate = make("p", {}, verb.fate);
  const why = make("input", {
    id: "why",
    name: "why",
    autocomplete: "off",
    required: what === "discard",
    maxlength: "500",
  });
  const whyLabel = what === "discard" ? "Why (it is demanded, and kept)" : "Why (may be left out; it is kept)";
  const whyRow = make("p", {}, make("label", { for: "why" }, whyLabel), why);
  const go = make("button", { type: "submit", class: what === "discard" ? "danger" : "main" }, verb.title);
  const leave = make("button", { type: "button" }, "Leave it");
  const form = make("form", {}, fate, whyRow, make("p", { class: "buttons" }, go, leave));
  const dialog = make(
    "dialog",
    { "aria-labelledby": "decision-title" },
    make("h2", { id: "decision-title" }, `${verb.title} ${words}`),
    said,
    table.node,
    form,
  );
  const before = document.activeElement;
  const choice = [table.node, fate, whyRow, go];
  let isDone = false;
  let counted = "";

  choice.forEach((node) => setShown(node, false));
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
    else page.main.focus(); // What is behind the dialog changes once it is done.
  });
  leave.addEventListener("click", () => dialog.close());

  const fail = (error, more = "") => {
    setProse(said, error.message + more);
    said.className = "failed";
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isDone) return dialog.close();
    if (what === "discard" && !why.value.trim()) {
      why.focus();
      return setProse(said, "Write why: it is kept with the run.");
    }
    go.disabled = true;
    said.className = "";
    setProse(said, "Working …");
    try {
      const result = await api.decide(runId, what, { ...selection, preview: counted, why: why.value.trim() });
      isDone = true;
      onDone();
      setProse(said, what === "discard" ? `${result.said} The run is ${result.state}.` : result.said);
      choice.forEach((node) => setShown(node, false));
      setText(leave, "Close");
      leave.focus();
    } catch (error) {
      if (error.status === 409) await preview(error.message);
      else fail(error, error.status === 0 ? " It may have been done all the same: what is poisoned now tells it." : "");
    }
    go.disabled = false;
  });
  dialog.showModal();
  leave.focus();
  preview();

  /** ``refused``: why what was counted before was not done. */
  async function preview(refused = "") {
    try {
      const found = await api.decide(runId, what, { ...selection, dry_run: true });
      const count = found[`would_be_${verb.done}`];
      const onceMore = found.would_be_sent_once_more ?? 0;
      counted = found.preview;
      setProse(said, refused ? `${refused} ${found.said}` : `${found.said} Nothing has been changed yet.`);
      choice.forEach((node) => setShown(node, count + onceMore > 0));
      setShown(table.node, count > 0);
      if (!count && !onceMore) return;
      setRows(
        table,
        found.groups.map((group) => [
          group.reason,
          group.status === null ? "–" : String(group.status),
          group.error_class,
          number(group.items),
        ]),
      );
      setText(go, count ? `${verb.title} ${countOf(count, "item")}` : `Send ${countOf(onceMore, "item")} once more`);
      (what === "discard" ? why : go).focus();
    } catch (error) {
      choice.forEach((node) => setShown(node, false));
      fail(error);
    }
  }
}
