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
        GreedyRules rules = GreedyRules.of(entry);
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

    private static String quoted(String text) {
        return '"' + text.replace("\n", "\\n") + '"';
    }

    /** The likeliest tokens under rules. Without rules it is the engine's own generation that is checked. */
    static int[] continuation(Subject subject, int[] ids, int count, GreedyRules rules) {
        try (Session session = subject.model().newSession()) {
            session.append(ids);
            if (rules.none()) {
                return generated(session, GenerationOptions.builder().greedy().maxTokens(count)
                        .stopAtEndOfText(false).build());
            }
            List<Integer> text = new ArrayList<>(Arrays.stream(ids).boxed().toList());
            for (int i = 0; i < count; i++) {
                float[] logits = session.logits();
                rules.apply(text, logits);
                int id = LogSoftmax.argmax(logits);
                text.add(id);
                session.append(id);
            }
            return text.stream().skip(ids.length).mapToInt(Integer::intValue).toArray();
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
                GenerationOptions options = GenerationOptions.builder().greedy().maxTokens(2 * count).stop(stop).build();
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
