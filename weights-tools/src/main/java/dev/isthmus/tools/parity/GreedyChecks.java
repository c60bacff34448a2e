package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.FinishReason;
import dev.isthmus.engine.api.Generation;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.api.Token;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** Checks of continuations by the likeliest token each time. Ids, or where the source has none the text, exactly. */
final class GreedyChecks {

    private GreedyChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        if (expected.has("stop")) {
            String text = expected.get("new_text").text();
            return untilStop(ids, text, expected.get("stop").list().stream().map(Tree::text).toArray(String[]::new),
                    expected.get("n_new").integer());
        }
        GenerationOptions.Builder rules = rules(entry);
        if (expected.has("new_ids")) {
            int[] newIds = expected.get("new_ids").integers();
            return subject -> {
                Comparison comparison = new Comparison();
                comparison.equal("new tokens", newIds, continuation(subject, ids, newIds.length, rules));
                return comparison.outcome();
            };
        }
        String text = expected.get("new_text").text();
        int count = expected.get("n_new").integer();
        int[] retokenised = expected.get("new_ids_if_retokenised").integers();
        return subject -> {
            Comparison comparison = new Comparison();
            int[] found = continuation(subject, ids, count, rules);
            Optional<Tokenizer> tokenizer = subject.model().tokenizer();
            if (tokenizer.isPresent()) {
                comparison.equal("new text", quoted(text), quoted(tokenizer.get().decode(found)));
            } else {
                comparison.equal("new tokens", retokenised, found);
            }
            return comparison.outcome();
        };
    }

    /** A text as it is shown when it is not the expected one. */
    static String quoted(String text) {
        return '"' + text.replace("\n", "\\n") + '"';
    }

    /**
     * The rules of an entry: what transformers' logits processors forbid or penalise, for the published continuations
     * that were made with them.
     */
    static GenerationOptions.Builder rules(PublishedEntry entry) {
        Tree expected = entry.expected();
        GenerationOptions.Builder rules = GenerationOptions.builder();
        if (expected.has("repetition_penalty")) {
            rules.repetitionPenalty(expected.get("repetition_penalty").number());
        }
        if (expected.has("no_repeat_ngram_size")) {
            rules.noRepeatNgram(expected.get("no_repeat_ngram_size").integer());
        }
        if (expected.has("bad_word_ids")) {
            rules.banned(expected.get("bad_word_ids").list().stream()
                    .map(ids -> Arrays.stream(ids.integers()).boxed().toList()).toList());
        }
        if (entry.id().equals("ct2-eot-suppress")) {
            // Its notes state the rule in words: " time" may not follow " first".
            rules.banned(List.of(List.of(717, 640)));
        }
        return rules;
    }

    /** The likeliest tokens under rules. */
    static int[] continuation(Subject subject, int[] ids, int count, GenerationOptions.Builder rules) {
        try (Session session = subject.model().newSession()) {
            session.append(ids);
            return generated(session, rules.greedy().maxTokens(count).stopAtEndOfText(false).build());
        }
    }

    private static int[] generated(Session session, GenerationOptions options) {
        List<Token> tokens = new ArrayList<>();
        try (Generation generation = session.generate(options)) {
            generation.forEach(tokens::add);
        }
        return tokens.stream().mapToInt(Token::id).toArray();
    }

    private static Check untilStop(int[] ids, String text, String[] stop, int count) {
        return subject -> {
            if (subject.model().tokenizer().isEmpty()) {
                return Outcome.notApplicable("stop strings need a tokenizer, and the model has none");
            }
            Comparison comparison = new Comparison();
            StringBuilder found = new StringBuilder();
            try (Session session = subject.model().newSession()) {
                session.append(ids);
                GenerationOptions options = GenerationOptions.builder().greedy().maxTokens(2 * count).stop(stop)
                        .build();
                try (Generation generation = session.generate(options)) {
                    generation.forEach(token -> found.append(token.text()));
                    comparison.equal("finish", FinishReason.STOP, generation.finishReason().orElseThrow());
                }
            }
            comparison.equal("new text", quoted(text), quoted(found.toString()));
            return comparison.outcome();
        };
    }

    /** The ids of {@code sequence} behind those of {@code prompt}. */
    static int[] behind(int[] prompt, int[] sequence) {
        return IntStream.range(prompt.length, sequence.length).map(i -> sequence[i]).toArray();
    }
}
