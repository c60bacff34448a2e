package dev.isthmus.engine.sampling;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;

/**
 * The rules that options name. Each is what the Hugging Face transformers processor that it names computes, in float32
 * as there. Token ids are in the vocabulary.
 */
public final class LogitsRules {

    private LogitsRules() {}

    /** Adds a number to the logits of some tokens: SequenceBiasLogitsProcessor with single tokens. */
    public static LogitsRule bias(Map<Integer, Double> biases) {
        Map<Integer, Double> fixed = Map.copyOf(biases);
        return (history, logits) -> fixed.forEach((id, bias) -> logits[id] += bias.floatValue());
    }

    /**
     * Divides the logit of each token of the text by the penalty, or multiplies it where it is negative:
     * RepetitionPenaltyLogitsProcessor.
     */
    public static LogitsRule repetitionPenalty(double penalty) {
        float factor = (float) penalty;
        return (history, logits) -> {
            BitSet seen = new BitSet(logits.length);
            for (int i = 0; i < history.length(); i++) {
                seen.set(history.ids()[i]);
            }
            seen.stream().forEach(id -> logits[id] = logits[id] < 0 ? logits[id] * factor : logits[id] / factor);
        };
    }

    /**
     * OpenAI's penalties (API reference, "Frequency and presence penalties"): the logit of a token that was generated
     * c > 0 times falls by {@code frequency} c + {@code presence}. The prompt does not count.
     */
    public static LogitsRule countPenalty(double presence, double frequency) {
        return (history, logits) -> {
            int[] generated = Arrays.copyOfRange(history.ids(), history.promptLength(), history.length());
            Arrays.sort(generated);
            for (int from = 0, to; from < generated.length; from = to) {
                to = from + 1;
                while (to < generated.length && generated[to] == generated[from]) {
                    to++;
                }
                logits[generated[from]] -= (float) ((to - from) * frequency + presence);
            }
        };
    }

    /** Excludes tokens that would make a sequence of n tokens appear twice: NoRepeatNGramLogitsProcessor. */
    public static LogitsRule noRepeatNgram(int n) {
        return (history, logits) -> {
            int[] ids = history.ids();
            int tail = history.length() - n + 1;
            for (int from = 0; from < tail; from++) {
                if (Arrays.equals(ids, from, from + n - 1, ids, tail, history.length())) {
                    logits[ids[from + n - 1]] = Float.NEGATIVE_INFINITY;
                }
            }
        };
    }

    /** Excludes the last token of each sequence behind the others: NoBadWordsLogitsProcessor. */
    public static LogitsRule banned(List<List<Integer>> sequences) {
        int[][] banned = sequences.stream()
                .map(sequence -> sequence.stream().mapToInt(Integer::intValue).toArray()).toArray(int[][]::new);
        return (history, logits) -> {
            for (int[] sequence : banned) {
                int before = sequence.length - 1;
                int from = history.length() - before;
                if (from >= 0 && Arrays.equals(history.ids(), from, history.length(), sequence, 0, before)) {
                    logits[sequence[before]] = Float.NEGATIVE_INFINITY;
                }
            }
        };
    }

    /** Excludes all but one token at one place of what is generated: ForcedBOS- and ForcedEOSTokenLogitsProcessor. */
    public static LogitsRule forced(int id, int place) {
        return (history, logits) -> {
            if (history.generated() == place) {
                Arrays.fill(logits, Float.NEGATIVE_INFINITY);
                logits[id] = 0;
            }
        };
    }
}
