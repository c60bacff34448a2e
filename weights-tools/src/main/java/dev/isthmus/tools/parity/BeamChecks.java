package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.BeamOptions;
import dev.isthmus.engine.api.Completion;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;

/**
 * Checks of continuations by beam search. Ids, or where the source has none the texts, exactly. Published scores are
 * not checked: whether they are divided by the length with or without the prompt is not published with them.
 */
final class BeamChecks {

    private BeamChecks() {}

    static Check of(PublishedEntry entry) {
        Tree expected = entry.expected();
        int[] ids = entry.inputIds();
        // Where a shorter prompt was padded, the source's greatest length counts the padding: the new tokens are known.
        int count = expected.has("n_new") ? expected.get("n_new").integer()
                : expected.get("max_length").integer() - ids.length;
        GenerationOptions options = GreedyChecks.rules(entry).maxTokens(count).build();
        boolean early = expected.has("early_stopping") && expected.get("early_stopping").flag();
        BeamOptions beams = new BeamOptions(expected.get("num_beams").integer(),
                expected.has("length_penalty") ? expected.get("length_penalty").number() : 1,
                early ? BeamOptions.EarlyStopping.YES : BeamOptions.EarlyStopping.NO);
        if (expected.has("sequence")) {
            int[] newIds = GreedyChecks.behind(ids, expected.get("sequence").integers());
            return subject -> {
                Comparison comparison = new Comparison();
                comparison.equal("new tokens", newIds,
                        search(subject, ids, options, beams).getFirst().ids().stream().mapToInt(id -> id).toArray());
                return comparison.outcome();
            };
        }
        if (expected.has("texts")) {
            return texts(ids, options, beams, expected.get("texts").list().stream().map(Tree::text).toList());
        }
        Check plain = texts(ids, options, beams, List.of(expected.get("text").text()));
        for (String name : expected.names()) {
            if (name.startsWith("with_bad_words")) {
                return both(plain, withBadWords(ids, options, beams, name, expected.get(name).get("text").text()));
            }
        }
        return plain;
    }

    private static List<Completion> search(Subject subject, int[] ids, GenerationOptions options, BeamOptions beams) {
        try (Session session = subject.model().newSession()) {
            session.append(ids);
            return session.beamSearch(options, beams).run();
        }
    }

    /** The best texts, prompt included, the best first. */
    private static Check texts(int[] ids, GenerationOptions options, BeamOptions beams, List<String> texts) {
        return subject -> {
            if (subject.model().tokenizer().isEmpty()) {
                return Outcome.notApplicable("texts need a tokenizer, and the model has none");
            }
            String prompt = subject.model().tokenizer().get().decode(ids);
            List<Completion> found = search(subject, ids, options, beams);
            Comparison comparison = new Comparison();
            for (int i = 0; i < texts.size(); i++) {
                comparison.equal("text " + i, GreedyChecks.quoted(texts.get(i)),
                        GreedyChecks.quoted(prompt + found.get(i).text()));
            }
            return comparison.outcome();
        };
    }

    /** The name holds the words, each quoted. */
    private static Check withBadWords(int[] ids, GenerationOptions options, BeamOptions beams, String name,
            String text) {
        List<String> words = Arrays.stream(name.split("\"")).filter(part -> part.startsWith(" ")).toList();
        if (words.isEmpty()) {
            throw new NoSuchElementException("no words in " + name);
        }
        return subject -> {
            if (subject.model().tokenizer().isEmpty()) {
                return Outcome.notApplicable("words need a tokenizer, and the model has none");
            }
            Tokenizer tokenizer = subject.model().tokenizer().get();
            List<List<Integer>> banned = words.stream()
                    .map(word -> Arrays.stream(tokenizer.encode(word)).boxed().toList()).toList();
            return texts(ids, options.toBuilder().banned(banned).build(), beams, List.of(text)).run(subject);
        };
    }

    private static Check both(Check first, Check second) {
        return subject -> {
            Outcome outcome = first.run(subject);
            return outcome.status() == Outcome.Status.PASSED ? second.run(subject) : outcome;
        };
    }
}
