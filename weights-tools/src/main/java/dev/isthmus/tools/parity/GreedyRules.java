package dev.isthmus.tools.parity;

import java.util.Arrays;
import java.util.List;

/**
 * What transformers' logits processors forbid or penalise, for the published continuations that were made with them.
 *
 * @param repetitionPenalty what a logit of a token of the text so far is divided by, or multiplied with if it is
 *     negative; 1 for nothing
 * @param noRepeatNgram no sequence of so many tokens may come twice; 0 for any may
 * @param banned sequences that may not appear: the last token of one is forbidden behind the others
 */
record GreedyRules(double repetitionPenalty, int noRepeatNgram, List<int[]> banned) {

    /** The rules of an entry. */
    static GreedyRules of(PublishedEntry entry) {
        Tree expected = entry.expected();
        List<int[]> banned = expected.has("bad_word_ids")
                ? expected.get("bad_word_ids").list().stream().map(Tree::integers).toList() : List.of();
        if (entry.id().equals("ct2-eot-suppress")) {
            // Its notes state the rule in words: " time" may not follow " first".
            banned = List.of(new int[] {717, 640});
        }
        return new GreedyRules(
                expected.has("repetition_penalty") ? expected.get("repetition_penalty").number() : 1,
                expected.has("no_repeat_ngram_size") ? expected.get("no_repeat_ngram_size").integer() : 0, banned);
    }

    /** Whether there are none. */
    boolean none() {
        return repetitionPenalty == 1 && noRepeatNgram == 0 && banned.isEmpty();
    }

    /** Changes the logits of the token after {@code text}. */
    void apply(List<Integer> text, float[] logits) {
        if (repetitionPenalty != 1) {
            text.stream().distinct().forEach(id -> logits[id] = (float) (logits[id] < 0
                    ? logits[id] * repetitionPenalty : logits[id] / repetitionPenalty));
        }
        if (noRepeatNgram > 0 && text.size() >= noRepeatNgram) {
            List<Integer> tail = text.subList(text.size() - noRepeatNgram + 1, text.size());
            for (int at = 0; at + noRepeatNgram <= text.size(); at++) {
                if (text.subList(at, at + noRepeatNgram - 1).equals(tail)) {
                    logits[text.get(at + noRepeatNgram - 1)] = Float.NEGATIVE_INFINITY;
                }
            }
        }
        for (int[] sequence : banned) {
            List<Integer> prefix = Arrays.stream(sequence, 0, sequence.length - 1).boxed().toList();
            int from = text.size() - prefix.size();
            if (from >= 0 && text.subList(from, text.size()).equals(prefix)) {
                logits[sequence[sequence.length - 1]] = Float.NEGATIVE_INFINITY;
            }
        }
    }
}
