package dev.isthmus.tools.parity;

/**
 * One published check.
 *
 * @param id its name
 * @param kind what is checked: logits, hidden, greedy, logprob, loss, identity, tokenizer, pretokenizer, metric, beam
 *     or contrastive
 * @param model the model that it is about, by Hugging Face's name
 * @param json the whole entry, for what only one kind has
 */
record PublishedEntry(String id, String kind, String model, Tree json) {

    static PublishedEntry of(Tree json) {
        return new PublishedEntry(json.get("id").text(), json.get("kind").text(), json.get("model").text(), json);
    }

    Tree expected() {
        return json.get("expected");
    }

    /** The ids that go in. */
    int[] inputIds() {
        return json.get("input_ids").integers();
    }

    String inputText() {
        return json.get("input_text").text();
    }

    String confidence() {
        return json.get("confidence").text();
    }

    String notes() {
        return json.text("notes", "");
    }

    String source() {
        return json.get("source").text();
    }
}
