package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Checks of log-probabilities. The digits of lm-evaluation-harness are float32's: 2e-4 for a token, which is several
 * times what its own two ways of computing the same one differ by (3e-5), and 5e-5 of a sum.
 */
final class LogprobChecks {

    private static final double TOKEN = 2e-4;
    private static final double RELATIVE_SUM = 5e-5;
    private static final Pattern ORDERING = Pattern.compile("loglik\\(\"(.*)\"\\) > loglik\\(\"(.*)\"\\)");

    private LogprobChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        if (expected.has("sum_logprob_of_continuation")) {
            return sum(ids, expected.get("context_ids").integers().length,
                    expected.get("sum_logprob_of_continuation").number());
        } else if (expected.has("per_token_logprob")) {
            return perToken(expected, ids);
        } else if (expected.has("is_greedy") || expected.has("ordering")) {
            return greedyFlag(expected, ids);
        } else if (expected.has("probability_percent")) {
            return path(ids, expected.get("new_ids").integers(), GreedyChecks.rules(entry),
                    expected.get("logprob").numbers(), 1e-3, expected.get("probability_percent").numbers());
        } else if (expected.has("first_three_new_logprobs")) {
            int[] sequence = expected.get(expected.has("sequence") ? "sequence" : "sequence_without_left_pad")
                    .integers();
            // rust-bert's default. Its score is not checked: how it is computed is not published with it.
            return path(ids, GreedyChecks.behind(ids, sequence), GenerationOptions.builder().noRepeatNgram(3),
                    expected.get("first_three_new_logprobs").numbers(), TOKEN, new double[0]);
        }
        throw new NoSuchElementException(entry.id() + ": unknown log-probabilities " + expected.names());
    }

    /** The log-probability of each token but the first, given those before it. */
    private static double[] logprobs(Subject subject, int[] ids) {
        double[] logprobs = new double[ids.length - 1];
        subject.logits(Arrays.copyOf(ids, ids.length - 1),
                (position, logits) -> logprobs[position] = LogSoftmax.of(logits, ids[position + 1]));
        return logprobs;
    }

    private static Check sum(int[] ids, int contextLength, double sum) {
        return subject -> {
            Comparison comparison = new Comparison();
            double found = Arrays.stream(logprobs(subject, ids)).skip(contextLength - 1).sum();
            comparison.near("sum over the continuation", sum, found, TOKEN + RELATIVE_SUM * Math.abs(sum));
            return comparison.outcome();
        };
    }

    private static Check perToken(Tree expected, int[] ids) {
        double[] values = expected.get("per_token_logprob").numbers();
        double sum = expected.get("sum").number();
        int window = expected.has("max_length") ? expected.get("max_length").integer() : ids.length - 1;
        return subject -> {
            Comparison comparison = new Comparison();
            double[] found = rolling(subject, ids, window);
            for (int i = 0; i < values.length; i++) {
                comparison.near("token " + i, values[i], found[i], TOKEN);
            }
            comparison.near("sum", sum, Arrays.stream(found).sum(), TOKEN + RELATIVE_SUM * Math.abs(sum));
            return comparison.outcome();
        };
    }

    /**
     * Scores ids[1…] in windows that read {@code window} tokens each, the last one reaching back so that it is full
     * too: lm_eval.utils.get_rolling_token_windows with context_len 1.
     */
    private static double[] rolling(Subject subject, int[] ids, int window) {
        double[] found = new double[ids.length - 1];
        for (int done = 0; done < found.length; ) {
            int count = Math.min(window, found.length - done);
            int end = done + count;
            int begin = Math.max(0, end - window);
            double[] logprobs = logprobs(subject, Arrays.copyOfRange(ids, begin, end + 1));
            System.arraycopy(logprobs, logprobs.length - count, found, done, count);
            done = end;
        }
        return found;
    }

    private static Check greedyFlag(Tree expected, int[] ids) {
        int[] continuation = expected.get("continuation_ids").integers();
        int contextLength = ids.length - continuation.length;
        Optional<Boolean> greedy = expected.has("is_greedy") ? Optional.of(expected.get("is_greedy").flag())
                : Optional.empty();
        Optional<Matcher> ordering = expected.has("ordering")
                ? Optional.of(ordering(expected.get("ordering").text())) : Optional.empty();
        return subject -> {
            Comparison comparison = new Comparison();
            boolean[] likeliest = {true};
            float[][] afterContext = {null};
            subject.logits(Arrays.copyOf(ids, ids.length - 1), (position, logits) -> {
                if (position == contextLength - 1) {
                    afterContext[0] = logits.clone();
                }
                likeliest[0] &= position < contextLength - 1 || LogSoftmax.argmax(logits) == ids[position + 1];
            });
            greedy.ifPresent(flag -> comparison.equal("the continuation is the likeliest", flag, likeliest[0]));
            Optional<Tokenizer> tokenizer = subject.model().tokenizer();
            if (ordering.isPresent() && tokenizer.isPresent()) {
                int[] sides = IntStream.of(1, 2)
                        .map(side -> tokenizer.get().encode(ordering.get().group(side))[0]).toArray();
                comparison.equal(ordering.get().group(), true, afterContext[0][sides[0]] > afterContext[0][sides[1]]);
            } else if (ordering.isPresent() && greedy.isEmpty()) {
                return Outcome.notApplicable("the words compared need a tokenizer, and the model has none");
            }
            return comparison.outcome();
        };
    }

    private static Matcher ordering(String text) {
        Matcher matcher = ORDERING.matcher(text);
        if (!matcher.matches()) {
            throw new NoSuchElementException("unknown ordering " + text);
        }
        return matcher;
    }

    /** A continuation and the log-probabilities of its first tokens, before any rule changed them. */
    private static Check path(int[] ids, int[] newIds, GenerationOptions.Builder rules, double[] logprobs,
            double tolerance, double[] percents) {
        int[] whole = IntStream.concat(Arrays.stream(ids), Arrays.stream(newIds)).toArray();
        return subject -> {
            Comparison comparison = new Comparison();
            comparison.equal("new tokens", newIds,
                    GreedyChecks.continuation(subject, ids, newIds.length, rules));
            double[] found = logprobs(subject, whole);
            for (int i = 0; i < logprobs.length; i++) {
                double logprob = found[ids.length - 1 + i];
                comparison.near("log-probability of new token " + i, logprobs[i], logprob, tolerance);
                if (i < percents.length) {
                    comparison.near("per cent of new token " + i, percents[i], 100 * Math.exp(logprob), 0.02);
                }
            }
            return comparison.outcome();
        };
    }
}
